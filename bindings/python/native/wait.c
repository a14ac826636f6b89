/* What every blocking call shares: going on after a signal.
 *
 * Guarantees: a wait that a signal interrupted runs Python's signal handlers and then goes on with the rest
 * of its time, on the clock of its engine; so Ctrl-C works and timeouts keep their length. */
#include "tdpy.h"

void tdpy_wait_begin(tdpy_wait *wait, uint64_t engine, int64_t timeout) {
  int64_t now;
  wait->engine = (td_engine){engine};
  wait->timeout = timeout;
  wait->deadline = TD_FOREVER;
  if (timeout > 0 && timeout != TD_FOREVER && td_now(wait->engine, &now) == TD_OK && timeout < TD_FOREVER - now)
    wait->deadline = now + timeout;
}

void tdpy_wait_rest(tdpy_wait *wait) {
  int64_t now;
  if (wait->deadline != TD_FOREVER && td_now(wait->engine, &now) == TD_OK)
    wait->timeout = now < wait->deadline ? wait->deadline - now : 1;   /* 0 would be a poll, with another answer */
}

bool tdpy_wait_again(tdpy_wait *wait, int32_t code) {
  if (code != TD_EINTR || PyErr_CheckSignals() < 0) return false;
  tdpy_wait_rest(wait);
  return true;
}
