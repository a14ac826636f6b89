/* TD_CONFLATE: of each tag only the newest value waits, in the place of the first, and says how many it replaced.
 * (rules 3 4) */
#include "check.h"

static td_engine engine;

#define NEXT(mailbox, tag, text, replaced) next_is(__FILE__, __LINE__, (mailbox), (tag), (text), (replaced))
static void next_is(const char *file, int line, td_mailbox mailbox, uint64_t tag, const char *text, uint64_t replaced) {
  td_message message;
  check_is(file, line, "td_recv", td_recv(mailbox, 0, 0, &message), TD_OK, "TD_OK");
  check_eq(file, line, "message.tag", (int64_t)message.tag, (int64_t)tag);
  check_eq(file, line, "message.info[0]", (int64_t)message.info[0], (int64_t)replaced);
  check_text(file, line, "message.data", message.data, message.data_size, text);
  check_is(file, line, "td_message_release", td_message_release(&message), TD_OK, "TD_OK");
}

static int32_t send_text(td_mailbox to, td_mailbox from, uint64_t tag, const char *text) {
  return td_send(to, from, tag, text, strlen(text));
}

static void the_newest_takes_the_place_of_the_first(void) {
  td_mailbox mailbox = open_bounded(engine, TD_CONFLATE, 3), other = open_mailbox(engine);
  td_message message;
  CHECK_OK(send_text(mailbox, TD_NOBODY, 1, "one"));
  CHECK_OK(send_text(mailbox, TD_NOBODY, 2, "two"));
  CHECK_OK(send_text(mailbox, TD_NOBODY, 3, "three"));
  CHECK_OK(send_text(mailbox, TD_NOBODY, 2, "a longer second"));
  CHECK_OK(send_text(mailbox, other, 1, ""));
  CHECK_OK(send_text(mailbox, TD_NOBODY, 2, "2"));
  CHECK_IS(send_text(mailbox, TD_NOBODY, 4, "new"), TD_EFULL); /* and not what is there */
  CHECK_EQ(counters_of(mailbox).conflated, 3);
  CHECK_EQ(counters_of(mailbox).refused, 1);
  CHECK_EQ(counters_of(mailbox).queued, 3);
  CHECK_EQ(counters_of(mailbox).queued_bytes, 6);
  CHECK_OK(td_recv(mailbox, 0, 0, &message)); /* sender and payload are the newest */
  CHECK_EQ(message.tag, 1);
  CHECK_EQ(message.from.id, other.id);
  CHECK_EQ(message.data_size, 0);
  CHECK_EQ(message.info[0], 1);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(send_text(mailbox, TD_NOBODY, 1, "again")); /* what was taken is not replaced */
  NEXT(mailbox, 2, "2", 2);
  NEXT(mailbox, 3, "three", 0);
  NEXT(mailbox, 1, "again", 0);
}

static void the_bound_in_bytes_holds(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  char bytes[100] = "";
  options.policy = TD_CONFLATE;
  options.max_bytes = 100;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 1, bytes, 60));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 2, bytes, 30));
  CHECK_IS(td_send(mailbox, TD_NOBODY, 2, bytes, 41), TD_EFULL);
  CHECK_OK(td_send(mailbox, TD_NOBODY, 2, bytes, 40));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 1, bytes, 10));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 2, bytes, 90));
  CHECK_EQ(counters_of(mailbox).queued_bytes, 100);
  CHECK_IS(td_send(mailbox, TD_NOBODY, 2, bytes, 101), TD_ETOOBIG);
}

static int released;
static void count_release(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
  released++;
}

static void a_replaced_payload_is_released(void) {
  static char payload[8] = "payload";
  td_mailbox mailbox = open_bounded(engine, TD_CONFLATE, 10);
  td_send_options options = TD_SEND_OPTIONS_INIT;
  options.release = count_release;
  for (int i = 1; i <= 5; i++) {
    CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 7, payload, sizeof payload, &options));
    CHECK_EQ(released, i - 1);
  }
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(released, 5);
}

