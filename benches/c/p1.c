/* P1: one thread to one thread, 64 bytes, through the C functions.   p1 batch|recv BOUND
 * The sender makes fresh bytes for each message, the receiver reads the first and last byte of each; time runs from
 * the common start to the last message read. BOUND is the mailbox's bound in messages, 0 the default; a full
 * mailbox makes the sender wait (TD_BLOCK), as a bounded channel does. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include <pthread.h>

enum { MESSAGES = 2000000, WARM_UP = 100000, SIZE = 64 };
static td_mailbox mailbox;
static pthread_barrier_t start;

static void send_messages(unsigned long count) {
  static char template[SIZE];
  const td_mailbox nobody = {0};
  memset(template, 7, sizeof template);
  for (unsigned long i = 0; i < count; i++) {
    char payload[SIZE];
    memcpy(payload, template, sizeof payload);
    payload[0] = (char)i;
    BENCH_OK(td_send(mailbox, nobody, 0, payload, sizeof payload));
  }
}

static void *sender(void *unused) {
  (void)unused;
  send_messages(WARM_UP);
  pthread_barrier_wait(&start);
  send_messages(MESSAGES);
  return NULL;
}

static void read_payload(const td_message *message, unsigned long i) {
  const char *payload = message->data;
  bench_demand(payload[0] == (char)i && payload[SIZE - 1] == 7, "the bytes sent, in order");
}

static void receive_each(unsigned long count) {
  for (unsigned long i = 0; i < count; i++) {
    td_message message;
    BENCH_OK(td_recv(mailbox, BENCH_PATIENCE, 0, &message));
    read_payload(&message, i);
    BENCH_OK(td_message_release(&message));
  }
}

static void receive_batches(unsigned long count) {
  for (unsigned long i = 0; i < count;) {
    td_batch batch;
    td_message message;
    BENCH_OK(td_recv_batch(mailbox, BENCH_PATIENCE, 0, &batch));
    while (td_batch_next(&batch, &message) == 1) read_payload(&message, i++);
    BENCH_OK(td_batch_release(&batch));
  }
}

int main(int argc, char **argv) {
  int batch = argc == 3 && !strcmp(argv[1], "batch");
  if (!batch && !(argc == 3 && !strcmp(argv[1], "recv"))) {
    fprintf(stderr, "usage: p1 batch|recv BOUND\n");
    return 2;
  }
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.policy = TD_BLOCK;
  options.block_timeout = BENCH_PATIENCE;
  options.max_messages = strtoull(argv[2], NULL, 10);
  td_engine engine;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_mailbox_open(engine, &options, &mailbox));

  void (*receive)(unsigned long) = batch ? receive_batches : receive_each;
  pthread_t thread;
  pthread_barrier_init(&start, NULL, 2);
  pthread_create(&thread, NULL, sender, NULL);
  receive(WARM_UP);
  pthread_barrier_wait(&start);
  double begun = bench_now();
  receive(MESSAGES);
  double taken = bench_now() - begun;
  pthread_join(thread, NULL);
  BENCH_OK(td_engine_close(engine));
  bench_row("ns_per_message", taken / MESSAGES);
  return 0;
}
