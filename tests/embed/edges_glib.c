/* The GLib adapter at its edges. */
#include "edges.h"

#include <tidings/glib.h>

static int destroyed;
static void count_destroyed(gpointer user) { (void)user, destroyed++; }

/* What else the main context does: a source of the same priority that always has something to do. */
static gboolean count_round(gpointer user) {
  ((struct seen *)user)->others++;
  return G_SOURCE_CONTINUE;
}

static GSource *source;

static int destroy_inside(td_mailbox mailbox, const td_message *message, void *user) {
  (void)mailbox, (void)message, (void)user;
  g_source_destroy(source);
  CHECK_EQ(destroyed, 1); /* that of the mailbox before: user lives until fn has returned */
  return 1;
}

static void never_done(td_mailbox mailbox, int32_t result, void *user) {
  (void)mailbox, (void)result, (void)user;
  CHECK_NEVER("done after the source was destroyed");
}

static gboolean close_loop(gpointer loop) {
  td_loop_close(*(td_loop *)loop);
  return G_SOURCE_REMOVE;
}

int main(void) {
  td_engine engine = engine_in_host_time();
  td_mailbox mailbox = mailbox_with(engine, 0, SENT), handled;
  td_loop loop;
  td_timer tick;
  struct seen seen = {0, 0, 0, 0, 0, 0, 0, 0};
  guint rounds = g_idle_add_full(G_PRIORITY_DEFAULT, count_round, &seen, NULL);

  /* A turn is bounded, and other sources have their own in between. */
  source = td_glib_mailbox_source(mailbox, MOST, count_message, count_turn, &seen, count_destroyed);
  CHECK(source != NULL);
  g_source_attach(source, NULL);
  while (seen.messages < SENT) g_main_context_iteration(NULL, TRUE);
  CHECK_EQ(seen.largest, MOST);
  CHECK_EQ(seen.turns, SENT / MOST);
  CHECK(seen.others >= SENT / MOST - 1);
  g_source_remove(rounds);

  /* Not watched, there is no turn; watched again, there is. */
  td_glib_watch(source, FALSE);
  CHECK_OK(td_send(mailbox, TD_NOBODY, SENT, "x", 1));
  for (int round = 0; round < 10; round++) g_main_context_iteration(NULL, FALSE);
  CHECK_EQ(seen.messages, SENT);
  td_glib_watch(source, TRUE);
  while (seen.messages == SENT) g_main_context_iteration(NULL, TRUE);

  /* The end is told once, and then the source is gone. */
  seen.turns = 0;
  CHECK_OK(td_mailbox_close(mailbox));
  while (!g_source_is_destroyed(source)) g_main_context_iteration(NULL, TRUE);
  CHECK_EQ(seen.turns, 1);
  CHECK_EQ(seen.result, TD_ECLOSED);
  CHECK_EQ(destroyed, 1);
  g_source_unref(source);
  CHECK(td_glib_mailbox_source(mailbox, 0, count_message, NULL, &seen, count_destroyed) == NULL);
  CHECK_EQ(destroyed, 1);

  /* Destroyed inside fn: no further message, and no done. */
  mailbox = mailbox_with(engine, 0, SENT);
  source = td_glib_mailbox_source(mailbox, 0, destroy_inside, never_done, &seen, count_destroyed);
  g_source_attach(source, NULL);
  while (destroyed < 2) g_main_context_iteration(NULL, TRUE);
  g_source_unref(source);

  /* A loop: messages and timers of the host's time reach its handler. */
  CHECK_OK(td_loop_open(engine, NULL, &loop));
  handled = mailbox_of_loop(engine, loop, &seen);
  source = td_glib_loop_source(loop);
  CHECK(source != NULL);
  g_source_attach(source, NULL);
  CHECK_OK(td_send(handled, TD_NOBODY, 0, NULL, 0));
  while (seen.handled < 1) g_main_context_iteration(NULL, TRUE);
  CHECK_OK(td_send_every(handled, TD_MS(2), 0, NULL, 0, &tick));
  while (seen.handled < 10) g_main_context_iteration(NULL, TRUE);

  /* The loop ends beneath its source, which then goes and does not turn round and round. */
  g_timeout_add(1, close_loop, &loop);
  while (!g_source_is_destroyed(source)) g_main_context_iteration(NULL, TRUE);
  g_source_unref(source);
  CHECK(td_glib_loop_source(loop) == NULL);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
