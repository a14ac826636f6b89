/* `async for` over a mailbox: the messages of the batch in hand without a coroutine for each.
 *
 * Guarantees: a message is taken in the step that returns it, so a task that is cancelled before loses none. Only where there
 * is nothing in hand does Python's own coroutine, `_next` of the subclass, take over, and with it sends, throws and closes. */
#include "tdpy.h"

typedef struct {
  PyObject_HEAD
  PyObject *batches;                           /* a Batches */
} async_batches;

/* One awaitable: the next message. */
typedef struct {
  PyObject_HEAD
  async_batches *owner;
  PyObject *rest;                              /* the coroutine that has taken over */
} step;

typedef enum { FAILED = -1, YIELDED, RETURNED } outcome;

static PyObject *slow(async_batches *owner) { return PyObject_CallMethod((PyObject *)owner, "_next", NULL); }

static outcome go_on(PyObject *coroutine, PyObject *value, PyObject **result) {
#if PY_VERSION_HEX >= 0x030a0000
  switch (PyIter_Send(coroutine, value ? value : Py_None, result)) {
    case PYGEN_RETURN: return RETURNED;
    case PYGEN_NEXT: return YIELDED;
    default: return FAILED;
  }
#else
  *result = PyObject_CallMethod(coroutine, "send", "O", value ? value : Py_None);
  if (*result) return YIELDED;
  return _PyGen_FetchStopIterationValue(result) == 0 ? RETURNED : FAILED;
#endif
}

static outcome advance(step *self, PyObject *value, PyObject **result) {
  if (!self->rest) {
    *result = tdpy_next_in_hand(self->owner->batches);
    if (*result) return RETURNED;
    if (PyErr_Occurred() || !(self->rest = slow(self->owner))) return FAILED;
  }
  return go_on(self->rest, value, result);
}

static PyObject *step_next(step *self) {
  PyObject *result = NULL;
  switch (advance(self, NULL, &result)) {
    case YIELDED: return result;
    case RETURNED:
      PyErr_SetObject(PyExc_StopIteration, result);   /* a message: neither a tuple nor an exception */
      Py_DECREF(result);
      return NULL;
    default: return NULL;
  }
}

#if PY_VERSION_HEX >= 0x030a0000
static PySendResult step_send(step *self, PyObject *value, PyObject **result) {
  *result = NULL;
  switch (advance(self, value, result)) {
    case YIELDED: return PYGEN_NEXT;
    case RETURNED: return PYGEN_RETURN;
    default: return PYGEN_ERROR;
  }
}
#endif

/* To the coroutine, also when it has not begun: what is thrown comes out of it then. */
static PyObject *step_throw(step *self, PyObject *args) {
  if (!self->rest && !(self->rest = slow(self->owner))) return NULL;
  PyObject *method = PyObject_GetAttrString(self->rest, "throw");
  PyObject *result = method ? PyObject_CallObject(method, args) : NULL;
  Py_XDECREF(method);
  return result;
}

static PyObject *step_close(step *self, PyObject *unused) {
  if (self->rest) return PyObject_CallMethod(self->rest, "close", NULL);
  Py_RETURN_NONE;
}

static void step_dealloc(step *self) {
  Py_CLEAR(self->owner);
  Py_CLEAR(self->rest);
  PyObject_Free(self);
}

static PyMethodDef step_methods[] = {
    {"throw", (PyCFunction)(void (*)(void))step_throw, METH_VARARGS, NULL},
    {"close", (PyCFunction)(void (*)(void))step_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods step_async = {
    .am_await = PyObject_SelfIter,
#if PY_VERSION_HEX >= 0x030a0000
    .am_send = (sendfunc)step_send,
#endif
};

static PyTypeObject step_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.Step",
    .tp_basicsize = sizeof(step),
    .tp_dealloc = (destructor)step_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_as_async = &step_async,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)step_next,
    .tp_methods = step_methods,
};

int tdpy_async_ready(void) { return PyType_Ready(&step_type); }

static PyObject *anext_of(async_batches *self) {
  if (!tdpy_in_hand(self->batches)) return slow(self);
  step *next = PyObject_New(step, &step_type);
  if (!next) return NULL;
  Py_INCREF(self);
  next->owner = self;
  next->rest = NULL;
  return (PyObject *)next;
}

static PyObject *new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *batches = PyObject_CallObject((PyObject *)&tdpy_batches_type, args);
  if (!batches) return NULL;
  async_batches *self = (async_batches *)type->tp_alloc(type, 0);
  if (self) self->batches = batches;
  else Py_DECREF(batches);
  return (PyObject *)self;
}

static void dealloc(async_batches *self) {
  Py_CLEAR(self->batches);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *get_batches(async_batches *self, void *unused) { return Py_NewRef(self->batches); }

static PyGetSetDef getset[] = {
    {"_batches", (getter)get_batches, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyAsyncMethods async_methods = {.am_aiter = PyObject_SelfIter, .am_anext = (unaryfunc)anext_of};

PyTypeObject tdpy_async_batches_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.AsyncBatches",
    .tp_basicsize = sizeof(async_batches),
    .tp_dealloc = (destructor)dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_as_async = &async_methods,
    .tp_new = new,
    .tp_getset = getset,
};
