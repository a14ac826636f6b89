/* P11: fan-out, 64 bytes, through the C functions.   fanout one|many worker|loop SUBSCRIBERS
 * one: td_publish one by one; many: td_publish_many of 16. The subscribers are handler mailboxes, on one worker
 * beside the publishing thread, or on a loop that the publishing thread runs after each publish. Each reads the first
 * and last byte of each message, in order. Time runs from the first publish to the last delivery. */
#include "bench.h"
#include <sched.h>

enum { DELIVERIES = 2000000, SIZE = 64, BATCH = 16, AHEAD = 65536, FEWEST_AHEAD = 32 };
#define TOPIC TD_STR("bench.fanout")
static unsigned long subscribers, delivered;

typedef struct { unsigned char next; } reader;

static void on_messages(td_batch *batch, void *user) {
  reader *self = user;
  td_message message;
  unsigned long count = 0;
  while (td_batch_next(batch, &message) == 1) {
    const unsigned char *payload = message.data;
    bench_demand(payload[0] == self->next++ && payload[SIZE - 1] == 7, "the bytes published, in order");
    count++;
  }
  /* Only one thread runs handlers here. */
  __atomic_store_n(&delivered, delivered + count, __ATOMIC_RELEASE);
}

static unsigned char payloads[BATCH][SIZE];
static unsigned long published;

static const void *fresh(unsigned long at) {
  static const unsigned char template[SIZE] = {[SIZE - 1] = 7};
  memcpy(payloads[at], template, SIZE);
  payloads[at][0] = (unsigned char)published++;
  return payloads[at];
}

static void publish(td_engine engine, int many) {
  td_receipt receipt;
  if (many) {
    td_item items[BATCH];
    for (unsigned long i = 0; i < BATCH; i++) items[i] = (td_item){0, fresh(i), SIZE};
    BENCH_OK(td_publish_many(engine, TD_NOBODY, TOPIC, items, BATCH, &receipt));
  } else {
    BENCH_OK(td_publish(engine, TD_NOBODY, TOPIC, 0, fresh(0), SIZE, NULL, &receipt));
  }
  bench_demand(receipt.queued == subscribers * (many ? BATCH : 1), "a copy for each subscriber");
}

/* Waits until no more than `ahead` messages to each subscriber are on their way. */
static void wait_for_readers(td_loop loop, unsigned long ahead) {
  double patience = bench_now() + 60e9;
  while (__atomic_load_n(&delivered, __ATOMIC_ACQUIRE) + ahead * subscribers < published * subscribers) {
    if (loop.id)
      BENCH_OK(td_loop_run(loop, 0, 0));
    else
      sched_yield();
    bench_demand(bench_now() < patience, "deliveries within a minute");
  }
}

/* Publishes this many messages; a loop's readers run after each publish, a worker's beside it. */
static void run(td_engine engine, td_loop loop, int many, unsigned long messages) {
  unsigned long most = AHEAD / subscribers > FEWEST_AHEAD ? AHEAD / subscribers : FEWEST_AHEAD;
  unsigned long end = published + messages, steps = 0;
  while (published < end) {
    publish(engine, many);
    if (loop.id)
      wait_for_readers(loop, 0);
    else if (++steps % 8 == 0)
      wait_for_readers(loop, most);
  }
  wait_for_readers(loop, 0);
}

int main(int argc, char **argv) {
  int many = argc == 4 && !strcmp(argv[1], "many"), looped = argc == 4 && !strcmp(argv[2], "loop");
  if (argc != 4 || (!many && strcmp(argv[1], "one")) || (!looped && strcmp(argv[2], "worker"))) {
    fprintf(stderr, "usage: fanout one|many worker|loop SUBSCRIBERS\n");
    return 2;
  }
  subscribers = strtoul(argv[3], NULL, 10);
  td_engine_options engine_options = TD_ENGINE_OPTIONS_INIT;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine;
  td_loop loop = {0};
  engine_options.workers = looped ? 0 : 1;
  BENCH_OK(td_engine_open(&engine_options, &engine));
  if (looped) BENCH_OK(td_loop_open(engine, NULL, &loop));
  options.flags = looped ? 0 : TD_BY_WORKERS;
  options.loop = loop;
  options.handler = on_messages;
  reader *readers = calloc(subscribers, sizeof *readers);
  for (unsigned long i = 0; i < subscribers; i++) {
    td_mailbox mailbox;
    td_subscription subscription;
    options.user = &readers[i];
    BENCH_OK(td_mailbox_open(engine, &options, &mailbox));
    BENCH_OK(td_subscribe(mailbox, TOPIC, NULL, &subscription));
  }
  unsigned long messages = DELIVERIES / subscribers / BATCH * BATCH;
  messages = messages < 4 * BATCH ? 4 * BATCH : messages > 400000 ? 400000 : messages;
  run(engine, loop, many, messages / 4 / BATCH * BATCH);
  double begun = bench_now();
  run(engine, loop, many, messages);
  double taken = bench_now() - begun;
  bench_row("ns_per_delivery", taken / (double)messages / (double)subscribers);
  BENCH_OK(td_engine_close(engine));
  free(readers);
  return 0;
}
