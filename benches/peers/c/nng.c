/* nng between threads over inproc.   nng oneway SIZE SENDERS|same,  nng pingpong */
#define BENCH_OF_A_PEER
#include "bench.h"
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <pthread.h>

enum { LARGEST = 65536, BUFFERED = 1024, MESSAGES = 40000, ROUNDS = 10000, WARM_UP = 1000 };
static pthread_barrier_t barrier;
static unsigned char template[LARGEST];
static size_t size;

static void check(int result, const char *call) {
  if (result == 0) return;
  fprintf(stderr, "%s: %s\n", call, nng_strerror(result));
  exit(1);
}
#define NNG_OK(call) check(call, #call)

static nng_socket connected(int (*open)(nng_socket *), int listen) {
  nng_socket socket;
  NNG_OK(open(&socket));
  nng_socket_set_int(socket, listen ? NNG_OPT_RECVBUF : NNG_OPT_SENDBUF, BUFFERED);
  NNG_OK(listen ? nng_listen(socket, "inproc://bench", NULL, 0) : nng_dial(socket, "inproc://bench", NULL, 0));
  return socket;
}

static void send_fresh(nng_socket socket, unsigned long i) {
  nng_msg *message;
  NNG_OK(nng_msg_alloc(&message, size));
  memcpy(nng_msg_body(message), template, size);
  *(unsigned char *)nng_msg_body(message) = (unsigned char)i;
  NNG_OK(nng_sendmsg(socket, message, 0));
}

static unsigned long receive(nng_socket socket) {
  nng_msg *message;
  NNG_OK(nng_recvmsg(socket, &message, 0));
  const unsigned char *payload = nng_msg_body(message);
  bench_demand(nng_msg_len(message) == size && payload[size - 1] == 7, "the bytes sent");
  unsigned long first = payload[0];
  nng_msg_free(message);
  return first;
}

static void *sender(void *share) {
  unsigned long count = *(unsigned long *)share;
  nng_socket socket = connected(nng_push0_open, 0);
  for (unsigned long i = 0; i < count / 20; i++) send_fresh(socket, i);
  pthread_barrier_wait(&barrier);
  for (unsigned long i = 0; i < count; i++) send_fresh(socket, i);
  pthread_barrier_wait(&barrier); /* all is read */
  nng_close(socket);
  return NULL;
}

static double threads(unsigned long senders) {
  pthread_t thread[64];
  unsigned long share = MESSAGES / senders;
  bench_demand(senders >= 1 && senders <= 64, "1 to 64 senders");
  nng_socket socket = connected(nng_pull0_open, 1);
  pthread_barrier_init(&barrier, NULL, (unsigned)senders + 1);
  for (unsigned long k = 0; k < senders; k++) pthread_create(&thread[k], NULL, sender, &share);
  for (unsigned long i = 0; i < share / 20 * senders; i++) receive(socket);
  pthread_barrier_wait(&barrier);
  double begun = bench_now();
  for (unsigned long i = 0; i < share * senders; i++) receive(socket);
  double taken = bench_now() - begun;
  pthread_barrier_wait(&barrier);
  for (unsigned long k = 0; k < senders; k++) pthread_join(thread[k], NULL);
  nng_close(socket);
  return taken / (double)(share * senders);
}

static double one_thread(void) {
  nng_socket to = connected(nng_pair0_open, 1), from = connected(nng_pair0_open, 0);
  double begun = 0;
  for (unsigned long i = 0; i < WARM_UP + MESSAGES; i++) {
    if (i == WARM_UP) begun = bench_now();
    send_fresh(from, i);
    bench_demand(receive(to) == (i & 255), "the bytes sent");
  }
  double taken = bench_now() - begun;
  nng_close(from);
  nng_close(to);
  return taken / MESSAGES;
}

static void *echo(void *unused) {
  nng_socket socket = connected(nng_pair0_open, 0);
  for (int i = 0; i < WARM_UP + ROUNDS; i++) send_fresh(socket, receive(socket));
  pthread_barrier_wait(&barrier);
  nng_close(socket);
  return unused;
}

static void pingpong(void) {
  static double taken[WARM_UP + ROUNDS];
  pthread_t thread;
  nng_socket socket = connected(nng_pair0_open, 1);
  size = 8;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, echo, NULL);
  for (unsigned long i = 0; i < WARM_UP + ROUNDS; i++) {
    double begun = bench_now();
    send_fresh(socket, i);
    bench_demand(receive(socket) == (i & 255), "the number sent");
    taken[i] = bench_now() - begun;
  }
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  nng_close(socket);
  bench_percentiles(taken + WARM_UP, ROUNDS);
}

int main(int argc, char **argv) {
  memset(template, 7, sizeof template);
  if (argc == 2 && !strcmp(argv[1], "pingpong")) {
    pingpong();
  } else if (argc == 4 && !strcmp(argv[1], "oneway")) {
    size = strtoul(argv[2], NULL, 10);
    bench_demand(size >= 2 && size <= LARGEST, "a size of 2 to 65536");
    bench_row("ns_per_message", !strcmp(argv[3], "same") ? one_thread() : threads(strtoul(argv[3], NULL, 10)));
  } else {
    fprintf(stderr, "usage: nng oneway SIZE SENDERS|same, nng pingpong\n");
    return 2;
  }
  nng_fini();
  return 0;
}
