/* Blocks, threads, handlers and time: what runs steps, and when. Guarantees: a step that fails stops its thread at once
 * and the scenario soon; threads of a `together` block are joined before it ends; a wait of the runner's own has a
 * deadline of ten seconds, and the watchdog of runner.c ends what is stuck inside the library. */
#ifndef CONFORMANCE_FLOW_H
#define CONFORMANCE_FLOW_H
#include <signal.h>
#include <sys/wait.h>

#include "verbs_watch.h"

static int run_block(ctx *c, const step *first);

static void enter(ctx *c) {
  pthread_mutex_lock(&W.lock);
  c->next = W.running;
  W.running = c;
  pthread_mutex_unlock(&W.lock);
}

static void leave(ctx *c) {
  pthread_mutex_lock(&W.lock);
  ctx **at = &W.running;
  while (*at != c) at = &(*at)->next;
  *at = c->next;
  pthread_mutex_unlock(&W.lock);
}

/* ---- blocks */
static int flow_repeat(ctx *c, const step *s) {
  int64_t n = strcmp(s->verb, "forever") == 0 ? INT64_MAX : must_number(c, s->args[0]);
  int at = c->nvars;
  if (at == 8) return fail(c, "  blocks nested too deep"), 1;
  c->vars[at].name = s->as ? s->as : "";
  c->nvars++;
  int stop = 0;
  for (int64_t i = 1; i <= n && !stop && !W.failed; i++) {
    c->vars[at].value = i;
    stop = run_block(c, s->child);
  }
  c->nvars--;
  return stop || W.failed;
}

typedef struct part {
  ctx c;
  const step *block;
  pthread_t thread;
  struct part *next;
} part;

static void *part_run(void *at) {
  part *p = at;
  enter(&p->c);
  run_block(&p->c, p->block);
  leave(&p->c);
  if (p->c.meet) __sync_add_and_fetch(&p->c.meet->over, 1);
  return NULL;
}

static part *part_start(const ctx *c, const step *block, meeting *meet) {
  part *p = must_alloc(sizeof *p);
  memcpy(p->c.vars, c->vars, sizeof c->vars);
  p->c.nvars = c->nvars;
  p->c.meet = meet;
  p->block = block;
  if (pthread_create(&p->thread, NULL, part_run, p) != 0) {
    fprintf(stderr, "conformance: cannot start a thread\n");
    exit(2);
  }
  return p;
}

static int flow_together(ctx *c, const step *s) {
  meeting meet = {.lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER};
  part *parts = NULL;
  for (const step *t = s->child; t; t = t->next) meet.members++;
  for (const step *t = s->child; t; t = t->next) {
    part *p = part_start(c, t->child, &meet);
    p->next = parts;
    parts = p;
  }
  while (parts) {
    part *p = parts;
    pthread_join(p->thread, NULL);
    parts = p->next;
    free(p);
  }
  return W.failed;
}

/* Its thread runs on until the process ends; its state is never freed. */
static int flow_background(ctx *c, const step *s) {
  pthread_detach(part_start(c, s->child, NULL)->thread);
  return 0;
}

/* O=WORD ...: whether the steps of these names gave these words. */
static int gave(const ctx *c, const step *s) {
  for (int i = 0; i < s->nopts; i++)
    if (strcmp(slot_of(c, s->opts[i].key, OUTCOME)->outcome, s->opts[i].value) != 0) return 0;
  return !W.failed;
}

/* when O=WORD: the block runs if the step before, named O, gave WORD. */
static int flow_when(ctx *c, const step *s) {
  return gave(c, s) ? run_block(c, s->child) : W.failed;
}

/* until O=WORD: the block runs again and again, until its step named O has given WORD. */
static int flow_until(ctx *c, const step *s) {
  for (int64_t until = real_now() + OWN_WAIT_NS;; nap(1000000)) {
    if (run_block(c, s->child)) return 1;
    if (gave(c, s)) return 0;
    c->now = s;
    if (real_now() > until) return fail(c, "  it did not come to that in time"), 1;
  }
}

