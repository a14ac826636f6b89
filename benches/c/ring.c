/* P14: a ring of handler mailboxes on one worker that pass a number on, through the C functions.   ring MAILBOXES */
#include "bench.h"

enum { HOPS = 500000, WARM_UP = 50000 };
typedef struct { td_mailbox self, next; } node;
static td_mailbox done;

static void pass_on(td_batch *batch, void *user) {
  const node *here = user;
  td_message message;
  while (td_batch_next(batch, &message) == 1) {
    uint64_t left;
    memcpy(&left, message.data, sizeof left);
    if (left == 0) {
      BENCH_OK(td_send(done, here->self, 0, NULL, 0));
    } else {
      left--;
      BENCH_OK(td_send(here->next, here->self, 0, &left, sizeof left));
    }
  }
}

static void go_round(td_mailbox first, uint64_t hops) {
  td_message over;
  BENCH_OK(td_send(first, TD_NOBODY, 0, &hops, sizeof hops));
  BENCH_OK(td_recv(done, BENCH_PATIENCE, 0, &over));
  BENCH_OK(td_message_release(&over));
}

int main(int argc, char **argv) {
  size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
  if (count == 0) {
    fprintf(stderr, "usage: ring MAILBOXES\n");
    return 2;
  }
  td_engine_options engine_options = TD_ENGINE_OPTIONS_INIT;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine;
  engine_options.workers = 1;
  BENCH_OK(td_engine_open(&engine_options, &engine));
  BENCH_OK(td_mailbox_open(engine, NULL, &done));
  options.flags = TD_BY_WORKERS;
  options.handler = pass_on;
  node *nodes = calloc(count, sizeof *nodes);
  for (size_t i = 0; i < count; i++) {
    options.user = &nodes[i];
    BENCH_OK(td_mailbox_open(engine, &options, &nodes[i].self));
  }
  for (size_t i = 0; i < count; i++) nodes[i].next = nodes[(i + 1) % count].self;
  go_round(nodes[0].self, WARM_UP);
  double begun = bench_now();
  go_round(nodes[0].self, HOPS);
  bench_row("ns_per_hop", (bench_now() - begun) / HOPS);
  BENCH_OK(td_engine_close(engine));
  free(nodes);
  return 0;
}
