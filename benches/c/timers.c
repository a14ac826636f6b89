/* P17: timers, through the C functions.   timers arm COUNT: arms them, due in one to two minutes, and cancels them;
 * timers late: how late timers of 5 ms come, one after another, to a thread that waits for them. */
#include "bench.h"

enum { LATE = 300 };

static void arm_and_cancel(td_mailbox mailbox, size_t count) {
  td_timer *timers = calloc(count, sizeof *timers);
  memset(timers, 1, count * sizeof *timers);
  double begun = bench_now();
  for (uint64_t i = 0; i < count; i++) {
    int64_t delay = TD_MS(60000 + (int64_t)(i * 2654435761u % 60000));
    BENCH_OK(td_send_after(mailbox, delay, i, NULL, 0, &timers[i]));
  }
  double armed = bench_now();
  for (size_t i = 0; i < count; i++) BENCH_OK(td_timer_cancel(timers[i], NULL));
  double cancelled = bench_now();
  bench_row("arm_ns", (armed - begun) / (double)count);
  bench_row("cancel_ns", (cancelled - armed) / (double)count);
  free(timers);
}

static void wait_for_each(td_mailbox mailbox) {
  static double late[LATE];
  for (uint64_t i = 0; i < LATE; i++) {
    td_timer timer;
    td_message message;
    double due = bench_now() + TD_MS(5);
    BENCH_OK(td_send_after(mailbox, TD_MS(5), i, NULL, 0, &timer));
    BENCH_OK(td_recv(mailbox, BENCH_PATIENCE, 0, &message));
    late[i] = bench_now() - due;
    bench_demand(message.kind == TD_KIND_TIMER && message.tag == i && late[i] >= 0, "the timer, not early");
    BENCH_OK(td_message_release(&message));
  }
  bench_percentiles(late, LATE);
}

int main(int argc, char **argv) {
  size_t count = argc == 3 && !strcmp(argv[1], "arm") ? strtoul(argv[2], NULL, 10) : 0;
  if (count == 0 && !(argc == 2 && !strcmp(argv[1], "late"))) {
    fprintf(stderr, "usage: timers arm COUNT|late\n");
    return 2;
  }
  td_engine engine;
  td_mailbox mailbox;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_mailbox_open(engine, NULL, &mailbox));
  count > 0 ? arm_and_cancel(mailbox, count) : wait_for_each(mailbox);
  BENCH_OK(td_engine_close(engine));
  return 0;
}
