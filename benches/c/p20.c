/* P20: what an idle engine costs in five seconds: a thousand mailboxes, a receiver that is parked and a thread that waits
 * in its loop. Counted over all threads of the process but the one that measures: those beyond the two that wait, how
 * often any was switched to, and the processor time. */
#define _GNU_SOURCE
#include "bench.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAILBOXES = 1000, OURS = 2, SETTLE_MS = 1000, SECONDS = 5 };
typedef struct { long threads; double switches, cpu_ns; } usage;
static td_engine engine;
static td_mailbox mailbox;
static td_loop loop;

static void handler(td_batch *batch, void *user) {
  td_message message;
  (void)user;
  while (td_batch_next(batch, &message) == 1) {}
}

static void *receiver(void *unused) {
  td_message message;
  (void)unused;
  bench_demand(td_recv(mailbox, TD_FOREVER, 0, &message) == TD_ECLOSED, "a receiver that waits to the end");
  return NULL;
}

static void *runner(void *unused) {
  (void)unused;
  bench_demand(td_loop_run(loop, TD_FOREVER, 0) == TD_ECLOSED, "a loop that waits to the end");
  return NULL;
}

/* The first number behind `field` in a file of a thread; behind nothing, the first of all. */
static double number_in(long thread, const char *file, const char *field) {
  char path[64], line[256];
  double value = -1;
  snprintf(path, sizeof path, "/proc/self/task/%ld/%s", thread, file);
  FILE *f = fopen(path, "r");
  bench_demand(f != NULL, path);
  while (value < 0 && fgets(line, sizeof line, f))
    if (!strncmp(line, field, strlen(field))) value = strtod(line + strlen(field), NULL);
  fclose(f);
  bench_demand(value >= 0, path);
  return value;
}

static usage look(void) {
  usage sum = {0, 0, 0};
  DIR *tasks = opendir("/proc/self/task");
  bench_demand(tasks != NULL, "/proc/self/task");
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    long thread = strtol(entry->d_name, NULL, 10);
    if (thread == 0 || thread == syscall(SYS_gettid)) continue;
    sum.threads++;
    sum.switches += number_in(thread, "status", "voluntary_ctxt_switches:");
    sum.switches += number_in(thread, "status", "nonvoluntary_ctxt_switches:");
    sum.cpu_ns += number_in(thread, "schedstat", "");
  }
  closedir(tasks);
  return sum;
}

static void sleep_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

int main(void) {
  pthread_t threads[OURS];
  td_mailbox_options handled = TD_MAILBOX_OPTIONS_INIT;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_loop_open(engine, NULL, &loop));
  handled.loop = loop;
  handled.handler = handler;
  for (int i = 0; i < MAILBOXES; i++) BENCH_OK(td_mailbox_open(engine, i % 2 ? &handled : NULL, &mailbox));
  BENCH_OK(td_mailbox_open(engine, NULL, &mailbox));
  pthread_create(&threads[0], NULL, receiver, NULL);
  pthread_create(&threads[1], NULL, runner, NULL);
  sleep_ms(SETTLE_MS);
  usage before = look();
  sleep_ms(SECONDS * 1000);
  usage after = look();
  bench_row("threads_of_its_own", (double)(after.threads - OURS));
  bench_row("context_switches", after.switches - before.switches);
  bench_row("processor_ns", after.cpu_ns - before.cpu_ns);
  BENCH_OK(td_engine_close(engine));
  for (int i = 0; i < OURS; i++) pthread_join(threads[i], NULL);
  return 0;
}
