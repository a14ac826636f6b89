/* The DOWN of a monitor with a receipt says what became of the watcher's messages. */
#include "check.h"

static td_engine engine;

static td_monitor_ref watch(td_mailbox watcher, td_mailbox target) {
  td_monitor_ref monitor;
  CHECK_OK(td_monitor_receipt(watcher, target, 0, &monitor));
  return monitor;
}

static void take_receipt(td_mailbox watcher, td_monitor_ref monitor, uint64_t consumed, uint64_t discarded) {
  td_match match = TD_MATCH_INIT;
  td_message down;
  match.fields = TD_MATCH_REF;
  match.ref = monitor.id;
  CHECK_OK(td_recv_match(watcher, &match, 0, 0, &down));
  CHECK_EQ(down.kind, TD_KIND_DOWN);
  CHECK_EQ(down.info[0], consumed);
  CHECK_EQ(down.info[1], discarded);
  CHECK_OK(td_message_release(&down));
}

static void send_from(td_mailbox to, td_mailbox from, uint64_t first, uint64_t last) {
  for (uint64_t tag = first; tag <= last; tag++) CHECK_OK(td_send(to, from, tag, NULL, 0));
}

static void consumed_and_discarded(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine), target = open_mailbox(engine);
  send_from(target, a, 1, 3); /* before the monitoring: not counted */
  td_monitor_ref of_a = watch(a, target), of_b = watch(b, target);
  send_from(target, a, 4, 8);
  send_from(target, b, 9, 10);
  td_monitor_ref later = watch(a, target);
  send_from(target, a, 11, 11);
  CHECK_OK(send_tag(target, 12));
  for (uint64_t tag = 1; tag <= 5; tag++) RECV_TAG(target, tag, 0);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(a, of_a, 2, 4);
  take_receipt(b, of_b, 0, 2);
  take_receipt(a, later, 0, 1);
}

static void nothing_sent_and_nobody_there(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref first = watch(watcher, target), second;
  CHECK_OK(td_mailbox_close(target));
  take_receipt(watcher, first, 0, 0);
  second = watch(watcher, target);
  take_receipt(watcher, second, 0, 0);
}

static void what_the_cursor_has_not_passed_is_discarded(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor = watch(watcher, target);
  td_batch batch;
  td_message message;
  send_from(target, watcher, 1, 10);
  CHECK_OK(td_recv_batch(target, 0, 0, &batch));
  send_from(target, watcher, 11, 12);
  for (int i = 0; i < 4; i++) CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 4, 8);
  CHECK_IS(td_batch_next(&batch, &message), 0);
  CHECK_OK(td_batch_release(&batch));
  td_mailbox_counters counters = counters_of(target);
  CHECK_EQ(counters.delivered, 4);
  CHECK_EQ(counters.discarded, 8);
}

