/* edges.h - what the tests of the adapters share: a mailbox, a loop with a handler, and what came of them. */
#ifndef TESTS_EMBED_EDGES_H
#define TESTS_EMBED_EDGES_H

#include "../c/check.h"

#include <tidings/turn.h>

enum { SENT = 200, MOST = 10 };

struct seen {
  uint32_t messages, turns, largest, in_turn; /* of the mailbox */
  int32_t result;                             /* of the last turn */
  uint32_t stop_at;                           /* fn ends the turn at this message; 0: never */
  uint32_t others;                            /* what else of the host's loop had its turn */
  uint32_t handled;                           /* by the handler of the loop */
};

static inline int count_message(td_mailbox mailbox, const td_message *message, void *user) {
  struct seen *seen = (struct seen *)user;
  (void)mailbox;
  CHECK_EQ(message->tag, seen->messages); /* in order, none lost, none twice */
  seen->messages++;
  seen->in_turn++;
  return seen->messages == seen->stop_at;
}

static inline void count_turn(td_mailbox mailbox, int32_t result, void *user) {
  struct seen *seen = (struct seen *)user;
  (void)mailbox;
  seen->turns++;
  if (seen->in_turn > seen->largest) seen->largest = seen->in_turn;
  seen->in_turn = 0;
  seen->result = result;
}

static inline void count_handled(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0) ((struct seen *)user)->handled++;
}

static inline td_engine engine_in_host_time(void) {
  td_engine engine;
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  options.time = TD_TIME_HOST;
  CHECK_OK(td_engine_open(&options, &engine));
  return engine;
}

static inline td_mailbox mailbox_with(td_engine engine, uint64_t from, uint64_t to) {
  td_mailbox mailbox;
  CHECK_OK(td_mailbox_open(engine, NULL, &mailbox));
  for (uint64_t tag = from; tag < to; tag++) CHECK_OK(td_send(mailbox, TD_NOBODY, tag, "x", 1));
  return mailbox;
}

static inline td_mailbox mailbox_of_loop(td_engine engine, td_loop loop, struct seen *seen) {
  td_mailbox mailbox;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.loop = loop;
  options.handler = count_handled;
  options.user = seen;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  return mailbox;
}

#endif
