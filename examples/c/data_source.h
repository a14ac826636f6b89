/* data_source.h - a data source that lives in a mailbox.
 *
 * Guarantees: one line of real figures of this machine per tick, encoded once and told to every client as the same
 * bytes. The source keeps client -> callback, watches each client's mailbox with a monitor, and forgets it when the
 * DOWN comes, however the client ended; nobody has to sign off. Everything here runs inside td_loop_run, on the thread
 * that calls it. Prints "client ID joined" and "forgot client ID (REASON)". */
#ifndef EXAMPLE_DATA_SOURCE_H
#define EXAMPLE_DATA_SOURCE_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <tidings.h>

#define SOURCE_NAME "source"
enum { SOURCE_LINE_MAX = 256 };
enum { SOURCE_JOIN = 1, SOURCE_TICK = 2 }; /* tags of what the source receives */

/* How the source tells a client. The client is named by its mailbox id, which stays safe to use after the client has
 * gone; the context must live as long as the source. */
typedef void (*source_tell_fn)(td_mailbox source, td_mailbox client, const char *line, size_t size, void *context);

/* The payload of a SOURCE_JOIN message, sent from the client's mailbox. */
struct source_join {
  source_tell_fn tell;
  void *context;
};

/* ---- the figures ---- */

struct figures {
  double load1;
  uint64_t mem_available_kib, rx_bytes, tx_bytes;
};

static inline bool parse_load(const char *line, struct figures *figures) {
  return sscanf(line, "%lf", &figures->load1) == 1;
}

static inline bool parse_memory(const char *line, struct figures *figures) {
  return sscanf(line, "MemAvailable: %" SCNu64 " kB", &figures->mem_available_kib) == 1;
}

/* The sums over all interfaces; complete with the end of the file, an empty line. */
static inline bool parse_network(const char *line, struct figures *figures) {
  const char *colon = strchr(line, ':');
  uint64_t rx, tx;
  if (colon && sscanf(colon + 1, "%" SCNu64 " %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &rx, &tx) == 2) {
    figures->rx_bytes += rx;
    figures->tx_bytes += tx;
  }
  return line[0] == '\0';
}

/* A file of /proc, and what takes its lines one by one until it has what it wants. */
struct proc_file {
  const char *path;
  bool (*parse)(const char *line, struct figures *figures);
};
enum { PROC_FILES = 3 };
static const struct proc_file proc_files[PROC_FILES] = {
    {"/proc/loadavg", parse_load}, {"/proc/meminfo", parse_memory}, {"/proc/net/dev", parse_network}};

static inline bool proc_read(const struct proc_file *file, int fd, struct figures *figures) {
  static char text[65536];
  size_t size = 0;
  ssize_t n;
  while (size < sizeof text - 1 && (n = pread(fd, text + size, sizeof text - 1 - size, (off_t)size)) > 0) size += (size_t)n;
  text[size] = '\0';
  char *line = text;
  while (*line) {
    char *end = line + strcspn(line, "\n");
    bool last = *end == '\0';
    *end = '\0';
    if (file->parse(line, figures)) return true;
    line = last ? end : end + 1;
  }
  if (file->parse("", figures)) return true;
  fprintf(stderr, "data_stream: %s does not hold what a Linux /proc holds\n", file->path);
  return false;
}

/* Opens the files once: a tick must not fail because clients have used up the descriptors. False, with a message on
 * stderr, where there is no /proc. */
static inline bool figures_open(int files[PROC_FILES]) {
  for (int i = 0; i < PROC_FILES; i++) {
    files[i] = open(proc_files[i].path, O_RDONLY | O_CLOEXEC);
    if (files[i] >= 0) continue;
    fprintf(stderr, "data_stream: cannot read %s (%s): this example samples the figures of a Linux /proc\n", proc_files[i].path,
            strerror(errno));
    while (i-- > 0) close(files[i]);
    return false;
  }
  return true;
}

static inline bool figures_sample(const int files[PROC_FILES], struct figures *figures) {
  memset(figures, 0, sizeof *figures);
  for (int i = 0; i < PROC_FILES; i++)
    if (!proc_read(&proc_files[i], files[i], figures)) return false;
  return true;
}

static inline size_t figures_encode(char line[SOURCE_LINE_MAX], uint64_t seq, const struct figures *figures) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  return (size_t)snprintf(line, SOURCE_LINE_MAX,
                          "{\"seq\":%" PRIu64 ",\"time_ms\":%" PRId64 ",\"load1\":%.2f,\"mem_available_kib\":%" PRIu64
                          ",\"rx_bytes\":%" PRIu64 ",\"tx_bytes\":%" PRIu64 "}\n",
                          seq, time_ms, figures->load1, figures->mem_available_kib, figures->rx_bytes, figures->tx_bytes);
}

