/* What was sent arrives, in order, with its tag, sender and bytes; a message is released once. */
#include "check.h"

static td_engine engine;

static void a_message_has_all_its_parts(void) {
  td_mailbox to = open_mailbox(engine), from = open_mailbox(engine);
  td_message message;
  CHECK_OK(td_send(to, from, 17, TD_STR("payload")));
  CHECK_OK(td_recv(to, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_MESSAGE);
  CHECK_EQ(message.status, 0);
  CHECK_EQ(message.from.id, from.id);
  CHECK_EQ(message.tag, 17);
  CHECK_EQ(message.lost, 0);
  CHECK(message.deadline == TD_FOREVER);
  CHECK(message.topic != NULL && message.topic[0] == 0);
  CHECK_EQ(message.topic_size, 0);
  CHECK(message.owner != 0);
  CHECK_EQ((uintptr_t)message.data % 8, 0);
  CHECK_TEXT(message.data, message.data_size, "payload");
  td_message copy = message;
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_message_release(&message), TD_ESTALE);
  CHECK_IS(td_message_release(&copy), TD_ESTALE);
  CHECK_IS(td_message_release(NULL), TD_EINVAL);

  CHECK_OK(td_send(to, TD_NOBODY, 0, NULL, 0));
  CHECK_OK(td_recv(to, 0, 0, &message));
  CHECK(message.data != NULL); /* also when empty */
  CHECK_EQ(message.data_size, 0);
  CHECK_EQ(message.from.id, 0);
  CHECK_OK(td_message_release(&message));
}

static void every_size_comes_back_whole(void) {
  static unsigned char bytes[300000];
  const size_t sizes[] = {1, 7, 8, 9, 31, 32, 255, 256, 4095, 4096, 4097, 65535, 65536, 262144, 300000};
  td_mailbox mailbox = open_mailbox(engine);
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 31 + i / 251);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) CHECK_OK(td_send(mailbox, TD_NOBODY, i, bytes, sizes[i]));
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    td_message message;
    CHECK_OK(td_recv(mailbox, 0, 0, &message));
    CHECK_EQ(message.tag, i);
    CHECK_EQ(message.data_size, sizes[i]);
    CHECK(memcmp(message.data, bytes, sizes[i]) == 0);
    CHECK_OK(td_message_release(&message));
  }
}

/* Several messages held at once stay valid until each is released, in any order. */
static void held_messages_stay_valid(void) {
  enum { COUNT = 200 };
  static td_message held[COUNT];
  td_mailbox mailbox = open_mailbox(engine);
  char text[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(text, sizeof text, "number %d", i);
    CHECK_OK(td_send(mailbox, TD_NOBODY, 0, text, strlen(text)));
    if (i % 3 == 0) CHECK_OK(td_recv(mailbox, 0, 0, &held[i / 3]));
  }
  for (int i = COUNT / 3 + 1; i < COUNT; i++) CHECK_OK(td_recv(mailbox, 0, 0, &held[i]));
  CHECK_OK(td_mailbox_close(mailbox)); /* what was delivered is the receiver's */
  for (int i = 0; i < COUNT; i++) {
    int k = (i * 7) % COUNT;
    snprintf(text, sizeof text, "number %d", k);
    CHECK_TEXT(held[k].data, held[k].data_size, text);
    CHECK_OK(td_message_release(&held[k]));
  }
  for (int i = 0; i < COUNT; i++) CHECK_IS(td_message_release(&held[i]), TD_ESTALE);
}

static void polling_and_waiting_end_differently(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_message message;
  memset(&message, 0x5a, sizeof message);
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
  int64_t before = check_clock();
  CHECK_IS(td_recv(mailbox, TD_MS(50), 0, &message), TD_ETIMEDOUT);
  CHECK(check_clock() - before >= TD_MS(50));
  CHECK_EQ(message.kind, 0x5a5a5a5a); /* out-parameters are written on success only */
  CHECK_IS(td_recv(mailbox, -1, 0, &message), TD_EINVAL);
  CHECK_IS(td_recv(mailbox, 0, 0x40000000u, &message), TD_EINVAL);
  CHECK_IS(td_recv(mailbox, 0, 0, NULL), TD_EINVAL);
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_IS(td_recv(mailbox, 0, 0, NULL), TD_EINVAL);
  CHECK_EQ(counters_of(mailbox).queued, 1); /* not lost by that */
}

