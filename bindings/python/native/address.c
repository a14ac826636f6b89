/* An address: the id of a mailbox as a Python value, and the sends to it.
 *
 * Guarantees: a payload is any contiguous buffer; it is copied, or, when it is a large bytes object, held by
 * reference until the engine has let go of it. A send that can wait (TD_BLOCK, or a policy this process did not choose)
 * goes without the GIL; one that cannot keeps it, since handing the GIL over costs more than the send. */
#include <stdlib.h>
#include "tdpy.h"
#include <structmember.h>

int tdpy_mailbox_id(PyObject *value, uint64_t *id) {
  *id = 0;
  if (value == Py_None) return 0;
  if (PyObject_TypeCheck(value, &tdpy_address_type)) {
    *id = ((tdpy_address *)value)->id;
    return 0;
  }
  PyErr_Format(PyExc_TypeError, "a mailbox or an address is needed here, not %.100s", Py_TYPE(value)->tp_name);
  return -1;
}

int tdpy_payload(PyObject *data, Py_buffer *view) {
  if (PyBytes_CheckExact(data)) {              /* they cannot change, and the caller keeps them */
    *view = (Py_buffer){.buf = PyBytes_AS_STRING(data), .len = PyBytes_GET_SIZE(data)};
    return 0;
  }
  if (PyObject_GetBuffer(data, view, PyBUF_SIMPLE) == 0) return 0;
  if (PyUnicode_Check(data)) PyErr_SetString(PyExc_TypeError, "a payload is bytes; encode the str first");
  return -1;
}

/* The topic as the engine takes it; NULL with an exception. */
static const char *topic_text(PyObject *topic, Py_ssize_t *size) {
  if (PyUnicode_Check(topic)) return PyUnicode_AsUTF8AndSize(topic, size);
  PyErr_Format(PyExc_TypeError, "a name or a topic is a str, not %.100s", Py_TYPE(topic)->tp_name);
  return NULL;
}

static int32_t send_once(td_mailbox to, td_mailbox from, uint64_t tag, const Py_buffer *view, bool without_gil, tdpy_wait *wait,
                         void *held) {
  td_send_options options = {.size = sizeof options, .flags = TD_INTERRUPTIBLE};
  options.timeout = wait->timeout == TD_FOREVER ? 0 : wait->timeout == 0 ? -1 : wait->timeout;
  options.release = held ? tdpy_release : NULL;
  options.release_user = held;
  int32_t code;
  if (!without_gil) return held ? td_send_ex(to, from, tag, view->buf, (size_t)view->len, &options)
                                : td_send(to, from, tag, view->buf, (size_t)view->len);
  PyThreadState *state = tdpy_leave_python();
  code = td_send_ex(to, from, tag, view->buf, (size_t)view->len, &options);
  tdpy_return_to_python(state);
  return code;
}

/* One send with its waits; a negative result, with or without an exception set, leaves `held` to the caller. timeout:
 * TD_FOREVER is the mailbox's own; if that is not known, a send that a signal interrupted starts its time again. */
static int32_t send_waiting(const tdpy_address *to, uint64_t from, uint64_t tag, const Py_buffer *view, void *held, int64_t timeout) {
  tdpy_wait wait = {{to->engine_id}, timeout, TD_FOREVER};
  if (to->may_block) tdpy_wait_begin(&wait, to->engine_id, timeout == TD_FOREVER && to->block_timeout ? to->block_timeout : timeout);
  int32_t code;
  do code = send_once((td_mailbox){to->id}, (td_mailbox){from}, tag, view, to->may_block, &wait, held);
  while (code < 0 && tdpy_wait_again(&wait, code));
  return code;
}

static PyObject *send_to(tdpy_address *self, PyObject *data, uint64_t tag, uint64_t from, int64_t timeout) {
  tdpy_enter();
  Py_buffer view;
  if (tdpy_payload(data, &view) < 0) return NULL;
  void *held = NULL;
  if (tdpy_by_reference(data) && !(held = tdpy_hold(data))) {
    PyBuffer_Release(&view);
    return NULL;
  }
  int32_t code = send_waiting(self, from, tag, &view, held, timeout);
  if (code < 0 && held) tdpy_let_go(held);     /* refused: it is still ours */
  PyObject *result = NULL;
  if (code >= 0) result = Py_NewRef(Py_None);
  else if (!PyErr_Occurred()) tdpy_fail(code);
  tdpy_drain();
  PyBuffer_Release(&view);
  return result;
}

