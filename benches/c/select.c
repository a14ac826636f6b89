/* P16: selective receive behind a backlog that does not match, through the C functions.   select tag|ref BACKLOG
 * tag: a message with the wanted tag is sent behind the backlog and received with td_recv_match. ref: a request is
 * sent, answered by the same thread, and its reply awaited by its ref. */
#include "bench.h"

enum { ROUNDS = 100000, OTHER = 1, MINE = 2 };
static td_mailbox mailbox, server;

static void receive_match(const td_match *match, uint64_t expected) {
  td_message message;
  BENCH_OK(td_recv_match(mailbox, match, BENCH_PATIENCE, 0, &message));
  bench_demand(!memcmp(message.data, &expected, sizeof expected), "the number sent");
  BENCH_OK(td_message_release(&message));
}

static void by_tag(uint64_t number) {
  td_match match = TD_MATCH_INIT;
  match.fields = TD_MATCH_TAG;
  match.tag = MINE;
  BENCH_OK(td_send(mailbox, TD_NOBODY, MINE, &number, sizeof number));
  receive_match(&match, number);
}

static void by_ref(uint64_t number) {
  td_match match = TD_MATCH_INIT;
  td_message request;
  td_ticket ticket;
  BENCH_OK(td_call_start(server, mailbox, MINE, &number, sizeof number, BENCH_PATIENCE, &ticket));
  BENCH_OK(td_recv(server, BENCH_PATIENCE, 0, &request));
  BENCH_OK(td_reply((td_ticket){request.ref}, request.data, request.data_size));
  BENCH_OK(td_message_release(&request));
  match.fields = TD_MATCH_REF;
  match.ref = ticket.id;
  receive_match(&match, number);
}

int main(int argc, char **argv) {
  int ref = argc == 3 && !strcmp(argv[1], "ref");
  if (argc != 3 || (!ref && strcmp(argv[1], "tag"))) {
    fprintf(stderr, "usage: select tag|ref BACKLOG\n");
    return 2;
  }
  uint64_t backlog = strtoull(argv[2], NULL, 10), rounds = ROUNDS;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine;
  options.max_messages = backlog + 16;
  BENCH_OK(td_engine_open(NULL, &engine));
  BENCH_OK(td_mailbox_open(engine, &options, &mailbox));
  BENCH_OK(td_mailbox_open(engine, NULL, &server));
  for (uint64_t i = 0; i < backlog; i++) BENCH_OK(td_send(mailbox, TD_NOBODY, OTHER, &i, sizeof i));

  void (*round)(uint64_t) = ref ? by_ref : by_tag;
  for (uint64_t i = 0; i < 16; i++) round(i);
  double begun = bench_now();
  uint64_t done = 0;
  /* As many as a second takes, so that a slow one ends, too. */
  for (; done < rounds && (done % 16 || bench_now() - begun < 1e9); done++) round(done);
  bench_row("ns_per_receive", (bench_now() - begun) / (double)done);
  BENCH_OK(td_engine_close(engine));
  return 0;
}
