/* Handlers: the one way from the engine into Python.
 *
 * Guarantees: Python code runs only inside td_loop_run, which a Python thread called. Entries are passed one at a
 * time, so what a handler does to its own mailbox holds for the rest of its batch. An exception ends the mailbox it
 * came from and nothing else; KeyboardInterrupt and SystemExit end loop_run instead and leave the rest queued.
 * After the exit handler ran, no handler enters Python. */
#include <pthread.h>
#include <unistd.h>
#include "tdpy.h"

/* What the engine keeps for a handler mailbox; given back by tdpy_drop. */
typedef struct {
  PyObject_HEAD
  PyObject *mailbox;                           /* an AddressBase; also keeps the mailbox alive while it is open */
  PyObject *handler;
  td_loop loop;
} registration;

static __thread int running;                   /* loop_run calls on this thread */
static __thread PyThreadState *outside;        /* of the Python thread that is inside td_loop_run; NULL: a C thread runs the loop */
static __thread int handling;                  /* handlers that this thread is inside */
static __thread PyObject *interrupt;           /* the KeyboardInterrupt or SystemExit that ends the innermost of them */

static PyObject *current_exception(void) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
}

/* True when the batch must stop here because the whole run does. */
static bool handler_failed(registration *self) {
  PyObject *error = current_exception();
  bool leaves = PyErr_GivenExceptionMatches(error, PyExc_KeyboardInterrupt) ||
                PyErr_GivenExceptionMatches(error, PyExc_SystemExit);
  if (running && leaves) {
    Py_XSETREF(interrupt, error);
    td_loop_wake(self->loop);
    return true;
  }
  PyObject *done = PyObject_CallMethod(self->mailbox, "_handler_failed", "O", error);
  if (!done) PyErr_WriteUnraisable(self->handler);
  Py_XDECREF(done);
  Py_DECREF(error);
  return false;
}

int tdpy_down(tdpy_address *mailbox, PyObject *message) {
  PyObject *taken = PyObject_CallMethod((PyObject *)mailbox, "_down", "O", message);
  if (!taken) return -1;
  int result = taken == Py_True;
  Py_DECREF(taken);
  if (result) mailbox->lost += ((tdpy_message *)message)->lost;   /* still to be told */
  return result;
}

/* A handler's result. Nobody would run a coroutine, so the message would be lost without a word. */
static PyObject *refuse_coroutine(PyObject *result) {
  if (!result || !PyCoro_CheckExact(result)) return result;
  PyObject *closed = PyObject_CallMethod(result, "close", NULL);
  Py_DECREF(result);
  if (!closed) return NULL;
  Py_DECREF(closed);
  return PyErr_Format(PyExc_TypeError, "the handler gave a coroutine, which nobody runs; iterate with `async for` instead");
}

/* A DOWN goes to the callbacks of its monitor when it has some. */
static PyObject *deliver(registration *self, PyObject *message, uint8_t kind) {
  int down = kind == TD_KIND_DOWN ? tdpy_down((tdpy_address *)self->mailbox, message) : 0;
  if (down) return down > 0 ? Py_NewRef(Py_None) : NULL;
  return refuse_coroutine(PyObject_CallOneArg(self->handler, message));
}

static void run_batch(td_batch *batch, registration *self) {
  tdpy_address *mailbox = (tdpy_address *)self->mailbox;
  PyObject *frame = NULL;                      /* what views keep */
  mailbox->id = batch->mailbox.id;             /* td_mailbox_open may not have returned yet */
  for (uint32_t i = batch->cursor; i < batch->count && !interrupt && !tdpy_exiting; i++) {
    const td_frame_header *header = tdpy_entry(batch, i);
    uint8_t kind = header->kind;
    uint64_t gap = kind == TD_KIND_GAP ? header->tag : 0;
    if (td_batch_claim(batch, i) != 1) continue;
    if (gap) {
      mailbox->lost += gap;
      continue;
    }
    PyObject *message = tdpy_from_entry(batch, i, mailbox->engine, tdpy_take_lost(mailbox), mailbox->views ? &frame : NULL);
    PyObject *result = message ? deliver(self, message, kind) : NULL;
    bool stop = !result && handler_failed(self);
    Py_XDECREF(result);
    Py_XDECREF(message);
    if (stop) break;
  }
  Py_XDECREF(frame);
}