static PyObject *send_method(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
  static const char *const known[] = {"data", "tag", "sender", "timeout"};
  PyObject *given[4] = {NULL, NULL, NULL, NULL};
  Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  if (count > 2) return PyErr_Format(PyExc_TypeError, "send(data=b\"\", tag=0, *, sender=None, timeout=None) got %zd positional arguments", count);
  for (Py_ssize_t i = 0; i < count; i++) given[i] = args[i];
  for (Py_ssize_t i = 0; i < named; i++) {
    PyObject *name = PyTuple_GET_ITEM(names, i);
    int at = 0;
    while (at < 4 && PyUnicode_CompareWithASCIIString(name, known[at])) at++;
    if (at == 4 || given[at]) return PyErr_Format(PyExc_TypeError, "send() got an unknown or a second argument %R", name);
    given[at] = args[count + i];
  }
  uint64_t tag = 0, from = 0;
  int64_t timeout = TD_FOREVER;
  if (given[1] && tdpy_parse_u64(given[1], "a tag", &tag) < 0) return NULL;
  if (given[2] && tdpy_mailbox_id(given[2], &from) < 0) return NULL;
  if (given[3] && tdpy_parse_timeout(given[3], &timeout) < 0) return NULL;
  PyObject *empty = given[0] ? NULL : PyBytes_FromStringAndSize(NULL, 0);
  if (!given[0] && !empty) return NULL;
  PyObject *result = send_to((tdpy_address *)self, given[0] ? given[0] : empty, tag, from, timeout);
  Py_XDECREF(empty);
  return result;
}

/* Many payloads at once. The views stay until the call is over, so nothing is copied before it. */
typedef struct {
  Py_ssize_t count;
  td_item *items;
  Py_buffer *views;
} batch;

static void batch_end(batch *self) {
  for (Py_ssize_t i = 0; i < self->count; i++) PyBuffer_Release(&self->views[i]);
  PyMem_Free(self->items);
  PyMem_Free(self->views);
}

/* Each item is a payload, or a tuple (tag, payload). `list` is what PySequence_Fast gave; it must outlive the batch. */
static int batch_begin(batch *self, PyObject *list) {
  Py_ssize_t size = PySequence_Fast_GET_SIZE(list);
  self->count = 0;
  self->items = PyMem_New(td_item, size ? size : 1);
  self->views = PyMem_New(Py_buffer, size ? size : 1);
  if (!self->items || !self->views) {
    PyErr_NoMemory();
    return -1;
  }
  for (Py_ssize_t i = 0; i < size && i < PySequence_Fast_GET_SIZE(list); i++) {
    PyObject *item = PySequence_Fast_GET_ITEM(list, i), *data = item;
    uint64_t tag = 0;
    if (PyTuple_Check(item)) {
      if (PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_TypeError, "an item is a payload or a tuple (tag, payload), not %R", item);
        return -1;
      }
      if (tdpy_parse_u64(PyTuple_GET_ITEM(item, 0), "a tag", &tag) < 0) return -1;
      data = PyTuple_GET_ITEM(item, 1);
    }
    Py_buffer *view = &self->views[i];
    if (tdpy_payload(data, view) < 0) return -1;
    self->items[i] = (td_item){tag, view->buf, (size_t)view->len};
    self->count = i + 1;
  }
  return 0;
}

/* td_send_many cannot be interrupted; where it could wait, the items go one by one. */
static int32_t send_each(const tdpy_address *to, uint64_t from, const batch *many) {
  for (Py_ssize_t i = 0; i < many->count; i++) {
    int32_t code = send_waiting(to, from, many->items[i].tag, &many->views[i], NULL, TD_FOREVER);
    if (code < 0) return i && !PyErr_Occurred() ? (int32_t)i : code;
  }
  return (int32_t)many->count;
}

static PyObject *send_many(PyObject *base, PyObject *const *args, Py_ssize_t count) {
  tdpy_address *self = (tdpy_address *)base;
  uint64_t from = 0;
  if (count < 1 || count > 2) return PyErr_Format(PyExc_TypeError, "send_many(items, sender=None) takes one or two arguments");
  if (count == 2 && tdpy_mailbox_id(args[1], &from) < 0) return NULL;
  tdpy_enter();
  PyObject *list = PySequence_Tuple(args[0]);
  if (!list) return NULL;
  batch many;
  int32_t code = -1;
  PyObject *result = NULL;
  if (batch_begin(&many, list) == 0) {
    code = self->may_block ? send_each(self, from, &many)
                           : td_send_many((td_mailbox){self->id}, (td_mailbox){from}, many.items, (size_t)many.count);
    if (code >= 0) result = PyLong_FromLong(code);
    else if (!PyErr_Occurred()) tdpy_fail(code);
  }
  batch_end(&many);
  Py_DECREF(list);
  return result;
}

static PyObject *receipt_or_error(int32_t code, const td_receipt *receipt) {
  if (code < 0) return tdpy_fail(code);
  return Py_BuildValue("KKK", (unsigned long long)receipt->matched, (unsigned long long)receipt->queued,
                       (unsigned long long)receipt->dropped);
}

