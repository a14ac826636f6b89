/* Many threads, one mailbox: each sender's order is kept, every message is received once, closing wakes who waits. */
#include "check.h"

enum { SENDERS = 3 };
static td_engine engine;

struct sender {
  td_mailbox to, from;
  uint64_t number;
};

static void *send_all(void *user) {
  struct sender *sender = (struct sender *)user;
  uint64_t count = check_count(100000);
  for (uint64_t i = 0; i < count; i++) {
    int32_t result;
    while ((result = td_send(sender->to, sender->from, (sender->number << 32) | i, &i, sizeof i)) == TD_EFULL) sched_yield();
    CHECK_OK(result);
  }
  return NULL;
}

static void three_senders_keep_their_order(void) { /* C1 */
  struct sender senders[SENDERS];
  pthread_t threads[SENDERS];
  uint64_t next[SENDERS] = {0}, count = check_count(100000);
  td_mailbox mailbox = open_mailbox(engine);
  for (uint64_t i = 0; i < SENDERS; i++) {
    senders[i].to = mailbox;
    senders[i].from = open_mailbox(engine);
    senders[i].number = i;
    CHECK_EQ(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
  }
  for (uint64_t seen = 0; seen < SENDERS * count; seen++) {
    td_message message;
    uint64_t payload;
    CHECK_OK(td_recv(mailbox, check_patience(TD_MS(10000)), 0, &message));
    uint64_t sender = message.tag >> 32, number = message.tag & 0xffffffffu;
    CHECK(sender < SENDERS);
    CHECK_EQ(number, next[sender]++);
    CHECK_EQ(message.from.id, senders[sender].from.id);
    memcpy(&payload, message.data, sizeof payload);
    CHECK_EQ(payload, number);
    CHECK_OK(td_message_release(&message));
  }
  for (int i = 0; i < SENDERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  td_mailbox_counters counters = counters_of(mailbox);
  CHECK_EQ(counters.delivered, SENDERS * count);
  CHECK_EQ(counters.lost + counters.queued, 0);
}

struct receiver {
  td_mailbox mailbox;
  uint64_t count, sum;
  int32_t end;
  int64_t ended_at;
};

static void *receive_all(void *user) {
  struct receiver *receiver = (struct receiver *)user;
  td_message message;
  while ((receiver->end = td_recv(receiver->mailbox, TD_FOREVER, 0, &message)) == TD_OK) {
    receiver->count++;
    receiver->sum += message.tag;
    CHECK_OK(td_message_release(&message));
  }
  receiver->ended_at = check_clock();
  return NULL;
}

static void two_receivers_share_without_a_copy(void) {
  struct receiver receivers[2];
  pthread_t threads[2];
  uint64_t count = check_count(50000);
  td_mailbox mailbox = open_mailbox(engine);
  memset(receivers, 0, sizeof receivers);
  for (int i = 0; i < 2; i++) {
    receivers[i].mailbox = mailbox;
    CHECK_EQ(pthread_create(&threads[i], NULL, receive_all, &receivers[i]), 0);
  }
  for (uint64_t i = 1; i <= count; i++)
    while (send_tag(mailbox, i) == TD_EFULL) sched_yield();
  while (counters_of(mailbox).queued > 0) check_sleep(TD_MS(1));
  CHECK_OK(td_mailbox_close(mailbox));
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_IS(receivers[i].end, TD_ECLOSED);
  }
  CHECK_EQ(receivers[0].count + receivers[1].count, count);
  CHECK_EQ(receivers[0].sum + receivers[1].sum, count * (count + 1) / 2);
}

static void closing_wakes_a_blocked_receiver(void) { /* C4 */
  struct receiver receiver;
  pthread_t thread;
  memset(&receiver, 0, sizeof receiver);
  receiver.mailbox = open_mailbox(engine);
  CHECK_EQ(pthread_create(&thread, NULL, receive_all, &receiver), 0);
  check_sleep(TD_MS(50));
  int64_t closed_at = check_clock();
  CHECK_OK(td_mailbox_close(receiver.mailbox));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_IS(receiver.end, TD_ECLOSED);
  CHECK(receiver.ended_at - closed_at < check_patience(TD_MS(200)));
}

static void *run_until_closed(void *user) {
  int32_t result;
  while ((result = td_loop_run(*(td_loop *)user, TD_FOREVER, 0)) >= 0) continue;
  return (void *)(intptr_t)result;
}

static void closing_wakes_a_waiting_loop(void) {
  td_loop loop = open_loop(engine);
  pthread_t thread;
  void *result;
  CHECK_EQ(pthread_create(&thread, NULL, run_until_closed, &loop), 0);
  check_sleep(TD_MS(20));
  CHECK_OK(td_loop_close(loop));
  CHECK_EQ(pthread_join(thread, &result), 0);
  CHECK_EQ((intptr_t)result, TD_ECLOSED);
}

static void *open_and_close(void *user) {
  td_mailbox peer = *(td_mailbox *)user;
  uint64_t count = check_count(3000);
  for (uint64_t i = 0; i < count; i++) {
    td_mailbox mailbox = open_mailbox(engine);
    td_monitor_ref monitor;
    td_subscription subscription;
    CHECK_OK(td_monitor(mailbox, peer, 0, &monitor));
    CHECK_OK(td_subscribe(mailbox, TD_STR("busy.*"), NULL, &subscription));
    (void)td_publish(engine, mailbox, TD_STR("busy.place"), i, NULL, 0, NULL, NULL);
    (void)td_send(peer, mailbox, i, NULL, 0);
    CHECK_OK(td_mailbox_close(mailbox));
  }
  return NULL;
}

static void opening_and_closing_on_every_thread(void) {
  pthread_t threads[SENDERS];
  td_mailbox peer = open_bounded(engine, TD_DROP_OLD, 100);
  for (int i = 0; i < SENDERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, open_and_close, &peer), 0);
  for (int i = 0; i < SENDERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  CHECK_EQ(counters_of(peer).monitored_by, 0); /* nothing is left at the target */
  CHECK_EQ(counters_of(peer).sent, SENDERS * check_count(3000));
  td_engine_counters counters;
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.subscriptions, 0);
}

static void *send_until_over(void *user) {
  uint64_t i = 0;
  while (send_tag(*(td_mailbox *)user, i++) != TD_ENOPROC) continue;
  return NULL;
}

static void an_engine_closes_under_its_senders(void) {
  pthread_t threads[SENDERS];
  td_engine racing = open_engine(0);
  td_mailbox mailbox = open_bounded(racing, TD_DROP_OLD, 10);
  for (int i = 0; i < SENDERS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, send_until_over, &mailbox), 0);
  check_sleep(TD_MS(20));
  CHECK_OK(td_engine_close(racing));
  for (int i = 0; i < SENDERS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  three_senders_keep_their_order();
  two_receivers_share_without_a_copy();
  closing_wakes_a_blocked_receiver();
  closing_wakes_a_waiting_loop();
  opening_and_closing_on_every_thread();
  an_engine_closes_under_its_senders();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
