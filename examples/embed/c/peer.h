/* peer.h - the socket of a client, for hosts whose loop leaves reading and writing to the server (epoll, GLib).
 *
 * Guarantees: nothing here waits. Of the echo at most one buffer is held: it is read again when what was read is sent. */
#ifndef EXAMPLE_PEER_H
#define EXAMPLE_PEER_H

#include "service.h"

#include <netinet/tcp.h>

/* The next connection that waits at the listener, or -1. */
static inline int peer_accept(int listener) {
  static int spare = -1; /* kept for when there is no other descriptor: who cannot be served is turned away */
  int buffer = SOCKET_BUFFER, on = 1, socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0 && errno == EMFILE && spare >= 0) {
    close(spare);
    spare = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (spare >= 0) close(spare);
    spare = -1;
  }
  if (spare < 0) spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (socket < 0) return -1;
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

static inline bool peer_not_now(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

static inline bool peer_sending(const struct client *client) { return client->size > 0; }

/* Whether input is wanted: of the stream to hear when the client has gone. */
static inline bool peer_reading(const struct client *client) {
  return !client->ending && (client->mailbox.id != 0 || !peer_sending(client));
}

/* Sends what the socket takes. False: the connection is over. */
static inline bool peer_send(int socket, struct client *client) {
  while (client->done < client->size) {
    ssize_t n = send(socket, client->out + client->done, client->size - client->done, MSG_NOSIGNAL);
    if (n < 0) return peer_not_now();
    client->done += (size_t)n;
  }
  client->size = client->done = 0;
  return !client->ending;
}

/* Reads once: the echo answers, the stream passes over what it is told. False: the connection is over. */
static inline bool peer_read(int socket, struct client *client) {
  char passed_over[512];
  bool echo = client->mailbox.id == 0;
  ssize_t n = echo ? recv(socket, client->out, sizeof client->out, 0) : recv(socket, passed_over, sizeof passed_over, 0);
  if (n < 0) return peer_not_now();
  if (n == 0) return false;
  if (!echo) return true;
  client->size = (size_t)n;
  return peer_send(socket, client);
}

#endif
