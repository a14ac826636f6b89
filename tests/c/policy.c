/* A full mailbox does what its policy says, refuses or loses nothing unseen, and a loss is told at its place.
 * (rules 3 4) */
#include "check.h"

static td_engine engine;
static td_engine hand; /* virtual clock */

static void fail_refuses_at_once(void) {
  td_mailbox mailbox = open_bounded(engine, TD_FAIL, 10);
  for (uint64_t i = 1; i <= 10; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_IS(send_tag(mailbox, 11), TD_EFULL);
  CHECK_EQ(counters_of(mailbox).refused, 1);
  RECV_TAG(mailbox, 1, 0);
  CHECK_OK(send_tag(mailbox, 11));
  for (uint64_t i = 2; i <= 11; i++) RECV_TAG(mailbox, i, 0);
}

static void drop_new_tells_at_the_end(void) { /* C5 */
  td_mailbox mailbox = open_bounded(engine, TD_DROP_NEW, 10);
  td_message message;
  for (uint64_t i = 1; i <= 15; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_EQ(counters_of(mailbox).lost, 5);
  for (uint64_t i = 1; i <= 10; i++) RECV_TAG(mailbox, i, 0);
  CHECK_OK(td_mailbox_exit(mailbox, TD_REASON_USER, NULL, 0));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_END);
  CHECK_EQ(message.status, TD_REASON_USER);
  CHECK_EQ(message.lost, 5);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_ECLOSED);
  CHECK_EQ(counters_of(mailbox).lost, 5);
}

static void drop_new_tells_with_the_next(void) {
  td_mailbox mailbox = open_bounded(engine, TD_DROP_NEW, 2);
  for (uint64_t i = 1; i <= 5; i++) CHECK_OK(send_tag(mailbox, i));
  RECV_TAG(mailbox, 1, 0);
  CHECK_OK(send_tag(mailbox, 6));
  RECV_TAG(mailbox, 2, 0);
  RECV_TAG(mailbox, 6, 3);
}

static void drop_old_tells_at_the_front(void) { /* C6 */
  td_mailbox mailbox = open_bounded(engine, TD_DROP_OLD, 10);
  for (uint64_t i = 1; i <= 15; i++) CHECK_OK(send_tag(mailbox, i));
  RECV_TAG(mailbox, 6, 5);
  for (uint64_t i = 7; i <= 15; i++) RECV_TAG(mailbox, i, 0);
  CHECK_EQ(counters_of(mailbox).lost, 5);
}

static void drop_old_by_bytes(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  char bytes[60] = "";
  options.policy = TD_DROP_OLD;
  options.max_bytes = 100;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 1, bytes, 30));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 2, bytes, 30));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 3, bytes, 30));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 4, bytes, 60)); /* needs the room of two */
  CHECK_EQ(counters_of(mailbox).queued_bytes, 90);
  RECV_TAG(mailbox, 3, 2);
  RECV_TAG(mailbox, 4, 0);
}

