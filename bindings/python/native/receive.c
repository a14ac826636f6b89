/* Taking messages out of a pull mailbox, one by one or batch by batch.
 *
 * Guarantees: what is there already is taken without giving the GIL away; a wait gives it away and can be interrupted.
 * A batch iterator passes entries one at a time: what it has not passed when it goes away returns to the front of
 * the queue, and a signal that was cancelled since the batch was taken is not seen (td_batch_claim). */
#include "tdpy.h"

/* Which receive call a wait repeats. */
typedef struct {
  td_mailbox mailbox;
  const td_match *match;
  td_cursor *cursor;
  td_batch *batch;
  td_message *message;
} request;

static int32_t receive(const request *r, int64_t timeout, uint32_t flags) {
  if (r->batch) return td_recv_batch(r->mailbox, timeout, flags, r->batch);
  if (r->cursor) return td_recv_peek(r->mailbox, r->cursor, timeout, flags, r->message);
  if (r->match) return td_recv_match(r->mailbox, r->match, timeout, flags, r->message);
  return td_recv(r->mailbox, timeout, flags, r->message);
}

/* The result of the call; TD_EINTR only with a Python exception set. A wait that is all zero begins here, when there is
 * something to wait for; one that an earlier call has begun goes on. */
static int32_t receive_waiting(const request *r, const tdpy_address *mailbox, int64_t timeout, tdpy_wait *wait) {
  tdpy_enter();
  int32_t code = receive(r, 0, 0);
  if (code != TD_EAGAIN || timeout == 0) return code;
  if (wait->deadline) tdpy_wait_rest(wait);
  else tdpy_wait_begin(wait, mailbox->engine_id, timeout);
  do {
    PyThreadState *state = tdpy_leave_python();
    code = receive(r, wait->timeout, TD_INTERRUPTIBLE);
    tdpy_return_to_python(state);
  } while (tdpy_wait_again(wait, code));
  tdpy_drain();
  return code;
}

static PyObject *object_of(const td_message *message, tdpy_address *mailbox, bool delivered) {
  uint64_t lost = delivered ? tdpy_take_lost(mailbox) : 0;
  return tdpy_from_message(message, mailbox->id, mailbox->engine, lost, delivered, mailbox->views);
}

/* A message that has left the queue. *again: it was a DOWN that went to its monitor's callbacks, so there is none yet. */
static PyObject *taken(int32_t code, const td_message *message, tdpy_address *mailbox, bool *again) {
  *again = false;
  if (code < 0) return PyErr_Occurred() ? NULL : tdpy_fail(code);
  PyObject *result = object_of(message, mailbox, true);
  int done = result && message->kind == TD_KIND_DOWN ? tdpy_down(mailbox, result) : 0;
  *again = done > 0;
  if (done) Py_CLEAR(result);
  return result;
}

static PyObject *receive_message(const request *r, tdpy_address *mailbox, int64_t timeout) {
  tdpy_wait wait = {{0}, 0, 0};
  PyObject *result;
  bool again;
  do result = taken(receive_waiting(r, mailbox, timeout, &wait), r->message, mailbox, &again);
  while (again);
  return result;
}

static PyObject *recv_one(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  int64_t timeout;
  td_message message;
  if (count != 2 || !PyObject_TypeCheck(args[0], &tdpy_address_type)) return PyErr_Format(PyExc_TypeError, "recv(mailbox, timeout)");
  if (tdpy_parse_timeout(args[1], &timeout) < 0) return NULL;
  tdpy_address *mailbox = (tdpy_address *)args[0];
  request r = {.mailbox = {mailbox->id}, .message = &message};
  return receive_message(&r, mailbox, timeout);
}

/* recv_match(mailbox, timeout, fields, kind, tag, tag_mask, sender id, ref) */
static PyObject *recv_match(PyObject *module, PyObject *args) {
  tdpy_address *mailbox;
  int64_t timeout;
  unsigned int fields;
  uint64_t kind, tag, mask, from, ref;
  td_message message;
  if (!PyArg_ParseTuple(args, "O!O&IO&O&O&O&O&", &tdpy_address_type, &mailbox, tdpy_timeout_arg, &timeout, &fields, tdpy_u64_arg, &kind,
                        tdpy_u64_arg, &tag, tdpy_u64_arg, &mask, tdpy_u64_arg, &from, tdpy_u64_arg, &ref))
    return NULL;
  if (kind > UINT32_MAX) return PyErr_Format(PyExc_ValueError, "a kind is a number from 0 to 2**32 - 1, not %llu", (unsigned long long)kind);
  td_match match = {.size = sizeof match, .fields = fields, .kind = (uint32_t)kind, .tag = tag, .tag_mask = mask, .from = {from}, .ref = ref};
  request r = {.mailbox = {mailbox->id}, .match = &match, .message = &message};
  return receive_message(&r, mailbox, timeout);
}

