/* Linked mailboxes end together, or hear of each other's end; and a mailbox that may not overflow ends when it does.
 * (rules 3 10 17) */
#include "check.h"

static td_engine engine;

static void take_exit(td_mailbox mailbox, td_mailbox from, int32_t reason, const char *data) {
  td_message message;
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_EXIT);
  CHECK_EQ(message.from.id, from.id);
  CHECK_EQ(message.status, reason);
  CHECK_EQ(message.ref, 0);
  CHECK_TEXT(message.data, message.data_size, data);
  CHECK_OK(td_message_release(&message));
}

static void nothing_more(td_mailbox mailbox) {
  td_message message;
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

static void is_over(td_mailbox mailbox, int32_t reason) {
  td_mailbox_counters counters = counters_of(mailbox);
  CHECK_EQ(counters.state, TD_STATE_ENDED);
  CHECK_EQ(counters.reason, reason);
}

static void is_alive(td_mailbox mailbox) { CHECK_EQ(counters_of(mailbox).state, TD_STATE_OPEN); }

static td_mailbox trapping(void) {
  td_mailbox mailbox = open_mailbox(engine);
  CHECK_OK(td_trap_exit(mailbox, 1));
  return mailbox;
}

static void they_end_together(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine), watcher = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message down;
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_monitor(watcher, b, 0, &monitor));
  CHECK_OK(td_mailbox_exit(a, TD_REASON_USER + 1, TD_STR("why")));
  is_over(b, TD_REASON_USER + 1);
  CHECK_OK(td_recv(watcher, 0, 0, &down));
  CHECK_EQ(down.status, TD_REASON_USER + 1);
  CHECK_TEXT(down.data, down.data_size, "why");
  CHECK_OK(td_message_release(&down));
}

static void the_normal_end_is_not_passed_on(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine), c = trapping();
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_link(c, a));
  CHECK_OK(td_mailbox_close(a));
  is_alive(b);
  take_exit(c, a, TD_REASON_NORMAL, "");
  CHECK_EQ(counters_of(b).monitored_by, 0); /* nothing is left of the link */
  CHECK_OK(td_mailbox_kill(b));
  nothing_more(c);
}

static void one_that_traps_is_told(void) {
  td_mailbox a = trapping(), b = open_mailbox(engine);
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_send(a, b, 1, NULL, 0));
  CHECK_OK(td_mailbox_exit(b, TD_REASON_CALLBACK_FAILED, TD_STR("boom")));
  RECV_TAG(a, 1, 0); /* the last message comes before the end */
  take_exit(a, b, TD_REASON_CALLBACK_FAILED, "boom");
  nothing_more(a);
  td_mailbox_counters counters = counters_of(a);
  CHECK_EQ(counters.sent, 2);
  CHECK_EQ(counters.delivered, 2);
}

static void a_kill_is_trapped_by_the_linked_only(void) {
  td_mailbox a = trapping(), b = trapping(), c = open_mailbox(engine);
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_link(a, c));
  CHECK_OK(td_mailbox_kill(a));
  is_over(a, TD_REASON_KILLED);
  is_over(c, TD_REASON_KILLED);
  take_exit(b, a, TD_REASON_KILLED, "");
}

static void twice_is_once(void) {
  td_mailbox a = trapping(), b = open_mailbox(engine);
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_link(b, a));
  CHECK_EQ(counters_of(a).monitored_by, 1);
  CHECK_EQ(counters_of(b).monitored_by, 1);
  CHECK_OK(td_mailbox_kill(b));
  take_exit(a, b, TD_REASON_KILLED, "");
  nothing_more(a);
  CHECK_OK(td_link(a, a)); /* no effect */
  CHECK_EQ(counters_of(a).monitored_by, 0);
  CHECK_OK(td_unlink(a, a));
}

static void unlinked_is_unlinked(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine), c = trapping();
  CHECK_OK(td_unlink(a, b)); /* never was */
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_unlink(b, a)); /* from either end */
  CHECK_EQ(counters_of(a).monitored_by, 0);
  CHECK_EQ(counters_of(b).monitored_by, 0);
  CHECK_OK(td_mailbox_kill(b));
  is_alive(a);
  CHECK_OK(td_unlink(a, b)); /* of the dead */
  CHECK_OK(td_link(c, a));
  CHECK_OK(td_mailbox_kill(a));
  CHECK_OK(td_unlink(c, a));
  take_exit(c, a, TD_REASON_KILLED, ""); /* what was queued stays */
}

