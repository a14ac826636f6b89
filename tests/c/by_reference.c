/* A payload with a release function is not copied, and is released exactly once: by the last reader, by a drop, by the
 * end of the mailbox; inside the release loop where one was given. On an error the caller keeps it. (rule 10) */
#include "check.h"

enum { SIZE = 100000 };
static td_engine engine;
static char payload[SIZE];

struct counter {
  int released;
  pthread_t thread;
};

static void release(void *data, size_t size, void *user) {
  struct counter *counter = (struct counter *)user;
  CHECK(data == payload);
  CHECK_EQ(size, SIZE);
  counter->released++;
  counter->thread = pthread_self();
}

static td_send_options by_reference(struct counter *counter) {
  td_send_options options = TD_SEND_OPTIONS_INIT;
  counter->released = 0;
  options.release = release;
  options.release_user = counter;
  return options;
}

static void it_is_the_same_memory(void) {
  td_mailbox mailbox = open_mailbox(engine);
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_message message;
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK(message.data == payload);
  CHECK_EQ(message.data_size, SIZE);
  CHECK_EQ(counter.released, 0);
  CHECK_OK(td_message_release(&message));
  CHECK_EQ(counter.released, 1);
  CHECK_IS(td_message_release(&message), TD_ESTALE);
  CHECK_EQ(counter.released, 1);
}

static void a_frame_names_it(void) {
  td_mailbox mailbox = open_mailbox(engine);
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_batch batch, copy;
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  td_frame_header header;
  td_frame_by_ref body;
  memcpy(&header, batch.frame + batch.offsets[0], sizeof header);
  CHECK(header.flags & TD_FRAME_BY_REF);
  CHECK_EQ(header.size, sizeof body);
  memcpy(&body, batch.frame + batch.offsets[0] + sizeof header, sizeof body);
  CHECK(body.data == payload);
  CHECK_EQ(body.data_size, SIZE);
  CHECK_OK(td_batch_retain(&batch, &copy));
  batch.cursor = 1;
  CHECK_OK(td_batch_release(&batch));
  CHECK_EQ(counter.released, 0); /* the copy still reads it */
  CHECK_OK(td_batch_release(&copy));
  CHECK_EQ(counter.released, 1);
}

static void the_end_releases_what_is_queued(void) {
  td_mailbox mailbox = open_mailbox(engine);
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_message message;
  for (int i = 0; i < 5; i++) CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(counter.released, 4);
  CHECK_OK(td_message_release(&message)); /* the one that was delivered is still the receiver's */
  CHECK_EQ(counter.released, 5);
}

static void dropping_releases(void) {
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_mailbox mailbox = open_bounded(engine, TD_DROP_OLD, 2);
  for (int i = 1; i <= 6; i++) CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_EQ(counter.released, 4);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(counter.released, 6);

  options = by_reference(&counter);
  mailbox = open_bounded(engine, TD_DROP_NEW, 2);
  for (int i = 1; i <= 6; i++) CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_EQ(counter.released, 4); /* success: it was the engine's to drop */
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(counter.released, 6);
}

static void on_an_error_the_caller_keeps_it(void) {
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_mailbox mailbox = open_bounded(engine, TD_FAIL, 1), gone = open_mailbox(engine);
  td_mailbox nobody = TD_NOBODY;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(td_mailbox_close(gone));
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options), TD_EFULL);
  CHECK_IS(td_send_ex(gone, TD_NOBODY, 1, payload, SIZE, &options), TD_ENOPROC);
  CHECK_IS(td_send_ex(nobody, TD_NOBODY, 1, payload, SIZE, &options), TD_EBADID);
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 1, NULL, SIZE, &options), TD_EINVAL);
  options.flags = 0x1000;
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options), TD_EINVAL);
  CHECK_EQ(counter.released, 0);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(counter.released, 0);
}

static void publishing_releases_after_the_last_reader(void) {
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_mailbox one = open_mailbox(engine), other = open_mailbox(engine);
  td_subscription a, b;
  td_message first, second;
  td_receipt receipt;
  CHECK_OK(td_subscribe(one, TD_STR("big"), NULL, &a));
  CHECK_OK(td_subscribe(other, TD_STR("big"), NULL, &b));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("big"), 0, payload, SIZE, &options, &receipt));
  CHECK_EQ(receipt.queued, 2);
  CHECK_OK(td_recv(one, 0, 0, &first));
  CHECK_OK(td_recv(other, 0, 0, &second));
  CHECK(first.data == payload && second.data == payload);
  CHECK_OK(td_message_release(&first));
  CHECK_EQ(counter.released, 0);
  CHECK_OK(td_message_release(&second));
  CHECK_EQ(counter.released, 1);

  options = by_reference(&counter); /* to nobody at all */
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("unheard"), 0, payload, SIZE, &options, &receipt));
  CHECK_EQ(receipt.matched, 0);
  CHECK_EQ(counter.released, 1);
  options = by_reference(&counter); /* a topic that is none */
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("a..b"), 0, payload, SIZE, &options, &receipt), TD_EINVAL);
  CHECK_EQ(counter.released, 0);
}

static void *read_it(void *user) {
  td_message message;
  CHECK_OK(td_recv(*(td_mailbox *)user, TD_FOREVER, 0, &message));
  CHECK(message.data == payload);
  CHECK_OK(td_message_release(&message));
  return NULL;
}

static void the_release_loop_releases_on_its_thread(void) {
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_mailbox mailbox = open_mailbox(engine);
  td_loop loop = open_loop(engine);
  td_fd fd;
  pthread_t thread;
  options.release_loop = loop;
  CHECK_OK(td_loop_fd(loop, &fd));
  CHECK_EQ(pthread_create(&thread, NULL, read_it, &mailbox), 0);
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(counter.released, 0);
  CHECK(check_readable(fd)); /* releasing is something to do */
  CHECK(td_loop_run(loop, 0, 0) >= 0);
  CHECK_EQ(counter.released, 1);
  CHECK(pthread_equal(counter.thread, pthread_self()));
  CHECK(!check_readable(fd));

  options = by_reference(&counter);
  options.release_loop = loop;
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options));
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(counter.released, 0);
  CHECK_OK(td_loop_close(loop)); /* what is left over is released here */
  CHECK_EQ(counter.released, 1);
  CHECK_EQ(close((int)fd), 0);
}

static void a_release_loop_that_is_over_is_an_error(void) {
  struct counter counter;
  td_send_options options = by_reference(&counter);
  td_mailbox mailbox = open_mailbox(engine);
  td_loop loop = open_loop(engine);
  options.release_loop = loop;
  CHECK_OK(td_loop_close(loop));
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options), TD_ESTALE);
  options.release_loop.id = mailbox.id;
  CHECK_IS(td_send_ex(mailbox, TD_NOBODY, 1, payload, SIZE, &options), TD_EBADID);
  CHECK_EQ(counter.released, 0);
}

int main(void) {
  check_begin();
  memset(payload, 'p', sizeof payload);
  engine = open_engine(0);
  it_is_the_same_memory();
  a_frame_names_it();
  the_end_releases_what_is_queued();
  dropping_releases();
  on_an_error_the_caller_keeps_it();
  publishing_releases_after_the_last_reader();
  the_release_loop_releases_on_its_thread();
  a_release_loop_that_is_over_is_an_error();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