static void what_went_back_is_counted_where_it_is(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor = watch(watcher, target);
  td_batch batch;
  td_message message;
  send_from(target, watcher, 1, 5);
  CHECK_OK(td_recv_batch(target, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_OK(td_batch_release(&batch));
  RECV_TAG(target, 2, 0);
  CHECK_OK(td_recv_batch(target, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(message.tag, 3);
  CHECK_OK(td_batch_release(&batch));
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 3, 2);
}

static void the_evicted_and_the_expired_are_neither(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_bounded(engine, TD_DROP_OLD, 3);
  td_monitor_ref monitor = watch(watcher, target);
  td_ticket ticket;
  send_from(target, watcher, 1, 5); /* two are evicted */
  RECV_TAG(target, 3, 2);
  CHECK_OK(td_call_start(target, watcher, 6, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_call_cancel(ticket));
  RECV_TAG(target, 4, 0);
  RECV_TAG(target, 5, 0);
  td_message message;
  CHECK_IS(td_recv(target, 0, 0, &message), TD_EAGAIN); /* the request has expired */
  send_from(target, watcher, 7, 7);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 3, 1);
}

static td_ticket request_of(td_message message) {
  td_ticket ticket;
  CHECK_EQ(message.kind, TD_KIND_REQUEST);
  ticket.id = message.ref;
  return ticket;
}

/* A request that expires, and a part whose call is taken back, while a reader has them in hand. */
static void the_withdrawn_of_a_batch_are_neither(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor = watch(watcher, target);
  td_ticket asked, call, answering;
  td_batch batch;
  td_message message;
  CHECK_OK(td_call_start(watcher, target, 1, NULL, 0, TD_FOREVER, &call));
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  answering = request_of(message);
  CHECK_OK(td_message_release(&message));
  send_from(target, watcher, 1, 1);
  CHECK_OK(td_reply_part(answering, "a", 1, 0, 0));
  CHECK_OK(td_call_start(target, watcher, 2, NULL, 0, TD_FOREVER, &asked));
  send_from(target, watcher, 3, 4);
  CHECK_OK(td_recv_batch(target, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_OK(td_call_cancel(call));
  CHECK_OK(td_call_cancel(asked));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(message.tag, 3);
  batch.cursor = 1; /* all but the first go back, those withdrawn, too */
  CHECK_OK(td_batch_release(&batch));
  CHECK_OK(td_recv_batch(target, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(message.tag, 3);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 2, 1);
  CHECK_OK(td_batch_release(&batch));
  td_mailbox_counters counters = counters_of(target);
  CHECK_EQ(counters.flushed, 1);
  CHECK_EQ(counters.expired, 1);
  CHECK_EQ(counters.delivered, 2);
}

/* Of the values of one tag only the one that waits at the end is discarded, wherever it took its place. */
static void the_conflated_are_neither(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine), target = open_bounded(engine, TD_CONFLATE, 10);
  td_message message;
  send_from(target, a, 1, 3); /* before the monitoring */
  td_monitor_ref of_a = watch(a, target), of_b = watch(b, target);
  send_from(target, a, 1, 2); /* in places that are older than it */
  send_from(target, a, 1, 1);
  send_from(target, b, 2, 2);
  send_from(target, a, 4, 4);
  send_from(target, b, 4, 5);
  send_from(target, a, 5, 6);
  CHECK_OK(td_recv(target, 0, 0, &message));
  CHECK_EQ(message.tag, 1);
  CHECK_EQ(message.info[0], 2);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_recv(target, 0, 0, &message));
  CHECK_EQ(message.from.id, b.id);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(a, of_a, 1, 2);
  take_receipt(b, of_b, 1, 1);
}

static void refused_messages_do_not_count_and_bounds_hold(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_bounded(engine, TD_FAIL, 2);
  td_monitor_ref monitor = watch(watcher, target);
  for (uint64_t round = 0; round < 10; round++) {
    send_from(target, watcher, 1, 2);
    CHECK_IS(td_send(target, watcher, 3, NULL, 0), TD_EFULL);
    RECV_TAG(target, 1, 0);
    RECV_TAG(target, 2, 0);
  }
  send_from(target, watcher, 1, 2);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 20, 2);
}

static void publications_count(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor = watch(watcher, target);
  td_subscription subscription;
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_message message;
  options.policy = TD_DROP_OLD;
  options.max_messages = 2;
  CHECK_OK(td_subscribe(target, TD_STR("r"), &options, &subscription));
  for (uint64_t tag = 1; tag <= 4; tag++) CHECK_OK(td_publish(engine, watcher, TD_STR("r"), tag, NULL, 0, NULL, NULL));
  CHECK_OK(td_recv(target, 0, 0, &message));
  CHECK_EQ(message.tag, 3);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_publish(engine, watcher, TD_STR("r"), 5, NULL, 0, NULL, NULL));
  CHECK_OK(td_unsubscribe(subscription, TD_FLUSH)); /* two are flushed */
  send_from(target, watcher, 6, 6);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 1, 1);
}

static void taken_back_it_costs_nothing_more(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref first = watch(watcher, target), second;
  uint32_t outcome;
  send_from(target, watcher, 1, 3);
  CHECK_OK(td_demonitor(first, 0, &outcome));
  CHECK_EQ(outcome, TD_WAS_ARMED);
  send_from(target, watcher, 4, 5);
  second = watch(watcher, target);
  send_from(target, watcher, 6, 6);
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, second, 0, 1);
}

