/* Leaves in the way it is told while its engine is in full use: workers, the timer and notice threads, a loop, waiting
 * threads and a flood (rules 12 30 32). Nothing is closed, on purpose: leave WAY. For run.py.
 *   return exit _exit quick_exit   the ends of a C program, with status 0, 3, 4, 6
 *   thread handler worker          exit() on a thread of its own, in a handler on a loop's thread, or on a worker, with
 *                                  status 5
 *   dlclose                        the library is closed more often than it was opened; then return
 *   prefork                        a server that forks workers, each of which opens an engine of its own and leaves by exit
 * What a program does that opens the library by itself is in unload.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tidings.h>

static td_engine engine;
static td_mailbox busy, quiet, noticed, worked;
static td_loop loop;
static const char *way;

#define MUST(call)                                                                                                     \
  do {                                                                                                                 \
    int32_t result = (call);                                                                                           \
    if (result < 0) fprintf(stderr, "leave: %s: %s\n", #call, td_err_name(result)), _exit(90);                         \
  } while (0)

static void *wait_for_nothing(void *user) {
  td_message message;
  (void)td_recv(quiet, TD_FOREVER, 0, &message);
  return user;
}

static void *flood(void *user) {
  static char payload[20000];
  for (uint64_t i = 0;; i++) {
    td_message message;
    (void)td_send(busy, TD_NOBODY, i, payload, i % 10 ? 64 : sizeof payload);
    (void)td_send(worked, TD_NOBODY, i, payload, 64);
    (void)td_notify(noticed, i);
    if (td_recv(noticed, 0, 0, &message) == TD_OK) (void)td_message_release(&message);
  }
  return user;
}

static void *run(void *user) {
  while (td_loop_run(loop, TD_FOREVER, 0) >= 0) continue;
  return user;
}

static void *leave(void *user) {
  (void)user;
  exit(5);
}

/* user is the way in which this handler leaves the process. */
static void handle(td_batch *batch, void *user) {
  static int seen[2];
  const char *own = (const char *)user;
  int *count = &seen[strcmp(own, "worker") == 0];
  td_message message;
  while (td_batch_next(batch, &message) > 0)
    if (++*count > 2000 && strcmp(way, own) == 0) exit(5);
}

static void start(void *(*body)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, NULL) != 0) _exit(91);
  pthread_detach(thread);
}

static void live(void) {
  static char on_loop[] = "handler", on_worker[] = "worker";
  td_engine_options engine_options = TD_ENGINE_OPTIONS_INIT;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT, notifiable = TD_MAILBOX_OPTIONS_INIT;
  td_timer timer;
  engine_options.workers = 2;
  MUST(td_engine_open(&engine_options, &engine));
  MUST(td_loop_open(engine, NULL, &loop));
  MUST(td_mailbox_open(engine, NULL, &quiet));
  notifiable.flags = TD_NOTIFIABLE;
  MUST(td_mailbox_open(engine, &notifiable, &noticed));
  options.policy = TD_DROP_OLD;
  options.max_messages = 1000;
  options.handler = handle;
  options.user = on_worker;
  options.flags = TD_BY_WORKERS;
  MUST(td_mailbox_open(engine, &options, &worked));
  options.user = on_loop;
  options.flags = 0;
  options.loop = loop;
  MUST(td_mailbox_open(engine, &options, &busy));
  MUST(td_send_every(busy, TD_MS(1), 0, NULL, 0, &timer));
  start(wait_for_nothing);
  start(flood);
  start(run);
  usleep(20000);
}

static int prefork(void) {
  td_message message;
  for (int number = 0; number < 4; number++) {
    pid_t child = fork();
    if (child == 0) {
      if (td_send(busy, TD_NOBODY, 0, NULL, 0) != TD_EFORKED) _exit(92);
      td_engine own;
      td_mailbox mailbox;
      MUST(td_engine_default(&own));
      MUST(td_mailbox_open(own, NULL, &mailbox));
      MUST(td_send(mailbox, TD_NOBODY, 7, "x", 1));
      MUST(td_recv(mailbox, 0, 0, &message));
      if (number % 2) _exit(message.tag == 7 ? 10 + number : 93);
      exit(message.tag == 7 ? 10 + number : 93);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 10 + number) {
      fprintf(stderr, "leave: worker %d ended with %#x\n", number, (unsigned)status);
      return 94;
    }
  }
  return td_send(quiet, TD_NOBODY, 0, NULL, 0) == TD_OK ? 0 : 95;
}

static int unload(void) {
  Dl_info library;
  union {
    int32_t (*function)(td_mailbox, uint64_t);
    void *address;
  } known;
  known.function = td_notify;
  void *opened = dladdr(known.address, &library) ? dlopen(library.dli_fname, RTLD_NOW) : NULL;
  if (opened == NULL) return 96;
  for (int i = 0; i < 3; i++) (void)dlclose(opened);
  usleep(1000);
  return 0;
}

int main(int count, char **arguments) {
  way = count > 1 ? arguments[1] : "";
  live();
  if (strcmp(way, "exit") == 0) exit(3);
  if (strcmp(way, "_exit") == 0) _exit(4);
  if (strcmp(way, "quick_exit") == 0) quick_exit(6);
  if (strcmp(way, "dlclose") == 0) return unload();
  if (strcmp(way, "prefork") == 0) return prefork();
  if (strcmp(way, "thread") == 0) start(leave);
  if (strcmp(way, "thread") == 0 || strcmp(way, "handler") == 0 || strcmp(way, "worker") == 0) return sleep(60), 1;
  return 0;
}
