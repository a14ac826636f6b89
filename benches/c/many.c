/* P13: many mailboxes, through the C functions.   many MAILBOXES
 * Opens them, sends each one message of 8 bytes, receives it, and closes them. The bytes are what the process's
 * resident memory grew by, for each mailbox. */
#include "bench.h"
#include <unistd.h>

static double resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  bench_demand(file && fscanf(file, "%*s %ld", &pages) == 1, "/proc/self/statm can be read");
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void open_all(td_engine engine, td_mailbox *mailboxes, size_t count) {
  for (size_t i = 0; i < count; i++) BENCH_OK(td_mailbox_open(engine, NULL, &mailboxes[i]));
}

static void close_all(const td_mailbox *mailboxes, size_t count) {
  for (size_t i = 0; i < count; i++) BENCH_OK(td_mailbox_close(mailboxes[i]));
}

static void send_all(const td_mailbox *mailboxes, size_t count) {
  for (uint64_t i = 0; i < count; i++) BENCH_OK(td_send(mailboxes[i], TD_NOBODY, 0, &i, sizeof i));
}

static void receive_all(const td_mailbox *mailboxes, size_t count) {
  for (uint64_t i = 0; i < count; i++) {
    td_message message;
    BENCH_OK(td_recv(mailboxes[i], 0, 0, &message));
    bench_demand(!memcmp(message.data, &i, sizeof i), "the number sent");
    BENCH_OK(td_message_release(&message));
  }
}

int main(int argc, char **argv) {
  size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
  if (count == 0) {
    fprintf(stderr, "usage: many MAILBOXES\n");
    return 2;
  }
  td_engine engine;
  BENCH_OK(td_engine_open(NULL, &engine));
  td_mailbox *mailboxes = malloc(count * sizeof *mailboxes);
  memset(mailboxes, 1, count * sizeof *mailboxes);
  open_all(engine, mailboxes, 1);
  send_all(mailboxes, 1);
  receive_all(mailboxes, 1);
  close_all(mailboxes, 1);

  double at_first = resident(), begun = bench_now();
  open_all(engine, mailboxes, count);
  double opened = bench_now(), empty = resident();
  send_all(mailboxes, count);
  double with_one = resident();
  receive_all(mailboxes, count);
  double closing = bench_now();
  close_all(mailboxes, count);
  double closed = bench_now();

  bench_row("create_ns", (opened - begun) / (double)count);
  bench_row("destroy_ns", (closed - closing) / (double)count);
  bench_row("bytes_empty", (empty - at_first) / (double)count);
  bench_row("bytes_with_one", (with_one - at_first) / (double)count);
  BENCH_OK(td_engine_close(engine));
  free(mailboxes);
  return 0;
}