/* All threads of the block come here before any goes on. Spins first, so that what follows really races; then sleeps, since
 * on a busy machine the others may not run before this thread gives way. */
static int flow_meet(ctx *c) {
  meeting *m = c->meet;
  int round = m->round;
  if (__sync_add_and_fetch(&m->arrived, 1) == m->members) {
    pthread_mutex_lock(&m->lock);
    m->arrived = 0;
    __sync_add_and_fetch(&m->round, 1);
    pthread_cond_broadcast(&m->turned);
    pthread_mutex_unlock(&m->lock);
    return W.failed;
  }
  for (int spins = 0; spins < 2000 && m->round == round; spins++) __sync_synchronize();
  pthread_mutex_lock(&m->lock);
  while (m->round == round && !W.failed) {
    struct timespec look; /* for a failure elsewhere, which wakes nobody here */
    clock_gettime(CLOCK_REALTIME, &look);
    look.tv_sec++;
    pthread_cond_timedwait(&m->turned, &m->lock, &look);
  }
  pthread_mutex_unlock(&m->lock);
  return W.failed;
}

/* ---- handlers */
static void remember(slot *me, const td_message *m) {
  seen *s = must_alloc(sizeof *s);
  s->message = *m;
  s->data = text_copy(m->data, m->data_size);
  s->topic = text_copy(m->topic, m->topic_size);
  s->message.data = s->data;
  s->message.topic = s->topic;
  pthread_mutex_lock(&W.lock);
  *me->seen_tail = s;
  me->seen_tail = &s->next;
  me->seen_count++;
  pthread_mutex_unlock(&W.lock);
}

static const step *rule_for(const ctx *c, const slot *me, const td_message *m) {
  for (int i = 0; i < me->nrules; i++) {
    const char *kind = step_opt(me->rules[i], "kind");
    if (kind && strcmp(kind, kind_name(m->kind)) != 0) continue;
    if (step_opt(me->rules[i], "tag") && opt_number(c, me->rules[i], "tag", 0) != (int64_t)m->tag) continue;
    return me->rules[i];
  }
  return NULL;
}

/* The handler of every `open ... loop=`: notes each message, runs the first `on` block that fits it. */
static void handle_batch(td_batch *batch, void *user) {
  slot *me = user;
  ctx c;
  td_message m;
  memset(&c, 0, sizeof c);
  c.handling = me;
  enter(&c);
  while (!c.gone && td_batch_next(batch, &m) == 1) {
    remember(me, &m);
    const step *rule = rule_for(&c, me, &m);
    if (!rule) continue;
    if (rule->as) slot_set(&c, rule->as, TICKET, m.ref);
    c.vars[0].name = "tag";
    c.vars[0].value = (int64_t)m.tag;
    c.nvars = 1;
    run_block(&c, rule->child);
  }
  leave(&c);
}

static void do_on(ctx *c, const step *s, result *r) {
  slot *me = slot_of(c, s->args[0], MAILBOX);
  if (me->nrules == 8) fail(c, "  too many 'on' blocks for one mailbox");
  else me->rules[me->nrules++] = s;
  give(r, "ok");
}

/* What a throw is in C: the handler ends its own mailbox with this reason and returns. */
static void do_throw(ctx *c, const step *s, result *r) {
  if (!c->handling) {
    fail(c, "  throw stands inside an 'on' block only");
    return;
  }
  td_mailbox me = {c->handling->id};
  give_code(r, td_mailbox_exit(me, TD_REASON_CALLBACK_FAILED, s->args[0], strlen(s->args[0])));
  c->gone = 1;
}

