/* tidings/turn.h - one turn of a host's event loop: what epoll.h, libuv.h and glib.h share, and what an adapter for
 * another loop begins with.
 *
 * A host's loop watches the descriptor of a td_loop or of a mailbox (td_loop_fd, td_mailbox_fd). When it is readable,
 * the host takes one turn with the functions below. A turn does a bounded amount of work and leaves the descriptor
 * readable when there is more, so that the host's sockets have their turn in between. */
#ifndef TIDINGS_TURN_H
#define TIDINGS_TURN_H

#include <limits.h>
#include <tidings.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many messages of a mailbox one turn takes when the caller gives 0. */
#define TD_TURN_MESSAGES 64u

/* Takes one message of a mailbox, on the thread of the host's loop. The message ends with the return; it must not be
 * released.
 *
 * Returns: 0 to be given the next one; anything else ends the turn, and the rest stays in the mailbox. It may end the
 *   mailbox and free user, and has to end the turn then. */
typedef int (*td_turn_fn)(td_mailbox mailbox, const td_message *message, void *user);

/* Hears, from the adapters that take the turns by themselves (libuv.h, glib.h), that one is done: time to send what its
 * messages have added up to. result is what td_turn_mailbox returned; with td_turn_over(result) it was the last one. */
typedef void (*td_turn_done_fn)(td_mailbox mailbox, int32_t result, void *user);

/* Says whether a result of a turn means that nothing can come any more, so that the host stops watching: the
 * descriptor of what is over stays readable.
 *
 * Returns: 1 or 0.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing. */
static inline int td_turn_over(int32_t result) {
  return result == TD_ECLOSED || result == TD_ESTALE || result == TD_EBADID || result == TD_EFORKED || result == TD_EINVAL;
}

/* Gives fn the messages of a mailbox, oldest first: at most so many (0: TD_TURN_MESSAGES), or until fn ends the turn.
 *
 * Returns: how many fn was given; else what td_recv answered: TD_ECLOSED when the mailbox is over, also after messages
 *   of this turn, TD_ENOMEM. Ask td_turn_over whether to go on.
 * Threads: the host's loop, so that fn runs there; nothing else forbids others.
 * Blocks: no, but for fn.
 * Owns: each message is released when fn has returned. user is not touched after fn has ended the turn. */
static inline int32_t td_turn_mailbox(td_mailbox mailbox, uint32_t most, td_turn_fn fn, void *user) {
  td_message message;
  uint32_t limit = most == 0 ? TD_TURN_MESSAGES : most > INT32_MAX ? (uint32_t)INT32_MAX : most;
  uint32_t taken = 0;
  int stop = 0;
  while (!stop && taken < limit) {
    int32_t result = td_recv(mailbox, 0, 0, &message);
    if (result == TD_EAGAIN) break;
    if (result < 0) return result;
    taken++;
    stop = fn(mailbox, &message, user);
    td_message_release(&message);
  }
  return (int32_t)taken;
}

/* Runs the handlers of a loop: one batch, at most 64 KiB of messages, for each mailbox that is ready, and no more
 * batches than the loop's budget (td_loop_options). Fires due timers with TD_TIME_HOST.
 *
 * Returns: as td_loop_run with timeout 0. Ask td_turn_over whether to go on.
 * Threads: one at a time for one loop; the handlers run on it.
 * Blocks: no, but for the handlers.
 * Owns: nothing. */
static inline int32_t td_turn_loop(td_loop loop) { return td_loop_run(loop, 0, 0); }

/* How long the host may wait before the loop needs a turn for the engine's next timer (TD_TIME_HOST), and never longer
 * than timeout, where -1 is without limit: for poll, epoll_wait and their like. A timer that another thread arms while
 * the host waits already counts from the host's next wait on; td_loop_wake ends the one under way.
 *
 * Returns: milliseconds, rounded up; timeout when no timer needs it, or the loop is closed.
 * Threads: any.
 * Blocks: no.
 * Owns: nothing. */
static inline int td_turn_timeout(td_loop loop, int timeout) {
  int64_t delay, wait;
  if (td_loop_deadline(loop, &delay) < 0 || delay == TD_FOREVER) return timeout;
  wait = delay <= 0 ? 0 : (delay - 1) / TD_MS(1) + 1;
  if (wait > INT_MAX) wait = INT_MAX;
  return timeout >= 0 && timeout < wait ? timeout : (int)wait;
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TIDINGS_TURN_H */
