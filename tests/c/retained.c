/* Retained values come first and once; a will is published before DOWN; a release runs when a retained value goes.
 * (rules 28 11) */
#include "check.h"

static td_engine engine;
static int released;

static void count_release(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
  released++;
}

static void keep(const char *topic, uint64_t tag, const char *text, int lend) {
  td_send_options options = TD_SEND_OPTIONS_INIT;
  options.flags = TD_RETAIN;
  if (lend) options.release = count_release;
  CHECK_OK(td_publish(engine, TD_NOBODY, topic, strlen(topic), tag, text, strlen(text), &options, NULL));
}

static void take(td_mailbox mailbox, int32_t status, const char *topic, uint64_t tag, const char *text) {
  td_message message;
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TOPIC);
  CHECK_EQ(message.status, status);
  CHECK_EQ(message.tag, tag);
  CHECK_TEXT(message.topic, message.topic_size, topic);
  CHECK_TEXT(message.data, message.data_size, text);
  CHECK_OK(td_message_release(&message));
}

static void nothing(td_mailbox mailbox) {
  td_message message;
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

static void the_last_value_comes_first_and_once(void) {
  td_mailbox a = open_mailbox(engine);
  td_subscription subscription;
  td_batch batch;
  td_message message;
  keep("v.1", 1, "old", 0);
  keep("v.1", 2, "new", 0);
  keep("v.2", 3, "gone", 0);
  keep("v.2", 4, "", 0);
  CHECK_OK(td_subscribe(a, TD_STR("v.*"), NULL, &subscription));
  keep("v.2", 5, "live", 0);
  take(a, TD_RETAINED, "v.1", 2, "new");
  take(a, 0, "v.2", 5, "live");
  nothing(a);
  /* A frame tells it in the trailer. */
  CHECK_OK(td_subscribe(a, TD_STR("v.1"), NULL, &subscription));
  CHECK_OK(td_recv_batch(a, 0, 0, &batch));
  CHECK_IS(td_batch_next(&batch, &message), 1);
  CHECK_EQ(message.status, TD_RETAINED);
  CHECK_EQ(((const td_frame_header *)(const void *)(batch.frame + batch.offsets[0]))->flags & TD_FRAME_TRAILER, TD_FRAME_TRAILER);
  CHECK_OK(td_batch_release(&batch));
  CHECK_OK(td_mailbox_close(a));
}

static void a_lent_value_is_released_when_it_goes(void) {
  td_mailbox a = open_mailbox(engine);
  td_subscription subscription;
  keep("lent", 1, "first", 1);
  CHECK_EQ(released, 0);
  keep("lent", 2, "second", 1);
  CHECK_EQ(released, 1);
  CHECK_OK(td_subscribe(a, TD_STR("lent"), NULL, &subscription));
  take(a, TD_RETAINED, "lent", 2, "second");
  keep("lent", 3, "", 0);
  CHECK_EQ(released, 2);
  take(a, 0, "lent", 3, "");
  keep("lent", 4, "third", 1);
  take(a, 0, "lent", 4, "third");
}

static void too_many_are_refused(void) {
  td_engine own = open_engine(0);
  td_send_options options = TD_SEND_OPTIONS_INIT;
  char topic[32];
  options.flags = TD_RETAIN;
  for (int i = 0; i < 65536; i++) {
    snprintf(topic, sizeof topic, "many.%d", i);
    CHECK_OK(td_publish(own, TD_NOBODY, topic, strlen(topic), 0, "x", 1, &options, NULL));
  }
  options.release = count_release;
  released = 0;
  CHECK_IS(td_publish(own, TD_NOBODY, TD_STR("more"), 0, "x", 1, &options, NULL), TD_EFULL);
  CHECK_EQ(released, 0);
  CHECK_OK(td_publish(own, TD_NOBODY, TD_STR("many.7"), 0, "y", 1, &options, NULL));
  CHECK_OK(td_engine_close(own));
  CHECK_EQ(released, 1);
}

static void a_will_comes_before_down(void) {
  td_mailbox watcher = open_mailbox(engine), a = open_mailbox(engine), b = open_mailbox(engine);
  td_subscription subscription;
  td_monitor_ref monitor;
  td_message message;
  CHECK_OK(td_subscribe(watcher, TD_STR("will"), NULL, &subscription));
  CHECK_OK(td_will_set(a, TD_STR("will"), 1, TD_STR("not this"), 0));
  CHECK_OK(td_will_set(a, TD_STR("will"), 2, TD_STR("bye"), TD_RETAIN));
  CHECK_OK(td_monitor(watcher, a, 0, &monitor));
  CHECK_OK(td_mailbox_kill(a));
  take(watcher, 0, "will", 2, "bye");
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_subscribe(b, TD_STR("will"), NULL, &subscription));
  take(b, TD_RETAINED, "will", 2, "bye");
  CHECK_OK(td_will_set(b, TD_STR("will"), 3, NULL, 0, 0));
  CHECK_OK(td_will_clear(b));
  CHECK_IS(td_will_clear(b), TD_ENOTFOUND);
  CHECK_OK(td_mailbox_kill(b));
  nothing(watcher);
  td_mailbox c = open_mailbox(engine);
  CHECK_IS(td_will_set(c, TD_STR("$dead"), 3, NULL, 0, 0), TD_EINVAL);
  CHECK_IS(td_will_set(c, TD_STR("a.*"), 3, NULL, 0, 0), TD_EINVAL);
  CHECK_IS(td_will_set(c, TD_STR("a"), 3, NULL, 0, TD_FLUSH), TD_EINVAL);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  the_last_value_comes_first_and_once();
  a_lent_value_is_released_when_it_goes();
  CHECK_OK(td_engine_close(engine));
  CHECK_EQ(released, 3);
  too_many_are_refused();
  engine = open_engine(0);
  a_will_comes_before_down();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