/* Where CPython ends a daemon thread at exit by unwinding it (before 3.14), the engine's frames below this one must not
 * be unwound: the thread stops here and goes with the process. */
static void hang(void *unused) {
  for (;;) pause();
}

static void handle(td_batch *batch, void *held) {
  if (__atomic_load_n(&tdpy_exiting, __ATOMIC_SEQ_CST)) return;
  PyThreadState *state = outside;
  PyGILState_STATE gil = PyGILState_UNLOCKED;
  pthread_cleanup_push(hang, NULL);
  tdpy_handler_begins();
  if (state) PyEval_RestoreThread(state);
  else gil = PyGILState_Ensure();
  outside = NULL;
  tdpy_drain();
  registration *self = (registration *)tdpy_held_object(held);
  handling++;
  if (!interrupt) run_batch(batch, self);
  handling--;
  outside = state;
  if (state) PyEval_SaveThread();
  else PyGILState_Release(gil);
  tdpy_handler_ends();
  pthread_cleanup_pop(0);
}

/* loop_run(loop id, engine id, timeout) -> batches handled */
static PyObject *loop_run(PyObject *module, PyObject *args) {
  unsigned long long loop, engine;
  int64_t timeout;
  int32_t code;
  if (!PyArg_ParseTuple(args, "KKO&", &loop, &engine, tdpy_timeout_arg, &timeout)) return NULL;
  PyObject *outer = interrupt;
  interrupt = NULL;
  tdpy_enter();
  tdpy_wait wait;
  tdpy_wait_begin(&wait, engine, timeout);
  running++;
  do {
    PyThreadState *state = outside = tdpy_leave_python();
    code = td_loop_run((td_loop){loop}, wait.timeout, TD_INTERRUPTIBLE);
    outside = NULL;
    tdpy_return_to_python(state);
  } while (!interrupt && tdpy_wait_again(&wait, code));
  running--;
  tdpy_drain();
  PyObject *error = interrupt;
  interrupt = outer;
  if (error) {
    if (!PyErr_Occurred()) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return NULL;
  }
  if (code >= 0) return PyLong_FromLong(code);
  return PyErr_Occurred() ? NULL : tdpy_fail(code);
}

static PyObject *in_handler(PyObject *module, PyObject *unused) { return PyBool_FromLong(handling); }

static PyTypeObject registration_type;

int tdpy_loop_ready(void) { return PyType_Ready(&registration_type); }

/* registration(mailbox, handler, loop id) -> the numbers for handler, user and drop of td_mailbox_options. The caller must pass
 * them to td_mailbox_open: only that ends the registration. */
static PyObject *new_registration(PyObject *module, PyObject *args) {
  PyObject *mailbox, *handler;
  unsigned long long loop;
  if (!PyArg_ParseTuple(args, "O!OK", &tdpy_address_type, &mailbox, &handler, &loop)) return NULL;
  registration *self = PyObject_New(registration, &registration_type);
  if (!self) return NULL;
  self->mailbox = Py_NewRef(mailbox);
  self->handler = Py_NewRef(handler);
  self->loop = (td_loop){loop};
  void *held = tdpy_hold((PyObject *)self);
  Py_DECREF(self);
  if (!held) return NULL;
  return Py_BuildValue("KKK", (unsigned long long)(uintptr_t)handle, (unsigned long long)(uintptr_t)held,
                       (unsigned long long)(uintptr_t)tdpy_let_go);
}

static void dealloc(registration *self) {
  Py_CLEAR(self->mailbox);
  Py_CLEAR(self->handler);
  PyObject_Free(self);
}

static PyTypeObject registration_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.Registration",
    .tp_basicsize = sizeof(registration),
    .tp_dealloc = (destructor)dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

PyMethodDef tdpy_loop_methods[] = {
    {"loop_run", loop_run, METH_VARARGS, NULL},
    {"in_handler", in_handler, METH_NOARGS, NULL},
    {"registration", new_registration, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