static void a_batch_in_hand_is_not_queued(void) {
  td_mailbox mailbox = open_bounded(engine, TD_CONFLATE, 10);
  td_batch batch;
  td_message message;
  CHECK_OK(send_text(mailbox, TD_NOBODY, 1, "a"));
  CHECK_OK(send_text(mailbox, TD_NOBODY, 2, "b"));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_EQ(td_batch_next(&batch, &message), 1);
  CHECK_OK(send_text(mailbox, TD_NOBODY, 1, "c"));
  CHECK_OK(td_batch_release(&batch)); /* 2 goes back, and is replaced again */
  CHECK_OK(send_text(mailbox, TD_NOBODY, 2, "d"));
  NEXT(mailbox, 2, "d", 1);
  NEXT(mailbox, 1, "c", 0);
}

static void a_waiting_selective_receive_sees_the_new_sender(void) {
  td_mailbox mailbox = open_bounded(engine, TD_CONFLATE, 10), other = open_mailbox(engine);
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_FROM;
  match.from = other;
  CHECK_OK(send_text(mailbox, TD_NOBODY, 1, "a"));
  CHECK_IS(td_recv_match(mailbox, &match, TD_MS(1), 0, &message), TD_ETIMEDOUT);
  CHECK_OK(send_text(mailbox, other, 1, "b"));
  CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
  CHECK_TEXT(message.data, message.data_size, "b");
  CHECK_OK(td_message_release(&message));
}

static void publish_text(const char *topic, uint64_t tag, const char *text, td_receipt *receipt) {
  CHECK_OK(td_publish(engine, TD_NOBODY, topic, strlen(topic), tag, text, strlen(text), NULL, receipt));
}

/* In a subscription: its own messages, by topic and tag, within its own bound. */
static void a_subscription_conflates_its_own(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription latest, all;
  td_receipt receipt;
  options.policy = TD_CONFLATE;
  options.max_messages = 2;
  CHECK_OK(td_subscribe(mailbox, TD_STR("price.*"), &options, &latest));
  publish_text("price.a", 1, "1", NULL);
  publish_text("price.b", 1, "2", NULL);
  publish_text("price.a", 1, "3", &receipt);
  CHECK_EQ(receipt.queued, 1);
  publish_text("price.a", 2, "4", &receipt); /* another tag, and no room for it */
  CHECK_EQ(receipt.dropped, 1);
  CHECK_OK(td_subscribe(mailbox, TD_STR("price.>"), NULL, &all));
  publish_text("price.b", 1, "5", &receipt); /* the other subscription has a copy of its own */
  CHECK_EQ(receipt.queued, 2);
  NEXT(mailbox, 1, "3", 1);
  NEXT(mailbox, 1, "5", 1);
  td_message message;
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.ref, all.id);
  CHECK_EQ(message.lost, 1);
  CHECK_OK(td_message_release(&message));
  CHECK_EQ(counters_of(mailbox).conflated, 2);
}

/* Senders and a receiver at once: each tag's values rise, and every one is accounted for. */
static void *send_values(void *data) {
  td_mailbox mailbox = *(td_mailbox *)data;
  uint64_t count = check_count(200000);
  for (uint64_t i = 0; i < count; i++) CHECK_OK(td_send(mailbox, TD_NOBODY, i % 100, &i, sizeof i));
  return NULL;
}

static void what_is_replaced_is_counted(void) {
  td_mailbox mailbox = open_bounded(engine, TD_CONFLATE, 0);
  pthread_t thread;
  uint64_t count = check_count(200000), seen = 0, last[100];
  memset(last, 0, sizeof last);
  CHECK_EQ(pthread_create(&thread, NULL, send_values, &mailbox), 0);
  while (seen < count) {
    td_message message;
    uint64_t value;
    CHECK_OK(td_recv(mailbox, TD_MS(30000), 0, &message));
    memcpy(&value, message.data, sizeof value);
    CHECK_EQ(value % 100, message.tag);
    CHECK(value >= last[message.tag]);
    last[message.tag] = value;
    seen += message.info[0] + 1;
    CHECK_OK(td_message_release(&message));
  }
  CHECK_EQ(seen, count);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(counters_of(mailbox).sent, count);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  the_newest_takes_the_place_of_the_first();
  the_bound_in_bytes_holds();
  a_replaced_payload_is_released();
  a_batch_in_hand_is_not_queued();
  a_waiting_selective_receive_sees_the_new_sender();
  a_subscription_conflates_its_own();
  what_is_replaced_is_counted();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
