#define _POSIX_C_SOURCE 200809L
#include "workers_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGEST ((size_t)32 << 20) /* bytes of a frame */
#define BEGINNING ((size_t)16 << 10)
#define ID_SIZE 37

struct workers_client {
  int fd;
  unsigned char random[16];
  unsigned count;   /* of requests */
  char id[ID_SIZE]; /* of the request whose replies are read now; "" when there is none */
  char error[512];
  char *buffer; /* what was received and not yet read: from `begin` to `end` */
  size_t size, begin, end;
};

static int fail(workers_client *client, int code, const char *words) {
  snprintf(client->error, sizeof client->error, "%s", words);
  client->id[0] = '\0';
  return code;
}

/* After this the client is of no more use: a part of a frame may be lost. */
static int hang_up(workers_client *client, int code, const char *words) {
  if (client->fd >= 0) close(client->fd);
  client->fd = -1;
  return fail(client, code, words);
}

/* Of a call that the system has refused. */
static int refused(workers_client *client) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return hang_up(client, WORKERS_ETIMEDOUT, "the daemon says nothing");
  return hang_up(client, WORKERS_ECLOSED, "the connection to the daemon has ended");
}

/* ---------------------------------------------------------------- its life */

static int fill_random(unsigned char *bytes, size_t size) {
  FILE *source = fopen("/dev/urandom", "rb");
  size_t got = source == NULL ? 0 : fread(bytes, 1, size, source);
  if (source != NULL) fclose(source);
  return got == size;
}

static int open_socket(const char *path, unsigned timeout) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval patience = {.tv_sec = (time_t)(timeout / 1000), .tv_usec = (suseconds_t)(timeout % 1000 * 1000)};
  int fd;
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
      connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  close(fd);
  return -1;
}

int workers_connect(const char *path, unsigned timeout, workers_client **client) {
  workers_client *made = calloc(1, sizeof *made);
  *client = NULL;
  if (made == NULL) return WORKERS_ENOMEM;
  made->fd = open_socket(path, timeout);
  if (made->fd < 0 || !fill_random(made->random, sizeof made->random)) {
    workers_terminate(made);
    return WORKERS_ECONNECT;
  }
  *client = made;
  return WORKERS_OK;
}

void workers_terminate(workers_client *client) {
  if (client == NULL) return;
  if (client->fd >= 0) close(client->fd);
  free(client->buffer);
  free(client);
}

const char *workers_error(const workers_client *client) { return client->error; }

/* ---------------------------------------------------------------- what goes out */

/* A UUID of version 4 whose last four bytes count. */
static void next_id(workers_client *client) {
  const unsigned char *r = client->random;
  snprintf(client->id, sizeof client->id, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-8%01x%02x-%02x%02x%08x", r[0], r[1], r[2], r[3], r[4],
           r[5], r[6] & 15u, r[7], r[8] & 15u, r[9], r[10], r[11], ++client->count);
}

static int write_all(workers_client *client, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return refused(client);
    bytes += sent;
    size -= (size_t)sent;
  }
  return WORKERS_OK;
}

/* `data` may be NULL; it is given up. */
static int send_frame(workers_client *client, const char *type, json_t *data) {
  json_t *frame;
  char *line;
  int code;
  next_id(client);
  /* "streams": replies need not come one by one, as some other clients want it. */
  frame = json_pack("{s:s, s:s, s:b, s:o*}", "type", type, "id", client->id, "streams", 1, "data", data);
  line = frame == NULL ? NULL : json_dumps(frame, JSON_COMPACT);
  json_decref(frame);
  if (line == NULL) return fail(client, WORKERS_EINVAL, "this is no JSON");
  code = write_all(client, line, strlen(line));
  free(line);
  return code == WORKERS_OK ? write_all(client, "\n", 1) : code;
}

/* Likewise. A request whose replies have not been read to the end is given up. */
static int ask(workers_client *client, const char *type, json_t *data) {
  int code = WORKERS_OK;
  client->error[0] = '\0';
  if (client->fd < 0) code = fail(client, WORKERS_ECLOSED, "the connection to the daemon has ended");
  else if (client->id[0] != '\0') code = send_frame(client, "cancel-req", json_pack("{s:s}", "requestId", client->id));
  if (code == WORKERS_OK) return send_frame(client, type, data);
  json_decref(data);
  return code;
}

