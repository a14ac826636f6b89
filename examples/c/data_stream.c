/* data_stream.c - an HTTP server in one plain poll loop, with the engine inside it.
 *
 * Guarantees: every GET /stream gets each line of the data source (data_source.h) as one chunk, through a mailbox of
 * its own. That mailbox is read only while the socket's output is empty, so a slow reader costs at most its mailbox's
 * bound plus one line, loses its oldest lines, and disturbs nobody. The stream ends cleanly when the source dies, and at
 * once, with no data, when the source is not there; which of the two is one atomic decision of td_monitor_name.
 *
 * One thread, no callback from another one: the loop's fd and the mailboxes' fds sit in poll(2) beside the sockets.
 *
 *   data_stream [--port N] [--interval MS]      GET /stream    POST /stop */
#define _GNU_SOURCE
#include "connection.h"
#include "data_source.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

enum {
  MAX_CONNECTIONS = 256,     /* above it, new ones wait in the kernel's backlog */
  OWN_DESCRIPTORS = 32,      /* at most, besides those of connections */
  STREAM_MESSAGES = 64,      /* lines that wait for a slow reader */
  STREAM_END_MS = 60000      /* for the end of a stream to leave: a slow reader may be far behind */
};

#define NOWHERE ((nfds_t)-1)

struct server {
  td_engine engine;
  td_loop loop;
  td_fd loop_fd;
  int signals, listener;
  bool stopping;
  nfds_t listener_at;
  int64_t accept_again_at;
  uint64_t told; /* lines given to clients */
  size_t count, most;
  struct connection *connections[MAX_CONNECTIONS];
};

static void fail(const char *what, const char *why) {
  fprintf(stderr, "data_stream: %s: %s\n", what, why);
  exit(1);
}

static void check(int32_t result, const char *what) {
  char detail[256];
  if (result >= 0) return;
  td_last_error(detail, sizeof detail);
  fail(what, detail[0] ? detail : td_strerror(result));
}

/* ---- GET /stream ---- */

/* The callback the source keeps for a client. An error says that the client has just gone; its DOWN is on the way. */
static void tell_client(td_mailbox source, td_mailbox client, const char *line, size_t size, void *context) {
  struct server *server = context;
  if (td_send(client, source, 0, line, size) == TD_OK) server->told++;
}

static void end_stream(struct connection *c, const char *reason) {
  leave_stream(c, reason);
  append(c, HTTP_LAST_CHUNK, strlen(HTTP_LAST_CHUNK));
  c->state = ANSWERING;
  c->deadline = now_ms() + STREAM_END_MS;
}

static void died(struct connection *c) { end_stream(c, "source died"); }
static void already_down(struct connection *c) { end_stream(c, "no source"); }

/* Moves lines from the mailbox to the socket, one at a time, while the socket takes them. */
static void pump_stream(struct connection *c) {
  td_message message;
  for (;;) {
    write_out(c);
    if (c->state != STREAMING || c->socket < 0 || c->out_size > 0) return;
    if (td_recv(c->mailbox, 0, 0, &message) < 0) return; /* TD_EAGAIN: the mailbox's fd tells when there is more */
    if (message.kind == TD_KIND_DOWN && message.status == TD_REASON_NOPROC) already_down(c);
    else if (message.kind == TD_KIND_DOWN) died(c);
    else if (message.data_size + HTTP_CHUNK_EXTRA <= sizeof c->out) c->out_size = http_chunk(c->out, message.data, message.data_size);
    td_message_release(&message);
  }
}

/* First the monitor, then the subscription: a source that ends in between is still noticed. */
static bool join_source(struct server *server, struct connection *c) {
  td_monitor_ref monitor;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.policy = TD_DROP_OLD;
  options.max_messages = STREAM_MESSAGES;
  if (td_mailbox_open(server->engine, &options, &c->mailbox) < 0) return false;
  if (td_mailbox_fd(c->mailbox, &c->mailbox_fd) < 0 || td_monitor_name(c->mailbox, TD_STR(SOURCE_NAME), 0, &monitor) < 0) {
    td_mailbox_close(c->mailbox);
    return false;
  }
  int32_t result = source_subscribe(server->engine, c->mailbox, tell_client, server);
  return result == TD_OK || result == TD_ENOTFOUND || result == TD_ENOPROC; /* nobody there: the DOWN says so */
}

static void start_stream(struct server *server, struct connection *c) {
  if (!join_source(server, c)) {
    leave_stream(c, "could not join");
    answer(c, 503, "too busy for another stream\n", NULL, false);
    return;
  }
  append(c, HTTP_STREAM_HEAD, strlen(HTTP_STREAM_HEAD));
  c->state = STREAMING;
  c->deadline = INT64_MAX;
  pump_stream(c);
}

