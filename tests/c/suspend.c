/* A suspended mailbox keeps what comes in, in order and under its bound, and nobody is given any of it until it is
 * resumed: no receive call, no descriptor, no handler. (rules 8 9) */
#include "check.h"

static td_engine engine;

static void receives_find_nothing(void) {
  td_mailbox mailbox = open_bounded(engine, TD_FAIL, 3);
  td_message message;
  td_batch batch;
  td_cursor cursor = TD_CURSOR_INIT;
  td_match match = TD_MATCH_INIT;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(td_recv_peek(mailbox, &cursor, 0, 0, &message));
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_suspend(mailbox));
  CHECK_OK(td_suspend(mailbox));
  CHECK_OK(send_tag(mailbox, 2));
  CHECK_OK(send_tag(mailbox, 3));
  CHECK_IS(send_tag(mailbox, 4), TD_EFULL);
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
  CHECK_IS(td_recv(mailbox, TD_MS(5), 0, &message), TD_ETIMEDOUT);
  CHECK_IS(td_recv_match(mailbox, &match, TD_MS(5), 0, &message), TD_ETIMEDOUT);
  CHECK_IS(td_recv_batch(mailbox, 0, 0, &batch), TD_EAGAIN);
  CHECK_IS(td_recv_take(mailbox, &cursor, &message), TD_EAGAIN);
  CHECK_EQ(counters_of(mailbox).suspended, 1);
  CHECK_OK(td_resume(mailbox));
  CHECK_OK(td_resume(mailbox));
  CHECK_EQ(counters_of(mailbox).suspended, 0);
  for (uint64_t i = 1; i <= 3; i++) RECV_TAG(mailbox, i, 0);
}

static void the_descriptor_is_quiet(void) {
  td_mailbox mailbox = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  td_fd fd;
  CHECK_OK(td_mailbox_fd(mailbox, &fd));
  CHECK_OK(td_monitor(mailbox, target, 0, &monitor));
  CHECK_OK(send_tag(mailbox, 1));
  CHECK(check_readable(fd));
  CHECK_OK(td_suspend(mailbox));
  CHECK(!check_readable(fd));
  CHECK_OK(send_tag(mailbox, 2));
  CHECK_OK(td_mailbox_close(target)); /* a signal waits as well */
  CHECK(!check_readable(fd));
  CHECK_OK(td_resume(mailbox));
  CHECK(check_readable(fd));
  CHECK_OK(td_suspend(mailbox));
  CHECK(!check_readable(fd));
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK(check_readable(fd)); /* the end shows */
  close((int)fd);
}

static int handled;
static void count_batch(td_batch *batch, void *user) {
  td_message message;
  (void)user;
  while (td_batch_next(batch, &message) == 1) {
    CHECK_EQ(message.tag, (uint64_t)handled + 1);
    if (++handled == 2) { /* this batch finishes, or hands the rest back */
      CHECK_OK(td_suspend(batch->mailbox));
      return;
    }
  }
}

static void the_handler_is_not_called(void) {
  td_loop loop = open_loop(engine);
  td_mailbox mailbox = open_handler(engine, loop, count_batch, NULL);
  td_fd fd;
  CHECK_OK(td_loop_fd(loop, &fd));
  CHECK_OK(td_suspend(mailbox));
  CHECK_OK(send_tag(mailbox, 1));
  CHECK(!check_readable(fd));
  CHECK_OK(td_loop_run(loop, 0, 0));
  CHECK_EQ(handled, 0);
  CHECK_OK(td_resume(mailbox));
  CHECK(check_readable(fd));
  for (uint64_t i = 2; i <= 4; i++) CHECK_OK(send_tag(mailbox, i));
  for (int i = 0; i < 5; i++) CHECK(td_loop_run(loop, 0, 0) >= 0);
  CHECK_EQ(handled, 2);
  CHECK_EQ(counters_of(mailbox).queued, 2);
  CHECK_OK(send_tag(mailbox, 5));
  CHECK(td_loop_run(loop, 0, 0) >= 0);
  CHECK_EQ(handled, 2);
  CHECK_OK(td_resume(mailbox));
  while (handled < 5) CHECK(td_loop_run(loop, TD_MS(1000), 0) >= 0);
  CHECK_OK(td_loop_close(loop));
  close((int)fd);
}

static void *receive_all(void *data) {
  td_mailbox mailbox = *(td_mailbox *)data;
  td_message message;
  for (uint64_t i = 1; td_recv(mailbox, TD_FOREVER, 0, &message) == TD_OK; i++) {
    CHECK_EQ(message.tag, i);
    CHECK_OK(td_message_release(&message));
  }
  return NULL;
}

/* Whoever waits meanwhile misses nothing. */
static void a_waiting_receiver_is_woken(void) {
  td_mailbox mailbox = open_mailbox(engine);
  pthread_t thread;
  uint64_t count = check_count(20000);
  CHECK_EQ(pthread_create(&thread, NULL, receive_all, &mailbox), 0);
  for (uint64_t i = 1; i <= count; i++) {
    if (i % 7 == 0) CHECK_OK(td_suspend(mailbox));
    CHECK_OK(send_tag(mailbox, i));
    if (i % 7 == 3) CHECK_OK(td_resume(mailbox));
  }
  CHECK_OK(td_resume(mailbox));
  while (counters_of(mailbox).queued > 0) check_sleep(TD_MS(1));
  CHECK_OK(td_suspend(mailbox));
  CHECK_OK(td_mailbox_close(mailbox)); /* ends the wait */
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(counters_of(mailbox).delivered, count);
  CHECK_IS(td_suspend(mailbox), TD_ENOPROC);
  CHECK_IS(td_resume(mailbox), TD_ENOPROC);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  receives_find_nothing();
  the_descriptor_is_quiet();
  the_handler_is_not_called();
  a_waiting_receiver_is_woken();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
