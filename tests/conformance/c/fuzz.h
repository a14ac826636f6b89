/* The two steps that are a million small steps: the fd against a plain model (C9), and random ids into every function
 * that takes one (C10). Guarantees: the seed alone decides what is done; the numbers that come out are counts of what
 * was wrong, so 0 is the only good one. */
#ifndef CONFORMANCE_FUZZ_H
#define CONFORMANCE_FUZZ_H
#include "flow.h"

static uint64_t fuzz_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Takes up to n messages by the way the dice chose. Returns how many came, or the error that should not have. */
static int64_t fuzz_take(td_mailbox m, uint64_t way, int64_t n) {
  td_message got;
  td_batch batch;
  td_cursor cursor = TD_CURSOR_INIT;
  td_match odd = TD_MATCH_INIT;
  int64_t taken = 0;
  int32_t code = TD_OK;
  odd.fields = TD_MATCH_TAG;
  odd.tag = 1;
  odd.tag_mask = 1;
  switch (way) {
    case 0:                                /* the oldest, n times */
      while (taken < n && (code = td_recv(m, 0, 0, &got)) == TD_OK) taken++, td_message_release(&got);
      break;
    case 1:                                /* one from the middle */
      code = td_recv_match(m, &odd, 0, 0, &got);
      if (code == TD_OK) taken++, td_message_release(&got);
      break;
    case 2:                                /* part of a batch, the rest goes back */
      code = td_recv_batch(m, 0, 0, &batch);
      if (code != TD_OK) break;
      while (taken < n && td_batch_next(&batch, &got) == 1) taken++;
      code = td_batch_release(&batch);
      break;
    default:                               /* a look, then perhaps a take */
      code = td_recv_peek(m, &cursor, 0, 0, &got);
      if (code != TD_OK) break;
      td_message_release(&got);
      if (n > 1) code = td_recv_take(m, &cursor, &got);
      if (n > 1 && code == TD_OK) taken++, td_message_release(&got);
  }
  return code == TD_OK || code == TD_EAGAIN ? taken : code;
}

/* fuzz-fd M N seed=S. missed: pending and not readable. extra: readable with nothing pending, also after the one receive
 * that rule 8 allows it to need. miscounted: the engine's count of the queue differs from the model's. */
static void do_fuzz_fd(ctx *c, const step *s, result *r) {
  slot *me = slot_of(c, s->args[0], MAILBOX);
  td_mailbox m = {me->id}, nobody = {0};
  uint64_t dice = (uint64_t)opt_number(c, s, "seed", 1);
  int64_t rounds = must_number(c, s->args[1]), pending = 0, missed = 0, extra = 0, miscounted = 0, i = 0;
  int32_t code = TD_OK;
  while (i < rounds && code == TD_OK && !(missed || extra || miscounted)) {
    uint64_t x = fuzz_next(&dice), n = 1 + (x >> 8) % 4;
    if ((x & 7) < 3 && pending < 200) {
      for (uint64_t k = 0; k < n && code == TD_OK; k++) code = td_send(m, nobody, fuzz_next(&dice), "", 0);
      pending += (int64_t)n;
    } else {
      int64_t taken = fuzz_take(m, (x >> 16) % 4, (x & 7) == 7 ? 1000 : (int64_t)n);
      if (taken < 0) code = (int32_t)taken;
      else pending -= taken;
    }
    if (pending > 0 && !readable(me, 0)) missed++;
    if (pending == 0 && readable(me, 0)) {
      td_message none;
      if (td_recv(m, 0, 0, &none) == TD_OK) miscounted++;
      if (readable(me, 0)) extra++;
    }
    if (++i % 1024 == 0) {
      td_mailbox_counters now;
      memset(&now, 0, sizeof now);
      now.size = sizeof now;
      td_mailbox_stats(m, &now);
      if ((int64_t)now.queued != pending) miscounted++;
    }
  }
  give_code(r, code);
  give_number(r, "missed", missed);
  give_number(r, "extra", extra);
  give_number(r, "miscounted", miscounted);
  give_number(r, "rounds", i);
}

/* A number no one gave out: every shape of nonsense an application may pass. */
static uint64_t fuzz_id(uint64_t *dice, const uint64_t *live, int nlive) {
  for (;;) {
    uint64_t x = fuzz_next(dice), shape = fuzz_next(dice), id = x;
    if (shape % 4 == 1) id = x >> (shape >> 8 & 63);
    else if (shape % 4 == 2) id = x << (shape >> 8 & 63);
    else if (shape % 4 == 3) id = live[shape % (uint64_t)nlive] ^ (x | x << 32);
    int taken = id == 0;
    for (int i = 0; i < nlive; i++) taken |= live[i] == id;
    if (!taken) return id;
  }
}

