/* Messages as Python objects, made from a frame's entry or from a td_message.
 *
 * Guarantees: a message owns its payload, so nothing of the engine is held by it; a request that goes away without an
 * answer drops its ticket, so that its caller is told (TD_ENOREPLY) instead of waiting for its deadline. */
#include "tdpy.h"
#include <structmember.h>

PyTypeObject *tdpy_message_class, *tdpy_view_class;

/* Takes `contents`, bytes or a payload; NULL is an error. */
static tdpy_message *blank(PyObject *engine, PyTypeObject *class, PyObject *contents, const void *topic, size_t topic_size) {
  tdpy_message *self = contents ? (tdpy_message *)class->tp_alloc(class, 0) : NULL;
  if (!self) {
    Py_XDECREF(contents);
    return NULL;
  }
  self->engine = Py_NewRef(engine);
  if (class == tdpy_view_class) self->payload = contents;
  else self->data = contents;
  if (topic_size) self->topic = PyUnicode_DecodeUTF8(topic, (Py_ssize_t)topic_size, "replace");
  if (!topic_size || self->topic) return self;
  Py_DECREF(self);
  return NULL;
}

static size_t padded(size_t size) { return (size + 7) & ~(size_t)7; }

PyObject *tdpy_from_entry(const td_batch *batch, uint32_t index, PyObject *engine, uint64_t lost, PyObject **frame) {
  const td_frame_header *header = tdpy_entry(batch, index);
  const uint8_t *body = (const uint8_t *)(header + 1), *topic = body + padded(header->size);
  const void *data = body;
  size_t size = header->size;
  if (header->flags & TD_FRAME_BY_REF) {
    const td_frame_by_ref *by_ref = (const void *)body;
    data = by_ref->data;
    size = (size_t)by_ref->data_size;
  }
  PyObject *contents = frame ? tdpy_payload_of_batch(batch, data, size, frame) : PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
  tdpy_message *self = blank(engine, frame ? tdpy_view_class : tdpy_message_class, contents, topic, header->topic_size);
  if (!self) return NULL;
  self->deadline = TD_FOREVER;
  if (header->flags & TD_FRAME_TRAILER) {
    const td_frame_trailer *trailer = (const void *)(topic + padded(header->topic_size));
    self->deadline = trailer->deadline;
    self->status = trailer->status;
    memcpy(self->info, trailer->info, sizeof self->info);
  }
  self->mailbox = batch->mailbox.id;
  self->from = header->from;
  self->tag = header->tag;
  self->ref = header->ref;
  self->lost = lost;
  self->kind = header->kind;
  self->ticket = header->kind == TD_KIND_REQUEST;
  return (PyObject *)self;
}

static tdpy_message *from_message(const td_message *message, PyObject *engine, bool view) {
  PyObject *contents = view ? tdpy_payload_of_message(message) : PyBytes_FromStringAndSize(message->data, (Py_ssize_t)message->data_size);
  if (view && !contents) td_message_release(message);
  tdpy_message *self = blank(engine, view ? tdpy_view_class : tdpy_message_class, contents, message->topic, message->topic_size);
  if (!view) td_message_release(message);
  return self;
}

PyObject *tdpy_from_message(const td_message *message, uint64_t mailbox, PyObject *engine, uint64_t lost, bool owns_ticket, bool view) {
  tdpy_message *self = from_message(message, engine, view);
  if (!self) return NULL;
  self->mailbox = mailbox;
  self->from = message->from.id;
  self->tag = message->tag;
  self->ref = message->ref;
  self->lost = message->lost + lost;
  memcpy(self->info, message->info, sizeof self->info);
  self->deadline = message->deadline;
  self->status = message->status;
  self->kind = (uint8_t)message->kind;
  self->ticket = owns_ticket && message->kind == TD_KIND_REQUEST;
  return (PyObject *)self;
}

