/* glib_server.c - an echo server on GLib's main loop, with the engine and its data stream inside it.
 *
 *   glib_server [--echo PORT] [--stream PORT] [--interval MICROSECONDS] [--host-time]
 *   SIGUSR1: what there is now; SIGUSR2: the source dies; SIGTERM, SIGINT: the end
 *
 * One thread. The loop, whose handler is the data source, each stream client's mailbox and each socket are sources of
 * the default main context. */
#define _GNU_SOURCE
#include "peer.h"

#include <tidings/glib.h>

struct server;

struct peer {
  struct peer *next, **at; /* in the server's list */
  struct server *server;
  int socket;
  GIOCondition watched; /* what the source on the socket waits for */
  guint on_socket;
  GSource *on_mailbox; /* NULL for the echo */
  struct client client;
};

struct server {
  struct service service;
  GMainLoop *main;
  struct peer *peers;
};

/* ---- clients ---- */

/* A source that is destroyed is not dispatched any more, so the peer can go at once. */
static void disconnect(struct peer *peer, const char *reason) {
  *peer->at = peer->next;
  if (peer->next) peer->next->at = peer->at;
  client_leave(&peer->client, reason);
  if (peer->on_mailbox) {
    g_source_destroy(peer->on_mailbox);
    g_source_unref(peer->on_mailbox);
  }
  if (peer->on_socket) g_source_remove(peer->on_socket);
  close(peer->socket);
  free(peer);
}

static gboolean socket_happened(gint socket, GIOCondition condition, gpointer user);

/* After something has happened to it: waits for what the client wants now. The last use of peer in a callback. */
static void settle(struct peer *peer, bool alive) {
  if (!alive) {
    disconnect(peer, "connection closed");
    return;
  }
  bool sending = peer_sending(&peer->client);
  GIOCondition wanted = (GIOCondition)((peer_reading(&peer->client) ? G_IO_IN : 0) | (sending ? G_IO_OUT : 0));
  if (wanted == peer->watched) return;
  if (peer->on_socket) g_source_remove(peer->on_socket);
  peer->on_socket = g_unix_fd_add(peer->socket, wanted, socket_happened, peer);
  peer->watched = wanted;
  if (peer->on_mailbox) td_glib_watch(peer->on_mailbox, !sending);
}

static gboolean socket_happened(gint socket, GIOCondition condition, gpointer user) {
  struct peer *peer = user;
  bool alive = true;
  if (condition & G_IO_OUT) alive = peer_send(socket, &peer->client);
  if (alive && (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))) alive = peer_read(socket, &peer->client);
  settle(peer, alive);
  return G_SOURCE_CONTINUE; /* says nothing of a source that settle has replaced */
}

static int take(td_mailbox mailbox, const td_message *message, void *user) {
  return client_take(mailbox, message, &((struct peer *)user)->client);
}

/* Lines have gathered in out until the turn, or the room in it, was at its end: they leave together. */
static void took(td_mailbox mailbox, int32_t result, void *user) {
  struct peer *peer = user;
  (void)mailbox;
  if (td_turn_over(result)) peer->client.ending = true;
  settle(peer, peer_send(peer->socket, &peer->client));
}

static bool join(struct peer *peer) {
  if (!client_join(&peer->client, &peer->server->service)) return false;
  peer->on_mailbox = td_glib_mailbox_source(peer->client.mailbox, 0, take, took, peer, NULL);
  if (peer->on_mailbox) g_source_attach(peer->on_mailbox, NULL);
  return peer->on_mailbox != NULL;
}

static gboolean accept_peers(gint listener, GIOCondition condition, gpointer user) {
  struct server *server = user;
  int socket;
  (void)condition;
  while ((socket = peer_accept(listener)) >= 0) {
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer) {
      close(socket);
      break;
    }
    peer->server = server;
    peer->socket = socket;
    peer->next = server->peers;
    peer->at = &server->peers;
    if (peer->next) peer->next->at = &peer->next;
    server->peers = peer;
    if (listener == server->service.stream && !join(peer)) disconnect(peer, "could not join");
    else settle(peer, true);
  }
  return G_SOURCE_CONTINUE;
}

/* ---- the rest of the loop ---- */

static gboolean on_stop(gpointer user) {
  g_main_loop_quit(((struct server *)user)->main);
  return G_SOURCE_CONTINUE;
}

static gboolean on_report(gpointer user) {
  service_report(&((struct server *)user)->service);
  return G_SOURCE_CONTINUE;
}

static gboolean on_stop_source(gpointer user) {
  service_stop_source(&((struct server *)user)->service);
  return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
  struct server server;
  memset(&server, 0, sizeof server);
  g_unix_signal_add(SIGTERM, on_stop, &server);
  g_unix_signal_add(SIGINT, on_stop, &server);
  g_unix_signal_add(SIGUSR1, on_report, &server);
  g_unix_signal_add(SIGUSR2, on_stop_source, &server);
  server.main = g_main_loop_new(NULL, FALSE);
  service_open(&server.service, argc, argv);
  GSource *loop = td_glib_loop_source(server.service.loop);
  if (!loop) service_check(TD_ESYS, "td_glib_loop_source");
  g_source_attach(loop, NULL);
  g_unix_fd_add(server.service.echo, G_IO_IN, accept_peers, &server);
  g_unix_fd_add(server.service.stream, G_IO_IN, accept_peers, &server);
  g_main_loop_run(server.main);
  while (server.peers) disconnect(server.peers, "server stopped");
  g_source_destroy(loop);
  g_source_unref(loop);
  g_main_loop_unref(server.main);
  service_close(&server.service);
  return 0;
}
