/* libuv_server.c - an echo server on libuv, with the engine and its data stream inside it.
 *
 *   libuv_server [--echo PORT] [--stream PORT] [--interval MICROSECONDS] [--host-time]
 *   SIGUSR1: what there is now; SIGUSR2: the source dies; SIGTERM, SIGINT: the end
 *
 * One thread. The loop, whose handler is the data source, and each stream client's mailbox are handles of the uv loop;
 * sockets are libuv's own streams. At the end every handle is closed, and uv_loop_close agrees. */
#define _GNU_SOURCE
#include "service.h"

#include <tidings/libuv.h>

enum { SIGNALS = 4 };

struct peer {
  struct peer *next, **at; /* in the server's list */
  struct server *server;
  unsigned open; /* handles that are not closed yet */
  bool over;
  uv_tcp_t tcp;
  uv_write_t write;
  td_uv_mailbox mailbox;
  struct client client;
};

struct server {
  struct service service;
  uv_loop_t uv;
  uv_tcp_t echo, stream;
  uv_signal_t signals[SIGNALS];
  td_uv_loop loop;
  struct peer *peers;
};

static void check_uv(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "libuv_server: %s: %s\n", what, uv_strerror(result));
  exit(1);
}

/* ---- clients ---- */

static void let_go(struct peer *peer) {
  if (--peer->open == 0) free(peer);
}

static void tcp_closed(uv_handle_t *tcp) { let_go(tcp->data); }
static void mailbox_closed(td_uv_mailbox *mailbox) { let_go(mailbox->data); }

static void disconnect(struct peer *peer, const char *reason) {
  if (peer->over) return;
  peer->over = true;
  *peer->at = peer->next;
  if (peer->next) peer->next->at = peer->at;
  uv_close((uv_handle_t *)&peer->tcp, tcp_closed);
  if (peer->open > 1) td_uv_mailbox_close(&peer->mailbox, mailbox_closed);
  client_leave(&peer->client, reason);
}

static void allocate(uv_handle_t *tcp, size_t suggested, uv_buf_t *buffer) {
  struct peer *peer = tcp->data;
  (void)suggested;
  *buffer = uv_buf_init(peer->client.out, sizeof peer->client.out);
}

/* A stream client's input is passed over; out may be on its way then. */
static void allocate_aside(uv_handle_t *tcp, size_t suggested, uv_buf_t *buffer) {
  static char passed_over[512];
  (void)tcp, (void)suggested;
  *buffer = uv_buf_init(passed_over, sizeof passed_over);
}

static void received(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buffer);

/* When all of out is sent: the echo reads on, the stream takes the next lines. */
static void sent(uv_write_t *write, int status) {
  struct peer *peer = write->data;
  if (peer->over) return;
  peer->client.size = 0;
  if (status < 0 || peer->client.ending) disconnect(peer, "connection closed");
  else if (peer->client.mailbox.id) td_uv_mailbox_watch(&peer->mailbox, 1);
  else uv_read_start((uv_stream_t *)&peer->tcp, allocate, received);
}

static void send_out(struct peer *peer) {
  uv_buf_t buffer = uv_buf_init(peer->client.out, (unsigned)peer->client.size);
  peer->write.data = peer;
  if (uv_write(&peer->write, (uv_stream_t *)&peer->tcp, &buffer, 1, sent) < 0) disconnect(peer, "connection closed");
}

static void received(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buffer) {
  struct peer *peer = tcp->data;
  (void)buffer;
  if (n < 0) disconnect(peer, "connection closed");
  if (n <= 0 || peer->client.mailbox.id) return;
  uv_read_stop(tcp);
  peer->client.size = (size_t)n;
  send_out(peer);
}

/* Lines have gathered in out until the turn, or the room in it, was at its end: they leave in one write. */
static void took(td_mailbox mailbox, int32_t result, void *user) {
  struct peer *peer = user;
  (void)mailbox;
  if (td_turn_over(result)) peer->client.ending = true;
  if (peer->client.size > 0) {
    td_uv_mailbox_watch(&peer->mailbox, 0);
    send_out(peer);
  } else if (peer->client.ending) {
    disconnect(peer, "stream ended");
  }
}