static td_mailbox racing;

static void *read_it(void *user) {
  uint64_t *read = (uint64_t *)user;
  td_batch batch;
  td_message message;
  while (td_recv_batch(racing, TD_FOREVER, 0, &batch) == TD_OK) {
    while (td_batch_next(&batch, &message) == 1) ++*read;
    CHECK_OK(td_batch_release(&batch));
  }
  return NULL;
}

static void a_reader_and_the_end_race(void) {
  uint64_t count = check_count(300);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t read = 0, sent = 200;
    pthread_t thread;
    td_mailbox watcher = open_mailbox(engine);
    td_message down;
    racing = open_mailbox(engine);
    watch(watcher, racing);
    CHECK_EQ(pthread_create(&thread, NULL, read_it, &read), 0);
    send_from(racing, watcher, 1, sent);
    CHECK_OK(td_mailbox_kill(racing));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(td_recv(watcher, 0, 0, &down));
    CHECK_EQ(down.info[0], read);
    CHECK_EQ(down.info[0] + down.info[1], sent);
    CHECK_OK(td_message_release(&down));
    CHECK_OK(td_mailbox_close(watcher));
  }
}

static void what_is_taken_back_in_an_open_batch_is_neither(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_subscription subscription;
  td_monitor_ref monitor = watch(watcher, target);
  td_ticket ticket;
  td_batch batch;
  td_message message;
  CHECK_OK(td_subscribe(target, TD_STR("topic"), NULL, &subscription));
  CHECK_OK(td_call_start(target, watcher, 1, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_publish(engine, watcher, TD_STR("topic"), 2, NULL, 0, NULL, NULL));
  send_from(target, watcher, 3, 3);
  CHECK_OK(td_recv_batch(target, 0, 0, &batch));
  CHECK_OK(td_call_cancel(ticket));
  CHECK_OK(td_unsubscribe(subscription, TD_FLUSH));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(message.tag, 3);
  CHECK_OK(td_batch_release(&batch));
  CHECK_OK(td_mailbox_kill(target));
  take_receipt(watcher, monitor, 1, 0);
}

static void nothing_is_missed_after_a_refusal_or_a_replacement(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_subscribe_options latest = TD_SUBSCRIBE_OPTIONS_INIT;
  td_mailbox watcher = open_mailbox(engine), small, plain = open_mailbox(engine);
  td_subscription subscription;
  options.max_bytes = 10;
  CHECK_OK(td_mailbox_open(engine, &options, &small));
  td_monitor_ref monitor = watch(watcher, small);
  CHECK_OK(td_send(small, watcher, 1, "8 bytes.", 8));
  CHECK_IS(td_send(small, watcher, 1, "8 bytes.", 8), TD_EFULL);
  send_from(small, watcher, 2, 4);
  CHECK_OK(td_mailbox_kill(small));
  take_receipt(watcher, monitor, 0, 4);
  latest.policy = TD_CONFLATE;
  CHECK_OK(td_subscribe(plain, TD_STR("latest"), &latest, &subscription));
  monitor = watch(watcher, plain);
  for (int i = 0; i < 2; i++) CHECK_OK(td_publish(engine, watcher, TD_STR("latest"), 1, "x", 1, NULL, NULL));
  send_from(plain, watcher, 2, 4);
  CHECK_OK(td_mailbox_kill(plain));
  take_receipt(watcher, monitor, 0, 4);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  consumed_and_discarded();
  nothing_sent_and_nobody_there();
  what_the_cursor_has_not_passed_is_discarded();
  what_went_back_is_counted_where_it_is();
  the_evicted_and_the_expired_are_neither();
  the_withdrawn_of_a_batch_are_neither();
  the_conflated_are_neither();
  refused_messages_do_not_count_and_bounds_hold();
  what_is_taken_back_in_an_open_batch_is_neither();
  nothing_is_missed_after_a_refusal_or_a_replacement();
  publications_count();
  taken_back_it_costs_nothing_more();
  a_reader_and_the_end_race();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