static int get_cursor(PyObject *args, const char *format, tdpy_address **mailbox, Py_buffer *view, int64_t *timeout) {
  if (!PyArg_ParseTuple(args, format, &tdpy_address_type, mailbox, view, tdpy_timeout_arg, timeout)) return -1;
  if (view->len == sizeof(td_cursor)) return 0;
  PyBuffer_Release(view);
  PyErr_SetString(PyExc_ValueError, "a cursor is a bytearray of CURSOR_SIZE bytes");
  return -1;
}

/* peek(mailbox, cursor, timeout): a copy of the next message after the cursor, which stays in the queue */
static PyObject *peek(PyObject *module, PyObject *args) {
  tdpy_address *mailbox;
  Py_buffer view;
  int64_t timeout;
  td_message message;
  if (get_cursor(args, "O!w*O&", &mailbox, &view, &timeout) < 0) return NULL;
  td_cursor cursor;
  memcpy(&cursor, view.buf, sizeof cursor);
  request r = {.mailbox = {mailbox->id}, .cursor = &cursor, .message = &message};
  tdpy_wait wait = {{0}, 0, 0};
  int32_t code = receive_waiting(&r, mailbox, timeout, &wait);
  PyObject *result = code >= 0 ? object_of(&message, mailbox, false) : PyErr_Occurred() ? NULL : tdpy_fail(code);
  memcpy(view.buf, &cursor, sizeof cursor);
  PyBuffer_Release(&view);
  return result;
}

/* take(mailbox, cursor, None): the message last peeked, or None when someone else has it, or callbacks took it */
static PyObject *take(PyObject *module, PyObject *args) {
  tdpy_address *mailbox;
  Py_buffer view;
  int64_t unused;
  td_message message;
  td_cursor cursor;
  if (get_cursor(args, "O!w*O&", &mailbox, &view, &unused) < 0) return NULL;
  memcpy(&cursor, view.buf, sizeof cursor);
  PyBuffer_Release(&view);
  int32_t code = td_recv_take((td_mailbox){mailbox->id}, &cursor, &message);
  if (code == TD_ESTALE) Py_RETURN_NONE;
  bool again;
  PyObject *result = taken(code, &message, mailbox, &again);
  if (again) Py_RETURN_NONE;
  return result;
}

/* call(address, sender, tag, data, timeout, interruptible) -> (code, message); the message of TD_EDOWN is its reason.
 * A signal ends the call: it cannot be taken up again, and sending the request once more would make it two. */
static PyObject *call(PyObject *module, PyObject *args) {
  tdpy_address *to;
  PyObject *sender, *payload;
  uint64_t from, tag;
  Py_buffer data;
  int64_t timeout;
  int interruptible;
  td_message reply;
  if (!PyArg_ParseTuple(args, "O!OO&OO&p", &tdpy_address_type, &to, &sender, tdpy_u64_arg, &tag, &payload, tdpy_timeout_arg, &timeout,
                        &interruptible) || tdpy_mailbox_id(sender, &from) < 0 || tdpy_payload(payload, &data) < 0)
    return NULL;
  PyObject *result = NULL;
  tdpy_enter();
  int32_t code;
  PyThreadState *state = tdpy_leave_python();
  code = td_call((td_mailbox){to->id}, (td_mailbox){from}, tag, data.buf, (size_t)data.len, timeout,
                 interruptible ? TD_INTERRUPTIBLE : 0, &reply);
  tdpy_return_to_python(state);
  if (code == TD_OK || code == TD_EDOWN) {
    PyObject *message = tdpy_from_message(&reply, from, to->engine, 0, false, false);
    result = message ? Py_BuildValue("iN", (int)code, message) : NULL;
  } else if (code != TD_EINTR || PyErr_CheckSignals() == 0) {
    tdpy_fail(code);
  }
  PyBuffer_Release(&data);
  tdpy_drain();
  return result;
}

/* wait(mailbox, timeout): until it is over and its handler is not running */
static PyObject *wait_for_end(PyObject *module, PyObject *args) {
  tdpy_address *mailbox;
  int64_t timeout;
  int32_t code;
  if (!PyArg_ParseTuple(args, "O!O&", &tdpy_address_type, &mailbox, tdpy_timeout_arg, &timeout)) return NULL;
  tdpy_enter();
  tdpy_wait wait;
  tdpy_wait_begin(&wait, mailbox->engine_id, timeout);
  do {
    PyThreadState *state = tdpy_leave_python();
    code = td_mailbox_wait((td_mailbox){mailbox->id}, wait.timeout, TD_INTERRUPTIBLE);
    tdpy_return_to_python(state);
  } while (tdpy_wait_again(&wait, code));
  tdpy_drain();
  if (code < 0) return PyErr_Occurred() ? NULL : tdpy_fail(code);
  Py_RETURN_NONE;
}

