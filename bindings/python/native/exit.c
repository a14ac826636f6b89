/* What threads do when the interpreter ends.
 *
 * Guarantees: once the exit has begun, a thread that comes to this package, or wakes up in it, stops there without the
 * GIL and does not run Python any more; so the news of ends that only the exit has caused reach nobody, and no such
 * thread is left waiting for the GIL of an interpreter that is gone, where CPython up to 3.13 may crash. The thread
 * that runs the exit waits a moment until the others have come to rest. A stop is not for ever, because a host that
 * embeds Python may live on. */
#include <time.h>
#include "tdpy.h"

#define REST_SECONDS 10
#define SETTLE_STEPS 250                       /* milliseconds that the exit waits for the others at most */

int tdpy_exiting;
static pthread_t exiting_thread;
static pthread_key_t leaving;
static __thread int known;
static int threads;                            /* alive, and have called this package */
static int resting;                            /* of them, those that are in a wait or stopped, without the GIL */

static void left(void *unused) { __atomic_fetch_sub(&threads, 1, __ATOMIC_SEQ_CST); }

int tdpy_exit_ready(void) { return pthread_key_create(&leaving, left); }

static bool must_rest(void) {
  return __atomic_load_n(&tdpy_exiting, __ATOMIC_SEQ_CST) && !pthread_equal(exiting_thread, pthread_self());
}

PyThreadState *tdpy_leave_python(void) {
  __atomic_fetch_add(&resting, 1, __ATOMIC_SEQ_CST);
  return PyEval_SaveThread();
}

void tdpy_return_to_python(PyThreadState *state) {
  struct timespec rest = {REST_SECONDS, 0};
  if (must_rest()) nanosleep(&rest, NULL);
  __atomic_fetch_sub(&resting, 1, __ATOMIC_SEQ_CST);
  if (state) PyEval_RestoreThread(state);
}

void tdpy_enter(void) {
  if (!known) {
    known = 1;
    pthread_setspecific(leaving, &known);
    __atomic_fetch_add(&threads, 1, __ATOMIC_SEQ_CST);
  }
  tdpy_rest_at_exit();
  tdpy_drain();
}

void tdpy_rest_at_exit(void) {
  if (!tdpy_exiting || !must_rest()) return;
  PyThreadState *state = tdpy_leave_python();
  tdpy_return_to_python(state);
}

/* Inside a wait the engine calls a handler: the thread comes to Python and goes again. */
void tdpy_handler_begins(void) { __atomic_fetch_sub(&resting, 1, __ATOMIC_SEQ_CST); }
void tdpy_handler_ends(void) { __atomic_fetch_add(&resting, 1, __ATOMIC_SEQ_CST); }

/* From here on every other thread that comes by stops. */
static PyObject *begin_exit(PyObject *self, PyObject *unused) {
  exiting_thread = pthread_self();
  __atomic_store_n(&tdpy_exiting, 1, __ATOMIC_SEQ_CST);
  Py_RETURN_NONE;
}

/* After what they may wait for was closed: lets the others come to rest. */
static PyObject *settle(PyObject *self, PyObject *unused) {
  struct timespec step = {0, 1000000};
  Py_BEGIN_ALLOW_THREADS
  for (int i = 0; i < SETTLE_STEPS; i++) {
    int others = __atomic_load_n(&threads, __ATOMIC_SEQ_CST) - known;
    if (__atomic_load_n(&resting, __ATOMIC_SEQ_CST) >= others) break;
    nanosleep(&step, NULL);
  }
  Py_END_ALLOW_THREADS
  Py_RETURN_NONE;
}

/* The other threads are not in a forked child. */
static PyObject *after_fork(PyObject *self, PyObject *unused) {
  threads = known;
  resting = 0;
  Py_RETURN_NONE;
}

PyMethodDef tdpy_exit_methods[] = {
    {"begin_exit", begin_exit, METH_NOARGS, NULL},
    {"settle", settle, METH_NOARGS, NULL},
    {"after_fork", after_fork, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