static int ask_workers(workers_client *client, const char *type, const char *key, const char *name, json_t *data, const char *workers) {
  json_t *packed;
  if (data != NULL && !json_is_object(data)) return fail(client, WORKERS_EINVAL, "data must be a JSON object");
  packed = json_pack("{s:s, s:O*, s:s*}", key, name, "data", data, "workers", workers);
  if (packed == NULL) return fail(client, WORKERS_EINVAL, "a text is not UTF-8");
  return ask(client, type, packed);
}

/* ---------------------------------------------------------------- what comes in */

static int receive(workers_client *client) {
  ssize_t got;
  if (client->begin > 0) {
    memmove(client->buffer, client->buffer + client->begin, client->end - client->begin);
    client->end -= client->begin;
    client->begin = 0;
  }
  if (client->end == client->size) {
    size_t size = client->size == 0 ? BEGINNING : 2 * client->size;
    char *larger = size > LARGEST ? NULL : realloc(client->buffer, size);
    if (larger == NULL) return hang_up(client, WORKERS_ENOMEM, "the frame is too large");
    client->buffer = larger;
    client->size = size;
  }
  do got = recv(client->fd, client->buffer + client->end, client->size - client->end, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return refused(client);
  if (got == 0) return hang_up(client, WORKERS_ECLOSED, "the connection to the daemon has ended");
  client->end += (size_t)got;
  return WORKERS_OK;
}

/* The next frame; NULL and `code` when there is none. */
static json_t *read_frame(workers_client *client, int *code) {
  size_t searched = 0;
  json_t *frame;
  for (;;) {
    char *begin = client->buffer + client->begin;
    size_t size = client->end - client->begin;
    char *end = size == searched ? NULL : memchr(begin + searched, '\n', size - searched);
    if (end != NULL) {
      frame = json_loadb(begin, (size_t)(end - begin), 0, NULL);
      client->begin += (size_t)(end - begin) + 1;
      if (frame == NULL) *code = hang_up(client, WORKERS_ECLOSED, "the daemon sends no JSON");
      return frame;
    }
    searched = size;
    *code = receive(client);
    if (*code != WORKERS_OK) return NULL;
  }
}

static int refuse_by(workers_client *client, const json_t *errors) {
  const char *words = json_string_value(json_array_get(errors, 0));
  return fail(client, WORKERS_EREQUEST, words == NULL ? "the daemon gives no reason" : words);
}

/* The data of the next reply to the request that is open, or the end; a last reply may have data, too, and the end comes with the next call. */
int workers_next(workers_client *client, json_t **reply) {
  int code = WORKERS_OK;
  *reply = NULL;
  while (client->id[0] != '\0') {
    json_t *frame = read_frame(client, &code);
    const char *id = json_string_value(json_object_get(frame, "requestId"));
    const json_t *errors = json_object_get(frame, "errors");
    if (frame == NULL) return code;
    if (id != NULL && strcmp(id, client->id) == 0) { /* else it is of a request that was given up */
      if (errors != NULL) code = refuse_by(client, errors);
      else *reply = json_incref(json_object_get(frame, "data"));
      if (json_is_true(json_object_get(frame, "done"))) client->id[0] = '\0';
    }
    json_decref(frame);
    if (*reply != NULL) return WORKERS_REPLY;
    if (code != WORKERS_OK) return code;
  }
  return WORKERS_OK;
}

/* ---------------------------------------------------------------- requests */

int workers_call(workers_client *client, const char *type, json_t *data, json_t **result) {
  json_t *last = NULL, *next;
  int code = ask(client, type, json_incref(data));
  while (code >= WORKERS_OK && (code = workers_next(client, &next)) == WORKERS_REPLY) {
    json_decref(last);
    last = next;
  }
  if (result != NULL) *result = json_incref(last);
  json_decref(last);
  return code;
}

int workers_send_app_message(workers_client *client, const char *message, json_t *data, const char *workers) {
  json_t *ignored;
  int code = ask_workers(client, "send-app-msg", "message", message, data, workers);
  while (code >= WORKERS_OK && (code = workers_next(client, &ignored)) == WORKERS_REPLY) json_decref(ignored);
  return code;
}

int workers_send_app_request(workers_client *client, const char *request, json_t *data, const char *workers) {
  return ask_workers(client, "send-app-req", "request", request, data, workers);
}