static void drop_old_spares_requests_and_signals(void) {
  td_mailbox mailbox = open_bounded(engine, TD_DROP_OLD, 3), caller = open_mailbox(engine), target = open_mailbox(engine);
  td_ticket ticket;
  td_monitor_ref monitor;
  td_message message;
  CHECK_OK(td_call_start(mailbox, caller, 100, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_monitor(mailbox, target, 101, &monitor));
  CHECK_OK(td_mailbox_close(target));
  for (uint64_t i = 1; i <= 10; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_REQUEST);
  CHECK_OK(td_ticket_drop(ticket));
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK(message.lost >= 7);
  uint64_t lost = message.lost;
  CHECK_EQ(message.tag, lost + 1);
  CHECK_OK(td_message_release(&message));
  for (uint64_t i = lost + 2; i <= 10; i++) RECV_TAG(mailbox, i, 0);
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

/* Rule 1: from one sender to one mailbox, order is kept over messages and signals together, losses or not. */
static void signals_keep_their_place(uint32_t policy, uint64_t before, uint64_t after) {
  td_mailbox mailbox = open_bounded(engine, policy, 4), sender = open_mailbox(engine);
  td_ticket ticket;
  td_message message;
  uint64_t last = 0, signals = 0;
  for (uint64_t i = 1; i <= before; i++) CHECK_OK(td_send(mailbox, sender, i, NULL, 0));
  CHECK_OK(td_call_start(sender, mailbox, before + 1, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_reply(ticket, NULL, 0));
  for (uint64_t i = 1; i <= after; i++) CHECK_OK(td_send(mailbox, sender, before + 1 + i, NULL, 0));
  while (td_recv(mailbox, 0, 0, &message) == TD_OK) {
    CHECK(message.tag > last);
    last = message.tag;
    signals += message.kind == TD_KIND_REPLY;
    CHECK_OK(td_message_release(&message));
  }
  CHECK_EQ(signals, 1);
  CHECK_EQ(counters_of(mailbox).queued, 0);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_OK(td_mailbox_close(sender));
}

static void signals_keep_their_place_under_every_policy(void) {
  for (uint64_t before = 0; before <= 4; before++) {
    for (uint64_t after = 0; after <= 9; after++) {
      if (before + after <= 4) signals_keep_their_place(TD_FAIL, before, after);
      signals_keep_their_place(TD_DROP_NEW, before, after);
      signals_keep_their_place(TD_DROP_OLD, before, after);
    }
  }
}

struct sender {
  td_mailbox mailbox;
  int32_t result;
};

static void *send_one(void *user) {
  struct sender *sender = (struct sender *)user;
  sender->result = send_tag(sender->mailbox, 11);
  return NULL;
}

static td_mailbox open_blocking(td_engine in, int64_t timeout) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.policy = TD_BLOCK;
  options.max_messages = 10;
  options.block_timeout = timeout;
  CHECK_OK(td_mailbox_open(in, &options, &mailbox));
  for (uint64_t i = 1; i <= 10; i++) CHECK_OK(send_tag(mailbox, i));
  return mailbox;
}

static void block_waits_until_its_time_is_up(void) { /* C7, on the virtual clock: not one nanosecond early */
  struct sender sender;
  pthread_t thread;
  sender.mailbox = open_blocking(hand, TD_MS(50));
  sender.result = 1;
  CHECK_EQ(pthread_create(&thread, NULL, send_one, &sender), 0);
  CHECK_OK(td_clock_wait_parked(hand, 1, check_patience(TD_MS(10000))));
  CHECK_OK(td_clock_advance(hand, TD_MS(50) - 1));
  check_sleep(TD_MS(20));
  CHECK_EQ(counters_of(sender.mailbox).refused, 0); /* it is still waiting */
  CHECK_OK(td_clock_advance(hand, 1));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_IS(sender.result, TD_ETIMEDOUT);
  for (uint64_t i = 1; i <= 10; i++) RECV_TAG(sender.mailbox, i, 0);
  CHECK_EQ(counters_of(sender.mailbox).refused, 1);
}

static void block_goes_on_when_there_is_room(void) {
  struct sender sender;
  pthread_t thread;
  sender.mailbox = open_blocking(hand, 0); /* TD_FOREVER */
  CHECK_EQ(pthread_create(&thread, NULL, send_one, &sender), 0);
  CHECK_OK(td_clock_wait_parked(hand, 1, check_patience(TD_MS(10000))));
  RECV_TAG(sender.mailbox, 1, 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_OK(sender.result);
  for (uint64_t i = 2; i <= 11; i++) RECV_TAG(sender.mailbox, i, 0);
}

static void block_ends_with_the_mailbox(void) {
  struct sender sender;
  pthread_t thread;
  sender.mailbox = open_blocking(hand, TD_FOREVER);
  CHECK_EQ(pthread_create(&thread, NULL, send_one, &sender), 0);
  CHECK_OK(td_clock_wait_parked(hand, 1, check_patience(TD_MS(10000))));
  CHECK_OK(td_mailbox_close(sender.mailbox));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_IS(sender.result, TD_ENOPROC);
}

static void block_by_the_sends_own_timeout(void) {
  td_mailbox mailbox = open_blocking(engine, TD_FOREVER);
  td_send_options options = TD_SEND_OPTIONS_INIT;
  options.timeout = -1;
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 11, NULL, 0, &options), TD_EFULL);
  options.timeout = TD_MS(20);
  int64_t before = check_clock();
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 11, NULL, 0, &options), TD_ETIMEDOUT);
  CHECK(check_clock() - before >= TD_MS(20));
  for (uint64_t i = 1; i <= 10; i++) RECV_TAG(mailbox, i, 0);
}

struct blocked_self {
  td_mailbox mailbox;
  int32_t result;
};

static void fill_itself(td_batch *batch, void *user) {
  struct blocked_self *self = (struct blocked_self *)user;
  td_message message;
  while (td_batch_next(batch, &message) > 0)
    while (self->result == TD_OK) self->result = send_tag(self->mailbox, 2);
}

static void waiting_for_ones_own_loop_is_a_deadlock(void) {
  struct blocked_self self;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_loop loop = open_loop(engine);
  options.policy = TD_BLOCK;
  options.max_messages = 4;
  options.loop = loop;
  options.handler = fill_itself;
  options.user = &self;
  self.result = TD_OK;
  CHECK_OK(td_mailbox_open(engine, &options, &self.mailbox));
  CHECK_OK(send_tag(self.mailbox, 1));
  CHECK(td_loop_run(loop, 0, 0) > 0);
  CHECK_IS(self.result, TD_EDEADLK);
  CHECK_OK(td_loop_close(loop));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  hand = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  fail_refuses_at_once();
  drop_new_tells_at_the_end();
  drop_new_tells_with_the_next();
  drop_old_tells_at_the_front();
  drop_old_by_bytes();
  drop_old_spares_requests_and_signals();
  signals_keep_their_place_under_every_policy();
  block_waits_until_its_time_is_up();
  block_goes_on_when_there_is_room();
  block_ends_with_the_mailbox();
  block_by_the_sends_own_timeout();
  waiting_for_ones_own_loop_is_a_deadlock();
  CHECK_OK(td_engine_close(engine));
  CHECK_OK(td_engine_close(hand));
  return 0;
}
