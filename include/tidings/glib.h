/* tidings/glib.h - a td_loop or a mailbox as a GSource of GLib's main loop. Header only; wants GLib 2.58 or newer.
 *
 *   GSource *source = td_glib_loop_source(loop);
 *   g_source_attach(source, NULL);                 its handlers run inside g_main_loop_run from here on
 *   ...
 *   g_source_destroy(source);
 *   g_source_unref(source);
 *
 * What GLib says of sources holds: g_source_set_priority, g_source_destroy from anywhere, and so on. A source takes one
 * turn when it is dispatched; others of its priority have theirs in the same round. */
#ifndef TIDINGS_GLIB_H
#define TIDINGS_GLIB_H

#include <glib-unix.h>
#include <glib.h>
#include <tidings/turn.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What GLib keeps for a source; the adapter's. */
typedef struct td_glib_ {
  GSource source;
  td_loop loop;       /* zero: it is a mailbox */
  td_mailbox mailbox;
  guint most;
  td_turn_done_fn done;
  int fd;
  gpointer tag;
} td_glib_;

/* The next timer of a TD_TIME_HOST engine bounds the wait. */
static inline gboolean td_glib_prepare_(GSource *source, gint *timeout) {
  td_glib_ *self = (td_glib_ *)source;
  *timeout = self->loop.id ? td_turn_timeout(self->loop, -1) : -1;
  return *timeout == 0;
}

static inline gboolean td_glib_check_(GSource *source) {
  td_glib_ *self = (td_glib_ *)source;
  return g_source_query_unix_fd(source, self->tag) != 0 || (self->loop.id && td_turn_timeout(self->loop, -1) == 0);
}

static inline gboolean td_glib_dispatch_(GSource *source, GSourceFunc callback, gpointer user) {
  td_glib_ *self = (td_glib_ *)source;
  td_turn_fn fn = (td_turn_fn)(void (*)(void))callback;
  int32_t result;
  if (self->loop.id) return td_turn_over(td_turn_loop(self->loop)) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
  result = td_turn_mailbox(self->mailbox, self->most, fn, user);
  if (self->done && !g_source_is_destroyed(source)) self->done(self->mailbox, result, user);
  return td_turn_over(result) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static inline void td_glib_finalize_(GSource *source) { close(((td_glib_ *)source)->fd); }

/* For the functions below: takes fd over. */
static inline td_glib_ *td_glib_new_(td_fd fd, const char *name) {
  static GSourceFuncs funcs = {td_glib_prepare_, td_glib_check_, td_glib_dispatch_, td_glib_finalize_, NULL, NULL};
  GSource *source = g_source_new(&funcs, sizeof(td_glib_));
  td_glib_ *self = (td_glib_ *)source;
  self->fd = (int)fd;
  self->tag = g_source_add_unix_fd(source, self->fd, G_IO_IN);
  g_source_set_name(source, name);
  return self;
}

/* Makes a source that runs the handlers of a td_loop, one td_turn_loop per dispatch, and fires the timers of a
 * TD_TIME_HOST engine. It is removed when the loop is closed.
 *
 * Returns: the source, to be attached; NULL when the loop was closed or the process has no descriptor left:
 *   td_last_error says which.
 * Threads: any; the handlers run on the thread of the context that it is attached to.
 * Blocks: no.
 * Owns: the caller, with g_source_unref. The td_loop stays the caller's. */
static inline GSource *td_glib_loop_source(td_loop loop) {
  td_fd fd;
  td_glib_ *self;
  if (td_loop_fd(loop, &fd) < 0) return NULL;
  self = td_glib_new_(fd, "tidings loop");
  self->loop = loop;
  return &self->source;
}

/* Makes a source that gives the messages of a mailbox that is read with td_recv to fn, at most so many per dispatch (0:
 * TD_TURN_MESSAGES). done, which may be NULL, is called after each such turn; when the mailbox is over, for the last
 * time, and then the source is removed. Neither is called once the source is destroyed, but that fn ends its turn.
 *
 * Returns: the source, to be attached; NULL when the mailbox has ended, is a handler mailbox, or the process has no
 *   descriptor left: td_last_error says which. destroy does not run then.
 * Threads: any; fn and done run on the thread of the context that it is attached to.
 * Blocks: no.
 * Owns: the caller, with g_source_unref. destroy(user), which may be NULL, runs once when the source is destroyed, and
 *   not while fn or done runs on the thread that destroys it. The mailbox stays the caller's. */
static inline GSource *td_glib_mailbox_source(td_mailbox mailbox, guint most, td_turn_fn fn, td_turn_done_fn done,
                                              gpointer user, GDestroyNotify destroy) {
  td_fd fd;
  td_glib_ *self;
  if (td_mailbox_fd(mailbox, &fd) < 0) return NULL;
  self = td_glib_new_(fd, "tidings mailbox");
  self->mailbox = mailbox;
  self->most = most;
  self->done = done;
  g_source_set_callback(&self->source, G_SOURCE_FUNC(fn), user, destroy);
  return &self->source;
}

/* Goes on with giving messages, or stops it: while a socket is full, what it is to be sent waits in the mailbox, under
 * the mailbox's bound and policy.
 *
 * Returns: nothing.
 * Threads: any, also inside fn and done.
 * Blocks: no.
 * Owns: nothing; source must be one of td_glib_mailbox_source that is not destroyed. */
static inline void td_glib_watch(GSource *source, gboolean on) {
  g_source_modify_unix_fd(source, ((td_glib_ *)source)->tag, on ? G_IO_IN : (GIOCondition)0);
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TIDINGS_GLIB_H */