PyMethodDef tdpy_receive_methods[] = {
    {"recv", (PyCFunction)(void (*)(void))recv_one, METH_FASTCALL, NULL},
    {"recv_match", recv_match, METH_VARARGS, NULL},
    {"peek", peek, METH_VARARGS, NULL},
    {"take", take, METH_VARARGS, NULL},
    {"call", call, METH_VARARGS, NULL},
    {"wait", wait_for_end, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* An iterator over a mailbox that takes native batches. */
typedef struct {
  PyObject_HEAD
  tdpy_address *mailbox;
  td_batch batch;
  uint32_t next;
  bool open;                                   /* batch is to be released */
  PyObject *frame;                             /* what views of it keep; NULL: there are none */
} batches;

static void end_batch(batches *self) {
  if (!self->open) return;
  self->open = false;
  td_batch_release(&self->batch);
  Py_CLEAR(self->frame);
}

/* A message of the batch in hand; NULL without an exception when it is used up. */
static PyObject *next_in_batch(batches *self) {
  while (self->open && self->next < self->batch.count) {
    const td_frame_header *header = tdpy_entry(&self->batch, self->next);
    int32_t claimed = td_batch_claim(&self->batch, self->next);
    uint32_t index = self->next++;
    if (claimed < 0) {
      end_batch(self);
      return tdpy_fail(claimed);
    }
    if (header->kind == TD_KIND_GAP) {
      self->mailbox->lost += header->tag;
    } else if (claimed) {
      bool down = header->kind == TD_KIND_DOWN;
      PyObject *message = tdpy_from_entry(&self->batch, index, self->mailbox->engine, tdpy_take_lost(self->mailbox),
                                          self->mailbox->views ? &self->frame : NULL);
      int done = message && down ? tdpy_down(self->mailbox, message) : 0;
      if (!done) return message;
      Py_DECREF(message);
      if (done < 0) return NULL;
    }
  }
  end_batch(self);
  return NULL;
}

/* The next message, waiting at most timeout for a batch; NULL with *code set, or with an exception. */
static PyObject *next_message(batches *self, int64_t timeout, int32_t *code) {
  *code = TD_OK;
  tdpy_wait wait = {{0}, 0, 0};
  tdpy_rest_at_exit();
  for (;;) {
    PyObject *message = next_in_batch(self);
    if (message || PyErr_Occurred()) return message;
    request r = {.mailbox = {self->mailbox->id}, .batch = &self->batch};
    *code = receive_waiting(&r, self->mailbox, timeout, &wait);
    if (*code < 0) return NULL;
    self->open = true;
    self->next = self->batch.cursor;
  }
}

static PyObject *iternext(batches *self) {
  int32_t code;
  PyObject *message = next_message(self, TD_FOREVER, &code);
  if (message || PyErr_Occurred()) return message;
  if (code != TD_ECLOSED) return tdpy_fail(code);
  tdpy_rest_at_exit();
  return NULL;                                 /* over: the loop ends */
}

static PyObject *poll(batches *self, PyObject *unused) {
  int32_t code;
  PyObject *message = next_message(self, 0, &code);
  if (message || PyErr_Occurred()) return message;
  if (code == TD_EAGAIN) Py_RETURN_NONE;
  return tdpy_fail(code);
}

static PyObject *close_batches(batches *self, PyObject *unused) {
  end_batch(self);
  Py_RETURN_NONE;
}

bool tdpy_in_hand(PyObject *of) {
  const batches *self = (batches *)of;
  return self->open && self->next < self->batch.count;
}

PyObject *tdpy_next_in_hand(PyObject *of) {
  tdpy_rest_at_exit();
  return next_in_batch((batches *)of);
}

static PyObject *in_hand(batches *self, void *unused) {
  return PyLong_FromLong(self->open ? (long)(self->batch.count - self->next) : 0);
}

static PyObject *new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *mailbox;
  if (!PyArg_ParseTuple(args, "O!", &tdpy_address_type, &mailbox)) return NULL;
  batches *self = (batches *)type->tp_alloc(type, 0);
  if (!self) return NULL;
  Py_INCREF(mailbox);
  self->mailbox = (tdpy_address *)mailbox;
  return (PyObject *)self;
}

static void dealloc(batches *self) {
  end_batch(self);
  Py_CLEAR(self->mailbox);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"poll", (PyCFunction)(void (*)(void))poll, METH_NOARGS, "The next message, or None when there is none now."},
    {"close", (PyCFunction)(void (*)(void))close_batches, METH_NOARGS, "Puts back what was not passed."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"in_hand", (getter)in_hand, NULL, "How many entries of the present batch are left.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject tdpy_batches_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.Batches",
    .tp_basicsize = sizeof(batches),
    .tp_dealloc = (destructor)dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)iternext,
    .tp_new = new,
    .tp_methods = methods,
    .tp_getset = getset,
};
