/* P9: a call and its reply, 8 bytes, through the C functions: the times of single calls.   call threads|worker
 * threads: one thread calls with td_call, another receives and replies. worker: caller and called are handler
 * mailboxes on one worker; the caller begins the next call when the reply has come. Each call has a time limit. */
#include "bench.h"
#include <pthread.h>

enum { CALLS = 100000, WARM_UP = 10000 };
static td_mailbox caller, called, done;
static double times[WARM_UP + CALLS];
static size_t calls;
static double begun;

static void read_number(const td_message *message, uint64_t expected) {
  uint64_t number;
  bench_demand(message->data_size == sizeof number, "the size sent");
  memcpy(&number, message->data, sizeof number);
  bench_demand(number == expected, "the number sent");
}

static void answer(const td_message *request) {
  uint64_t number;
  memcpy(&number, request->data, sizeof number);
  number++;
  BENCH_OK(td_reply((td_ticket){request->ref}, &number, sizeof number));
}

/* ---- two threads */

static void *answer_all(void *unused) {
  (void)unused;
  for (size_t i = 0; i < WARM_UP + CALLS; i++) {
    td_message request;
    BENCH_OK(td_recv(called, BENCH_PATIENCE, 0, &request));
    answer(&request);
    BENCH_OK(td_message_release(&request));
  }
  return NULL;
}

static void call_between_threads(td_engine engine) {
  pthread_t thread;
  BENCH_OK(td_mailbox_open(engine, NULL, &called));
  pthread_create(&thread, NULL, answer_all, NULL);
  for (uint64_t i = 0; i < WARM_UP + CALLS; i++) {
    td_message reply;
    double start = bench_now();
    BENCH_OK(td_call(called, TD_NOBODY, 0, &i, sizeof i, BENCH_PATIENCE, 0, &reply));
    read_number(&reply, i + 1);
    times[i] = bench_now() - start;
    BENCH_OK(td_message_release(&reply));
  }
  pthread_join(thread, NULL);
}

/* ---- handlers on a worker */

static void on_request(td_batch *batch, void *unused) {
  td_message request;
  (void)unused;
  while (td_batch_next(batch, &request) == 1) answer(&request);
}

static void begin_call(void) {
  uint64_t number = calls;
  td_ticket ticket;
  begun = bench_now();
  BENCH_OK(td_call_start(called, caller, 0, &number, sizeof number, BENCH_PATIENCE, &ticket));
}

static void on_reply(td_batch *batch, void *unused) {
  td_message message;
  (void)unused;
  while (td_batch_next(batch, &message) == 1) {
    if (message.kind == TD_KIND_REPLY) {
      bench_demand(message.status == 0, "a reply, not a failure");
      read_number(&message, calls + 1);
      times[calls++] = bench_now() - begun;
    }
    if (calls < WARM_UP + CALLS)
      begin_call();
    else
      BENCH_OK(td_send(done, caller, 0, NULL, 0));
  }
}

static void call_on_a_worker(td_engine engine) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_message over;
  options.flags = TD_BY_WORKERS;
  BENCH_OK(td_mailbox_open(engine, NULL, &done));
  options.handler = on_request;
  BENCH_OK(td_mailbox_open(engine, &options, &called));
  options.handler = on_reply;
  BENCH_OK(td_mailbox_open(engine, &options, &caller));
  BENCH_OK(td_send(caller, TD_NOBODY, 0, NULL, 0));
  BENCH_OK(td_recv(done, BENCH_PATIENCE, 0, &over));
  BENCH_OK(td_message_release(&over));
}

int main(int argc, char **argv) {
  int worker = argc == 2 && !strcmp(argv[1], "worker");
  if (!worker && !(argc == 2 && !strcmp(argv[1], "threads"))) {
    fprintf(stderr, "usage: call threads|worker\n");
    return 2;
  }
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine engine;
  options.workers = worker ? 1 : 0;
  BENCH_OK(td_engine_open(&options, &engine));
  worker ? call_on_a_worker(engine) : call_between_threads(engine);
  BENCH_OK(td_engine_close(engine));
  bench_percentiles(times + WARM_UP, CALLS);
  return 0;
}
