/* The verbs that open, fill and read mailboxes. Each makes one call of the library (or, for `collect` and `gather`, one
 * kind of call many times) and hands over what came of it; it judges nothing. */
#ifndef CONFORMANCE_VERBS_MAILBOX_H
#define CONFORMANCE_VERBS_MAILBOX_H
#include <poll.h>

#include "result.h"

static void handle_batch(td_batch *batch, void *user);   /* flow.h */

static const struct { const char *name; uint32_t policy; } policies[] = {
    {"fail", TD_FAIL}, {"block", TD_BLOCK}, {"drop_new", TD_DROP_NEW}, {"drop_old", TD_DROP_OLD},
    {"kill", TD_KILL}, {"conflate", TD_CONFLATE}};

static uint32_t opt_policy(const ctx *c, const step *s) {
  const char *text = step_opt(s, "policy");
  if (!text) return TD_FAIL;
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
    if (strcmp(policies[i].name, text) == 0) return policies[i].policy;
  fail(c, "  '%s' is not a policy", text);
  return TD_FAIL;
}

static void do_open(ctx *c, const step *s, result *r) {
  td_mailbox_options o = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox m;
  char name[300];
  const char *loop = step_opt(s, "loop");
  slot *me = slot_get(c, s->args[0]);
  o.policy = opt_policy(c, s);
  o.max_messages = (uint64_t)opt_number(c, s, "bound", 0);
  o.max_bytes = (uint64_t)opt_number(c, s, "bytes", 0);
  o.block_timeout = opt_number(c, s, "timeout", 0);
  if (step_opt(s, "bound-to")) o.flags |= TD_THREAD_BOUND; /* bound-to=thread */
  if (step_opt(s, "notifiable")) o.flags |= TD_NOTIFIABLE;
  if (step_opt(s, "name")) {
    o.name = expand(c, step_opt(s, "name"), name, sizeof name);
    o.name_size = strlen(o.name);
  }
  if (loop || step_opt(s, "workers")) {
    if (loop) o.loop.id = slot_of(c, loop, LOOP)->id;
    if (step_opt(s, "workers")) o.flags |= TD_BY_WORKERS;
    o.handler = handle_batch;
    o.user = me;
    me->nrules = 0;
  }
  if (give_code(r, td_mailbox_open(engine_of(c, step_opt(s, "engine")), &o, &m))) slot_set(c, s->args[0], MAILBOX, m.id);
}

static void do_notify(ctx *c, const step *s, result *r) {
  give_code(r, td_notify(mailbox_of(c, s->args[0]), (uint64_t)must_number(c, s->args[1])));
}

static void do_close(ctx *c, const step *s, result *r) { give_code(r, td_mailbox_close(mailbox_of(c, s->args[0]))); }

static void do_exit(ctx *c, const step *s, result *r) {
  const char *data = step_opt(s, "data");
  int64_t reason = TD_REASON_NORMAL;
  if (!status_of(step_opt(s, "status") ? step_opt(s, "status") : "normal", &reason)) fail(c, "  no such reason");
  give_code(r, td_mailbox_exit(mailbox_of(c, s->args[0]), (int32_t)reason, data, data ? strlen(data) : 0));
}

static void do_kill(ctx *c, const step *s, result *r) { give_code(r, td_mailbox_kill(mailbox_of(c, s->args[0]))); }

static void do_suspend(ctx *c, const step *s, result *r) { give_code(r, td_suspend(mailbox_of(c, s->args[0]))); }

static void do_resume(ctx *c, const step *s, result *r) { give_code(r, td_resume(mailbox_of(c, s->args[0]))); }

static void do_wait(ctx *c, const step *s, result *r) {
  give_code(r, td_mailbox_wait(mailbox_of(c, s->args[0]), opt_number(c, s, "timeout", 0), 0));
}

static int64_t tag_arg(const ctx *c, const char *text) { return c->in_range ? c->range : must_number(c, text); }

/* The payload a step asks for: data=TEXT, or size=N bytes counting up. */
static const void *payload(const ctx *c, const step *s, char *buf, size_t room, size_t *size, void **owned) {
  *owned = NULL;
  if (step_opt(s, "size")) {
    *size = (size_t)opt_number(c, s, "size", 0);
    unsigned char *bytes = *owned = must_alloc(*size);
    for (size_t i = 0; i < *size; i++) bytes[i] = (unsigned char)i;
    return bytes;
  }
  const char *data = step_opt(s, "data") ? expand(c, step_opt(s, "data"), buf, room) : "";
  *size = strlen(data);
  return data;
}

