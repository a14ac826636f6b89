/* Runs scenarios.txt through the C header, and nothing but the header. Guarantees: each scenario has an engine of its
 * own; each of its mailboxes must satisfy the equation of rule 4 at the end; what hangs is ended by the watchdog and
 * counts as failed. Arguments: ids to run (C3 also runs C3.real and C3.virtual); none: all. */
#define _POSIX_C_SOURCE 200809L
#include <stddef.h>

#include "c/fuzz.h"
#include "c/verbs_engine.h"
#include "c/verbs_look.h"

#define SCENARIO_SECONDS 120

typedef struct verb {
  const char *name;
  int least, most;                       /* words before the options */
  const char *opts;
  void (*run)(ctx *, const step *, result *);
  int (*flow)(ctx *, const step *);
} verb;

#define MATCH "kind tag mask from ref timeout"
static const verb verbs[] = {
    {"engine", 1, 1, "workers budget", do_engine, NULL},
    {"close-engine", 1, 1, "", do_close_engine, NULL},
    {"drain", 1, 1, "timeout", do_drain, NULL},
    {"open", 1, 1, "policy bound bytes timeout name loop engine notifiable workers bound-to", do_open, NULL},
    {"close", 1, 1, "", do_close, NULL},
    {"exit", 1, 1, "status data", do_exit, NULL},
    {"kill", 1, 1, "", do_kill, NULL},
    {"suspend", 1, 1, "", do_suspend, NULL},
    {"resume", 1, 1, "", do_resume, NULL},
    {"wait", 1, 1, "timeout", do_wait, NULL},
    {"send", 2, 2, "from data size timeout", do_send, NULL},
    {"send-many", 2, 2, "from", do_send_many, NULL},
    {"send-name", 2, 2, "from data size", do_send_name, NULL},
    {"recv", 1, 1, MATCH, do_recv, NULL},
    {"forward", 2, 2, "from timeout", do_forward, NULL},
    {"pick", 1, 1, "multiple", do_pick, NULL},
    {"batch", 1, 1, "take", do_batch, NULL},
    {"collect", 2, 2, "by " MATCH, do_collect, NULL},
    {"gather", 3, 3, "", do_gather, NULL},
    {"bag", 1, 1, "", do_bag, NULL},
    {"fd", 1, 1, "", do_fd, NULL},
    {"stats", 1, 1, "", do_stats, NULL},
    {"inspect", 1, 1, "", do_inspect, NULL},
    {"explain", 1, 1, "", do_explain, NULL},
    {"dump", 0, 0, "", do_dump, NULL},
    {"monitor", 2, 2, "tag receipt", do_monitor, NULL},
    {"process", 1, 1, "", do_process, NULL},
    {"monitor-process", 2, 2, "tag", do_monitor_process, NULL},
    {"end-process", 1, 1, "code signal", do_end_process, NULL},
    {"reap", 1, 1, "", do_reap, NULL},
    {"monitor-name", 2, 2, "tag", do_monitor_name, NULL},
    {"demonitor", 1, 2, "", do_demonitor, NULL},
    {"link", 2, 2, "", do_link, NULL},
    {"unlink", 2, 2, "", do_unlink, NULL},
    {"trap", 2, 2, "", do_trap, NULL},
    {"register", 2, 2, "", do_register, NULL},
    {"replace", 2, 2, "", do_replace, NULL},
    {"unregister", 1, 1, "", do_unregister, NULL},
    {"whereis", 1, 1, "", do_whereis, NULL},
    {"after", 3, 3, "data", do_after, NULL},
    {"after-name", 3, 3, "data", do_after_name, NULL},
    {"every", 3, 3, "data", do_every, NULL},
    {"cancel", 1, 1, "", do_cancel, NULL},
    {"timer", 1, 1, "", do_timer, NULL},
    {"call", 2, 2, "from data timeout", do_call, NULL},
    {"ask", 2, 2, "from data timeout", do_ask, NULL},
    {"ask-many", 1, MAX_WORDS, "from data timeout", do_ask_many, NULL},
    {"give-up", 1, 1, "", do_give_up, NULL},
    {"reply", 1, 1, "data status", do_reply, NULL},
    {"reply-part", 1, 1, "data size timeout", do_reply_part, NULL},
    {"reply-end", 1, 1, "", do_reply_end, NULL},
    {"drop", 1, 1, "", do_drop, NULL},
    {"subscribe", 2, 2, "policy bound group", do_subscribe, NULL},
    {"unsubscribe", 1, 2, "", do_unsubscribe, NULL},
    {"publish", 2, 2, "from data size retain", do_publish, NULL},
    {"publish-many", 2, 2, "from", do_publish_many, NULL},
    {"join", 2, 2, "", do_join, NULL},
    {"part", 2, 2, "", do_part, NULL},
    {"members", 1, 1, "", do_members, NULL},
    {"watch", 2, 2, "tag", do_watch, NULL},
    {"enter", 3, 3, "grace", do_enter, NULL},
    {"depart", 3, 3, "", do_depart, NULL},
    {"keys", 1, 1, "", do_keys, NULL},
    {"watch-keys", 2, 2, "tag", do_watch_keys, NULL},
    {"interest", 2, 2, "tag", do_interest, NULL},
    {"unwatch", 1, 2, "", do_unwatch, NULL},
    {"will", 3, 3, "data retain", do_will, NULL},
    {"clear-will", 1, 1, "", do_clear_will, NULL},
    {"loop", 1, 1, "budget", do_loop, NULL},
    {"close-loop", 1, 1, "", do_close_loop, NULL},
    {"await-seen", 2, 2, "", do_await_seen, NULL},
    {"run", 4, 5, "", do_run, NULL},
    {"on", 1, 1, "kind tag", do_on, NULL},
    {"throw", 1, 1, "", do_throw, NULL},
    {"seen", 1, 1, "", do_seen, NULL},
    {"stopwatch", 1, 1, "", do_stopwatch, NULL},
    {"elapsed", 1, 1, "", do_elapsed, NULL},
    {"advance", 1, 1, "", do_advance, NULL},
    {"parked", 1, 1, "", do_parked, NULL},
    {"sleep", 1, 1, "", do_sleep, NULL},
    {"fuzz-fd", 2, 2, "seed", do_fuzz_fd, NULL},
    {"fuzz-ids", 1, 1, "seed", do_fuzz_ids, NULL},
    {"children", 1, 1, "c python node at-once", do_children, NULL},
    {"leave", 0, 0, "", do_leave, NULL},
    {"repeat", 1, 1, "", NULL, flow_repeat},
    {"forever", 0, 0, "", NULL, flow_repeat},
    {"notify", 2, 2, "", do_notify, NULL},
    {"fork", 0, 0, "", NULL, flow_fork},
    {"together", 0, 0, "", NULL, flow_together},
    {"thread", 0, 0, "", NULL, NULL},
    {"background", 0, 0, "", NULL, flow_background},
    {"when", 0, 0, "*", NULL, flow_when},
    {"until", 0, 0, "*", NULL, flow_until},
    {"meet", 0, 0, "", NULL, NULL},
};

