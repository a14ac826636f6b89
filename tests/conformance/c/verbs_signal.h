/* The verbs for monitors, names, timers, calls and topics. Each makes one call of the library and hands over what came
 * of it; it judges nothing. */
#ifndef CONFORMANCE_VERBS_SIGNAL_H
#define CONFORMANCE_VERBS_SIGNAL_H
#include <signal.h>
#include <sys/wait.h>

#include "verbs_mailbox.h"

/* A word that the library takes as text: a name, a topic, a pattern. */
typedef struct phrase { char buf[1200]; const char *at; size_t size; } phrase;

static phrase *text_of(const ctx *c, const char *word, phrase *t) {
  t->at = expand(c, word, t->buf, sizeof t->buf);
  if (strncmp(t->at, "repeat:", 7) == 0) {         /* repeat:300 is a text of 300 letters */
    int64_t n = must_number(c, t->at + 7);
    if (n >= (int64_t)sizeof t->buf) n = sizeof t->buf - 1;
    memset(t->buf, 'x', (size_t)n);
    t->buf[n] = 0;
    t->at = t->buf;
  }
  t->size = strlen(t->at);
  return t;
}

static void made(const ctx *c, const step *s, result *r, int32_t code, slot_kind kind, uint64_t id) {
  if (give_code(r, code) && s->as) slot_set(c, s->as, kind, id);
}

/* ---- monitors */
static void do_monitor(ctx *c, const step *s, result *r) {
  td_monitor_ref d = {0};
  td_mailbox watcher = mailbox_of(c, s->args[0]), target = mailbox_of(c, s->args[1]);
  uint64_t tag = (uint64_t)opt_number(c, s, "tag", 0);
  int32_t code = step_opt(s, "receipt") ? td_monitor_receipt(watcher, target, tag, &d) : td_monitor(watcher, target, tag, &d);
  made(c, s, r, code, MONITOR, d.id);
}

/* process P: a child that waits to be told how to end. */
static void do_process(ctx *c, const step *s, result *r) {
  int ends[2];
  if (pipe(ends) != 0) fail(c, "  no pipe");
  pid_t pid = fork();
  if (pid == 0) {
    unsigned char code = 99;
    close(ends[1]);
    if (read(ends[0], &code, 1) != 1) code = 98;
    _exit(code);
  }
  close(ends[0]);
  slot *p = slot_set(c, s->args[0], PROCESS, (uint64_t)pid);
  p->has_fd = 1;
  p->fd = ends[1];
  give(r, pid > 0 ? "ok" : "no-process");
}

static void do_monitor_process(ctx *c, const step *s, result *r) {
  td_monitor_ref d = {0};
  int64_t pid = 0;
  if (!number(s->args[1], &pid)) pid = (int64_t)slot_of(c, s->args[1], PROCESS)->id;
  int32_t code = td_monitor_os_process(mailbox_of(c, s->args[0]), pid, (uint64_t)opt_number(c, s, "tag", 0), &d);
  made(c, s, r, code, MONITOR, d.id);
}

/* end-process P code=N or signal=N */
static void do_end_process(ctx *c, const step *s, result *r) {
  slot *p = slot_of(c, s->args[0], PROCESS);
  unsigned char code = (unsigned char)opt_number(c, s, "code", 0);
  if (step_opt(s, "signal")) kill((pid_t)p->id, (int)opt_number(c, s, "signal", SIGKILL));
  else if (write((int)p->fd, &code, 1) != 1) fail(c, "  the process is gone");
  give(r, "ok");
}

static void do_reap(ctx *c, const step *s, result *r) {
  int status;
  give(r, waitpid((pid_t)slot_of(c, s->args[0], PROCESS)->id, &status, 0) > 0 ? "ok" : "no-child");
}

static void do_monitor_name(ctx *c, const step *s, result *r) {
  td_monitor_ref d = {0};
  phrase t;
  text_of(c, s->args[1], &t);
  int32_t code = td_monitor_name(mailbox_of(c, s->args[0]), t.at, t.size, (uint64_t)opt_number(c, s, "tag", 0), &d);
  made(c, s, r, code, MONITOR, d.id);
}

static void do_demonitor(ctx *c, const step *s, result *r) {
  td_monitor_ref d = {slot_of(c, s->args[0], MONITOR)->id};
  uint32_t outcome = 0, flags = 0;
  if (s->nargs > 1 && strcmp(s->args[1], "flush") == 0) flags = TD_FLUSH;
  if (!give_code(r, td_demonitor(d, flags, &outcome))) return;
  give(r, outcome == TD_WAS_ARMED ? "armed" : outcome == TD_WAS_FLUSHED ? "flushed" : outcome == TD_WAS_DELIVERED ? "delivered" : "unknown-outcome");
}

