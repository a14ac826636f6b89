/* Rule 32: a process ends with status 0 while its engine is in full use: threads waiting, sending and running a loop,
 * timers about to fire. Nothing is closed here, on purpose. */
#include "check.h"

static td_mailbox busy, quiet;
static td_loop loop;

static void *wait_for_nothing(void *user) {
  td_message message;
  (void)user;
  (void)td_recv(quiet, TD_FOREVER, 0, &message);
  return NULL;
}

static void *send_without_end(void *user) {
  (void)user;
  for (uint64_t i = 0;; i++) {
    td_message message;
    (void)send_tag(busy, i);
    if (i % 3 == 0 && td_recv(busy, 0, 0, &message) == TD_OK) (void)td_message_release(&message);
    if (i % 1000 == 0) check_sleep(1000);
  }
  return NULL;
}

static void *run_without_end(void *user) {
  (void)user;
  while (td_loop_run(loop, TD_FOREVER, 0) >= 0) continue;
  return NULL;
}

static void take_all(td_batch *batch, void *user) {
  td_message message;
  (void)user;
  while (td_batch_next(batch, &message) > 0) continue;
}

int main(void) {
  void *(*const bodies[])(void *) = {wait_for_nothing, send_without_end, run_without_end};
  td_engine engine;
  td_timer timer;
  check_begin();
  CHECK_OK(td_engine_default(&engine));
  loop = open_loop(engine);
  quiet = open_mailbox(engine);
  busy = open_bounded(engine, TD_DROP_OLD, 100);
  td_mailbox handler = open_handler(engine, loop, take_all, NULL);
  CHECK_OK(td_send_every(handler, TD_MS(1), 0, NULL, 0, &timer));
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, bodies[i], NULL), 0);
    CHECK_EQ(pthread_detach(thread), 0);
  }
  check_sleep(TD_MS(50));
  return 0;
}
