/* tidings/libuv.h - a td_loop or a mailbox as a handle of a libuv loop. Header only; wants libuv 1.x and its uv.h.
 *
 *   static td_uv_loop handle;
 *   td_uv_loop_init(uv, &handle, loop);          its handlers run inside uv_run from here on
 *   ...
 *   td_uv_loop_close(&handle, NULL);
 *
 * All functions belong to the thread that runs the uv loop, as everything of libuv does. */
#ifndef TIDINGS_LIBUV_H
#define TIDINGS_LIBUV_H

#include <tidings/turn.h>
#include <unistd.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a loop ---- */

typedef struct td_uv_loop td_uv_loop;

/* The handle is closed: its memory is the caller's again. */
typedef void (*td_uv_loop_fn)(td_uv_loop *handle);

/* A td_loop in a uv loop. data is the caller's; the rest is the adapter's. It must not be moved until it is closed. */
struct td_uv_loop {
  void *data;
  td_loop loop;
  int fd;
  unsigned open; /* handles that are not closed yet */
  td_uv_loop_fn closed;
  uv_poll_t poll;
  uv_prepare_t prepare; /* before each wait: when is the next timer due? */
  uv_timer_t timer;
};

static inline void td_uv_loop_turn_(td_uv_loop *handle) {
  if (!td_turn_over(td_turn_loop(handle->loop)) || uv_is_closing((uv_handle_t *)&handle->poll)) return;
  uv_poll_stop(&handle->poll);
  uv_prepare_stop(&handle->prepare);
  uv_timer_stop(&handle->timer);
}

static inline void td_uv_loop_on_poll_(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  td_uv_loop_turn_((td_uv_loop *)poll->data);
}

static inline void td_uv_loop_on_timer_(uv_timer_t *timer) { td_uv_loop_turn_((td_uv_loop *)timer->data); }

static inline void td_uv_loop_on_prepare_(uv_prepare_t *prepare) {
  td_uv_loop *handle = (td_uv_loop *)prepare->data;
  int wait = td_turn_timeout(handle->loop, -1);
  if (wait < 0) uv_timer_stop(&handle->timer);
  else uv_timer_start(&handle->timer, td_uv_loop_on_timer_, (uint64_t)wait, 0);
}

static inline void td_uv_loop_on_close_(uv_handle_t *part) {
  td_uv_loop *handle = (td_uv_loop *)part->data;
  if (--handle->open == 0 && handle->closed) handle->closed(handle);
}

/* Has the uv loop run the handlers of a td_loop, one td_turn_loop per round, and fire the timers of a TD_TIME_HOST
 * engine. The uv loop stays alive for it until td_uv_loop_close; when the td_loop is closed it has nothing to do any
 * more, and does nothing.
 *
 * Returns: 0; as td_loop_fd; TD_ESYS when libuv does not take the descriptor. After an error there is nothing to close.
 * Threads: the one that runs uv.
 * Blocks: no.
 * Owns: handle is the caller's memory, and in use until td_uv_loop_close has called back. The td_loop stays the
 *   caller's. */
static inline int32_t td_uv_loop_init(uv_loop_t *uv, td_uv_loop *handle, td_loop loop) {
  td_fd fd;
  int32_t result = td_loop_fd(loop, &fd);
  if (result < 0) return result;
  handle->loop = loop;
  handle->fd = (int)fd;
  handle->open = 3;
  handle->closed = NULL;
  if (uv_poll_init(uv, &handle->poll, handle->fd) < 0) {
    close(handle->fd);
    return TD_ESYS;
  }
  uv_prepare_init(uv, &handle->prepare);
  uv_timer_init(uv, &handle->timer);
  handle->poll.data = handle->prepare.data = handle->timer.data = handle;
  uv_unref((uv_handle_t *)&handle->prepare);
  uv_unref((uv_handle_t *)&handle->timer);
  uv_poll_start(&handle->poll, UV_READABLE, td_uv_loop_on_poll_);
  uv_prepare_start(&handle->prepare, td_uv_loop_on_prepare_);
  return TD_OK;
}

/* Closes the handle, once: no handler runs by it any more after the return, and closed, which may be NULL, is called by
 * a later round of the uv loop.
 *
 * Returns: nothing.
 * Threads: the one that runs the uv loop, also inside a handler.
 * Blocks: no.
 * Owns: handle is the caller's again when closed is called. */
