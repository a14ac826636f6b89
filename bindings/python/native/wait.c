/* What every blocking call shares: going on after a signal, and leaving quietly when the interpreter ends.
 *
 * Guarantees: a wait that a signal interrupted runs Python's signal handlers and then goes on with the rest
 * of its time, on the clock of its engine; so Ctrl-C works and timeouts keep their length. */
#include <time.h>
#include "tdpy.h"

void tdpy_wait_begin(tdpy_wait *wait, uint64_t engine, int64_t timeout) {
  int64_t now;
  wait->engine = (td_engine){engine};
  wait->timeout = timeout;
  wait->deadline = TD_FOREVER;
  if (timeout > 0 && timeout != TD_FOREVER && td_now(wait->engine, &now) == TD_OK && timeout < TD_FOREVER - now)
    wait->deadline = now + timeout;
}

bool tdpy_wait_again(tdpy_wait *wait, int32_t code) {
  int64_t now;
  if (code != TD_EINTR || PyErr_CheckSignals() < 0) return false;
  if (wait->deadline != TD_FOREVER && td_now(wait->engine, &now) == TD_OK)
    wait->timeout = now < wait->deadline ? wait->deadline - now : 1;   /* 0 would be a poll, with another answer */
  return true;
}

/* At exit the engines are closed, so a daemon thread hears that its mailbox is over just when Python is going away. There
 * it would only print that to nobody. It gives the interpreter a second to end first; if it has not ended by then (a
 * host that embeds Python), the thread goes on as usual. */
void tdpy_pause_at_exit(void) {
  if (!tdpy_exiting || pthread_equal(tdpy_exiting_thread, pthread_self())) return;
  struct timespec second = {1, 0};
  Py_BEGIN_ALLOW_THREADS
  nanosleep(&second, NULL);
  Py_END_ALLOW_THREADS
}