/* One function of the header, given this id where it takes an id. */
static int32_t fuzz_call(int which, uint64_t id, td_mailbox live) {
  td_engine e = {id};
  td_mailbox m = {id}, nobody = {0}, out_m;
  td_monitor_ref mon = {id}, out_mon;
  td_timer tm = {id}, out_tm;
  td_subscription sub = {id}, out_sub;
  td_loop l = {id}, out_l;
  td_ticket tk = {id}, out_tk;
  td_engine_counters ec = {.size = sizeof ec};
  td_mailbox_counters mc = {.size = sizeof mc};
  td_mailbox_options mo = TD_MAILBOX_OPTIONS_INIT;
  td_send_options so = TD_SEND_OPTIONS_INIT;
  td_match match = TD_MATCH_INIT;
  td_cursor cursor = TD_CURSOR_INIT;
  td_item item = {1, "x", 1};
  td_message msg;
  td_batch batch, copy;
  td_receipt receipt;
  td_fd fd;
  int64_t t;
  uint32_t outcome;
  void *user;
  memset(&msg, 0, sizeof msg);
  memset(&batch, 0, sizeof batch);
  msg.owner = id;
  batch.owner = id;
  batch.mailbox = m;
  switch (which) {
    case 0: return td_engine_close(e);
    case 1: return td_engine_stats(e, &ec);
    case 2: return td_now(e, &t);
    case 3: return td_mailbox_open(e, NULL, &out_m);
    case 4: return td_mailbox_close(m);
    case 5: return td_mailbox_exit(m, 1024, "x", 1);
    case 6: return td_mailbox_kill(m);
    case 7: return td_mailbox_wait(m, 0, 0);
    case 8: return td_mailbox_stats(m, &mc);
    case 9: return td_mailbox_fd(m, &fd);
    case 10: return td_mailbox_user(m, &user);
    case 11: return td_send(m, nobody, 1, "x", 1);
    case 12: return td_send(m, live, 1, "x", 1);
    case 13: return td_send_many(m, nobody, &item, 1);
    case 14: return td_send_ex(m, nobody, 1, "x", 1, &so);
    case 15: return td_send_name(e, TD_STR("x"), nobody, 1, "x", 1);
    case 16: return td_recv(m, 0, 0, &msg);
    case 17: match.fields = TD_MATCH_TAG; return td_recv_match(m, &match, 0, 0, &msg);
    case 18: return td_recv_peek(m, &cursor, 0, 0, &msg);
    case 19: return td_recv_take(m, &cursor, &msg);
    case 20: return td_recv_batch(m, 0, 0, &batch);
    case 21: return td_message_release(&msg);
    case 22: return td_batch_release(&batch);
    case 23: return td_batch_retain(&batch, &copy);
    case 24: return td_loop_open(e, NULL, &out_l);
    case 25: return td_loop_run(l, 0, 0);
    case 26: return td_loop_fd(l, &fd);
    case 27: return td_loop_deadline(l, &t);
    case 28: return td_loop_wake(l);
    case 29: return td_loop_close(l);
    case 30: return td_call(m, live, 1, "x", 1, 0, 0, &msg);
    case 31: return td_call_start(m, live, 1, "x", 1, 0, &out_tk);
    case 32: return td_call_start(live, m, 1, "x", 1, 0, &out_tk);
    case 33: return td_call_cancel(tk);
    case 34: return td_reply(tk, "x", 1);
    case 35: return td_reply_error(tk, 1, "x", 1);
    case 36: return td_ticket_drop(tk);
    case 37: return td_monitor(m, live, 0, &out_mon);
    case 38: return td_monitor(live, m, 0, &out_mon);
    case 39: return td_monitor_name(m, TD_STR("x"), 0, &out_mon);
    case 40: return td_demonitor(mon, 0, &outcome);
    case 41: return td_register(m, TD_STR("x"));
    case 42: return td_register_replace(m, TD_STR("x"), NULL);
    case 43: return td_unregister(e, TD_STR("x"));
    case 44: return td_whereis(e, TD_STR("x"), &out_m);
    case 45: return td_subscribe(m, TD_STR("x"), NULL, &out_sub);
    case 46: return td_unsubscribe(sub, TD_FLUSH);
    case 47: return td_publish(e, nobody, TD_STR("x"), 1, "x", 1, NULL, &receipt);
    case 48: return td_publish_many(e, nobody, TD_STR("x"), &item, 1, &receipt);
    case 49: return td_send_after(m, 1, 1, "x", 1, &out_tm);
    case 50: return td_send_after_name(e, TD_STR("x"), 1, 1, "x", 1, &out_tm);
    case 51: return td_send_every(m, 1, 1, "x", 1, &out_tm);
    case 52: return td_timer_cancel(tm, &t);
    case 53: return td_timer_read(tm, &t);
    case 54: return td_clock_advance(e, 1);
    case 55: return td_clock_wait_parked(e, 0, 0);
    case 56: mo.loop = l; mo.handler = handle_batch; return td_mailbox_open(W.engine, &mo, &out_m);
    case 57: return td_link(m, live);
    case 58: return td_link(live, m);
    case 59: return td_unlink(m, live);
    case 60: return td_trap_exit(m, 1);
    default: return 1;
  }
}
#define FUZZ_CALLS 61

/* fuzz-ids N seed=S. accepted: calls that did not answer with an error, or with TD_EPANIC; then the first one is named. */
static void do_fuzz_ids(ctx *c, const step *s, result *r) {
  uint64_t dice = (uint64_t)opt_number(c, s, "seed", 1), live[64], first_id = 0;
  int64_t rounds = must_number(c, s->args[0]), accepted = 0, first = -1;
  int nlive = 0;
  td_mailbox box = {0};
  for (slot *o = W.slots; o && nlive < 64; o = o->next)
    if (o->id) {
      live[nlive++] = o->id;
      if (o->kind == MAILBOX) box.id = o->id;
    }
  for (int64_t i = 0; i < rounds; i++) {
    int which = (int)(i % FUZZ_CALLS);
    uint64_t id = fuzz_id(&dice, live, nlive);
    int32_t code = fuzz_call(which, id, box);
    if (code < 0 && code != TD_EPANIC) continue;
    if (accepted++ == 0) first = which, first_id = id;
  }
  give(r, "ok");
  give_number(r, "accepted", accepted);
  if (accepted) {
    give_number(r, "call", first);
    give_number(r, "id", (int64_t)first_id);
  }
}
#endif