static void the_dead_cannot_be_linked(void) {
  td_mailbox a = open_mailbox(engine), b = trapping(), dead = open_mailbox(engine), other;
  td_engine second = open_engine(0);
  CHECK_OK(td_mailbox_close(dead));
  CHECK_IS(td_link(a, dead), TD_ENOPROC);
  is_alive(a);
  CHECK_OK(td_link(b, dead));
  take_exit(b, dead, TD_REASON_NOPROC, "");
  nothing_more(b);
  CHECK_IS(td_link(dead, a), TD_ENOPROC);
  CHECK_IS(td_unlink(dead, a), TD_ENOPROC);
  CHECK_IS(td_trap_exit(dead, 1), TD_ENOPROC);
  CHECK_IS(td_trap_exit(a, 2), TD_EINVAL);
  other = open_mailbox(second);
  CHECK_IS(td_link(a, other), TD_EBADID);
  CHECK_OK(td_engine_close(second));
  other.id = 0;
  CHECK_IS(td_link(a, other), TD_EBADID);
  CHECK_IS(td_unlink(a, other), TD_EBADID);
  CHECK_IS(td_mailbox_exit(a, TD_REASON_NOPROC, NULL, 0), TD_EINVAL); /* it says that nobody was there */
}

static void trapping_can_end(void) {
  td_mailbox a = trapping(), b = open_mailbox(engine);
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_trap_exit(a, 0));
  CHECK_OK(td_mailbox_kill(b));
  is_over(a, TD_REASON_KILLED);
}

static void exits_ignore_bounds(void) {
  td_mailbox a = open_bounded(engine, TD_FAIL, 1), b = open_mailbox(engine);
  CHECK_OK(td_trap_exit(a, 1));
  CHECK_OK(td_link(a, b));
  CHECK_OK(send_tag(a, 7));
  CHECK_OK(td_mailbox_kill(b));
  RECV_TAG(a, 7, 0);
  take_exit(a, b, TD_REASON_KILLED, "");
}

static void a_batch_and_a_peek_show_an_exit(void) {
  td_mailbox a = trapping(), b = open_mailbox(engine);
  td_cursor cursor = TD_CURSOR_INIT;
  td_message message;
  td_batch batch;
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_mailbox_exit(b, TD_REASON_USER, TD_STR("x")));
  CHECK_OK(td_recv_peek(a, &cursor, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_EXIT);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_recv_batch(a, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(message.kind, TD_KIND_EXIT);
  CHECK_EQ(message.status, TD_REASON_USER);
  CHECK_EQ(message.ref, 0);
  CHECK_OK(td_batch_release(&batch));
  CHECK_OK(td_link(a, a));
  b = open_mailbox(engine);
  CHECK_OK(td_link(b, a));
  CHECK_OK(td_mailbox_kill(b));
  cursor.words[0] = cursor.words[1] = cursor.words[2] = cursor.words[3] = 0;
  CHECK_OK(td_recv_peek(a, &cursor, 0, 0, &message));
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_recv_take(a, &cursor, &message));
  CHECK_EQ(message.from.id, b.id);
  CHECK_OK(td_message_release(&message));
}

static void a_long_chain_needs_no_stack(void) {
  uint64_t count = check_count(100000);
  td_mailbox *chain = (td_mailbox *)malloc(count * sizeof *chain), last = trapping();
  for (uint64_t i = 0; i < count; i++) {
    chain[i] = open_mailbox(engine);
    if (i) CHECK_OK(td_link(chain[i - 1], chain[i]));
  }
  CHECK_OK(td_link(last, chain[count - 1]));
  CHECK_OK(td_mailbox_kill(chain[0]));
  take_exit(last, chain[count - 1], TD_REASON_KILLED, ""); /* all of it is done when kill returns */
  free(chain);
}

static void many_ends_of_one(void) {
  uint64_t count = check_count(20000);
  td_mailbox hub = open_mailbox(engine), last = open_mailbox(engine);
  for (uint64_t i = 0; i < count; i++) {
    last = open_mailbox(engine);
    CHECK_OK(td_link(hub, last));
  }
  CHECK_EQ(counters_of(hub).monitored_by, count);
  CHECK_OK(td_mailbox_kill(last));
  CHECK_IS(td_mailbox_close(hub), TD_ENOPROC);
  is_over(hub, TD_REASON_KILLED);
}

static td_mailbox pair[2];

static void *link_them(void *user) {
  size_t first = *(size_t *)user;
  int32_t code = td_link(pair[first], pair[1 - first]);
  CHECK(code == TD_OK || code == TD_ENOPROC);
  if (first) td_mailbox_kill(pair[first]);
  return NULL;
}