/* ---- the mailbox ---- */

struct source_client {
  struct source_client *next;
  td_mailbox mailbox;
  td_monitor_ref monitor;
  uint64_t number;
  struct source_join callback;
};

struct source {
  td_mailbox mailbox;
  struct source_client *clients; /* newest first */
  int files[PROC_FILES];
  uint64_t joined, ticks;
};

static inline void source_join(struct source *source, const td_message *message) {
  struct source_join callback;
  if (message->from.id == 0 || message->data_size != sizeof callback) return; /* not from source_subscribe */
  memcpy(&callback, message->data, sizeof callback);
  struct source_client *client = calloc(1, sizeof *client);
  if (!client) return;
  client->mailbox = message->from;
  client->callback = callback;
  client->number = ++source->joined;
  /* The client may have ended already: then the DOWN (noproc) comes at once, and it is forgotten the same way. */
  if (td_monitor(source->mailbox, client->mailbox, client->number, &client->monitor) < 0) {
    free(client);
    return;
  }
  client->next = source->clients;
  source->clients = client;
  printf("client %" PRIu64 " joined\n", client->number);
  fflush(stdout);
}

static inline void source_forget(struct source *source, const td_message *down) {
  for (struct source_client **at = &source->clients; *at; at = &(*at)->next) {
    struct source_client *client = *at;
    if (client->monitor.id != down->ref) continue;
    *at = client->next;
    if (down->data_size > 0)
      printf("forgot client %" PRIu64 " (%.*s)\n", client->number, (int)down->data_size, (const char *)down->data);
    else
      printf("forgot client %" PRIu64 " (reason %" PRId32 ")\n", client->number, down->status);
    fflush(stdout);
    free(client);
    return;
  }
}

static inline void source_tick(struct source *source) {
  struct figures figures;
  if (!figures_sample(source->files, &figures)) return; /* said so on stderr; the next tick tries again */
  char line[SOURCE_LINE_MAX];
  size_t size = figures_encode(line, ++source->ticks, &figures);
  for (struct source_client *client = source->clients; client; client = client->next)
    client->callback.tell(source->mailbox, client->mailbox, line, size, client->callback.context);
}

static inline void source_handle(td_batch *batch, void *user) {
  struct source *source = user;
  source->mailbox = batch->mailbox;
  td_message message;
  while (td_batch_next(batch, &message) > 0) {
    if (message.kind == TD_KIND_TIMER) source_tick(source);
    else if (message.kind == TD_KIND_DOWN) source_forget(source, &message);
    else if (message.kind == TD_KIND_MESSAGE && message.tag == SOURCE_JOIN) source_join(source, &message);
  }
}

/* Runs exactly once, when the mailbox is over and no handler is running. */
static inline void source_drop(void *user) {
  struct source *source = user;
  while (source->clients) {
    struct source_client *client = source->clients;
    source->clients = client->next;
    free(client);
  }
  for (int i = 0; i < PROC_FILES; i++) close(source->files[i]);
  free(source);
}

/* Opens the source under its name, ticking every `interval`, with files from figures_open, which it owns from here on.
 * TD_OK or an error of the engine's. */
static inline int32_t source_open(td_engine engine, td_loop loop, int64_t interval, const int files[PROC_FILES]) {
  struct source *source = calloc(1, sizeof *source);
  if (!source) return TD_ENOMEM;
  memcpy(source->files, files, sizeof source->files);
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.loop = loop;
  options.handler = source_handle;
  options.user = source;
  options.drop = source_drop; /* also when opening fails */
  options.name = SOURCE_NAME;
  options.name_size = sizeof SOURCE_NAME - 1;
  td_mailbox mailbox;
  int32_t result = td_mailbox_open(engine, &options, &mailbox);
  if (result < 0) return result;
  td_timer timer;
  result = td_send_every(mailbox, interval, SOURCE_TICK, NULL, 0, &timer);
  if (result < 0) td_mailbox_close(mailbox);
  return result;
}

/* Has `tell` called with every line from the next tick on, until the client's mailbox ends. */
static inline int32_t source_subscribe(td_engine engine, td_mailbox client, source_tell_fn tell, void *context) {
  struct source_join join;
  memset(&join, 0, sizeof join);
  join.tell = tell;
  join.context = context;
  return td_send_name(engine, TD_STR(SOURCE_NAME), client, SOURCE_JOIN, &join, sizeof join);
}

#endif
