/* What must not get slower with how much there is: each operation is timed among some and among ten times as many, by the
 * processor's time of this thread, and may cost three times as much at most; a search would cost ten. What is cheap may
 * cost some misses of the cache more, in nanoseconds less than any search among so many. (rules 6 15 21 27) */
#include "check.h"

enum { SOME = 2000, ROUNDS = 3, ATTEMPTS = 5, MISSES = 500 };
static td_engine engine;
static td_mailbox mailbox, other;
static td_mailbox *mailboxes;
static uint64_t *ids; /* of subscriptions, monitors, timers or tickets */

static int64_t processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static td_mailbox open_large(void) { return open_bounded(engine, TD_FAIL, 1000000); }

/* One thing among `count`: prepare makes all of them, operate does it to each. */
typedef struct {
  const char *name;
  void (*prepare)(uint64_t count);
  void (*operate)(uint64_t count);
} thing;

static double cost(const thing *what, uint64_t count) {
  double best = 0;
  for (int round = 0; round < ROUNDS; round++) {
    engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
    mailbox = open_large();
    other = open_large();
    what->prepare(count);
    int64_t begun = processor_time();
    what->operate(count);
    double each = (double)(processor_time() - begun) / (double)count;
    if (round == 0 || each < best) best = each;
    CHECK_OK(td_engine_close(engine));
  }
  return best;
}

static void try_thing(const thing *what, uint64_t some) {
  double few = 0, many = 0;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    few = cost(what, some);
    many = cost(what, 10 * some);
    if (some < SOME || many < 3 * few + MISSES) return; /* too few to tell under valgrind and its like */
  }
  fprintf(stderr, "%s: %.0f ns among %d, %.0f ns among %d\n", what->name, few, SOME, many, 10 * SOME);
  check_give_up();
}

static uint64_t shuffled(uint64_t at, uint64_t count) { return at * 7919 % count; } /* 7919 is prime to all counts here */

/* ---- queued signals */

static void end_many(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_mailbox gone = open_mailbox(engine);
    td_monitor_ref monitor;
    CHECK_OK(td_monitor(mailbox, gone, i, &monitor));
    ids[i] = monitor.id;
    CHECK_OK(td_mailbox_kill(gone));
  }
}

static void peek_each(uint64_t count) {
  td_cursor cursor = TD_CURSOR_INIT;
  td_message message;
  for (uint64_t i = 0; i < count; i++) {
    CHECK_OK(td_recv_peek(mailbox, &cursor, 0, 0, &message));
    CHECK_EQ(message.tag, i);
    CHECK_OK(td_message_release(&message));
  }
  CHECK_IS(td_recv_peek(mailbox, &cursor, 0, 0, &message), TD_EAGAIN);
}

static void peek_each_and_take_every_second(uint64_t count) {
  td_cursor cursor = TD_CURSOR_INIT;
  td_message message;
  for (uint64_t i = 0; i < count; i++) {
    CHECK_OK(td_recv_peek(mailbox, &cursor, 0, 0, &message));
    CHECK_EQ(message.tag, i);
    CHECK_OK(td_message_release(&message));
    if (i % 2 == 0) continue;
    CHECK_OK(td_recv_take(mailbox, &cursor, &message));
    CHECK_EQ(message.tag, i);
    CHECK_OK(td_message_release(&message));
  }
}

static void match_nothing(uint64_t count) {
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_TAG;
  match.tag = UINT64_MAX;
  for (uint64_t i = 0; i < count; i++) CHECK_IS(td_recv_match(mailbox, &match, 0, 0, &message), TD_EAGAIN);
}

static void match_what_comes_last(uint64_t count) {
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_TAG;
  match.tag = UINT64_MAX;
  for (uint64_t i = 0; i < count; i++) {
    CHECK_IS(td_recv_match(mailbox, &match, 0, 0, &message), TD_EAGAIN);
    CHECK_OK(send_tag(mailbox, UINT64_MAX));
    CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
    CHECK_OK(td_message_release(&message));
  }
}

static void match_among_what_waits(uint64_t count) {
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_TAG;
  match.tag = UINT64_MAX;
  for (uint64_t i = 0; i < count; i++) CHECK_OK(send_tag(mailbox, UINT64_MAX));
  for (uint64_t i = 0; i < count; i++) {
    CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
    CHECK_OK(td_message_release(&message));
  }
}

/* A search has been in vain; then many come that it wants. */
static void match_signals_behind_others(uint64_t count) {
  td_mailbox gone = open_mailbox(engine);
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_TAG;
  match.tag = UINT64_MAX;
  CHECK_IS(td_recv_match(mailbox, &match, 0, 0, &message), TD_EAGAIN);
  for (uint64_t i = 0; i < count; i++) {
    td_monitor_ref monitor;
    CHECK_OK(td_monitor(mailbox, gone, UINT64_MAX, &monitor));
  }
  CHECK_OK(td_mailbox_kill(gone));
  for (uint64_t i = 0; i < count; i++) {
    CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
    CHECK_EQ(message.kind, TD_KIND_DOWN);
    CHECK_OK(td_message_release(&message));
  }
}

static void send_many_others(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) CHECK_OK(send_tag(mailbox, i));
}

