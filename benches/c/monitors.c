/* P15: many monitors on one mailbox, and its death, through the C functions.   monitors one|each MONITORS
 * one: one watcher has them all; each: every watcher has one. The time of the death runs until the last TD_KIND_DOWN
 * has been received. */
#include "bench.h"

static void read_down(const td_message *message, td_mailbox target) {
  bench_demand(message->kind == TD_KIND_DOWN && message->from.id == target.id, "the DOWN of the target");
  bench_demand(message->status == TD_REASON_KILLED, "its reason");
}

static void receive_from_one(td_mailbox watcher, td_mailbox target, size_t count) {
  while (count > 0) {
    td_batch batch;
    td_message message;
    BENCH_OK(td_recv_batch(watcher, BENCH_PATIENCE, 0, &batch));
    for (; td_batch_next(&batch, &message) == 1; count--) read_down(&message, target);
    BENCH_OK(td_batch_release(&batch));
  }
}

static void receive_from_each(const td_mailbox *watchers, td_mailbox target, size_t count) {
  for (size_t i = 0; i < count; i++) {
    td_message message;
    BENCH_OK(td_recv(watchers[i], BENCH_PATIENCE, 0, &message));
    read_down(&message, target);
    BENCH_OK(td_message_release(&message));
  }
}

int main(int argc, char **argv) {
  int each = argc == 3 && !strcmp(argv[1], "each");
  size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
  if (count == 0 || (!each && strcmp(argv[1], "one"))) {
    fprintf(stderr, "usage: monitors one|each MONITORS\n");
    return 2;
  }
  td_engine engine;
  td_mailbox target;
  td_monitor_ref ref;
  size_t watching = each ? count : 1;
  td_mailbox *watchers = calloc(watching, sizeof *watchers);
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_mailbox_open(engine, NULL, &target));
  for (size_t i = 0; i < watching; i++) BENCH_OK(td_mailbox_open(engine, NULL, &watchers[i]));

  double begun = bench_now();
  for (size_t i = 0; i < count; i++) BENCH_OK(td_monitor(watchers[each ? i : 0], target, 0, &ref));
  double set_up = bench_now();
  BENCH_OK(td_mailbox_kill(target));
  each ? receive_from_each(watchers, target, count) : receive_from_one(watchers[0], target, count);
  double over = bench_now();

  bench_row("death_to_last_us", (over - set_up) / 1e3);
  bench_row("setup_ns", (set_up - begun) / (double)count);
  BENCH_OK(td_engine_close(engine));
  free(watchers);
  return 0;
}
