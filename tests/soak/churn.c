/* A soak: mailboxes that open, are named, monitor and subscribe, get a message or two, and are killed, closed or let
 * to exit, as fast as they will, with flat memory (rules 10 11 13 16 25 27). Usage: churn [SECONDS].
 *
 * Each ten seconds (or a sixth of the time, if that is less) it prints the rate and the resident memory. It fails when
 * memory still grows after the first sixth, when something of what ended is left behind, or when a DOWN is missing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tidings.h>

/* Memory may differ by this much between two looks: the allocator's own. */
#define SLACK_KIB 4096

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static long resident_kib(void) {
  long pages = 0, ignored;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld %ld", &ignored, &pages) != 2) pages = 0;
  if (file) fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void must(int32_t result, const char *what) {
  if (result >= 0) return;
  char detail[256];
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "soak: %s: %s (%s)\n", what, td_err_name(result), detail);
  exit(1);
}
#define MUST(call) must((call), #call)

static uint64_t drops;
static void dropped(void *user) {
  (void)user;
  drops++;
}

/* One life. Gives how many operations it took. */
static unsigned live_and_die(td_engine engine, td_mailbox watcher, uint64_t number) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  td_monitor_ref monitor, own;
  td_subscription subscription;
  td_timer timer;
  char name[32], payload[64] = "payload";
  int size = snprintf(name, sizeof name, "life.%" PRIu64, number % 64);
  options.policy = TD_DROP_OLD;
  options.max_messages = 4;
  options.drop = dropped;
  options.name = name;
  options.name_size = (size_t)size;
  MUST(td_mailbox_open(engine, &options, &mailbox));
  MUST(td_monitor(watcher, mailbox, number, &monitor));
  MUST(td_monitor(mailbox, watcher, number, &own));
  MUST(td_subscribe(mailbox, next_random() & 1 ? "a.*" : "a.b", 3, NULL, &subscription));
  MUST(td_send(mailbox, watcher, number, payload, next_random() % sizeof payload));
  MUST(td_publish(engine, watcher, TD_STR("a.b"), number, payload, 8, NULL, NULL));
  if (next_random() % 4 == 0) MUST(td_send_after(mailbox, TD_MS(60000), 0, payload, 8, &timer));
  if (next_random() % 4 == 0) MUST(td_unsubscribe(subscription, TD_FLUSH));
  switch (next_random() % 3) {
  case 0: MUST(td_mailbox_kill(mailbox)); break;
  case 1: MUST(td_mailbox_close(mailbox)); break;
  default: MUST(td_mailbox_exit(mailbox, TD_REASON_USER, payload, 16)); break;
  }
  td_message down;
  MUST(td_recv(watcher, 0, 0, &down));
  if (down.kind != TD_KIND_DOWN || down.ref != monitor.id || down.tag != number) {
    fprintf(stderr, "soak: kind %" PRIu32 " tag %" PRIu64 " in place of the DOWN of %" PRIu64 "\n", down.kind, down.tag, number);
    exit(1);
  }
  MUST(td_message_release(&down));
  return 9;
}

static void nothing_left(td_engine engine, td_mailbox watcher, uint64_t lives) {
  td_engine_counters all;
  td_mailbox_counters one;
  all.size = sizeof all;
  one.size = sizeof one;
  MUST(td_engine_stats(engine, &all));
  MUST(td_mailbox_stats(watcher, &one));
  if (all.mailboxes == 1 && !all.names && !all.timers && !all.subscriptions && !one.monitors && !one.monitored_by &&
      !one.queued && drops == lives)
    return;
  fprintf(stderr,
          "soak: left behind: %" PRIu64 " mailboxes, %" PRIu64 " names, %" PRIu64 " timers, %" PRIu64 " subscriptions, %" PRIu64
          " monitors, %" PRIu64 " watchers, %" PRIu64 " messages; %" PRIu64 " drops of %" PRIu64 "\n",
          all.mailboxes - 1, all.names, all.timers, all.subscriptions, one.monitors, one.monitored_by, one.queued, drops, lives);
  exit(1);
}

int main(int count, char **arguments) {
  int64_t seconds = count > 1 ? atoll(arguments[1]) : 600, begun = now(), end = begun + seconds * 1000000000;
  int64_t every = seconds >= 60 ? 10000000000 : end > begun ? (end - begun) / 6 : 1, next = begun + every, before = begun;
  uint64_t lives = 0, operations = 0, last = 0;
  long first = 0, resident = 0;
  td_engine engine;
  td_mailbox watcher;
  MUST(td_engine_open(NULL, &engine));
  MUST(td_mailbox_open(engine, NULL, &watcher));
  for (;;) {
    for (int i = 0; i < 1000; i++, lives++) operations += live_and_die(engine, watcher, lives);
    int64_t time = now();
    if (time < next) continue;
    nothing_left(engine, watcher, lives);
    resident = resident_kib();
    printf("%4" PRId64 " s  %8.0f operations/s  %7.0f lives/s  %ld KiB\n", (time - begun) / 1000000000,
           (double)(operations - last) * 1e9 / (double)(time - before), (double)lives * 1e9 / (double)(time - begun), resident);
    fflush(stdout);
    if (!first) first = resident;
    if (resident > first + SLACK_KIB) {
      fprintf(stderr, "soak: memory grew from %ld to %ld KiB\n", first, resident);
      return 1;
    }
    last = operations, before = time, next += every;
    if (time >= end) break;
  }
  MUST(td_engine_close(engine));
  printf("soak: %" PRIu64 " lives in %" PRId64 " s, memory flat at %ld KiB\n", lives, seconds, resident);
  return 0;
}