/* ---- requests ---- */

static void stop_source(struct server *server, struct connection *c) {
  td_mailbox source;
  if (td_whereis(server->engine, TD_STR(SOURCE_NAME), &source) == TD_OK && td_mailbox_close(source) == TD_OK) {
    printf("source stopped\n");
    fflush(stdout);
  }
  answer(c, 200, "stopped\n", NULL, false);
}

static void handle_request(struct server *server, struct connection *c, const struct http_request *request) {
  bool stream = http_is(request->path, request->path_size, "/stream");
  bool stop = http_is(request->path, request->path_size, "/stop");
  bool head = http_is(request->method, request->method_size, "HEAD");
  const char *allow = stream ? "GET" : "POST";
  if (!stream && !stop) answer(c, 404, "not found: there is GET /stream and POST /stop\n", NULL, head);
  else if (!http_is(request->method, request->method_size, allow)) answer(c, 405, "method not allowed here; see Allow\n", allow, head);
  else if (stream) start_stream(server, c);
  else stop_source(server, c);
}

static void read_request(struct server *server, struct connection *c, bool ended) {
  struct http_request request;
  int head_size = http_parse(c->in, c->in_size, &request);
  if (head_size > 0) handle_request(server, c, &request);
  else if (head_size == -426) answer(c, 426, "this server speaks HTTP/1.1\n", NULL, false);
  else if (head_size == -431) answer(c, 431, "the header is larger than 8192 bytes\n", NULL, false);
  else if (head_size < 0) answer(c, 400, "this is not an HTTP/1.1 request\n", NULL, false);
  else if (ended && c->in_size > 0) answer(c, 400, "the request ended in the middle of its header\n", NULL, false);
  else if (ended) disconnect(c);
}

