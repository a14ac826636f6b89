/* Verbs of groups, presence, interest, wills and the watches of them. */
#ifndef CONFORMANCE_VERBS_WATCH_H
#define CONFORMANCE_VERBS_WATCH_H
#include "verbs_signal.h"

static void do_join(ctx *c, const step *s, result *r) {
  phrase g;
  text_of(c, s->args[1], &g);
  give_code(r, td_group_join(mailbox_of(c, s->args[0]), g.at, g.size));
}

static void do_part(ctx *c, const step *s, result *r) {
  phrase g;
  text_of(c, s->args[1], &g);
  give_code(r, td_group_leave(mailbox_of(c, s->args[0]), g.at, g.size));
}

static void do_enter(ctx *c, const step *s, result *r) {
  phrase g, k;
  text_of(c, s->args[1], &g);
  text_of(c, s->args[2], &k);
  give_code(r, td_presence_enter(mailbox_of(c, s->args[0]), g.at, g.size, k.at, k.size, opt_number(c, s, "grace", 0)));
}

static void do_depart(ctx *c, const step *s, result *r) {
  phrase g, k;
  text_of(c, s->args[1], &g);
  text_of(c, s->args[2], &k);
  give_code(r, td_presence_leave(mailbox_of(c, s->args[0]), g.at, g.size, k.at, k.size));
}

/* A snapshot that a function has written. */
static void give_snapshot(result *r, int32_t code, const td_message *snapshot) {
  if (!give_code(r, code)) return;
  r->message = *snapshot;
  r->message.kind = 0;                   /* no message that lost anything */
  r->holds = 1;
  give_entries(r, snapshot);
}

static void do_members(ctx *c, const step *s, result *r) {
  phrase g;
  td_message members;
  text_of(c, s->args[0], &g);
  give_snapshot(r, td_group_members(W.engine, g.at, g.size, &members), &members);
}

static void do_keys(ctx *c, const step *s, result *r) {
  phrase g;
  td_message keys;
  text_of(c, s->args[0], &g);
  give_snapshot(r, td_presence_keys(W.engine, g.at, g.size, &keys), &keys);
}

static void name_watch(ctx *c, const step *s, result *r, int32_t code, td_watch w) {
  if (code >= 0 && s->as) slot_set(c, s->as, WATCH, w.id);
  else if (code < 0 && w.id != 0) fail(c, "  the watch is not 0 after an error");
  (void)r;
}

static void do_watch(ctx *c, const step *s, result *r) {
  phrase g;
  td_message snapshot;
  td_watch w = {0};
  text_of(c, s->args[1], &g);
  uint64_t tag = (uint64_t)opt_number(c, s, "tag", 0);
  int32_t code = td_group_watch(mailbox_of(c, s->args[0]), g.at, g.size, tag, &w, &snapshot);
  name_watch(c, s, r, code, w);
  give_snapshot(r, code, &snapshot);
}

static void do_watch_keys(ctx *c, const step *s, result *r) {
  phrase g;
  td_message snapshot;
  td_watch w = {0};
  text_of(c, s->args[1], &g);
  uint64_t tag = (uint64_t)opt_number(c, s, "tag", 0);
  int32_t code = td_presence_watch(mailbox_of(c, s->args[0]), g.at, g.size, tag, &w, &snapshot);
  name_watch(c, s, r, code, w);
  give_snapshot(r, code, &snapshot);
}

static void do_interest(ctx *c, const step *s, result *r) {
  phrase p;
  td_watch w = {0};
  uint64_t count = 0;
  text_of(c, s->args[1], &p);
  int32_t code = td_interest_watch(mailbox_of(c, s->args[0]), p.at, p.size, (uint64_t)opt_number(c, s, "tag", 0), &w, &count);
  name_watch(c, s, r, code, w);
  if (give_code(r, code)) give_number(r, "count", (int64_t)count);
}

static void do_unwatch(ctx *c, const step *s, result *r) {
  td_watch w = {slot_of(c, s->args[0], WATCH)->id};
  give_code(r, td_unwatch(w, s->nargs > 1 && strcmp(s->args[1], "flush") == 0 ? TD_FLUSH : 0));
}

static void do_will(ctx *c, const step *s, result *r) {
  phrase t;
  const char *data = step_opt(s, "data") ? step_opt(s, "data") : "";
  text_of(c, s->args[1], &t);
  give_code(r, td_will_set(mailbox_of(c, s->args[0]), t.at, t.size, (uint64_t)must_number(c, s->args[2]), data, strlen(data),
                           step_opt(s, "retain") ? TD_RETAIN : 0));
}

static void do_clear_will(ctx *c, const step *s, result *r) { give_code(r, td_will_clear(mailbox_of(c, s->args[0]))); }
#endif
