/* L1: latency of a data stream while some of its readers are slow.   l1 well|slow
 * A thousand publications a second to a thousand subscribers. Those that are measured have handlers in one loop, 980 of
 * them; of the other twenty, `slow` has ten that never read and ten whose thread takes one message in 50 ms, and
 * with `well` these have handlers as the rest. Latency runs from the moment at which a publication was due, so that a publisher
 * that is held up counts, to the handler. Context switches are those of the whole process, for each publication. */
#define _GNU_SOURCE
#include "bench.h"
#include <pthread.h>
#include <sys/resource.h>

enum { MEASURED = 980, NEVER = 10, SLOW = 10, RATE = 1000, SECONDS = 3, WARM_UP = RATE / 2, SIZE = 64, QUEUE = 100 };
enum { PUBLICATIONS = RATE * SECONDS, SAMPLES = PUBLICATIONS * MEASURED };
static td_engine engine;
static td_loop loop;
static float samples[SAMPLES];
static long delivered;                   /* to the measured ones, on the thread of the loop */
static int over;

static double now(void) { return bench_now(); }

static void handler(td_batch *batch, void *measured) {
  td_message message;
  while (td_batch_next(batch, &message) == 1) {
    const char *payload = message.data;
    double due;
    memcpy(&due, payload + 8, sizeof due);
    bench_demand(payload[0] == (char)message.tag && payload[SIZE - 1] == 7, "the bytes published");
    if (!measured) continue;
    if (delivered >= (long)WARM_UP * MEASURED) samples[delivered - (long)WARM_UP * MEASURED] = (float)(now() - due);
    delivered++;
  }
}

static td_mailbox subscribe(int handled, int measured) {
  static int any;
  td_mailbox mailbox;
  td_subscription subscription;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.policy = TD_DROP_OLD;
  if (handled) {
    options.loop = loop;
    options.handler = handler;
    options.user = measured ? &any : NULL;
  } else {
    options.max_messages = QUEUE;
  }
  BENCH_OK(td_mailbox_open(engine, &options, &mailbox));
  BENCH_OK(td_subscribe(mailbox, TD_STR("stream"), NULL, &subscription));
  return mailbox;
}

static void sleep_ms(long ms) {
  struct timespec time = {0, ms * 1000000};
  nanosleep(&time, NULL);
}

static void *slow_reader(void *mailbox) {
  td_message message;
  while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
    int32_t code = td_recv(*(td_mailbox *)mailbox, TD_MS(100), 0, &message);
    if (code != TD_ETIMEDOUT) BENCH_OK(code);
    if (code == TD_OK) BENCH_OK(td_message_release(&message));
    sleep_ms(50);
  }
  return NULL;
}

/* Sleeps until shortly before, then looks at the clock, so that how late a sleeper wakes is not measured. */
static void wait_until(double due) {
  double left = due - now();
  struct timespec time = {0, (long)left - 150000};
  if (time.tv_nsec > 0) nanosleep(&time, NULL);
  while (now() < due) {}
}

static void *publisher(void *unused) {
  double begun = now();
  (void)unused;
  for (long i = 0; i < WARM_UP + PUBLICATIONS; i++) {
    char payload[SIZE];
    double due = begun + (double)i * (1e9 / RATE);
    memset(payload, 7, sizeof payload);
    payload[0] = (char)i;
    memcpy(payload + 8, &due, sizeof due);
    wait_until(due);
    BENCH_OK(td_publish(engine, TD_NOBODY, TD_STR("stream"), (uint64_t)i, payload, sizeof payload, NULL, NULL));
  }
  return NULL;
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double switches(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_nvcsw + used.ru_nivcsw);
}

static void run_until(long publications) {
  while (delivered < publications * MEASURED)
    bench_demand(BENCH_OK(td_loop_run(loop, BENCH_PATIENCE, 0)) > 0, "the stream goes on");
}

int main(int argc, char **argv) {
  int slow = argc == 2 && !strcmp(argv[1], "slow");
  if (!slow && !(argc == 2 && !strcmp(argv[1], "well"))) {
    fprintf(stderr, "usage: l1 well|slow\n");
    return 2;
  }
  static td_mailbox read_slowly[SLOW];
  pthread_t threads[SLOW], source;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_loop_open(engine, NULL, &loop));
  for (int i = 0; i < MEASURED; i++) {
    if (i % (MEASURED / NEVER) == 0) subscribe(!slow, 0);
    if (i % (MEASURED / SLOW) == 1) read_slowly[i / (MEASURED / SLOW)] = subscribe(!slow, 0);
    subscribe(1, 1);
  }
  for (int i = 0; slow && i < SLOW; i++) pthread_create(&threads[i], NULL, slow_reader, &read_slowly[i]);
  pthread_create(&source, NULL, publisher, NULL);
  run_until(WARM_UP);
  double before = switches();
  run_until(WARM_UP + PUBLICATIONS);
  double switched = switches() - before;
  __atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
  pthread_join(source, NULL);
  for (int i = 0; slow && i < SLOW; i++) pthread_join(threads[i], NULL);
  BENCH_OK(td_engine_close(engine));
  qsort(samples, SAMPLES, sizeof *samples, by_value);
  bench_row("p50_ns", samples[SAMPLES / 2]);
  bench_row("p99_ns", samples[SAMPLES / 100 * 99]);
  bench_row("p999_ns", samples[SAMPLES / 1000 * 999]);
  bench_row("switches_per_publication", switched / PUBLICATIONS);
  return 0;
}