static void dealloc(tdpy_message *self) {
  if (self->ticket) td_ticket_drop((td_ticket){self->ref});
  Py_CLEAR(self->engine);
  Py_CLEAR(self->data);
  Py_CLEAR(self->payload);
  Py_CLEAR(self->topic);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static bool is_request(const tdpy_message *self) {
  if (self->kind == TD_KIND_REQUEST) return true;
  PyErr_SetString(PyExc_ValueError, "only a request can be answered; this message is none");
  return false;
}

static PyObject *answer(tdpy_message *self, int32_t status, PyObject *payload) {
  if (!is_request(self)) return NULL;
  Py_buffer data;
  if (tdpy_payload(payload, &data) < 0) return NULL;
  td_ticket ticket = {self->ref};
  int32_t code = status ? td_reply_error(ticket, status, data.buf, (size_t)data.len)
                        : td_reply(ticket, data.buf, (size_t)data.len);
  PyBuffer_Release(&data);
  if (code < 0) return tdpy_fail(code);
  self->ticket = 0;
  Py_RETURN_NONE;
}

static PyObject *reply(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  if (count > 1) return PyErr_Format(PyExc_TypeError, "reply(data=b\"\") takes one argument, not %zd", count);
  PyObject *data = count ? args[0] : PyBytes_FromStringAndSize(NULL, 0);
  PyObject *result = data ? answer((tdpy_message *)self, 0, data) : NULL;
  if (!count) Py_XDECREF(data);
  return result;
}

static PyObject *reply_error(PyObject *self, PyObject *args) {
  int status;
  PyObject *data = NULL;
  if (!PyArg_ParseTuple(args, "i|O:reply_error", &status, &data)) return NULL;
  if (status < 1) return PyErr_Format(PyExc_ValueError, "the status of an error is 1 or more, not %d", status);
  PyObject *empty = data ? NULL : PyBytes_FromStringAndSize(NULL, 0);
  if (!data && !empty) return NULL;
  PyObject *result = answer((tdpy_message *)self, status, data ? data : empty);
  Py_XDECREF(empty);
  return result;
}

/* One part, waiting for room at the caller. */
static int32_t send_part(td_ticket ticket, const Py_buffer *data, uint64_t engine, int64_t timeout) {
  int32_t code = td_reply_part(ticket, data->buf, (size_t)data->len, 0, 0);
  if ((code != TD_EFULL && code != TD_EAGAIN) || timeout == 0) return code;
  tdpy_wait wait;
  tdpy_wait_begin(&wait, engine, timeout);
  do {
    PyThreadState *state = tdpy_leave_python();
    code = td_reply_part(ticket, data->buf, (size_t)data->len, wait.timeout, TD_INTERRUPTIBLE);
    tdpy_return_to_python(state);
  } while (tdpy_wait_again(&wait, code));
  return code;
}

/* reply_part(data=b"", timeout=None) */
static PyObject *reply_part(PyObject *base, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"data", "timeout", NULL};
  tdpy_message *self = (tdpy_message *)base;
  PyObject *payload = NULL;
  int64_t timeout = TD_FOREVER;
  uint64_t engine;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO&:reply_part", names, &payload, tdpy_timeout_arg, &timeout)) return NULL;
  if (!is_request(self)) return NULL;
  PyObject *id = PyObject_GetAttrString(self->engine, "id");
  int parsed = id ? tdpy_parse_u64(id, "an id", &engine) : -1;
  Py_XDECREF(id);
  if (parsed < 0) return NULL;
  Py_buffer data = {.buf = NULL};
  if (payload && tdpy_payload(payload, &data) < 0) return NULL;
  tdpy_enter();
  int32_t code = send_part((td_ticket){self->ref}, &data, engine, timeout);
  if (payload) PyBuffer_Release(&data);
  if (code < 0) return PyErr_Occurred() ? NULL : tdpy_fail(code);
  Py_RETURN_NONE;
}

static PyObject *reply_end(PyObject *base, PyObject *unused) {
  tdpy_message *self = (tdpy_message *)base;
  if (!is_request(self)) return NULL;
  int32_t code = td_reply_end((td_ticket){self->ref});
  if (code < 0) return tdpy_fail(code);
  self->ticket = 0;
  Py_RETURN_NONE;
}

