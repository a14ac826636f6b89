/* One publication of 64 bytes to N mailboxes, in each of which a thread of its own is parked: the time until the last
 * of them has read it.   wakeup N */
#include "bench.h"
#include <pthread.h>
#include <semaphore.h>

enum { ROUNDS = 41, WARM_UP = 5, SIZE = 64, MOST = 1000 };
static unsigned long readers, arrived;
static double last;
static sem_t all_read;

static void *reader(void *mailbox) {
  for (int i = 0; i < WARM_UP + ROUNDS; i++) {
    td_message message;
    BENCH_OK(td_recv(*(td_mailbox *)mailbox, BENCH_PATIENCE, 0, &message));
    const unsigned char *payload = message.data;
    bench_demand(payload[0] == i && payload[SIZE - 1] == 7, "the bytes published");
    BENCH_OK(td_message_release(&message));
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == readers) {
      last = bench_now();
      sem_post(&all_read);
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  static td_mailbox mailboxes[MOST];
  static pthread_t threads[MOST];
  double taken[WARM_UP + ROUNDS];
  unsigned char payload[SIZE];
  td_engine engine;
  pthread_attr_t small;
  readers = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
  if (readers < 1 || readers > MOST) {
    fprintf(stderr, "usage: wakeup N   (1 to %d)\n", MOST);
    return 2;
  }
  sem_init(&all_read, 0, 0);
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 << 10);
  BENCH_OK(td_engine_open(NULL, &engine));
  for (unsigned long k = 0; k < readers; k++) {
    td_subscription subscription;
    BENCH_OK(td_mailbox_open(engine, NULL, &mailboxes[k]));
    BENCH_OK(td_subscribe(mailboxes[k], TD_STR("wake.up"), NULL, &subscription));
    bench_demand(pthread_create(&threads[k], &small, reader, &mailboxes[k]) == 0, "a thread for each reader");
  }
  memset(payload, 7, sizeof payload);
  for (int i = 0; i < WARM_UP + ROUNDS; i++) {
    td_receipt receipt;
    bench_sleep(2e6 + 2e4 * (double)readers); /* until all are parked */
    payload[0] = (unsigned char)i;
    arrived = 0;
    double begun = bench_now();
    BENCH_OK(td_publish(engine, TD_NOBODY, TD_STR("wake.up"), 0, payload, sizeof payload, NULL, &receipt));
    bench_demand(receipt.queued == readers, "all readers reached");
    while (sem_wait(&all_read)) {
    }
    taken[i] = last - begun;
  }
  for (unsigned long k = 0; k < readers; k++) pthread_join(threads[k], NULL);
  BENCH_OK(td_engine_close(engine));
  bench_percentiles(taken + WARM_UP, ROUNDS);
  return 0;
}