/* The oldest message the handler was given and no `seen` has shown yet. */
static void do_seen(ctx *c, const step *s, result *r) {
  slot *me = slot_of(c, s->args[0], MAILBOX);
  pthread_mutex_lock(&W.lock);
  seen *m = me->seen_first;
  if (m) me->seen_first = m->next;
  if (m && !m->next) me->seen_tail = &me->seen_first;
  pthread_mutex_unlock(&W.lock);
  if (!m) {
    give(r, "nothing");
    return;
  }
  give_message(r, &m->message);
  check(c, s, r);
  give(r, "checked");
  free(m->data);
  free(m->topic);
  free(m);
}

static void do_loop(ctx *c, const step *s, result *r) {
  td_loop l;
  td_loop_options o = TD_LOOP_OPTIONS_INIT;
  o.budget = (uint32_t)opt_number(c, s, "budget", 0);
  if (give_code(r, td_loop_open(W.engine, &o, &l))) slot_set(c, s->args[0], LOOP, l.id);
}

static void do_close_loop(ctx *c, const step *s, result *r) {
  td_loop l = {slot_of(c, s->args[0], LOOP)->id};
  give_code(r, td_loop_close(l));
}

/* run L until seen H N | run L until ended H */
static void do_run(ctx *c, const step *s, result *r) {
  td_loop l = {slot_of(c, s->args[0], LOOP)->id};
  slot *h = slot_of(c, s->args[3], MAILBOX);
  int64_t want = s->nargs > 4 ? must_number(c, s->args[4]) : 0, until = real_now() + OWN_WAIT_NS;
  td_mailbox box = {h->id};
  for (;;) {
    pthread_mutex_lock(&W.lock);
    int done = strcmp(s->args[2], "seen") == 0 && (int64_t)h->seen_count >= want;
    pthread_mutex_unlock(&W.lock);
    if (strcmp(s->args[2], "ended") == 0) done = td_mailbox_wait(box, 0, 0) == TD_OK;
    if (done || W.failed) break;
    int32_t n = td_loop_run(l, 0, 0);
    if (!give_code(r, n)) return;
    if (n > 0) continue;
    if (real_now() > until) {
      give(r, "waited-in-vain");
      give_number(r, "seen", (int64_t)h->seen_count);
      return;
    }
    nap(100000);
  }
  give(r, "ok");
}

/* await-seen H N: until workers have given H's handler N messages */
static void do_await_seen(ctx *c, const step *s, result *r) {
  slot *h = slot_of(c, s->args[0], MAILBOX);
  int64_t want = must_number(c, s->args[1]), until = real_now() + OWN_WAIT_NS;
  for (;;) {
    pthread_mutex_lock(&W.lock);
    int64_t count = (int64_t)h->seen_count;
    pthread_mutex_unlock(&W.lock);
    if (count >= want || W.failed) break;
    if (real_now() > until) {
      give(r, "waited-in-vain");
      give_number(r, "seen", count);
      return;
    }
    nap(100000);
  }
  give(r, "ok");
}

/* ---- time */
static int64_t engine_now(const ctx *c) {
  int64_t now = 0;
  int32_t code = td_now(W.engine, &now);
  if (code < 0) fail(c, "  td_now gave %s", td_err_name(code));
  return now;
}

static void do_stopwatch(ctx *c, const step *s, result *r) {
  slot_set(c, s->args[0], STOPWATCH, 0)->at = engine_now(c);
  give(r, "ok");
}

static void do_elapsed(ctx *c, const step *s, result *r) {
  give(r, "ok");
  give_number(r, "time", engine_now(c) - slot_of(c, s->args[0], STOPWATCH)->at);
}

static void do_advance(ctx *c, const step *s, result *r) {
  if (!W.scenario->by_real) {
    give_code(r, td_clock_advance(W.engine, must_number(c, s->args[0])));
    return;
  }
  nap(must_number(c, s->args[0]) + SLACK_NS);
  give(r, "ok");
}