/* _forward(to, sender): a request; it never waits */
static PyObject *forward(PyObject *base, PyObject *args) {
  tdpy_message *self = (tdpy_message *)base;
  PyObject *sender;
  tdpy_address *to;
  uint64_t from;
  if (!PyArg_ParseTuple(args, "O!O", &tdpy_address_type, &to, &sender) || tdpy_mailbox_id(sender, &from) < 0) return NULL;
  if (!is_request(self)) return NULL;
  td_message message = {.kind = self->kind, .from = {self->from}, .tag = self->tag, .ref = self->ref, .topic = "", .deadline = self->deadline};
  if (self->payload) tdpy_payload_bytes(self->payload, &message.data, &message.data_size);
  else message.data = PyBytes_AS_STRING(self->data), message.data_size = (size_t)PyBytes_GET_SIZE(self->data);
  tdpy_enter();
  int32_t code = td_forward((td_mailbox){to->id}, (td_mailbox){from}, &message);
  if (code < 0) return tdpy_fail(code);
  self->ticket = 0;                            /* whoever gets it answers */
  Py_RETURN_NONE;
}

static PyObject *drop(PyObject *base, PyObject *unused) {
  tdpy_message *self = (tdpy_message *)base;
  if (self->ticket) td_ticket_drop((td_ticket){self->ref});
  self->ticket = 0;
  Py_RETURN_NONE;
}

static PyObject *get_topic(tdpy_message *self, void *unused) {
  PyObject *topic = self->topic ? self->topic : PyUnicode_New(0, 0);
  if (self->topic) Py_INCREF(topic);
  return topic;
}

static PyObject *get_view(tdpy_message *self, void *unused) {
  return PyMemoryView_FromObject(self->payload ? self->payload : self->data);
}

static PyObject *get_info(tdpy_message *self, void *unused) {
  return Py_BuildValue("KK", (unsigned long long)self->info[0], (unsigned long long)self->info[1]);
}

static PyObject *get_deadline(tdpy_message *self, void *unused) {
  if (self->deadline == TD_FOREVER) Py_RETURN_NONE;
  return PyFloat_FromDouble((double)self->deadline / 1e9);
}

static PyMemberDef members[] = {
    {"engine", T_OBJECT_EX, offsetof(tdpy_message, engine), READONLY, "The engine it came through."},
    {"data", T_OBJECT_EX, offsetof(tdpy_message, data), READONLY, "The payload, as bytes."},
    {"kind", T_UBYTE, offsetof(tdpy_message, kind), READONLY, "What it is; a value of Kind."},
    {"status", T_INT, offsetof(tdpy_message, status), READONLY, "The reason of a DOWN, the status of a REPLY, else 0."},
    {"tag", T_ULONGLONG, offsetof(tdpy_message, tag), READONLY, "The number its sender chose."},
    {"ref", T_ULONGLONG, offsetof(tdpy_message, ref), READONLY, "Monitor, timer, subscription or ticket it belongs to."},
    {"lost", T_ULONGLONG, offsetof(tdpy_message, lost), READONLY, "How many messages were dropped just before it."},
    {"mailbox_id", T_ULONGLONG, offsetof(tdpy_message, mailbox), READONLY, "Id of the mailbox that received it."},
    {"sender_id", T_ULONGLONG, offsetof(tdpy_message, from), READONLY, "Id of the sending mailbox; 0: nobody."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"topic", (getter)get_topic, NULL, "The topic it came through, the name of a DOWN by name, or \"\".", NULL},
    {"view", (getter)get_view, NULL, "The payload, as a read-only memoryview.", NULL},
    {"info", (getter)get_info, NULL, "What else the engine says of it, by kind: two numbers.", NULL},
    {"deadline", (getter)get_deadline, NULL, "When the caller of a request gives up, on Engine.now(); None: never.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"reply", (PyCFunction)(void (*)(void))reply, METH_FASTCALL, "Answers a request."},
    {"reply_error", reply_error, METH_VARARGS, "Answers a request with a status of 1 or more instead of a result."},
    {"reply_part", (PyCFunction)(void (*)(void))reply_part, METH_VARARGS | METH_KEYWORDS,
     "Sends one part of the answer to a request. Waits for room at the caller; timeout=0 does not."},
    {"reply_end", reply_end, METH_NOARGS, "Ends an answer in parts."},
    {"_forward", forward, METH_VARARGS, NULL},
    {"drop", drop, METH_NOARGS, "Says that this request will not be answered; its caller gets NoReplyError."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject tdpy_message_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.MessageBase",
    .tp_basicsize = sizeof(tdpy_message),
    .tp_dealloc = (destructor)dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_members = members,
    .tp_getset = getset,
    .tp_methods = methods,
};
