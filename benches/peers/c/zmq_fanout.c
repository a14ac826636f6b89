/* libzmq, inproc: P11, fan-out of 64 bytes from one PUB socket to SUB sockets, read after each publish by the same
 * thread.   peers-zmq_fanout SUBSCRIBERS   prints METRIC VALUE lines. */
#define BENCH_OF_A_PEER
#include "bench.h"
#include <sys/resource.h>
#include <zmq.h>

enum { DELIVERIES = 500000, SIZE = 64 };
#define TOPIC "t."
static void *publisher, **subscribers;
static unsigned long count, published;

static int check(int result, const char *call) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %s\n", call, zmq_strerror(zmq_errno()));
  exit(1);
}
#define OK(call) check((call), #call)

static void *open_socket(void *context, int type) {
  int unlimited = 0, patience = 60000;
  void *socket = zmq_socket(context, type);
  if (!socket) check(-1, "zmq_socket");
  OK(zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited));
  OK(zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited));
  OK(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience));
  return socket;
}

static void publish(void) {
  static const char template[SIZE] = TOPIC;
  zmq_msg_t message;
  OK(zmq_msg_init_size(&message, SIZE));
  char *payload = memcpy(zmq_msg_data(&message), template, SIZE);
  payload[SIZE - 1] = (char)published++;
  OK(zmq_msg_send(&message, publisher, 0));
}

static void read_one(void *subscriber, char expected) {
  zmq_msg_t message;
  OK(zmq_msg_init(&message));
  OK(zmq_msg_recv(&message, subscriber, 0));
  const char *payload = zmq_msg_data(&message);
  bench_demand(payload[0] == 't' && payload[SIZE - 1] == expected, "the bytes published, in order");
  OK(zmq_msg_close(&message));
}

static void run(unsigned long messages) {
  for (unsigned long i = 0; i < messages; i++) {
    char expected = (char)published;
    publish();
    for (unsigned long s = 0; s < count; s++) read_one(subscribers[s], expected);
  }
}

int main(int argc, char **argv) {
  count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
  if (count == 0) {
    fprintf(stderr, "usage: peers-zmq_fanout SUBSCRIBERS\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  void *context = zmq_ctx_new();
  OK(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int)count + 16));
  publisher = open_socket(context, ZMQ_PUB);
  OK(zmq_bind(publisher, "inproc://fanout"));
  subscribers = calloc(count, sizeof *subscribers);
  for (unsigned long i = 0; i < count; i++) {
    subscribers[i] = open_socket(context, ZMQ_SUB);
    OK(zmq_setsockopt(subscribers[i], ZMQ_SUBSCRIBE, TOPIC, strlen(TOPIC)));
    OK(zmq_connect(subscribers[i], "inproc://fanout"));
  }
  unsigned long messages = DELIVERIES / count < 20 ? 20 : DELIVERIES / count;
  run(messages / 4 + 1);
  double begun = bench_now();
  run(messages);
  bench_row("ns_per_delivery", (bench_now() - begun) / (double)messages / (double)count);
  fflush(stdout);
  _Exit(0); /* closing ten thousand sockets takes its time */
}
