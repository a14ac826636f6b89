/* epoll_server.c - an echo server on a plain epoll loop, with the engine and its data stream inside it.
 *
 *   epoll_server [--echo PORT] [--stream PORT] [--interval MICROSECONDS] [--host-time]
 *   SIGUSR1: what there is now; SIGUSR2: the source dies; SIGTERM, SIGINT: the end
 *
 * One thread. The engine is in the epoll set with two kinds of members: the loop, whose handler is the data source, and
 * each stream client's mailbox. */
#define _GNU_SOURCE
#include "peer.h"

#include <sys/signalfd.h>
#include <tidings/epoll.h>

struct server;
struct peer;

/* What an event of the set is about. */
struct spot {
  void (*happened)(struct server *server, struct peer *peer, uint32_t events);
  struct peer *peer;
};

struct peer {
  struct peer *next, **at; /* in the server's list */
  int socket;              /* -1: over */
  uint32_t watched;        /* the events that the set is asked for */
  struct spot on_socket, on_mailbox;
  td_epoll member;
  struct client client;
};

struct server {
  struct service service;
  int epoll, signals;
  bool stopping;
  td_epoll loop;
  struct spot on_loop, on_signal, on_echo, on_stream;
  struct peer *peers, *over; /* over: freed when no event of this round can name them any more */
};

static epoll_data_t about(struct spot *spot) {
  epoll_data_t data;
  data.ptr = spot;
  return data;
}

static void watch(struct server *server, int change, int fd, uint32_t events, struct spot *spot) {
  struct epoll_event event = {events, about(spot)};
  if (epoll_ctl(server->epoll, change, fd, &event) == 0) return;
  fprintf(stderr, "epoll_server: epoll_ctl: %s\n", strerror(errno));
  exit(1);
}

/* ---- clients ---- */

static void disconnect(struct server *server, struct peer *peer, const char *reason) {
  td_epoll_remove(&peer->member);
  client_leave(&peer->client, reason);
  close(peer->socket);
  peer->socket = -1;
  *peer->at = peer->next;
  if (peer->next) peer->next->at = peer->at;
  peer->next = server->over;
  server->over = peer;
}

/* After something has happened to it: asks the set for what the client waits for now. */
static void settle(struct server *server, struct peer *peer, bool alive) {
  if (!alive) {
    disconnect(server, peer, "connection closed");
    return;
  }
  bool sending = peer_sending(&peer->client);
  uint32_t wanted = (peer_reading(&peer->client) ? (uint32_t)EPOLLIN : 0) | (sending ? (uint32_t)EPOLLOUT : 0);
  if (wanted == peer->watched) return;
  watch(server, EPOLL_CTL_MOD, peer->socket, wanted, &peer->on_socket);
  peer->watched = wanted;
  if (peer->client.mailbox.id) td_epoll_watch(&peer->member, !sending);
}

static void socket_happened(struct server *server, struct peer *peer, uint32_t events) {
  bool alive = true;
  if (peer->socket < 0) return;
  if (events & EPOLLOUT) alive = peer_send(peer->socket, &peer->client);
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) alive = peer_read(peer->socket, &peer->client);
  settle(server, peer, alive);
}

static void mailbox_happened(struct server *server, struct peer *peer, uint32_t events) {
  (void)events;
  if (peer->socket < 0 || peer_sending(&peer->client)) return;
  if (td_turn_over(td_turn_mailbox(peer->client.mailbox, 0, client_take, &peer->client))) peer->client.ending = true;
  settle(server, peer, peer_send(peer->socket, &peer->client));
}

static void accept_peers(struct server *server, int listener, bool streams) {
  int socket;
  while ((socket = peer_accept(listener)) >= 0) {
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer) {
      close(socket);
      return;
    }
    *peer = (struct peer){.next = server->peers, .at = &server->peers, .socket = socket, .watched = EPOLLIN};
    peer->on_socket = (struct spot){socket_happened, peer};
    peer->on_mailbox = (struct spot){mailbox_happened, peer};
    peer->member.fd = -1;
    if (peer->next) peer->next->at = &peer->next;
    server->peers = peer;
    watch(server, EPOLL_CTL_ADD, socket, EPOLLIN, &peer->on_socket);
    if (streams && (!client_join(&peer->client, &server->service) ||
                    td_epoll_add_mailbox(&peer->member, server->epoll, peer->client.mailbox, about(&peer->on_mailbox)) < 0))
      disconnect(server, peer, "could not join");
  }
}

/* ---- the rest of the set ---- */

static void echo_happened(struct server *server, struct peer *peer, uint32_t events) {
  (void)peer, (void)events;
  accept_peers(server, server->service.echo, false);
}

static void stream_happened(struct server *server, struct peer *peer, uint32_t events) {
  (void)peer, (void)events;
  accept_peers(server, server->service.stream, true);
}

/* Nothing to do: the loop has its turn after every wait, for the sake of timers. */
static void loop_happened(struct server *server, struct peer *peer, uint32_t events) { (void)server, (void)peer, (void)events; }

static void signal_happened(struct server *server, struct peer *peer, uint32_t events) {
  struct signalfd_siginfo signal;
  (void)peer, (void)events;
  if (read(server->signals, &signal, sizeof signal) != sizeof signal) return;
  if (signal.ssi_signo == SIGUSR1) service_report(&server->service);
  else if (signal.ssi_signo == SIGUSR2) service_stop_source(&server->service);
  else server->stopping = true;
}

static void open_signals(struct server *server) {
  const int wanted[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) sigaddset(&set, wanted[i]);
  sigprocmask(SIG_BLOCK, &set, NULL);
  server->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve(struct server *server) {
  struct epoll_event events[64];
  while (!server->stopping) {
    int n = epoll_wait(server->epoll, events, 64, td_turn_timeout(server->service.loop, -1));
    if (n < 0 && errno != EINTR) return;
    for (int i = 0; i < n; i++) {
      struct spot *spot = events[i].data.ptr;
      spot->happened(server, spot->peer, events[i].events);
    }
    service_check(td_turn_loop(server->service.loop), "td_turn_loop");
    while (server->over) {
      struct peer *peer = server->over;
      server->over = peer->next;
      free(peer);
    }
  }
}

int main(int argc, char **argv) {
  struct server server = {0};
  open_signals(&server); /* before the engine has threads */
  service_open(&server.service, argc, argv);
  server.epoll = epoll_create1(EPOLL_CLOEXEC);
  server.on_loop.happened = loop_happened;
  server.on_signal.happened = signal_happened;
  server.on_echo.happened = echo_happened;
  server.on_stream.happened = stream_happened;
  service_check(td_epoll_add_loop(&server.loop, server.epoll, server.service.loop, about(&server.on_loop)), "td_epoll_add_loop");
  watch(&server, EPOLL_CTL_ADD, server.signals, EPOLLIN, &server.on_signal);
  watch(&server, EPOLL_CTL_ADD, server.service.echo, EPOLLIN, &server.on_echo);
  watch(&server, EPOLL_CTL_ADD, server.service.stream, EPOLLIN, &server.on_stream);
  serve(&server);
  while (server.peers) disconnect(&server, server.peers, "server stopped");
  while (server.over) {
    struct peer *peer = server.over;
    server.over = peer->next;
    free(peer);
  }
  td_epoll_remove(&server.loop);
  close(server.epoll);
  service_close(&server.service);
  return 0;
}