static int take(td_mailbox mailbox, const td_message *message, void *user) {
  return client_take(mailbox, message, &((struct peer *)user)->client);
}

static void join(struct peer *peer) {
  struct server *server = peer->server;
  if (!client_join(&peer->client, &server->service) ||
      td_uv_mailbox_init(&server->uv, &peer->mailbox, peer->client.mailbox, 0, take, took, peer) < 0) {
    disconnect(peer, "could not join");
    return;
  }
  peer->mailbox.data = peer;
  peer->open++;
}

static void accept_peer(uv_stream_t *listener, int status) {
  struct server *server = listener->data;
  struct peer *peer = status < 0 ? NULL : calloc(1, sizeof *peer);
  int buffer = SOCKET_BUFFER;
  if (!peer) return;
  uv_tcp_init(&server->uv, &peer->tcp);
  peer->tcp.data = peer;
  peer->server = server;
  peer->open = 1;
  peer->next = server->peers;
  peer->at = &server->peers;
  if (peer->next) peer->next->at = &peer->next;
  server->peers = peer;
  if (uv_accept(listener, (uv_stream_t *)&peer->tcp) < 0) {
    disconnect(peer, "could not accept");
    return;
  }
  uv_send_buffer_size((uv_handle_t *)&peer->tcp, &buffer);
  uv_tcp_nodelay(&peer->tcp, 1);
  if (listener == (uv_stream_t *)&server->stream) join(peer);
  if (!peer->over) uv_read_start((uv_stream_t *)&peer->tcp, peer->client.mailbox.id ? allocate_aside : allocate, received);
}

/* ---- the rest of the loop ---- */

static void close_server(struct server *server) {
  while (server->peers) disconnect(server->peers, "server stopped");
  uv_close((uv_handle_t *)&server->echo, NULL);
  uv_close((uv_handle_t *)&server->stream, NULL);
  for (int i = 0; i < SIGNALS; i++) uv_close((uv_handle_t *)&server->signals[i], NULL);
  td_uv_loop_close(&server->loop, NULL);
}

static void on_signal(uv_signal_t *signal, int number) {
  struct server *server = signal->data;
  if (number == SIGUSR1) service_report(&server->service);
  else if (number == SIGUSR2) service_stop_source(&server->service);
  else if (!uv_is_closing((uv_handle_t *)signal)) close_server(server); /* and uv_run returns: no handle is left */
}

static void open_listener(struct server *server, uv_tcp_t *tcp, int socket) {
  check_uv(uv_tcp_init(&server->uv, tcp), "uv_tcp_init");
  check_uv(uv_tcp_open(tcp, socket), "uv_tcp_open");
  tcp->data = server;
  check_uv(uv_listen((uv_stream_t *)tcp, 128, accept_peer), "uv_listen");
}

int main(int argc, char **argv) {
  static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
  struct server server;
  memset(&server, 0, sizeof server);
  check_uv(uv_loop_init(&server.uv), "uv_loop_init");
  for (int i = 0; i < SIGNALS; i++) {
    check_uv(uv_signal_init(&server.uv, &server.signals[i]), "uv_signal_init");
    server.signals[i].data = &server;
    check_uv(uv_signal_start(&server.signals[i], on_signal, numbers[i]), "uv_signal_start");
  }
  service_open(&server.service, argc, argv);
  service_check(td_uv_loop_init(&server.uv, &server.loop, server.service.loop), "td_uv_loop_init");
  open_listener(&server, &server.echo, server.service.echo);
  open_listener(&server, &server.stream, server.service.stream);
  uv_run(&server.uv, UV_RUN_DEFAULT);
  check_uv(uv_loop_close(&server.uv), "uv_loop_close");
  service_close(&server.service);
  return 0;
}