static inline void td_uv_loop_close(td_uv_loop *handle, td_uv_loop_fn closed) {
  handle->closed = closed;
  uv_close((uv_handle_t *)&handle->poll, td_uv_loop_on_close_);
  uv_close((uv_handle_t *)&handle->prepare, td_uv_loop_on_close_);
  uv_close((uv_handle_t *)&handle->timer, td_uv_loop_on_close_);
  close(handle->fd);
}

/* ---- a mailbox ---- */

typedef struct td_uv_mailbox td_uv_mailbox;

/* The handle is closed: its memory is the caller's again. */
typedef void (*td_uv_mailbox_fn)(td_uv_mailbox *handle);

/* A mailbox in a uv loop. data is the caller's; the rest is the adapter's. It must not be moved until it is closed. */
struct td_uv_mailbox {
  void *data;
  td_mailbox mailbox;
  int fd;
  uint32_t most;
  td_turn_fn fn;
  td_turn_done_fn done;
  void *user;
  td_uv_mailbox_fn closed;
  uv_poll_t poll;
};

static inline void td_uv_mailbox_on_poll_(uv_poll_t *poll, int status, int events) {
  td_uv_mailbox *handle = (td_uv_mailbox *)poll->data;
  int32_t result = td_turn_mailbox(handle->mailbox, handle->most, handle->fn, handle->user);
  (void)status, (void)events;
  if (uv_is_closing((uv_handle_t *)poll)) return;
  if (td_turn_over(result)) uv_poll_stop(poll);
  if (handle->done) handle->done(handle->mailbox, result, handle->user);
}

static inline void td_uv_mailbox_on_close_(uv_handle_t *poll) {
  td_uv_mailbox *handle = (td_uv_mailbox *)poll->data;
  if (handle->closed) handle->closed(handle);
}

/* Has the uv loop give the messages of a mailbox that is read with td_recv to fn, at most so many per round (0:
 * TD_TURN_MESSAGES). done, which may be NULL, is called after each such turn; when the mailbox is over, for the last
 * time.
 *
 * Returns: 0; as td_mailbox_fd; TD_ESYS when libuv does not take the descriptor. After an error there is nothing to
 *   close.
 * Threads: the one that runs uv.
 * Blocks: no.
 * Owns: handle is the caller's memory, and in use until td_uv_mailbox_close has called back. The mailbox stays the
 *   caller's. */
static inline int32_t td_uv_mailbox_init(uv_loop_t *uv, td_uv_mailbox *handle, td_mailbox mailbox, uint32_t most, td_turn_fn fn,
                                         td_turn_done_fn done, void *user) {
  td_fd fd;
  int32_t result = td_mailbox_fd(mailbox, &fd);
  if (result < 0) return result;
  handle->mailbox = mailbox;
  handle->fd = (int)fd;
  handle->most = most;
  handle->fn = fn;
  handle->done = done;
  handle->user = user;
  handle->closed = NULL;
  if (uv_poll_init(uv, &handle->poll, handle->fd) < 0) {
    close(handle->fd);
    return TD_ESYS;
  }
  handle->poll.data = handle;
  uv_poll_start(&handle->poll, UV_READABLE, td_uv_mailbox_on_poll_);
  return TD_OK;
}

/* Goes on with giving messages, or stops it: while a socket is full, what it is to be sent waits in the mailbox, under
 * the mailbox's bound and policy. A stopped handle does not keep the uv loop alive.
 *
 * Returns: 0; TD_ESTALE when the handle is closed or closing.
 * Threads: the one that runs the uv loop, also inside fn and done.
 * Blocks: no.
 * Owns: nothing. */
static inline int32_t td_uv_mailbox_watch(td_uv_mailbox *handle, int on) {
  if (uv_is_closing((uv_handle_t *)&handle->poll)) return TD_ESTALE;
  if (on) uv_poll_start(&handle->poll, UV_READABLE, td_uv_mailbox_on_poll_);
  else uv_poll_stop(&handle->poll);
  return TD_OK;
}

/* Closes the handle, once: neither fn, after the turn that it may be in, nor done is called any more, and closed, which
 * may be NULL, is called by a later round of the uv loop.
 *
 * Returns: nothing.
 * Threads: the one that runs the uv loop, also inside fn, which then ends the turn, and done.
 * Blocks: no.
 * Owns: handle and user are the caller's again when closed is called. */
static inline void td_uv_mailbox_close(td_uv_mailbox *handle, td_uv_mailbox_fn closed) {
  handle->closed = closed;
  uv_close((uv_handle_t *)&handle->poll, td_uv_mailbox_on_close_);
  close(handle->fd);
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TIDINGS_LIBUV_H */
