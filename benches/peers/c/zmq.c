/* libzmq between threads over inproc.   zmq oneway SIZE SENDERS|same|same:BURST,  zmq pingpong */
#define BENCH_OF_A_PEER
#include "bench.h"
#include <pthread.h>
#include <zmq.h>

enum { LARGEST = 65536, ROUNDS = 50000, WARM_UP = 5000 };
static void *context;
static pthread_barrier_t barrier;
static unsigned char template[LARGEST];
static size_t size;

static int check(int result, const char *call) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %s\n", call, zmq_strerror(zmq_errno()));
  exit(1);
}
#define ZMQ_OK(call) check(call, #call)

static void *connected(int type, int bind) {
  int none = 0; /* no high-water mark */
  void *socket = zmq_socket(context, type);
  ZMQ_OK(zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none));
  ZMQ_OK(zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none));
  ZMQ_OK(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none));
  ZMQ_OK(bind ? zmq_bind(socket, "inproc://bench") : zmq_connect(socket, "inproc://bench"));
  return socket;
}

static void send_fresh(void *socket, unsigned long i) {
  zmq_msg_t message;
  ZMQ_OK(zmq_msg_init_size(&message, size));
  memcpy(zmq_msg_data(&message), template, size);
  *(unsigned char *)zmq_msg_data(&message) = (unsigned char)i;
  ZMQ_OK(zmq_msg_send(&message, socket, 0));
}

static unsigned long receive(void *socket) {
  zmq_msg_t message;
  zmq_msg_init(&message);
  ZMQ_OK(zmq_msg_recv(&message, socket, 0));
  const unsigned char *payload = zmq_msg_data(&message);
  bench_demand(zmq_msg_size(&message) == size && payload[size - 1] == 7, "the bytes sent");
  unsigned long first = payload[0];
  zmq_msg_close(&message);
  return first;
}

static void *sender(void *share) {
  unsigned long count = *(unsigned long *)share;
  void *socket = connected(ZMQ_PUSH, 0);
  for (unsigned long i = 0; i < count / 20; i++) send_fresh(socket, i);
  pthread_barrier_wait(&barrier);
  for (unsigned long i = 0; i < count; i++) send_fresh(socket, i);
  pthread_barrier_wait(&barrier); /* all is read */
  zmq_close(socket);
  return NULL;
}

static double threads(unsigned long count, unsigned long senders) {
  pthread_t thread[64];
  unsigned long share = count / senders;
  bench_demand(senders >= 1 && senders <= 64, "1 to 64 senders");
  void *socket = connected(ZMQ_PULL, 1);
  pthread_barrier_init(&barrier, NULL, (unsigned)senders + 1);
  for (unsigned long k = 0; k < senders; k++) pthread_create(&thread[k], NULL, sender, &share);
  for (unsigned long i = 0; i < share / 20 * senders; i++) receive(socket);
  pthread_barrier_wait(&barrier);
  double begun = bench_now();
  for (unsigned long i = 0; i < share * senders; i++) receive(socket);
  double taken = bench_now() - begun;
  pthread_barrier_wait(&barrier);
  for (unsigned long k = 0; k < senders; k++) pthread_join(thread[k], NULL);
  zmq_close(socket);
  return taken / (double)(share * senders);
}

static double one_thread(unsigned long count, unsigned long burst) {
  void *to = connected(ZMQ_PAIR, 1), *from = connected(ZMQ_PAIR, 0);
  unsigned long rounds = count / burst, warm_up = rounds / 20 + 1;
  double begun = 0;
  for (unsigned long i = 0; i < rounds + warm_up; i++) {
    if (i == warm_up) begun = bench_now();
    for (unsigned long k = 0; k < burst; k++) send_fresh(from, k);
    for (unsigned long k = 0; k < burst; k++) bench_demand(receive(to) == (k & 255), "in order");
  }
  double taken = bench_now() - begun;
  zmq_close(from);
  zmq_close(to);
  return taken / (double)(rounds * burst);
}

static void *echo(void *unused) {
  void *socket = connected(ZMQ_PAIR, 0);
  for (int i = 0; i < WARM_UP + ROUNDS; i++) send_fresh(socket, receive(socket));
  pthread_barrier_wait(&barrier);
  zmq_close(socket);
  return unused;
}

static void pingpong(void) {
  static double taken[WARM_UP + ROUNDS];
  pthread_t thread;
  void *socket = connected(ZMQ_PAIR, 1);
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
  zmq_close(socket);
  bench_percentiles(taken + WARM_UP, ROUNDS);
}

int main(int argc, char **argv) {
  context = zmq_ctx_new();
  memset(template, 7, sizeof template);
  if (argc == 2 && !strcmp(argv[1], "pingpong")) {
    pingpong();
  } else if (argc == 4 && !strcmp(argv[1], "oneway")) {
    size = strtoul(argv[2], NULL, 10);
    bench_demand(size >= 2 && size <= LARGEST, "a size of 2 to 65536");
    unsigned long count = size <= 64 ? 2000000 : size <= 1024 ? 500000 : 16384;
    const char *burst = !strncmp(argv[3], "same", 4) ? (argv[3][4] == ':' ? argv[3] + 5 : "1") : NULL;
    bench_row("ns_per_message", burst ? one_thread(count, strtoul(burst, NULL, 10))
                                      : threads(count, strtoul(argv[3], NULL, 10)));
  } else {
    fprintf(stderr, "usage: zmq oneway SIZE SENDERS|same|same:BURST, zmq pingpong\n");
    return 2;
  }
  zmq_ctx_term(context);
  return 0;
}