static void do_send(ctx *c, const step *s, result *r) {
  char buf[1024];
  size_t size;
  void *owned;
  const void *data = payload(c, s, buf, sizeof buf, &size, &owned);
  td_mailbox to = mailbox_of(c, s->args[0]), from = mailbox_of(c, step_opt(s, "from"));
  uint64_t tag = (uint64_t)tag_arg(c, s->args[1]);
  if (step_opt(s, "timeout")) {
    td_send_options o = TD_SEND_OPTIONS_INIT;
    o.timeout = opt_number(c, s, "timeout", 0);
    if (o.timeout == 0) o.timeout = -1;
    give_code(r, td_send_ex(to, from, tag, data, size, &o));
  } else {
    give_code(r, td_send(to, from, tag, data, size));
  }
  free(owned);
}

/* send-many M a..b: one call with all of them. */
static td_item *items_of(const ctx *c, const step *s, size_t *count) {
  int64_t low = 0, high = -1;
  if (!range(s->args[1], &low, &high)) fail(c, "  '%s' is not a range of tags", s->args[1]);
  *count = (size_t)(high - low + 1);
  td_item *items = must_alloc(*count * sizeof *items);
  for (size_t i = 0; i < *count; i++) items[i] = (td_item){(uint64_t)low + i, "", 0};
  return items;
}

static void do_send_many(ctx *c, const step *s, result *r) {
  size_t count;
  td_item *items = items_of(c, s, &count);
  int32_t n = td_send_many(mailbox_of(c, s->args[0]), mailbox_of(c, step_opt(s, "from")), items, count);
  if (give_code(r, n)) give_number(r, "count", n);
  free(items);
}

static void do_send_name(ctx *c, const step *s, result *r) {
  char name[300], data[1024];
  size_t size;
  void *owned;
  const char *to = expand(c, s->args[0], name, sizeof name);
  const void *bytes = payload(c, s, data, sizeof data, &size, &owned);
  give_code(r, td_send_name(W.engine, to, strlen(to), mailbox_of(c, step_opt(s, "from")), (uint64_t)tag_arg(c, s->args[1]), bytes, size));
  free(owned);
}

/* kind= tag= mask= from= ref= of the left side; 0 when none is given. */
static int match_of(const ctx *c, const step *s, td_match *m) {
  const char *kind = step_opt(s, "kind"), *from = step_opt(s, "from"), *ref = step_opt(s, "ref");
  if (kind) {
    for (uint32_t k = 1; k < 64; k++)
      if (strcmp(kind_name(k), kind) == 0) m->kind = k;
    m->fields |= TD_MATCH_KIND;
  }
  if (step_opt(s, "tag")) {
    m->fields |= TD_MATCH_TAG;
    m->tag = (uint64_t)opt_number(c, s, "tag", 0);
    m->tag_mask = (uint64_t)opt_number(c, s, "mask", 0);
  }
  if (from) {
    m->fields |= TD_MATCH_FROM;
    m->from = mailbox_of(c, from);
  }
  if (ref) {
    m->fields |= TD_MATCH_REF;
    m->ref = slot_get(c, ref)->id;
  }
  return m->fields != 0;
}

/* A message that a receive gave; a request's ticket gets the name after `as`. */
static void took(ctx *c, const step *s, result *r, int32_t code, const td_message *m) {
  if (!give_code(r, code)) return;
  give_message(r, m);
  r->holds = 1;
  if (s->as && m->kind == TD_KIND_REQUEST) slot_set(c, s->as, TICKET, m->ref);
}

/* forward A B: takes A's oldest message and sends it on to B, before it is released. */
static void do_forward(ctx *c, const step *s, result *r) {
  td_message m;
  if (!give_code(r, td_recv(mailbox_of(c, s->args[0]), opt_number(c, s, "timeout", 0), 0, &m))) return;
  if (s->as && m.kind == TD_KIND_REQUEST) slot_set(c, s->as, TICKET, m.ref);
  give_code(r, td_forward(mailbox_of(c, s->args[1]), mailbox_of(c, step_opt(s, "from")), &m));
  td_message_release(&m);
}

/* What the virtual clock brings in the same instant, the real one brings a little later: a message that must come is waited for. */
static int64_t patience(const ctx *c, const step *s) {
  int must_come = W.scenario->by_real && !c->handling && s->nwants > 0;
  for (int i = 0; i < s->nwants; i++) must_come = must_come && s->wants[i].outcome && strncmp(s->wants[i].outcome, "TD_", 3) != 0;
  return must_come ? OWN_WAIT_NS : 0;
}

static void do_recv(ctx *c, const step *s, result *r) {
  td_message m;
  td_match match = TD_MATCH_INIT;
  int64_t timeout = opt_number(c, s, "timeout", patience(c, s));
  td_mailbox box = mailbox_of(c, s->args[0]);
  int32_t code = match_of(c, s, &match) ? td_recv_match(box, &match, timeout, 0, &m) : td_recv(box, timeout, 0, &m);
  took(c, s, r, code, &m);
}