static void links_and_ends_race(void) {
  uint64_t count = check_count(2000);
  for (uint64_t i = 0; i < count; i++) {
    size_t first = 0, second = 1;
    pthread_t threads[2];
    pair[0] = open_mailbox(engine);
    pair[1] = open_mailbox(engine);
    CHECK_EQ(pthread_create(&threads[0], NULL, link_them, &first), 0);
    CHECK_EQ(pthread_create(&threads[1], NULL, link_them, &second), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK_EQ(pthread_join(threads[1], NULL), 0);
    is_over(pair[0], TD_REASON_KILLED); /* the second was linked before it ended, so the first has ended with it */
  }
}

/* ---- TD_KILL ---- */

static void an_overflow_kills(void) { /* C8 */
  td_mailbox watcher = open_mailbox(engine), mailbox = open_bounded(engine, TD_KILL, 10);
  td_monitor_ref monitor;
  td_message down;
  CHECK_OK(td_monitor(watcher, mailbox, 0, &monitor));
  for (uint64_t i = 0; i < 10; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_IS(send_tag(mailbox, 10), TD_EFULL);
  CHECK_OK(td_recv(watcher, 0, 0, &down));
  CHECK_EQ(down.status, TD_REASON_OVERFLOW);
  CHECK_OK(td_message_release(&down));
  CHECK_IS(send_tag(mailbox, 11), TD_ENOPROC);
  td_mailbox_counters counters = counters_of(mailbox);
  CHECK_EQ(counters.reason, TD_REASON_OVERFLOW);
  CHECK_EQ(counters.refused, 1);
  CHECK_EQ(counters.sent, 10);
  CHECK_EQ(counters.discarded, 10);
}

static td_mailbox full_one(td_mailbox linked) {
  td_mailbox mailbox = open_bounded(engine, TD_KILL, 2);
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(send_tag(mailbox, 2));
  CHECK_OK(td_link(mailbox, linked));
  return mailbox;
}

static void every_way_to_send_overflows(void) {
  td_mailbox linked = trapping(), mailbox;
  td_item items[3] = {{1, "", 0}, {2, "", 0}, {3, "", 0}};
  td_send_options options = TD_SEND_OPTIONS_INIT;
  td_ticket ticket;
  td_message message;
  static char large[10000];
  mailbox = full_one(linked);
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 0, NULL, 0, &options), TD_EFULL);
  take_exit(linked, mailbox, TD_REASON_OVERFLOW, "");
  mailbox = full_one(linked);
  CHECK_IS(td_send(mailbox, TD_NOBODY, 0, large, sizeof large), TD_EFULL);
  take_exit(linked, mailbox, TD_REASON_OVERFLOW, "");
  mailbox = full_one(linked);
  CHECK_IS(td_call(mailbox, TD_NOBODY, 0, NULL, 0, TD_MS(1000), 0, &message), TD_EFULL);
  take_exit(linked, mailbox, TD_REASON_OVERFLOW, "");
  mailbox = full_one(linked);
  CHECK_IS(td_call_start(mailbox, linked, 0, NULL, 0, TD_MS(1000), &ticket), TD_EFULL);
  take_exit(linked, mailbox, TD_REASON_OVERFLOW, "");
  nothing_more(linked);
  mailbox = open_bounded(engine, TD_KILL, 2);
  CHECK_OK(td_link(mailbox, linked));
  CHECK_IS(td_send_many(mailbox, TD_NOBODY, items, 3), 2);
  take_exit(linked, mailbox, TD_REASON_OVERFLOW, "");
}

static void too_big_is_no_overflow(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.policy = TD_KILL;
  options.max_bytes = 100;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  static char bytes[101];
  CHECK_IS(td_send(mailbox, TD_NOBODY, 0, bytes, sizeof bytes), TD_ETOOBIG);
  is_alive(mailbox);
}

static void a_publication_can_kill(void) {
  td_mailbox killed = open_bounded(engine, TD_KILL, 1), other = open_mailbox(engine), own = open_mailbox(engine);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription subscription;
  td_receipt receipt;
  CHECK_OK(td_subscribe(killed, TD_STR("t"), NULL, &subscription));
  CHECK_OK(td_subscribe(other, TD_STR("t"), NULL, &subscription));
  options.policy = TD_KILL;
  options.max_messages = 1;
  CHECK_OK(td_subscribe(own, TD_STR("t"), &options, &subscription));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("t"), 1, NULL, 0, NULL, &receipt));
  CHECK_EQ(receipt.queued, 3);
  CHECK_OK(td_publish(engine, other, TD_STR("t"), 2, NULL, 0, NULL, &receipt));
  CHECK_EQ(receipt.matched, 3);
  CHECK_EQ(receipt.queued, 1);
  CHECK_EQ(receipt.dropped, 2);
  is_over(killed, TD_REASON_OVERFLOW);
  is_over(own, TD_REASON_OVERFLOW);
  CHECK_EQ(counters_of(other).queued, 2);
  CHECK_OK(td_publish(engine, other, TD_STR("t"), 3, NULL, 0, NULL, &receipt));
  CHECK_EQ(receipt.matched, 1);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  they_end_together();
  the_normal_end_is_not_passed_on();
  one_that_traps_is_told();
  a_kill_is_trapped_by_the_linked_only();
  twice_is_once();
  unlinked_is_unlinked();
  the_dead_cannot_be_linked();
  trapping_can_end();
  exits_ignore_bounds();
  a_batch_and_a_peek_show_an_exit();
  a_long_chain_needs_no_stack();
  many_ends_of_one();
  links_and_ends_race();
  an_overflow_kills();
  every_way_to_send_overflows();
  too_big_is_no_overflow();
  a_publication_can_kill();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