static void read_in(struct server *server, struct connection *c) {
  char *to = c->state == READING ? c->in + c->in_size : c->in; /* later input is passed over: one request per connection */
  size_t space = c->state == READING ? sizeof c->in - c->in_size : sizeof c->in;
  ssize_t n = recv(c->socket, to, space, 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (c->state == READING && n >= 0) {
    c->in_size += (size_t)n;
    read_request(server, c, n == 0);
  } else if (n <= 0) {
    disconnect(c); /* a reader that closes its half has left, too */
  }
}

static void expire(struct connection *c) {
  if (c->state == READING && c->in_size > 0) answer(c, 408, "the request did not arrive in time\n", NULL, false);
  else disconnect(c);
}

/* ---- the loop ---- */

static void accept_connections(struct server *server) {
  while (server->count < server->most) {
    struct connection *c = connection_accept(server->listener);
    if (c) server->connections[server->count++] = c;
    else if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    else if (errno != ECONNABORTED && errno != EINTR) { /* the system is out of something: not at once again */
      server->accept_again_at = now_ms() + 100;
      return;
    }
  }
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

static nfds_t add(struct pollfd *set, nfds_t *count, td_fd fd, short events) {
  set[*count] = (struct pollfd){(int)fd, events, 0};
  return (*count)++;
}

/* A connection has its socket in the set, and its mailbox while the socket has nothing left to send. Only what is polled
 * is in it: poll refuses more entries than the process may have descriptors. */
static nfds_t fill(struct server *server, struct pollfd *set, int *timeout) {
  int64_t now = now_ms(), next = INT64_MAX;
  nfds_t count = 0;
  add(set, &count, server->signals, POLLIN);
  add(set, &count, server->loop_fd, POLLIN);
  server->listener_at = NOWHERE;
  if (server->count < server->most && now >= server->accept_again_at) server->listener_at = add(set, &count, server->listener, POLLIN);
  else if (server->count < server->most) next = server->accept_again_at;
  for (size_t i = 0; i < server->count; i++) {
    struct connection *c = server->connections[i];
    bool sending = c->out_size > 0;
    next = earlier(next, c->deadline);
    c->socket_at = add(set, &count, c->socket, sending ? POLLIN | POLLOUT : POLLIN);
    c->mailbox_at = sending || c->mailbox_fd < 0 ? NOWHERE : add(set, &count, c->mailbox_fd, POLLIN);
  }
  *timeout = next == INT64_MAX ? -1 : next <= now ? 0 : (int)earlier(next - now, 60000);
  return count;
}

static void serve_connection(struct server *server, struct connection *c, const struct pollfd *set) {
  short events = set[c->socket_at].revents;
  bool pump = (events & POLLOUT) || (c->mailbox_at != NOWHERE && set[c->mailbox_at].revents);
  if (events & (POLLIN | POLLHUP | POLLERR)) read_in(server, c);
  if (c->socket >= 0 && (events & POLLOUT)) write_out(c);
  if (c->socket >= 0 && c->state == STREAMING && pump) pump_stream(c);
  if (c->socket >= 0 && now_ms() >= c->deadline) expire(c);
}

static void sweep(struct server *server) {
  size_t kept = 0;
  for (size_t i = 0; i < server->count; i++) {
    if (server->connections[i]->socket < 0) free(server->connections[i]);
    else server->connections[kept++] = server->connections[i];
  }
  server->count = kept;
}

static void serve(struct server *server) {
  static struct pollfd set[3 + 2 * MAX_CONNECTIONS];
  while (!server->stopping) {
    int timeout;
    nfds_t n = fill(server, set, &timeout);
    size_t polled = server->count;
    if (poll(set, n, timeout) < 0 && errno != EINTR) fail("poll", strerror(errno));
    if (set[0].revents) server->stopping = true;
    if (set[1].revents) check(td_loop_run(server->loop, 0, 0), "td_loop_run");
    for (size_t i = 0; i < polled; i++)
      serve_connection(server, server->connections[i], set);
    /* Last: it adds connections that set does not know. */
    if (server->listener_at != NOWHERE && set[server->listener_at].revents) accept_connections(server);
    sweep(server);
  }
}

/* Streams get their proper end where their socket takes it at once. */
static void close_server(struct server *server) {
  for (size_t i = 0; i < server->count; i++) {
    struct connection *c = server->connections[i];
    if (c->state == STREAMING && c->out_size == 0) {
      end_stream(c, "server stopped");
      write_out(c);
    }
    if (c->socket >= 0) disconnect(c);
  }
  sweep(server);
  td_loop_close(server->loop);
  td_engine_close(server->engine);
}

/* ---- start ---- */

/* A stream takes three descriptors: its socket, its mailbox's, and the engine's own end of that. Whoever is accepted gets
 * them, so that a crowd waits instead of being sent away. */
static size_t most_connections(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) fail("getrlimit", strerror(errno));
  if (limit.rlim_cur < OWN_DESCRIPTORS + 3) fail("getrlimit", "the limit of open files is too low");
  size_t most = (size_t)(limit.rlim_cur - OWN_DESCRIPTORS) / 3;
  return most < MAX_CONNECTIONS ? most : MAX_CONNECTIONS;
}

static int option_number(const char *name, const char *text, long least, long most) {
  char *end = NULL;
  errno = 0;
  long value = text ? strtol(text, &end, 10) : 0;
  if (!text || end == text || *end || errno || value < least || value > most) {
    fprintf(stderr, "data_stream: %s takes a number from %ld to %ld, not %s\n", name, least, most, text ? text : "nothing");
    exit(2);
  }
  return (int)value;
}

int main(int argc, char **argv) {
  int port = 0, interval = 1000;
  for (int i = 1; i < argc; i += 2) {
    if (strcmp(argv[i], "--port") == 0) port = option_number("--port", argv[i + 1], 0, 65535);
    else if (strcmp(argv[i], "--interval") == 0) interval = option_number("--interval", argv[i + 1], 1, 86400000);
    else {
      fprintf(stderr, "data_stream: unknown argument %s\nusage: data_stream [--port N] [--interval MS]\n", argv[i]);
      return 2;
    }
  }
  struct figures figures;
  int files[PROC_FILES];
  if (!figures_open(files) || !figures_sample(files, &figures)) return 1;
  if (!TD_CHECK_ABI()) fail("libtidings", "the library has another ABI version than the header");

  struct server server;
  memset(&server, 0, sizeof server);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  server.signals = signalfd(-1, &signals, SFD_CLOEXEC);
  if (server.signals < 0) fail("signalfd", strerror(errno));
  server.most = most_connections();
  int bound;
  server.listener = listen_on_loopback(port, &bound);
  if (server.listener < 0) {
    fprintf(stderr, "data_stream: cannot listen on 127.0.0.1:%d: %s\n", port, strerror(errno));
    return 1;
  }
  check(td_engine_open(NULL, &server.engine), "cannot open the engine");
  check(td_loop_open(server.engine, NULL, &server.loop), "cannot open a loop");
  check(td_loop_fd(server.loop, &server.loop_fd), "cannot open the loop's fd");
  check(source_open(server.engine, server.loop, TD_MS(interval), files), "cannot open the source");
  printf("listening on http://127.0.0.1:%d\n", bound);
  fflush(stdout);
  serve(&server);
  close_server(&server);
  fprintf(stderr, "data_stream: told %" PRIu64 " lines\n", server.told);
  return 0;
}