static const verb *verb_of(const step *s) {
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp(verbs[i].name, s->verb) == 0) return &verbs[i];
  return NULL;
}

static int word_in(const char *word, const char *list) {
  size_t n = strlen(word);
  for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
    if ((at == list || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return 1;
  return strcmp(list, "*") == 0;
}

/* A step that would silently mean less than it says is refused before anything runs. */
static void vet(const step *s) {
  for (; s; s = s->next) {
    const verb *v = verb_of(s);
    if (!v) script_refuse(s->line, "no such verb", s->verb);
    if (s->nargs < v->least || s->nargs > v->most) script_refuse(s->line, "too few or too many words", s->source);
    for (int i = 0; i < s->nopts; i++)
      if (!word_in(s->opts[i].key, v->opts)) script_refuse(s->line, "no such option of this verb", s->opts[i].key);
    if (strcmp(s->verb, "together") == 0)
      for (const step *t = s->child; t; t = t->next)
        if (strcmp(t->verb, "thread") != 0) script_refuse(t->line, "a 'together' block holds threads only", t->source);
    vet(s->child);
  }
}

/* The tags a step is written for: of what it sends, or of what it expects. Steps named -many take the range whole. */
static int step_range(const step *s, int64_t *low, int64_t *high) {
  const char *text = NULL;
  if (strncmp(s->verb, "send", 4) == 0 || strncmp(s->verb, "publish", 7) == 0) text = strstr(s->verb, "-many") ? NULL : s->args[1];
  else if (s->nwants == 1)
    for (int i = 0; i < s->wants[0].nfields; i++)
      if (strcmp(s->wants[0].fields[i].key, "tag") == 0) text = s->wants[0].fields[i].value;
  return text && range(text, low, high);
}

static void run_once(ctx *c, const step *s, const verb *v) {
  result r;
  memset(&r, 0, offsetof(result, fields));
  r.n = 0;
  r.holds = 0;
  r.message.kind = 0;
  v->run(c, s, &r);
  if (strcmp(r.outcome, "checked") != 0 && !(W.failed && !r.outcome[0])) check(c, s, &r);
}

/* Nonzero: this thread stops here. */
static int run_block(ctx *c, const step *first) {
  for (const step *s = first; s; s = s->next) {
    const verb *v = verb_of(s);
    int64_t low = 0, high = 0;
    c->now = s;
    if (v->flow) {
      if (v->flow(c, s)) return 1;
      continue;
    }
    if (strcmp(s->verb, "meet") == 0) {
      if (!c->meet) return fail(c, "  meet stands inside a 'together' block only"), 1;
      if (flow_meet(c)) return 1;
      continue;
    }
    if (!v->run) return fail(c, "  %s stands inside a 'together' block only", s->verb), 1;
    if (step_range(s, &low, &high)) {
      c->in_range = 1;
      for (c->range = low; c->range <= high && !W.failed; c->range++) run_once(c, s, v);
      c->in_range = 0;
    } else {
      run_once(c, s, v);
    }
    if (W.failed || W.leaving || c->gone) return 1;
  }
  return 0;
}

/* Rule 4: sent = delivered + lost + conflated + flushed + expired + discarded + queued, for every mailbox of the scenario. */
static void balance(ctx *c) {
  for (slot *s = W.slots; s && !W.failed; s = s->next) {
    td_mailbox m = {s->id};
    td_mailbox_counters n;
    memset(&n, 0, sizeof n);
    n.size = sizeof n;
    if (s->kind != MAILBOX || td_mailbox_stats(m, &n) != TD_OK) continue;
    uint64_t sum = n.delivered + n.lost + n.conflated + n.flushed + n.expired + n.discarded + n.queued;
    if (n.sent != sum)
      fail(c, "  expected of '%s': sent = delivered + lost + conflated + flushed + expired + discarded + queued\n"
              "  got      %llu = %llu + %llu + %llu + %llu + %llu + %llu + %llu",
           s->name, (unsigned long long)n.sent, (unsigned long long)n.delivered, (unsigned long long)n.lost, (unsigned long long)n.conflated,
           (unsigned long long)n.flushed, (unsigned long long)n.expired, (unsigned long long)n.discarded, (unsigned long long)n.queued);
  }
}

static volatile int64_t watchdog_until;
static volatile int passed, selected;

/* Ends the program when a scenario is stuck: prints what every thread was doing, and the closing line. */
static void *watchdog(void *unused) {
  (void)unused;
  for (;;) {
    nap(50000000);
    if (real_now() < watchdog_until) continue;
    printf("FAIL %s: not over after %d s\n", W.scenario->id, SCENARIO_SECONDS);
    if (W.failed) printf("  first failure: %s\n", W.failure);
    for (ctx *c = W.running; c; c = c->next)
      if (c->now) printf("  a thread is at scenarios.txt:%d: %s\n", c->now->line, c->now->source);
    printf("%d passed, %d failed\n", passed, selected - passed);
    fflush(stdout);
    _exit(1);
  }
  return NULL;
}

/* Runs one scenario; true when all of it held. Does not return to its caller's usual business when it says `leave`. */
static int run_scenario(const scenario *sc) {
  ctx c;
  td_engine_options o = TD_ENGINE_OPTIONS_INIT;
  memset(&c, 0, sizeof c);
  W.scenario = sc;
  W.failed = 0;
  W.failure[0] = 0;
  watchdog_until = real_now() + (int64_t)SCENARIO_SECONDS * 1000000000;
  o.flags = sc->virtual_clock ? TD_ENGINE_VIRTUAL_CLOCK : 0;
  int32_t code = td_engine_open(&o, &W.engine);
  if (code < 0) {
    printf("FAIL %s: td_engine_open gave %s\n", sc->id, td_err_name(code));
    return 0;
  }
  slot_set(&c, "engine", ENGINE, W.engine.id);
  enter(&c);
  run_block(&c, sc->first);
  if (!W.leaving) balance(&c);           /* leaving: the streams stay live */
  if (W.failed) printf("FAIL %s\n", W.failure);
  if (W.leaving) return !W.failed;
  leave(&c);
  td_engine_close(W.engine);
  world_empty();
  return !W.failed;
}

static int chosen(const scenario *sc, int argc, char **argv) {
  if (sc->child_only) return 0;
  for (int i = 1; i < argc; i++) {
    size_t n = strlen(argv[i]);
    if (strncmp(sc->id, argv[i], n) == 0 && (sc->id[n] == 0 || sc->id[n] == '.')) return 1;
  }
  return argc == 1;
}

/* --child ID: one scenario, whose `leave` is an ordinary end of the program. */
static int run_child(const scenario *all, const char *id) {
  for (const scenario *sc = all; sc; sc = sc->next)
    if (strcmp(sc->id, id) == 0) {
      selected = 1;
      return run_scenario(sc) ? 0 : 3;
    }
  fprintf(stderr, "conformance: no scenario %s\n", id);
  return 2;
}

/* scenarios.txt beside runner.c, unless CONFORMANCE_SCENARIOS names another file. */
static const char *scenarios_path(void) {
  static char path[4096];
  const char *set = getenv("CONFORMANCE_SCENARIOS"), *slash = strrchr(__FILE__, '/');
  if (set) return set;
  snprintf(path, sizeof path, "%.*sscenarios.txt", (int)(slash ? slash + 1 - __FILE__ : 0), __FILE__);
  return path;
}

int main(int argc, char **argv) {
  pthread_t dog;
  setvbuf(stdout, NULL, _IOLBF, 0);
  scenario *all = script_read(scenarios_path());
  for (scenario *sc = all; sc; sc = sc->next) vet(sc->first);
  if (!TD_CHECK_ABI()) {
    fprintf(stderr, "conformance: the library speaks ABI %u, the header %u\n", td_abi_version(), (unsigned)TD_ABI_VERSION);
    return 2;
  }
  watchdog_until = INT64_MAX;
  pthread_create(&dog, NULL, watchdog, NULL);
  if (argc == 3 && strcmp(argv[1], "--child") == 0) return run_child(all, argv[2]);
  for (scenario *sc = all; sc; sc = sc->next) selected += chosen(sc, argc, argv);
  if (!selected) {
    fprintf(stderr, "conformance: no scenario of that id\n");
    return 2;
  }
  for (scenario *sc = all; sc; sc = sc->next) {
    if (!chosen(sc, argc, argv)) continue;
    int64_t start = real_now();
    if (!run_scenario(sc)) continue;
    passed++;
    printf("ok   %-12s %5.1f s  %s\n", sc->id, (double)(real_now() - start) / 1e9, sc->title);
  }
  watchdog_until = INT64_MAX;
  printf("%d passed, %d failed\n", passed, selected - passed);
  return passed == selected ? 0 : 1;
}