/* ---- links */
static void do_link(ctx *c, const step *s, result *r) {
  give_code(r, td_link(mailbox_of(c, s->args[0]), mailbox_of(c, s->args[1])));
}

static void do_unlink(ctx *c, const step *s, result *r) {
  give_code(r, td_unlink(mailbox_of(c, s->args[0]), mailbox_of(c, s->args[1])));
}

static void do_trap(ctx *c, const step *s, result *r) {
  give_code(r, td_trap_exit(mailbox_of(c, s->args[0]), strcmp(s->args[1], "on") == 0));
}

/* ---- names */
static void do_register(ctx *c, const step *s, result *r) {
  phrase t;
  text_of(c, s->args[1], &t);
  give_code(r, td_register(mailbox_of(c, s->args[0]), t.at, t.size));
}

static void do_replace(ctx *c, const step *s, result *r) {
  phrase t;
  td_mailbox previous = {0};
  text_of(c, s->args[1], &t);
  if (give_code(r, td_register_replace(mailbox_of(c, s->args[0]), t.at, t.size, &previous)))
    give_number(r, "mailbox", (int64_t)previous.id);
}

static void do_unregister(ctx *c, const step *s, result *r) {
  phrase t;
  text_of(c, s->args[0], &t);
  give_code(r, td_unregister(W.engine, t.at, t.size));
}

static void do_whereis(ctx *c, const step *s, result *r) {
  phrase t;
  td_mailbox m;
  text_of(c, s->args[0], &t);
  if (give_code(r, td_whereis(W.engine, t.at, t.size, &m))) give_number(r, "mailbox", (int64_t)m.id);
}

/* ---- timers */
static void do_after(ctx *c, const step *s, result *r) {
  td_timer t = {0};
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  int32_t code = td_send_after(mailbox_of(c, s->args[0]), must_number(c, s->args[1]), (uint64_t)must_number(c, s->args[2]), data, strlen(data), &t);
  made(c, s, r, code, TIMER, t.id);
}

static void do_after_name(ctx *c, const step *s, result *r) {
  td_timer t = {0};
  phrase n;
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  text_of(c, s->args[0], &n);
  int32_t code = td_send_after_name(W.engine, n.at, n.size, must_number(c, s->args[1]), (uint64_t)must_number(c, s->args[2]), data, strlen(data), &t);
  made(c, s, r, code, TIMER, t.id);
}

static void do_every(ctx *c, const step *s, result *r) {
  td_timer t = {0};
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  int32_t code = td_send_every(mailbox_of(c, s->args[0]), must_number(c, s->args[1]), (uint64_t)must_number(c, s->args[2]), data, strlen(data), &t);
  made(c, s, r, code, TIMER, t.id);
}

static void do_cancel(ctx *c, const step *s, result *r) {
  td_timer t = {slot_of(c, s->args[0], TIMER)->id};
  int64_t remaining = 0;
  if (give_code(r, td_timer_cancel(t, &remaining))) give_number(r, "remaining", remaining);
}

static void do_timer(ctx *c, const step *s, result *r) {
  td_timer t = {slot_of(c, s->args[0], TIMER)->id};
  int64_t remaining = 0;
  if (give_code(r, td_timer_read(t, &remaining))) give_number(r, "remaining", remaining);
}

/* ---- calls */
static void do_call(ctx *c, const step *s, result *r) {
  td_message reply;
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  int32_t code = td_call(mailbox_of(c, s->args[0]), mailbox_of(c, step_opt(s, "from")), (uint64_t)must_number(c, s->args[1]), data,
                         strlen(data), opt_number(c, s, "timeout", TD_FOREVER), 0, &reply);
  if (code == TD_EDOWN || code >= 0) {
    give_message(r, &reply);
    r->holds = 1;
  }
  if (code < 0) give_code(r, code);
}

static void do_ask(ctx *c, const step *s, result *r) {
  td_ticket t = {0};
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  int32_t code = td_call_start(mailbox_of(c, s->args[0]), mailbox_of(c, step_opt(s, "from")), (uint64_t)must_number(c, s->args[1]), data,
                               strlen(data), opt_number(c, s, "timeout", TD_FOREVER), &t);
  made(c, s, r, code, TICKET, t.id);
}

