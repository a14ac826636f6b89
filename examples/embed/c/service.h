/* service.h - what the embedded servers have in common: the engine, the data stream, and what is to be sent to a client.
 *
 * Guarantees: nothing here knows the host's loop or a socket. The data source (data_source.h) is a handler mailbox of
 * service.loop. A client of the stream has a mailbox of its own, which drops its oldest lines when nobody takes them;
 * the host gives its messages to client_take while the socket has nothing left to send. So a slow reader costs at most
 * its mailbox and one buffer, and disturbs nobody. */
#ifndef EXAMPLE_SERVICE_H
#define EXAMPLE_SERVICE_H

#include "../../c/data_source.h"
#include "../../c/loopback.h"

#include <signal.h>
#include <tidings/turn.h>

enum {
  CLIENT_LINES = 1024,      /* that wait for a slow reader */
  CLIENT_OUT = 16 * 1024,   /* bytes on the way to the socket */
  SOCKET_BUFFER = 32 * 1024 /* bytes that the kernel holds for a slow reader */
};

struct service {
  td_engine engine;
  td_loop loop;
  struct client *clients; /* of the stream */
  uint64_t told;          /* lines given to clients */
  int echo, stream;       /* listening sockets */
};

/* A TCP client: of the echo, without a mailbox, or of the stream. */
struct client {
  struct client *next;
  struct service *service;
  td_mailbox mailbox; /* zero: none */
  bool ending;        /* over as soon as out is sent */
  size_t size, done;  /* out[done] to out[size] is to be sent */
  char out[CLIENT_OUT];
};

static inline void service_check(int32_t result, const char *what) {
  char detail[256];
  if (result >= 0) return;
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "%s: %s\n", what, detail[0] ? detail : td_strerror(result));
  exit(1);
}

/* ---- clients ---- */

/* The callback that the source keeps for a client. An error says that the client has just gone; its DOWN is on the way. */
static inline void client_tell(td_mailbox source, td_mailbox mailbox, const char *line, size_t size, void *context) {
  struct service *service = context;
  if (td_send(mailbox, source, 0, line, size) == TD_OK) service->told++;
}

/* First the monitor, then the subscription: a source that ends in between is still noticed. False when the engine is
 * out of something. */
static inline bool client_join(struct client *client, struct service *service) {
  td_monitor_ref monitor;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.policy = TD_DROP_OLD;
  options.max_messages = CLIENT_LINES;
  if (td_mailbox_open(service->engine, &options, &client->mailbox) < 0) return false;
  if (td_monitor_name(client->mailbox, TD_STR(SOURCE_NAME), 0, &monitor) < 0) {
    td_mailbox_close(client->mailbox);
    client->mailbox = TD_NOBODY;
    return false;
  }
  source_subscribe(service->engine, client->mailbox, client_tell, service); /* nobody there: the DOWN says so */
  client->service = service;
  client->next = service->clients;
  service->clients = client;
  return true;
}

/* Closing the mailbox is all that leaving takes: the source hears of it by its monitor. */
static inline void client_leave(struct client *client, const char *reason) {
  if (!client->service) return;
  struct client **at = &client->service->clients;
  while (*at != client) at = &(*at)->next;
  *at = client->next;
  client->service = NULL;
  td_mailbox_exit(client->mailbox, TD_REASON_USER, reason, strlen(reason));
}

/* Takes lines until out has no room for another, and then leaves the rest in the mailbox. The end of the source, or
 * that there is none, ends the stream. */
static inline int client_take(td_mailbox mailbox, const td_message *message, void *user) {
  struct client *client = user;
  (void)mailbox;
  if (message->kind == TD_KIND_DOWN) {
    client->ending = true;
    return 1;
  }
  if (message->kind == TD_KIND_MESSAGE && message->data_size <= SOURCE_LINE_MAX) {
    memcpy(client->out + client->size, message->data, message->data_size);
    client->size += message->data_size;
  }
  return client->size + SOURCE_LINE_MAX > CLIENT_OUT;
}