static void flush_each(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_monitor_ref monitor = {ids[shuffled(i, count)]};
    uint32_t outcome;
    CHECK_OK(td_demonitor(monitor, TD_FLUSH, &outcome));
    CHECK_EQ(outcome, TD_WAS_FLUSHED);
  }
}

/* ---- monitors and timers */

static void watch_many(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_monitor_ref monitor;
    CHECK_OK(td_monitor(mailbox, other, i, &monitor));
    ids[i] = monitor.id;
  }
}

static void watch_many_with_receipts(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_monitor_ref monitor;
    CHECK_OK(td_monitor_receipt(open_mailbox(engine), other, i, &monitor));
    ids[i] = monitor.id;
  }
}

static void demonitor_each(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_monitor_ref monitor = {ids[shuffled(i, count)]};
    uint32_t outcome;
    CHECK_OK(td_demonitor(monitor, 0, &outcome));
    CHECK_EQ(outcome, TD_WAS_ARMED);
  }
}

static void arm_many(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_timer timer;
    CHECK_OK(td_send_after(mailbox, TD_MS(1) + (int64_t)shuffled(i, count), i, NULL, 0, &timer));
    ids[i] = timer.id;
  }
}

static void cancel_each_timer(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_timer timer = {ids[shuffled(i, count)]};
    int64_t left;
    CHECK_OK(td_timer_cancel(timer, &left));
  }
}

/* ---- calls */

static void fill_and_call_many(uint64_t count) {
  td_ticket ticket;
  for (uint64_t i = 0; i < count; i++) {
    CHECK_OK(td_call_start(other, mailbox, i, NULL, 0, TD_FOREVER, &ticket));
    ids[i] = ticket.id;
    CHECK_OK(send_tag(mailbox, i));
  }
}

static void fill_and_answer_many_in_part(uint64_t count) {
  fill_and_call_many(count);
  for (uint64_t i = 0; i < count; i++) {
    td_ticket ticket = {ids[i]};
    CHECK_OK(td_reply_part(ticket, TD_STR("part"), 0, 0));
  }
}

static void cancel_each_call(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_ticket ticket = {ids[i]};
    CHECK_OK(td_call_cancel(ticket));
  }
}

/* ---- subscriptions */

static void subscribe_often(uint64_t count) {
  td_subscription subscription;
  for (uint64_t i = 0; i < count; i++) {
    CHECK_OK(td_subscribe(mailbox, TD_STR("same"), NULL, &subscription));
    ids[i] = subscription.id;
  }
}

static void subscribe_each(uint64_t count) {
  td_subscription subscription;
  for (uint64_t i = 0; i < count; i++) {
    mailboxes[i] = open_mailbox(engine);
    CHECK_OK(td_subscribe(mailboxes[i], TD_STR("same.>"), NULL, &subscription));
    ids[i] = subscription.id;
  }
}

static void unsubscribe_each(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_subscription subscription = {ids[shuffled(i, count)]};
    CHECK_OK(td_unsubscribe(subscription, 0));
  }
}

static void unsubscribe_in_their_order(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_subscription subscription = {ids[i]};
    CHECK_OK(td_unsubscribe(subscription, 0));
  }
}

static void end_each(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) CHECK_OK(td_mailbox_close(mailboxes[i]));
}

static const thing things[] = {
    {"td_recv_peek at queued DOWNs", end_many, peek_each},
    {"td_recv_peek and td_recv_take of queued DOWNs", end_many, peek_each_and_take_every_second},
    {"td_recv_match of nothing among queued DOWNs", end_many, match_nothing},
    {"td_recv_match of a message behind queued DOWNs", end_many, match_what_comes_last},
    {"td_recv_match of messages behind queued DOWNs", end_many, match_among_what_waits},
    {"td_recv_match of DOWNs behind others", end_many, match_signals_behind_others},
    {"td_recv_match of a message behind others", send_many_others, match_what_comes_last},
    {"td_demonitor of queued DOWNs", end_many, flush_each},
    {"td_demonitor", watch_many, demonitor_each},
    {"td_demonitor of receipts", watch_many_with_receipts, demonitor_each},
    {"td_timer_cancel", arm_many, cancel_each_timer},
    {"td_call_cancel before a backlog", fill_and_call_many, cancel_each_call},
    {"td_call_cancel of streams behind a backlog", fill_and_answer_many_in_part, cancel_each_call},
    {"td_unsubscribe of many of one mailbox", subscribe_often, unsubscribe_each},
    {"td_unsubscribe of many of one pattern", subscribe_each, unsubscribe_each},
    {"td_unsubscribe of many of one pattern, oldest first", subscribe_each, unsubscribe_in_their_order},
    {"the ends of subscribers of one pattern", subscribe_each, end_each},
};

int main(void) {
  check_begin();
  uint64_t some = check_count(SOME);
  mailboxes = (td_mailbox *)calloc(10 * some, sizeof *mailboxes);
  ids = (uint64_t *)calloc(10 * some, sizeof *ids);
  CHECK(mailboxes && ids);
  for (size_t i = 0; i < sizeof things / sizeof *things; i++) try_thing(&things[i], some);
  free(mailboxes);
  free(ids);
  return 0;
}