/* ask-many TAG M...: one call of all of them; any may be listed twice. */
static void do_ask_many(ctx *c, const step *s, result *r) {
  td_ticket t = {0};
  td_mailbox to[MAX_WORDS];
  size_t count = 0;
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  for (int i = 1; i < s->nargs; i++) to[count++] = mailbox_of(c, s->args[i]);
  int32_t code = td_call_many(to, count, mailbox_of(c, step_opt(s, "from")), (uint64_t)must_number(c, s->args[0]), data, strlen(data),
                              opt_number(c, s, "timeout", TD_FOREVER), &t);
  made(c, s, r, code, TICKET, t.id);
}

static td_ticket ticket_of(const ctx *c, const char *name) {
  td_ticket t = {slot_of(c, name, TICKET)->id};
  return t;
}

static void do_give_up(ctx *c, const step *s, result *r) { give_code(r, td_call_cancel(ticket_of(c, s->args[0]))); }

static void do_reply(ctx *c, const step *s, result *r) {
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  td_ticket t = ticket_of(c, s->args[0]);
  if (step_opt(s, "status")) give_code(r, td_reply_error(t, (int32_t)opt_number(c, s, "status", 0), data, strlen(data)));
  else give_code(r, td_reply(t, data, strlen(data)));
}

static void do_reply_part(ctx *c, const step *s, result *r) {
  char buf[1024];
  size_t size;
  void *owned;
  const void *data = payload(c, s, buf, sizeof buf, &size, &owned);
  give_code(r, td_reply_part(ticket_of(c, s->args[0]), data, size, opt_number(c, s, "timeout", 0), 0));
  free(owned);
}

static void do_reply_end(ctx *c, const step *s, result *r) { give_code(r, td_reply_end(ticket_of(c, s->args[0]))); }

static void do_drop(ctx *c, const step *s, result *r) { give_code(r, td_ticket_drop(ticket_of(c, s->args[0]))); }

/* ---- topics */
static void do_subscribe(ctx *c, const step *s, result *r) {
  td_subscribe_options o = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription sub = {0};
  phrase t;
  text_of(c, s->args[1], &t);
  o.policy = opt_policy(c, s);
  o.max_messages = (uint64_t)opt_number(c, s, "bound", 0);
  phrase group;
  if (step_opt(s, "group")) {
    text_of(c, step_opt(s, "group"), &group);
    o.queue_group = group.at;
    o.queue_group_size = group.size;
  }
  int32_t code = td_subscribe(mailbox_of(c, s->args[0]), t.at, t.size, &o, &sub);
  made(c, s, r, code, SUBSCRIPTION, sub.id);
}

static void do_unsubscribe(ctx *c, const step *s, result *r) {
  td_subscription sub = {slot_of(c, s->args[0], SUBSCRIPTION)->id};
  give_code(r, td_unsubscribe(sub, s->nargs > 1 && strcmp(s->args[1], "flush") == 0 ? TD_FLUSH : 0));
}

static void receipt(result *r, int32_t code, const td_receipt *got) {
  if (!give_code(r, code)) return;
  give_number(r, "matched", (int64_t)got->matched);
  give_number(r, "queued", (int64_t)got->queued);
  give_number(r, "dropped", (int64_t)got->dropped);
}

static void do_publish(ctx *c, const step *s, result *r) {
  phrase t;
  char buf[1024];
  size_t size;
  void *owned;
  td_receipt got = {0, 0, 0};
  text_of(c, s->args[0], &t);
  const void *data = payload(c, s, buf, sizeof buf, &size, &owned);
  td_send_options o = TD_SEND_OPTIONS_INIT;
  if (step_opt(s, "retain")) o.flags = TD_RETAIN;
  int32_t code = td_publish(W.engine, mailbox_of(c, step_opt(s, "from")), t.at, t.size, (uint64_t)tag_arg(c, s->args[1]), data, size, &o, &got);
  receipt(r, code, &got);
  free(owned);
}

static void do_publish_many(ctx *c, const step *s, result *r) {
  phrase t;
  size_t count;
  td_receipt got = {0, 0, 0};
  text_of(c, s->args[0], &t);
  td_item *items = items_of(c, s, &count);
  int32_t code = td_publish_many(W.engine, mailbox_of(c, step_opt(s, "from")), t.at, t.size, items, count, &got);
  receipt(r, code, &got);
  free(items);
}
#endif