/* How many other threads of the scenario are at a step that may wait in the library, or have ended: a short wait may be over by now. */
static int64_t at_waits(const ctx *me) {
  static const char *const waits[] = {"recv", "collect", "gather", "wait", "send", "call", "publish", "forward", "reply-part"};
  int64_t count = me->meet ? me->meet->over : 0;
  pthread_mutex_lock(&W.lock);
  for (const ctx *c = W.running; c; c = c->next)
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) count += c != me && c->now && strcmp(c->now->verb, waits[i]) == 0;
  pthread_mutex_unlock(&W.lock);
  return count;
}

static void do_parked(ctx *c, const step *s, result *r) {
  if (W.scenario->by_real) {
    int64_t want = must_number(c, s->args[0]), until = real_now() + OWN_WAIT_NS;
    while (at_waits(c) < want && !W.failed && real_now() < until) nap(1000000);
    give(r, at_waits(c) < want ? "TD_ETIMEDOUT" : "ok");
    nap(SLACK_NS);
    return;
  }
  give_code(r, td_clock_wait_parked(W.engine, (uint32_t)must_number(c, s->args[0]), OWN_WAIT_NS));
}

static void do_sleep(ctx *c, const step *s, result *r) {
  nap(must_number(c, s->args[0]));
  give(r, "ok");
}

/* ---- other processes */
static void do_leave(ctx *c, const step *s, result *r) {
  (void)c, (void)s;
  W.leaving = 1;
  give(r, "ok");
}

/* How a child ended: its exit status, 128 + signal, or 124 when it had to be ended. Waits for any of pids[0..n). */
static int child_end(pid_t *pids, const int64_t *until, int n, int *status) {
  for (;;) {
    for (int i = 0; i < n; i++) {
      int raw;
      if (waitpid(pids[i], &raw, WNOHANG) == pids[i]) {
        *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
        return i;
      }
      if (real_now() > until[i]) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], &raw, 0);
        *status = 124;
        return i;
      }
    }
    nap(1000000);
  }
}

/* A block that a forked process runs; this one waits for it. Its first failure is the scenario's. */
static int flow_fork(ctx *c, const step *s) {
  int at = 0, status;
  pthread_mutex_lock(&W.lock); /* so that no thread that is gone in the child holds it there */
  pid_t pid = fork();
  pthread_mutex_unlock(&W.lock);
  if (pid == 0) {
    alarm(20); /* the watchdog is a thread of the parent's */
    run_block(c, s->child);
    if (W.failed) printf("in the forked process: %s\n", W.failure);
    fflush(stdout);
    _exit(W.failed ? 3 : 0);
  }
  int64_t until = real_now() + 3 * OWN_WAIT_NS;
  at = child_end(&pid, &until, 1, &status);
  if (at != 0 || status != 0) return fail(c, "  the forked process ended with status %d", status), 1;
  return 0;
}

/* children ID c=N at-once=K: this program runs scenario ID in N processes, K at a time. status: the first that is not 0. */
static void do_children(ctx *c, const step *s, result *r) {
  int64_t count = opt_number(c, s, "c", 1), at_once = opt_number(c, s, "at-once", 1), started = 0, clean = 0, until[16];
  pid_t pids[16];
  int running = 0, worst = 0;
  if (at_once > 16) at_once = 16;
  while (started < count || running > 0) {
    if (started < count && running < at_once) {
      pid_t pid = fork();
      if (pid == 0) {
        execl("/proc/self/exe", "runner", "--child", s->args[0], (char *)NULL);
        _exit(126);
      }
      pids[running] = pid;
      until[running++] = real_now() + 2 * OWN_WAIT_NS;
      started++;
      continue;
    }
    int status, i = child_end(pids, until, running, &status);
    pids[i] = pids[--running];
    until[i] = until[running];
    if (status == 0) clean++;
    else if (worst == 0) worst = status;
  }
  give(r, "ok");
  give_number(r, "status", worst);
  give_number(r, "clean", clean);
  give_number(r, "started", started);
}
#endif
