/* Payloads that stay where the engine has them, for mailboxes opened with views=True.
 *
 * Guarantees: what a view shows stays and never changes for as long as the view lives, also when the mailbox and the engine are
 * long over. A view of a batch keeps its frame, once for all messages of the batch; any other keeps its td_message. Where
 * the payload travels by reference, the sender's object is what is seen. */
#include "tdpy.h"

/* A frame that views keep. */
typedef struct {
  PyObject_HEAD
  td_batch batch;
} frame;

typedef struct {
  PyObject_HEAD
  PyObject *frame;                             /* NULL: message is kept */
  td_message message;
  const void *data;
  Py_ssize_t size;
} payload;

static PyTypeObject frame_type, payload_type;

int tdpy_view_ready(void) { return PyType_Ready(&frame_type) < 0 ? -1 : PyType_Ready(&payload_type); }

static frame *keep(const td_batch *batch) {
  frame *self = PyObject_New(frame, &frame_type);
  if (!self) return NULL;
  int32_t code = td_batch_retain(batch, &self->batch);
  if (code >= 0) return self;
  PyObject_Free(self);
  tdpy_fail(code);
  return NULL;
}

static void frame_dealloc(frame *self) {
  td_batch_release(&self->batch);
  PyObject_Free(self);
}

static payload *blank(const void *data, size_t size) {
  payload *self = PyObject_New(payload, &payload_type);
  if (!self) return NULL;
  self->frame = NULL;
  self->data = data;
  self->size = (Py_ssize_t)size;
  return self;
}

PyObject *tdpy_payload_of_batch(const td_batch *batch, const void *data, size_t size, PyObject **kept) {
  if (!*kept && !(*kept = (PyObject *)keep(batch))) return NULL;
  payload *self = blank(data, size);
  if (self) self->frame = Py_NewRef(*kept);
  return (PyObject *)self;
}

PyObject *tdpy_payload_of_message(const td_message *message) {
  payload *self = blank(message->data, message->data_size);
  if (self) self->message = *message;
  return (PyObject *)self;
}

void tdpy_payload_bytes(PyObject *of, const void **data, size_t *size) {
  *data = ((payload *)of)->data;
  *size = (size_t)((payload *)of)->size;
}

static void payload_dealloc(payload *self) {
  if (self->frame) Py_DECREF(self->frame);
  else td_message_release(&self->message);
  PyObject_Free(self);
}

static int getbuffer(PyObject *self, Py_buffer *view, int flags) {
  return PyBuffer_FillInfo(view, self, (void *)(uintptr_t)((payload *)self)->data, ((payload *)self)->size, 1, flags);
}

static PyBufferProcs buffer = {.bf_getbuffer = getbuffer};

static PyTypeObject frame_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.Frame",
    .tp_basicsize = sizeof(frame),
    .tp_dealloc = (destructor)frame_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

static PyTypeObject payload_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tidings._fast.Payload",
    .tp_basicsize = sizeof(payload),
    .tp_dealloc = (destructor)payload_dealloc,
    .tp_as_buffer = &buffer,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};
