/* connection.h - one HTTP connection: a non-blocking socket, what it has read, what it has still to write.
 *
 * Guarantees: nothing here waits; at most one request head is read and one answer, or one piece of a stream, is held;
 * an answer reaches the client also when the client has sent more than was read. A connection that is over has socket
 * -1, and its stream's mailbox, if it had one, has ended. */
#ifndef EXAMPLE_CONNECTION_H
#define EXAMPLE_CONNECTION_H

#include "http.h"
#include "loopback.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tidings.h>
#include <time.h>
#include <unistd.h>

enum {
  SOCKET_BUFFER = 32 * 1024, /* bytes that the kernel holds for a slow reader */
  REQUEST_MS = 10000,        /* for a request to arrive, or an answer to leave */
  LINGER_MS = 2000           /* for the client to take the end; see finish() */
};

#define NOWHERE ((nfds_t)-1)

enum state { READING, STREAMING, ANSWERING, LINGERING };

struct connection {
  enum state state;
  int socket;
  int64_t deadline; /* milliseconds; INT64_MAX while streaming */
  td_mailbox mailbox;
  td_fd mailbox_fd; /* -1 unless streaming */
  nfds_t socket_at, mailbox_at; /* places in the poll set */
  size_t in_size, out_size, out_done;
  char in[HTTP_HEADER_MAX];
  char out[1024]; /* one answer, or a stream's head, one line or its end */
};

static inline int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Closing the mailbox is all that leaving takes: the source hears of it by its monitor. */
static inline void leave_stream(struct connection *c, const char *reason) {
  if (c->mailbox_fd < 0) return;
  td_mailbox_exit(c->mailbox, TD_REASON_USER, reason, strlen(reason));
  close((int)c->mailbox_fd);
  c->mailbox_fd = -1;
}

static inline void disconnect(struct connection *c) {
  leave_stream(c, "connection closed");
  close(c->socket);
  c->socket = -1; /* swept up by the loop */
}

static inline void append(struct connection *c, const void *data, size_t size) {
  memcpy(c->out + c->out_size, data, size);
  c->out_size += size;
}

/* Closing a socket with unread input resets it, and the client may lose the answer: so close our side first, and pass
 * over what still comes until the client closes too. */
static inline void finish(struct connection *c) {
  shutdown(c->socket, SHUT_WR);
  c->state = LINGERING;
  c->deadline = now_ms() + LINGER_MS;
}

static inline void write_out(struct connection *c) {
  while (c->out_done < c->out_size) {
    ssize_t n = send(c->socket, c->out + c->out_done, c->out_size - c->out_done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) {
      disconnect(c);
      return;
    }
    c->out_done += (size_t)n;
  }
  c->out_size = c->out_done = 0;
  if (c->state == ANSWERING) finish(c);
}

static inline void answer(struct connection *c, int status, const char *text, const char *allow, bool head) {
  c->state = ANSWERING;
  c->deadline = now_ms() + REQUEST_MS;
  c->out_size = http_answer(c->out, status, text, allow, head);
  write_out(c);
}

/* The next connection that waits at the listener; NULL with errno. */
static inline struct connection *connection_accept(int listener) {
  int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) return NULL;
  struct connection *c = calloc(1, sizeof *c);
  if (!c) {
    close(socket);
    errno = ENOMEM;
    return NULL;
  }
  int buffer = SOCKET_BUFFER, on = 1;
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->socket = socket;
  c->mailbox_fd = -1;
  c->deadline = now_ms() + REQUEST_MS;
  return c;
}

#endif