/* The oldest message whose tag is a multiple of N: a predicate of the caller's, by peek and take. */
static void do_pick(ctx *c, const step *s, result *r) {
  td_message m;
  td_cursor cursor = TD_CURSOR_INIT;
  td_mailbox box = mailbox_of(c, s->args[0]);
  uint64_t of = (uint64_t)opt_number(c, s, "multiple", 1);
  for (;;) {
    int32_t code = td_recv_peek(box, &cursor, 0, 0, &m);
    if (!give_code(r, code)) return;
    int fits = m.tag % of == 0;
    td_message_release(&m);
    if (fits) break;
  }
  took(c, s, r, td_recv_take(box, &cursor, &m), &m);
}

/* Reads by native batches until `take` messages are read or nothing is left; what is not read of the last batch goes back. */
static void do_batch(ctx *c, const step *s, result *r) {
  td_mailbox box = mailbox_of(c, s->args[0]);
  int64_t take = opt_number(c, s, "take", INT64_MAX), n = 0, first = 0, last = 0, lost = 0, in_row = 1;
  while (n < take) {
    td_batch batch;
    td_message m;
    int32_t code = td_recv_batch(box, 0, 0, &batch);
    if (n > 0 && code == TD_EAGAIN) break;
    if (!give_code(r, code)) return;
    while (n < take && td_batch_next(&batch, &m) == 1) {
      if (n++ == 0) first = (int64_t)m.tag;
      else if ((int64_t)m.tag != last + 1) in_row = 0;
      last = (int64_t)m.tag;
      lost += (int64_t)m.lost;
    }
    if (!give_code(r, td_batch_release(&batch))) return;
  }
  give_number(r, "count", n);
  give_number(r, "first", first);
  give_number(r, "last", last);
  give_number(r, "lost", lost);
  give_text(r, "order", in_row ? "kept" : "broken", in_row ? 4 : 6);
}

/* One stream of a collect: a sender, or a thousand thousand of tags. */
typedef struct stream { uint64_t from, part, last; } stream;

