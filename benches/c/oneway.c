/* One-way traffic through the C functions, into one mailbox.   oneway SIZE batch|recv HOW FROM BOUND
 * HOW    send; many: td_send_many of 64; reference: not copied, the memory is the sender's until its release ran
 * FROM   number of sending threads; same: sent and received one by one on one thread; same:N: in bursts of N
 * BOUND  of the mailbox in messages, 0 the default; when it is full a send waits (TD_BLOCK), as in a bounded channel
 * A sender changes the first byte of its memory for each message, and td_send makes the copy, once, that the peers'
 * senders make in a box of their own. The receiver reads the first and the last byte of each. Time runs from the common
 * start to the last message read. */
#include "bench.h"
#include <pthread.h>
#include <sched.h>

enum { LARGEST = 65536, MANY = 64, LENT = 256 };
static td_mailbox mailbox;
static pthread_barrier_t start;
static unsigned char template[LARGEST];
static size_t size;
static unsigned long sum; /* of the first bytes received */

static void (*send_messages)(unsigned long count);
static void (*receive)(unsigned long count);

/* ---- sending */

static void send_each(unsigned long count) {
  unsigned char payload[LARGEST];
  memcpy(payload, template, size);
  for (unsigned long i = 0; i < count; i++) {
    payload[0] = (unsigned char)i;
    BENCH_OK(td_send(mailbox, TD_NOBODY, 0, payload, size));
  }
}

static void send_many(unsigned long count) {
  unsigned char *payloads = malloc(MANY * size);
  td_item items[MANY];
  for (size_t k = 0; k < MANY; k++) {
    memcpy(payloads + k * size, template, size);
    items[k].tag = 0;
    items[k].data = payloads + k * size;
    items[k].data_size = size;
  }
  for (unsigned long i = 0; i < count;) {
    size_t n = count - i < MANY ? count - i : MANY;
    for (size_t k = 0; k < n; k++) payloads[k * size] = (unsigned char)(i + k);
    bench_demand(BENCH_OK(td_send_many(mailbox, TD_NOBODY, items, n)) == (int32_t)n, "all items accepted");
    i += n;
  }
  free(payloads);
}

static void give_back(void *data, size_t data_size, void *is_lent) {
  (void)data, (void)data_size;
  __atomic_store_n((int *)is_lent, 0, __ATOMIC_RELEASE);
}

static void send_references(unsigned long count) {
  static struct {
    unsigned char bytes[LARGEST];
    int is_lent;
    char apart[124];
  } buffers[LENT];
  if (!buffers[0].bytes[size - 1])
    for (int k = 0; k < LENT; k++) memcpy(buffers[k].bytes, template, size);
  for (unsigned long i = 0; i < count; i++) {
    td_send_options options = TD_SEND_OPTIONS_INIT;
    unsigned char *payload = buffers[i % LENT].bytes;
    int *is_lent = &buffers[i % LENT].is_lent;
    while (__atomic_load_n(is_lent, __ATOMIC_ACQUIRE)) sched_yield();
    *is_lent = 1;
    payload[0] = (unsigned char)i;
    options.release = give_back;
    options.release_user = is_lent;
    BENCH_OK(td_send_ex(mailbox, TD_NOBODY, 0, payload, size, &options));
  }
}

/* ---- receiving */

static void read_payload(const td_message *message) {
  const unsigned char *payload = message->data;
  bench_demand(message->data_size == size && payload[size - 1] == 7, "the bytes sent");
  sum += payload[0];
}

static void receive_each(unsigned long count) {
  for (unsigned long i = 0; i < count; i++) {
    td_message message;
    BENCH_OK(td_recv(mailbox, BENCH_PATIENCE, 0, &message));
    read_payload(&message);
    BENCH_OK(td_message_release(&message));
  }
}

static void receive_batches(unsigned long count) {
  for (unsigned long i = 0; i < count;) {
    td_batch batch;
    td_message message;
    BENCH_OK(td_recv_batch(mailbox, BENCH_PATIENCE, 0, &batch));
    for (; td_batch_next(&batch, &message) == 1; i++) read_payload(&message);
    BENCH_OK(td_batch_release(&batch));
  }
}

/* ---- the runs */

static unsigned long sum_of(unsigned long count) {
  return count / 256 * (255 * 256 / 2) + (count % 256) * (count % 256 - 1) / 2;
}

static double one_thread(unsigned long count, unsigned long burst) {
  double begun = 0;
  unsigned long rounds = count / burst, warm_up = rounds / 20 + 1, expected = (rounds + warm_up) * sum_of(burst);
  for (unsigned long i = 0; i < rounds + warm_up; i++) {
    if (i == warm_up) begun = bench_now();
    send_messages(burst);
    receive(burst);
  }
  double taken = bench_now() - begun;
  bench_demand(sum == expected, "every message once");
  return taken / (double)(rounds * burst);
}

static void *sender(void *share) {
  unsigned long count = *(unsigned long *)share;
  send_messages(count / 20);
  pthread_barrier_wait(&start);
  send_messages(count);
  return NULL;
}

static double threads(unsigned long count, unsigned long senders) {
  pthread_t thread[64];
  unsigned long share = count / senders, warm_up = share / 20;
  bench_demand(senders >= 1 && senders <= 64, "1 to 64 senders");
  bench_demand(senders == 1 || send_messages != send_references, "memory lent by one sender");
  pthread_barrier_init(&start, NULL, (unsigned)senders + 1);
  for (unsigned long k = 0; k < senders; k++) pthread_create(&thread[k], NULL, sender, &share);
  receive(warm_up * senders);
  pthread_barrier_wait(&start);
  double begun = bench_now();
  receive(share * senders);
  double taken = bench_now() - begun;
  for (unsigned long k = 0; k < senders; k++) pthread_join(thread[k], NULL);
  bench_demand(sum == senders * (sum_of(share) + sum_of(warm_up)), "every message once");
  return taken / (double)(share * senders);
}

static int usage(void) {
  fprintf(stderr, "usage: oneway SIZE batch|recv send|many|reference SENDERS|same|same:BURST BOUND\n");
  return 2;
}

int main(int argc, char **argv) {
  if (argc != 6) return usage();
  size = strtoul(argv[1], NULL, 10);
  int batch = !strcmp(argv[2], "batch"), many = !strcmp(argv[3], "many"), reference = !strcmp(argv[3], "reference");
  if (size < 2 || size > LARGEST || (!batch && strcmp(argv[2], "recv"))) return usage();
  if (!many && !reference && strcmp(argv[3], "send")) return usage();
  memset(template, 7, sizeof template);
  send_messages = many ? send_many : reference ? send_references : send_each;
  receive = batch ? receive_batches : receive_each;

  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.policy = TD_BLOCK;
  options.block_timeout = BENCH_PATIENCE;
  options.max_messages = strtoull(argv[5], NULL, 10);
  td_engine engine;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_mailbox_open(engine, &options, &mailbox));
  unsigned long count = size <= 64 ? 2000000 : size <= 1024 ? 500000 : reference ? 200000 : 16384;
  const char *burst = !strncmp(argv[4], "same", 4) ? (argv[4][4] == ':' ? argv[4] + 5 : "1") : NULL;
  bench_row("ns_per_message", burst ? one_thread(count, strtoul(burst, NULL, 10))
                                    : threads(count, strtoul(argv[4], NULL, 10)));
  BENCH_OK(td_engine_close(engine));
  return 0;
}
