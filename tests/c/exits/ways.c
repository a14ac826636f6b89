/* Rule 32: a process ends as it says, in each way there is, while its engine is in full use: workers, the timer thread,
 * the notice thread, a loop, waiting threads and a flood. Nothing is closed here, on purpose.
 *
 *   ways return|exit|_exit|quick_exit|thread|dlclose      the status is 7 */
#include "../check.h"

#include <dlfcn.h>

#define STATUS 7

static td_mailbox busy, quiet, noticed, worked;
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
    (void)send_tag(worked, i);
    (void)td_notify(noticed, i);
    if (i % 3 == 0 && td_recv(busy, 0, 0, &message) == TD_OK) (void)td_message_release(&message);
    if (td_recv(noticed, 0, 0, &message) == TD_OK) (void)td_message_release(&message);
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

static void *leave(void *user) {
  (void)user;
  exit(STATUS);
}

int main(int count, char **words) {
  void *(*const bodies[])(void *) = {wait_for_nothing, send_without_end, run_without_end};
  const char *way = count > 1 ? words[1] : "return";
  td_engine_options engine_options = TD_ENGINE_OPTIONS_INIT;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine;
  td_timer timer;
  check_begin();
  engine_options.workers = 2;
  CHECK_OK(td_engine_open(&engine_options, &engine));
  loop = open_loop(engine);
  quiet = open_mailbox(engine);
  busy = open_bounded(engine, TD_DROP_OLD, 100);
  options.flags = TD_NOTIFIABLE;
  CHECK_OK(td_mailbox_open(engine, &options, &noticed));
  options.flags = TD_BY_WORKERS;
  options.handler = take_all;
  CHECK_OK(td_mailbox_open(engine, &options, &worked));
  CHECK_OK(td_send_every(open_handler(engine, loop, take_all, NULL), TD_MS(1), 0, NULL, 0, &timer));
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, bodies[i], NULL), 0);
    CHECK_EQ(pthread_detach(thread), 0);
  }
  check_sleep(TD_MS(2));
  if (strcmp(way, "exit") == 0) exit(STATUS);
  if (strcmp(way, "_exit") == 0) _exit(STATUS);
  if (strcmp(way, "quick_exit") == 0) quick_exit(STATUS);
  if (strcmp(way, "thread") == 0) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, leave, NULL), 0);
    for (;;) pause();
  }
  if (strcmp(way, "dlclose") == 0) {
    Dl_info library;
    union {
      int32_t (*function)(td_mailbox, uint64_t);
      void *address;
    } known;
    known.function = td_notify;
    CHECK(dladdr(known.address, &library) != 0);
    void *opened = dlopen(library.dli_fname, RTLD_NOW);
    CHECK(opened != NULL);
    for (int i = 0; i < 3; i++) (void)dlclose(opened);
    check_sleep(TD_MS(1));
  }
  return STATUS;
}
