/* Two threads send one 8-byte message to and fro, each waiting for it: the time of a round trip.   pingpong */
#include "bench.h"
#include <pthread.h>

enum { ROUNDS = 50000, WARM_UP = 5000 };
static td_mailbox there, back;

static uint64_t receive(td_mailbox mailbox) {
  td_message message;
  uint64_t number;
  BENCH_OK(td_recv(mailbox, BENCH_PATIENCE, 0, &message));
  memcpy(&number, message.data, sizeof number);
  BENCH_OK(td_message_release(&message));
  return number;
}

static void *echo(void *unused) {
  (void)unused;
  for (int i = 0; i < WARM_UP + ROUNDS; i++) {
    uint64_t number = receive(there);
    BENCH_OK(td_send(back, TD_NOBODY, 0, &number, sizeof number));
  }
  return NULL;
}

int main(void) {
  static double taken[WARM_UP + ROUNDS];
  td_engine engine;
  pthread_t thread;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_mailbox_open(engine, NULL, &there));
  BENCH_OK(td_mailbox_open(engine, NULL, &back));
  pthread_create(&thread, NULL, echo, NULL);
  for (uint64_t i = 0; i < WARM_UP + ROUNDS; i++) {
    double begun = bench_now();
    BENCH_OK(td_send(there, TD_NOBODY, 0, &i, sizeof i));
    bench_demand(receive(back) == i, "the number sent");
    taken[i] = bench_now() - begun;
  }
  pthread_join(thread, NULL);
  BENCH_OK(td_engine_close(engine));
  bench_percentiles(taken + WARM_UP, ROUNDS);
  return 0;
}