static int compare_refs(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* collect M N: takes N messages, waiting for each; says whether each sender's tags counted up by one ("kept"), up
 * ("rising") or not ("broken"), how many were lost, whether any ref came twice. by=fd waits on the fd, not in recv. */
static void do_collect(ctx *c, const step *s, result *r) {
  td_mailbox box = mailbox_of(c, s->args[0]);
  slot *me = slot_get(c, s->args[0]);
  int64_t want = must_number(c, s->args[1]), got = 0, lost = 0, rising = 1, kept = 1, distinct = 1;
  int by_fd = step_opt(s, "by") != NULL;
  stream streams[64];
  int nstreams = 0;
  uint64_t *refs = must_alloc((size_t)want * sizeof *refs);
  td_match match = TD_MATCH_INIT;
  int matching = match_of(c, s, &match);
  if (by_fd && !me->has_fd) me->has_fd = td_mailbox_fd(box, &me->fd) == TD_OK;
  give(r, "ok");
  while (got < want) {
    td_message m;
    int64_t timeout = by_fd ? 0 : opt_number(c, s, "timeout", TD_FOREVER);
    int32_t code = matching ? td_recv_match(box, &match, timeout, 0, &m) : td_recv(box, timeout, 0, &m);
    if (by_fd && code == TD_EAGAIN) {
      struct pollfd p = {(int)me->fd, POLLIN, 0};
      if (poll(&p, 1, 10000) == 1) continue;
      give(r, "fd-stayed-quiet");
      break;
    }
    if (!give_code(r, code)) break;
    uint64_t part = m.tag / 1000000;
    int i = 0;
    while (i < nstreams && (streams[i].from != m.from.id || streams[i].part != part)) i++;
    if (i == nstreams && nstreams < 64) streams[nstreams++] = (stream){m.from.id, part, part * 1000000};
    if (m.tag <= streams[i].last) rising = 0;
    if (m.tag != streams[i].last + 1) kept = 0;
    streams[i].last = m.tag;
    refs[got++] = m.ref;
    lost += (int64_t)m.lost;
    td_message_release(&m);
  }
  qsort(refs, (size_t)got, sizeof *refs, compare_refs);
  for (int64_t i = 1; i < got; i++)
    if (refs[i] == refs[i - 1]) distinct = 0;
  free(refs);
  give_number(r, "count", got);
  give_number(r, "lost", lost);
  const char *order = kept ? "kept" : rising ? "rising" : "broken", *unique = distinct ? "distinct" : "repeated";
  give_text(r, "order", order, strlen(order));
  give_text(r, "refs", unique, strlen(unique));
}

/* gather M BAG N: several threads take from M into one bag until N are in it, or M ends. */
static void do_gather(ctx *c, const step *s, result *r) {
  td_mailbox box = mailbox_of(c, s->args[0]);
  slot *bag = slot_set(c, s->args[1], BAG, 0);
  uint64_t want = (uint64_t)must_number(c, s->args[2]);
  give(r, "ok");
  for (;;) {
    td_message m;
    pthread_mutex_lock(&W.lock);
    int full = bag->bag_count >= want;
    pthread_mutex_unlock(&W.lock);
    if (full) return;
    int32_t code = td_recv(box, TD_MS(20), 0, &m);
    if (code == TD_ETIMEDOUT) continue;
    if (!give_code(r, code)) return;
    pthread_mutex_lock(&W.lock);
    if (bag->bag_count == bag->bag_room) {
      bag->bag_room = bag->bag_room ? bag->bag_room * 2 : 1024;
      bag->bag = realloc(bag->bag, bag->bag_room * sizeof *bag->bag);
      if (!bag->bag) abort();
    }
    bag->bag[bag->bag_count++] = m.tag;
    pthread_mutex_unlock(&W.lock);
    td_message_release(&m);
  }
}

/* bag B: how many are in it, from which to which, and whether each came once. */
static void do_bag(ctx *c, const step *s, result *r) {
  slot *bag = slot_of(c, s->args[0], BAG);
  int once = 1;
  if (bag->bag_count == 0) {
    give(r, "empty");
    return;
  }
  qsort(bag->bag, bag->bag_count, sizeof *bag->bag, compare_refs);
  for (uint64_t i = 1; i < bag->bag_count; i++)
    if (bag->bag[i] == bag->bag[i - 1]) once = 0;
  give(r, "ok");
  give_number(r, "count", (int64_t)bag->bag_count);
  give_number(r, "first", (int64_t)bag->bag[0]);
  give_number(r, "last", (int64_t)bag->bag[bag->bag_count - 1]);
  give_text(r, "each", once ? "once" : "repeated", once ? 4 : 8);
}

static int readable(slot *me, int timeout_ms) {
  td_mailbox box = {me->id};
  if (!me->has_fd) me->has_fd = td_mailbox_fd(box, &me->fd) == TD_OK;
  struct pollfd p = {(int)me->fd, POLLIN, 0};
  return me->has_fd && poll(&p, 1, timeout_ms) == 1 && (p.revents & POLLIN) != 0;
}

static void do_fd(ctx *c, const step *s, result *r) {
  give(r, readable(slot_of(c, s->args[0], MAILBOX), 0) ? "readable" : "quiet");
}

/* How much is queued, what was counted: of a mailbox, or of the engine. */
static void do_stats(ctx *c, const step *s, result *r) {
  slot *me = slot_get(c, s->args[0]);
  if (me->kind == ENGINE) {
    td_engine e = {me->id};
    td_engine_counters n;
    memset(&n, 0, sizeof n);
    n.size = sizeof n;
    if (!give_code(r, td_engine_stats(e, &n))) return;
    give_number(r, "mailboxes", (int64_t)n.mailboxes);
    give_number(r, "names", (int64_t)n.names);
    give_number(r, "timers", (int64_t)n.timers);
    give_number(r, "subscriptions", (int64_t)n.subscriptions);
    give_number(r, "dead-letters", (int64_t)n.dead_letters);
    give_number(r, "published", (int64_t)n.published);
    give_number(r, "max-bytes", (int64_t)n.max_bytes);
    give_number(r, "queued-bytes", (int64_t)n.queued_bytes);
    return;
  }
  td_mailbox_counters n;
  memset(&n, 0, sizeof n);
  n.size = sizeof n;
  if (!give_code(r, td_mailbox_stats(mailbox_of(c, s->args[0]), &n))) return;
  const char *state = n.state == TD_STATE_OPEN ? "open" : n.state == TD_STATE_ENDED ? "ended" : "unknown";
  give_text(r, "state", state, strlen(state));
  give_number(r, "status", n.reason);
  give_number(r, "sent", (int64_t)n.sent);
  give_number(r, "delivered", (int64_t)n.delivered);
  give_number(r, "lost", (int64_t)n.lost);
  give_number(r, "conflated", (int64_t)n.conflated);
  give_number(r, "flushed", (int64_t)n.flushed);
  give_number(r, "expired", (int64_t)n.expired);
  give_number(r, "discarded", (int64_t)n.discarded);
  give_number(r, "queued", (int64_t)n.queued);
  give_number(r, "queued-bytes", (int64_t)n.queued_bytes);
  give_number(r, "refused", (int64_t)n.refused);
  give_number(r, "suspended", (int64_t)n.suspended);
  give_number(r, "monitors", (int64_t)n.monitors);
  give_number(r, "monitored-by", (int64_t)n.monitored_by);
  give_number(r, "timers", (int64_t)n.timers);
  give_number(r, "subscriptions", (int64_t)n.subscriptions);
  give_number(r, "names", (int64_t)n.names);
}
#endif