/* ---- the service ---- */

/* SIGUSR1: one line of what there is now. */
static inline void service_report(const struct service *service) {
  td_engine_counters engine = {0};
  td_mailbox_counters source = {0}, one = {0};
  td_mailbox mailbox;
  uint64_t lost = 0;
  engine.size = sizeof engine;
  source.size = one.size = sizeof source;
  td_engine_stats(service->engine, &engine);
  if (td_whereis(service->engine, TD_STR(SOURCE_NAME), &mailbox) == TD_OK) td_mailbox_stats(mailbox, &source);
  for (const struct client *client = service->clients; client; client = client->next)
    if (td_mailbox_stats(client->mailbox, &one) == TD_OK) lost += one.lost;
  printf("now: mailboxes %" PRIu64 ", names %" PRIu64 ", timers %" PRIu64 ", threads %" PRIu64 ", watched %" PRIu64 ", told %" PRIu64
         ", lost %" PRIu64 "\n",
         engine.mailboxes, engine.names, engine.timers, engine.threads, source.monitors, service->told, lost);
  fflush(stdout);
}

/* SIGUSR2: the source dies, and with it the streams. */
static inline void service_stop_source(const struct service *service) {
  td_mailbox source;
  if (td_whereis(service->engine, TD_STR(SOURCE_NAME), &source) == TD_OK) td_mailbox_close(source);
}

static inline int service_number(const char *program, const char *name, const char *text, long least, long most) {
  char *end = NULL;
  long value = text ? strtol(text, &end, 10) : 0;
  if (text && end != text && !*end && value >= least && value <= most) return (int)value;
  fprintf(stderr, "%s: %s takes a number from %ld to %ld, not %s\n", program, name, least, most, text ? text : "nothing");
  exit(2);
}

/* Reads the arguments, opens everything but the host's loop, and says where it listens. --host-time: no thread; the
 * host's loop fires the engine's timers. */
static inline void service_open(struct service *service, int argc, char **argv) {
  int echo = 0, stream = 0, interval = 1000000, files[PROC_FILES];
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--host-time") == 0) options.time = TD_TIME_HOST;
    else if (strcmp(argv[i], "--echo") == 0) echo = service_number(argv[0], argv[i], argv[i + 1], 0, 65535), i++;
    else if (strcmp(argv[i], "--stream") == 0) stream = service_number(argv[0], argv[i], argv[i + 1], 0, 65535), i++;
    else if (strcmp(argv[i], "--interval") == 0) interval = service_number(argv[0], argv[i], argv[i + 1], 1, 86400000), i++;
    else {
      fprintf(stderr, "usage: %s [--echo PORT] [--stream PORT] [--interval MICROSECONDS] [--host-time]\n", argv[0]);
      exit(2);
    }
  }
  if (!TD_CHECK_ABI()) {
    fprintf(stderr, "the library has another ABI version than the header\n");
    exit(1);
  }
  memset(service, 0, sizeof *service);
  service->echo = listen_on_loopback(echo, &echo);
  service->stream = listen_on_loopback(stream, &stream);
  if (service->echo < 0 || service->stream < 0) {
    fprintf(stderr, "cannot listen on 127.0.0.1: %s\n", strerror(errno));
    exit(1);
  }
  if (!figures_open(files)) exit(1);
  service_check(td_engine_open(&options, &service->engine), "cannot open the engine");
  service_check(td_loop_open(service->engine, NULL, &service->loop), "cannot open a loop");
  service_check(source_open(service->engine, service->loop, (int64_t)interval * 1000, files), "cannot open the source");
  signal(SIGPIPE, SIG_IGN);
  printf("echo on 127.0.0.1:%d\nstream on 127.0.0.1:%d\n", echo, stream);
  fflush(stdout);
}

/* Once no client is left. */
static inline void service_close(struct service *service) {
  td_loop_close(service->loop);
  td_engine_close(service->engine);
  printf("told %" PRIu64 " lines\n", service->told);
  fflush(stdout);
}

#endif
