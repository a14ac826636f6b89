/* The fixed work whose instructions guard.py counts, on one thread and through the C functions.   guard WORKLOAD
 * Only what happens inside `measured` is counted; everything is warm by then. Prints how many operations that were. */
#define _POSIX_C_SOURCE 200809L
#include "../c/bench.h"

enum { SIZE = 64, GROUP = 64, SUBSCRIBERS = 100, BURST = 16, BACKLOG = 1000 };
static td_engine engine;
static td_mailbox ours, other, handled;
static td_loop loop;
static td_mailbox subscribers[SUBSCRIBERS];
static char payload[SIZE];

static td_mailbox open_mailbox(void) {
  td_mailbox mailbox;
  BENCH_OK(td_mailbox_open(engine, NULL, &mailbox));
  return mailbox;
}

static void send_tagged(uint64_t tag) { BENCH_OK(td_send(ours, TD_NOBODY, tag, payload, SIZE)); }

static void receive(td_mailbox mailbox, uint32_t kind, td_message *message) {
  BENCH_OK(td_recv(mailbox, 0, 0, message));
  bench_demand(message->kind == kind, "the kind of a message");
}

static uint32_t receive_batch(td_mailbox mailbox) {
  td_batch batch;
  td_message message;
  uint32_t count = 0;
  BENCH_OK(td_recv_batch(mailbox, 0, 0, &batch));
  for (; td_batch_next(&batch, &message) == 1; count++) bench_demand(message.data_size == SIZE, "the size of a message");
  BENCH_OK(td_batch_release(&batch));
  return count;
}

static void receive_batches(td_mailbox mailbox, uint32_t count) {
  while (count > 0) count -= receive_batch(mailbox);
}

static void send_recv(void) {
  td_message message;
  send_tagged(1);
  receive(ours, TD_KIND_MESSAGE, &message);
  BENCH_OK(td_message_release(&message));
}

static void send_many(void) {
  td_item items[GROUP];
  for (int i = 0; i < GROUP; i++) items[i] = (td_item){1, payload, SIZE};
  bench_demand(BENCH_OK(td_send_many(ours, TD_NOBODY, items, GROUP)) == GROUP, "room for all");
  receive_batches(ours, GROUP);
}

static void recv_batch(void) {
  for (int i = 0; i < GROUP; i++) send_tagged(1);
  receive_batches(ours, GROUP);
}

static void publish(void) {
  for (int i = 0; i < BURST; i++) BENCH_OK(td_publish(engine, TD_NOBODY, TD_STR("guard.topic"), 1, payload, SIZE, NULL, NULL));
  for (int i = 0; i < SUBSCRIBERS; i++) receive_batches(subscribers[i], BURST);
}

static void call_reply(void) {
  td_ticket ticket;
  td_message request, reply;
  BENCH_OK(td_call_start(other, ours, 1, payload, SIZE, TD_MS(60000), &ticket));
  receive(other, TD_KIND_REQUEST, &request);
  BENCH_OK(td_reply((td_ticket){request.ref}, request.data, request.data_size));
  BENCH_OK(td_message_release(&request));
  receive(ours, TD_KIND_REPLY, &reply);
  BENCH_OK(td_message_release(&reply));
}

static void monitor_down(void) {
  td_monitor_ref monitor;
  td_message down;
  td_mailbox target = open_mailbox();
  BENCH_OK(td_monitor(ours, target, 1, &monitor));
  BENCH_OK(td_mailbox_close(target));
  receive(ours, TD_KIND_DOWN, &down);
  BENCH_OK(td_message_release(&down));
}

static void timer(void) {
  td_timer armed;
  BENCH_OK(td_send_after(ours, TD_MS(60000), 1, payload, SIZE, &armed));
  BENCH_OK(td_timer_cancel(armed, NULL));
}

/* Behind a backlog that nobody takes. */
static void selective(void) {
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_TAG;
  match.tag = 2;
  send_tagged(match.tag);
  BENCH_OK(td_recv_match(ours, &match, 0, 0, &message));
  BENCH_OK(td_message_release(&message));
}

static void pass_on(td_batch *batch, void *user) {
  td_message message;
  (void)user;
  while (td_batch_next(batch, &message) == 1) BENCH_OK(td_send(ours, handled, message.tag, message.data, message.data_size));
}

/* A message through a handler. */
static void turn(void) {
  td_message message;
  BENCH_OK(td_send(handled, TD_NOBODY, 1, payload, SIZE));
  bench_demand(td_loop_run(loop, 0, 0) == 1, "a turn of the handler");
  receive(ours, TD_KIND_MESSAGE, &message);
  BENCH_OK(td_message_release(&message));
}

/* A workload, how often it runs, and how many operations one run is. */
static const struct workload {
  const char *name;
  void (*run)(void);
  long runs, operations;
} workloads[] = {
    {"send_recv", send_recv, 20000, 1},   {"send_many", send_many, 500, GROUP},
    {"recv_batch", recv_batch, 500, GROUP}, {"publish", publish, 20, BURST * SUBSCRIBERS},
    {"call_reply", call_reply, 10000, 1}, {"monitor_down", monitor_down, 5000, 1},
    {"timer", timer, 10000, 1},           {"selective", selective, 10000, 1},
    {"turn", turn, 10000, 1},
};

__attribute__((noinline)) void measured(const struct workload *workload);

__attribute__((noinline)) void measured(const struct workload *workload) {
  for (long i = 0; i < workload->runs; i++) workload->run();
}

static void prepare(const struct workload *workload) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  options.time = TD_TIME_HOST;
  BENCH_OK(td_engine_open(&options, &engine));
  ours = open_mailbox();
  other = open_mailbox();
  for (int i = 0; workload->run == publish && i < SUBSCRIBERS; i++) {
    td_subscription subscription;
    subscribers[i] = open_mailbox();
    BENCH_OK(td_subscribe(subscribers[i], TD_STR("guard.*"), NULL, &subscription));
  }
  if (workload->run == turn) {
    td_mailbox_options handler = TD_MAILBOX_OPTIONS_INIT;
    BENCH_OK(td_loop_open(engine, NULL, &loop));
    handler.loop = loop;
    handler.handler = pass_on;
    BENCH_OK(td_mailbox_open(engine, &handler, &handled));
  }
  for (int i = 0; workload->run == selective && i < BACKLOG; i++) send_tagged(1);
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    if (argc == 2 && !strcmp(argv[1], workloads[i].name)) {
      struct workload warm_up = workloads[i];
      warm_up.runs = warm_up.runs / 10 + 1;
      prepare(&warm_up);
      for (long run = 0; run < warm_up.runs; run++) warm_up.run();
      measured(&workloads[i]);
      printf("%ld\n", workloads[i].runs * workloads[i].operations);
      BENCH_OK(td_engine_close(engine));
      return 0;
    }
    if (argc == 1) puts(workloads[i].name);
  }
  return argc == 1 ? 0 : 2;
}
