/* Shared by the C files of the package's extension: what each of them offers to the others.
 *
 * These files hold the message path only (send, receive, handlers); all else goes through cffi from Python.
 * Two rules keep the process safe at exit: nothing that the engine may call without being asked by Python
 * (release, drop, handler) touches Python without the checks in release.c and loop.c; and everything that
 * waits does so without the GIL, see exit.c. */
#ifndef TDPY_H
#define TDPY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdbool.h>
#include "tdpy_table.h"

#if PY_VERSION_HEX < 0x030a0000
static inline PyObject *Py_NewRef(PyObject *object) {
  Py_INCREF(object);
  return object;
}
#endif

/* engine.c */
PyObject *tdpy_fail(int32_t code);             /* raises the exception of a negative result, with td_last_error; returns NULL */
int tdpy_parse_timeout(PyObject *seconds, int64_t *timeout);   /* None is TD_FOREVER; 0 ok, -1 raised */
int tdpy_parse_u64(PyObject *value, const char *what, uint64_t *out);
int tdpy_timeout_arg(PyObject *value, void *out);              /* the "O&" forms of these two: "K" lets numbers wrap around */
int tdpy_u64_arg(PyObject *value, void *out);

/* wait.c */
typedef struct {
  td_engine engine;                            /* whose clock the timeout is on */
  int64_t timeout;                             /* what is left of it */
  int64_t deadline;
} tdpy_wait;
void tdpy_wait_begin(tdpy_wait *wait, uint64_t engine, int64_t timeout);
void tdpy_wait_rest(tdpy_wait *wait);          /* timeout becomes what is left of it now */
bool tdpy_wait_again(tdpy_wait *wait, int32_t code);   /* after a wait, GIL held: whether to go on waiting (false with an exception set, too) */

/* exit.c */
extern int tdpy_exiting;                       /* set once by atexit: no handler enters Python any more */
int tdpy_exit_ready(void);
void tdpy_enter(void);                         /* at the begin of every call from Python; also drains (release.c) */
void tdpy_rest_at_exit(void);                  /* GIL held: before news of an end that perhaps only the exit has caused */
PyThreadState *tdpy_leave_python(void);        /* around every wait, instead of Py_BEGIN_ALLOW_THREADS */
void tdpy_return_to_python(PyThreadState *state);
void tdpy_handler_begins(void);
void tdpy_handler_ends(void);

/* release.c */
void tdpy_drain(void);                         /* GIL held: lets go of what the engine has released meanwhile */
bool tdpy_by_reference(PyObject *data);        /* whether data is sent without a copy */
void *tdpy_hold(PyObject *object);             /* a reference for the engine, NULL when out of memory; ended by one of: */
void tdpy_unhold(void *held);                  /*   here, GIL held */
void tdpy_let_go(void *held);                  /*   anywhere, GIL or not */
PyObject *tdpy_held_object(void *held);        /*   not ended: the object, borrowed */
void tdpy_release(void *data, size_t size, void *held);   /* td_release_fn over tdpy_let_go */

/* view.c */
int tdpy_view_ready(void);
PyObject *tdpy_payload_of_batch(const td_batch *batch, const void *data, size_t size, PyObject **frame);   /* *frame: NULL, or of this batch */
PyObject *tdpy_payload_of_message(const td_message *message);   /* takes the message over */
void tdpy_payload_bytes(PyObject *payload, const void **data, size_t *size);

/* message.c */
typedef struct {
  PyObject_HEAD
  PyObject *engine;
  PyObject *data;                              /* bytes; NULL where payload has it */
  PyObject *payload;                           /* what a view shows; NULL where data has it */
  PyObject *topic;                             /* NULL: none */
  uint64_t mailbox, from, tag, ref, lost, info[2];
  int64_t deadline;
  int32_t status;
  uint8_t kind;
  char ticket;                                 /* ref is a ticket this object must drop if nobody answers */
} tdpy_message;
extern PyTypeObject tdpy_message_type;
extern PyTypeObject *tdpy_message_class;       /* the subclass written in Python */
extern PyTypeObject *tdpy_view_class;          /* its subclass for messages that have a payload */
/* frame: NULL, or where the mailbox wants views, the place of what tdpy_payload_of_batch keeps for this batch */
PyObject *tdpy_from_entry(const td_batch *batch, uint32_t index, PyObject *engine, uint64_t lost, PyObject **frame);
/* takes the message over: it is released now, or with its view */
PyObject *tdpy_from_message(const td_message *message, uint64_t mailbox, PyObject *engine, uint64_t lost, bool owns_ticket, bool view);
static inline const td_frame_header *tdpy_entry(const td_batch *batch, uint32_t index) {
  return (const td_frame_header *)(const void *)(batch->frame + batch->offsets[index]);
}

/* address.c */
typedef struct {
  PyObject_HEAD
  PyObject *engine;
  uint64_t id;
  uint64_t engine_id;
  int64_t block_timeout;                       /* 0: not known */
  uint64_t lost;                               /* of gaps passed whose next message has not come yet */
  char may_block;                              /* its policy is TD_BLOCK, or not known: sends go without the GIL */
  char views;                                  /* what is received here has views */
} tdpy_address;
extern PyTypeObject tdpy_address_type;
static inline uint64_t tdpy_take_lost(tdpy_address *mailbox) {   /* for the message that is delivered next */
  uint64_t lost = mailbox->lost;
  mailbox->lost = 0;
  return lost;
}
int tdpy_payload(PyObject *data, Py_buffer *view);     /* 0 ok, -1 raised; data must outlive the view */
int tdpy_mailbox_id(PyObject *value, uint64_t *id);    /* None is nobody; 0 ok, -1 raised */

/* receive.c: of a Batches object */
bool tdpy_in_hand(PyObject *batches);          /* whether its batch has entries left */
PyObject *tdpy_next_in_hand(PyObject *batches);   /* the next message of its batch; NULL without an exception when there is none */

/* async.c */
int tdpy_async_ready(void);

/* loop.c */
int tdpy_loop_ready(void);
int tdpy_down(tdpy_address *mailbox, PyObject *message);   /* 1: a DOWN that went to the callbacks of its monitor; 0; -1 raised */

/* methods of the module, by file */
extern PyMethodDef tdpy_engine_methods[], tdpy_exit_methods[], tdpy_send_methods[], tdpy_receive_methods[], tdpy_loop_methods[];
extern PyTypeObject tdpy_batches_type, tdpy_async_batches_type;

#endif