/* publish(engine id, sender, topic, tag, data, retain) -> (matched, queued, dropped) */
static PyObject *publish(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  uint64_t engine, from, tag;
  Py_ssize_t topic_size;
  const char *topic;
  if (count != 6) return PyErr_Format(PyExc_TypeError, "publish takes six arguments");
  if (tdpy_parse_u64(args[0], "an id", &engine) < 0 || tdpy_mailbox_id(args[1], &from) < 0 ||
      !(topic = topic_text(args[2], &topic_size)) || tdpy_parse_u64(args[3], "a tag", &tag) < 0)
    return NULL;
  int retain = PyObject_IsTrue(args[5]);
  if (retain < 0) return NULL;
  tdpy_enter();
  Py_buffer view;
  if (tdpy_payload(args[4], &view) < 0) return NULL;
  td_send_options options = {.size = sizeof options, .flags = retain ? TD_RETAIN : 0};
  td_receipt receipt = {0, 0, 0};
  PyObject *result = NULL;
  bool shared = tdpy_by_reference(args[4]);
  if (shared && (options.release_user = tdpy_hold(args[4]))) options.release = tdpy_release;
  if (!shared || options.release) {
    int32_t code = td_publish((td_engine){engine}, (td_mailbox){from}, topic, (size_t)topic_size, tag, view.buf, (size_t)view.len,
                              shared || retain ? &options : NULL, &receipt);
    result = receipt_or_error(code, &receipt);
    if (code < 0 && shared) tdpy_unhold(options.release_user);
  }
  PyBuffer_Release(&view);
  return result;
}

/* publish_many(engine id, sender, topic, items) -> (matched, queued, dropped) */
static PyObject *publish_many(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  uint64_t engine, from;
  Py_ssize_t topic_size;
  const char *topic;
  if (count != 4) return PyErr_Format(PyExc_TypeError, "publish_many takes four arguments");
  if (tdpy_parse_u64(args[0], "an id", &engine) < 0 || tdpy_mailbox_id(args[1], &from) < 0 ||
      !(topic = topic_text(args[2], &topic_size)))
    return NULL;
  tdpy_enter();
  PyObject *list = PySequence_Tuple(args[3]), *result = NULL;
  if (!list) return NULL;
  batch many;
  td_receipt receipt = {0, 0, 0};
  if (batch_begin(&many, list) == 0)
    result = receipt_or_error(td_publish_many((td_engine){engine}, (td_mailbox){from}, topic, (size_t)topic_size, many.items,
                                              (size_t)many.count, &receipt), &receipt);
  batch_end(&many);
  Py_DECREF(list);
  return result;
}

PyMethodDef tdpy_send_methods[] = {
    {"publish", (PyCFunction)(void (*)(void))publish, METH_FASTCALL, NULL},
    {"publish_many", (PyCFunction)(void (*)(void))publish_many, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int init(tdpy_address *self, PyObject *args, PyObject *kwargs) {
  PyObject *engine;
  uint64_t engine_id, id;
  int may_block = 1, views = 0;
  long long block_timeout = 0;
  if (!PyArg_ParseTuple(args, "OO&O&|pLp", &engine, tdpy_u64_arg, &engine_id, tdpy_u64_arg, &id, &may_block, &block_timeout, &views)) return -1;
  Py_INCREF(engine);
  Py_XSETREF(self->engine, engine);
  self->engine_id = engine_id;
  self->id = id;
  self->may_block = (char)may_block;
  self->block_timeout = block_timeout;
  self->views = (char)views;
  return 0;
}

static int traverse(tdpy_address *self, visitproc visit, void *arg) {
  Py_VISIT(self->engine);
  return 0;
}

static int clear(tdpy_address *self) {
  Py_CLEAR(self->engine);
  return 0;
}

static void dealloc(tdpy_address *self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef members[] = {
    {"engine", T_OBJECT, offsetof(tdpy_address, engine), READONLY, "The engine it belongs to."},
    {"id", T_ULONGLONG, offsetof(tdpy_address, id), READONLY, "The 64-bit id, the same in C and in every language."},
    {"_id", T_ULONGLONG, offsetof(tdpy_address, id), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"send", (PyCFunction)(void (*)(void))send_method, METH_FASTCALL | METH_KEYWORDS, "Sends one message to this mailbox."},
    {"_send_many", (PyCFunction)(void (*)(void))send_many, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject tdpy_address_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.AddressBase",
    .tp_basicsize = sizeof(tdpy_address),
    .tp_dealloc = (destructor)dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)init,
    .tp_members = members,
    .tp_methods = methods,
};