static void many_at_once(void) {
  td_mailbox mailbox = open_mailbox(engine), small = open_bounded(engine, TD_FAIL, 3);
  td_item items[5];
  for (uint64_t i = 0; i < 5; i++) {
    items[i].tag = i;
    items[i].data = "abcde";
    items[i].data_size = i;
  }
  CHECK_IS(td_send_many(mailbox, TD_NOBODY, items, 5), 5);
  for (uint64_t i = 0; i < 5; i++) {
    td_message message;
    CHECK_OK(td_recv(mailbox, 0, 0, &message));
    CHECK_EQ(message.tag, i);
    CHECK_EQ(message.data_size, i);
    CHECK(memcmp(message.data, "abcde", i) == 0);
    CHECK_OK(td_message_release(&message));
  }
  CHECK_IS(td_send_many(small, TD_NOBODY, items, 5), 3); /* as many as fit, in order */
  CHECK_IS(td_send_many(small, TD_NOBODY, items, 5), TD_EFULL);
  for (uint64_t i = 0; i < 3; i++) RECV_TAG(small, i, 0);
  CHECK_IS(td_send_many(small, TD_NOBODY, NULL, 5), TD_EINVAL);
  items[1].data = NULL; /* and one byte of it */
  CHECK_IS(td_send_many(small, TD_NOBODY, items, 5), TD_EINVAL);
  CHECK_EQ(counters_of(small).queued, 0);
  CHECK_IS(td_send_many(small, TD_NOBODY, items, 0), 0);
}

static void sending_is_checked(void) {
  td_mailbox mailbox = open_mailbox(engine), gone = open_mailbox(engine);
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox narrow;
  options.max_bytes = 100;
  CHECK_OK(td_mailbox_open(engine, &options, &narrow));
  char bytes[101] = "";
  CHECK_IS(td_send(narrow, TD_NOBODY, 0, bytes, 101), TD_ETOOBIG);
  CHECK_OK(td_send(narrow, TD_NOBODY, 0, bytes, 100));
  CHECK_IS(td_send(narrow, TD_NOBODY, 0, bytes, 1), TD_EFULL);
  CHECK_EQ(counters_of(narrow).queued_bytes, 100);
  CHECK_EQ(counters_of(narrow).refused, 2);
  CHECK_OK(td_send(narrow, TD_NOBODY, 0, bytes, 0)); /* bytes are full, messages are not */
  CHECK_IS(td_send(mailbox, TD_NOBODY, 0, NULL, 1), TD_EINVAL);
  CHECK_IS(td_send(mailbox, TD_NOBODY, 0, bytes, SIZE_MAX), TD_EINVAL);
  CHECK_OK(td_mailbox_close(gone));
  CHECK_IS(send_tag(gone, 0), TD_ENOPROC);
  CHECK_IS(td_send_name(engine, TD_STR("nobody.here"), TD_NOBODY, 0, NULL, 0), TD_ENOTFOUND);
  CHECK_OK(td_register(mailbox, TD_STR("here")));
  CHECK_OK(td_send_name(engine, TD_STR("here"), TD_NOBODY, 5, NULL, 0));
  RECV_TAG(mailbox, 5, 0);
}

static void ex_options_are_checked(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_send_options options = TD_SEND_OPTIONS_INIT;
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, TD_STR("x"), NULL));
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 2, TD_STR("x"), &options));
  RECV_TAG(mailbox, 1, 0);
  RECV_TAG(mailbox, 2, 0);
  options.flags = TD_FLUSH;
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 0, TD_STR("x"), &options), TD_EINVAL);
  options.flags = 0;
  options.timeout = -2;
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 0, TD_STR("x"), &options), TD_EINVAL);
  options.timeout = 0;
  options.size = 1;
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 0, TD_STR("x"), &options), TD_EINVAL);
  options.size = sizeof options;
  options.release_loop.id = mailbox.id;
  options.release = NULL;
  CHECK_FAILS(td_send_ex(mailbox, TD_NOBODY, 0, TD_STR("x"), &options)); /* a loop for no release function, and no loop */
  CHECK_EQ(counters_of(mailbox).queued, 0);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  a_message_has_all_its_parts();
  every_size_comes_back_whole();
  held_messages_stay_valid();
  polling_and_waiting_end_differently();
  many_at_once();
  sending_is_checked();
  ex_options_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
