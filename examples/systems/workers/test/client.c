/* A session of the C client; each step prints a line. Arguments: the socket, and where none is. */
#include "../clients/c/workers_client.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints `line`, an array, and gives it up. */
static void tell(json_t *line) {
  assert(line != NULL);
  json_dumpf(line, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
  printf("\n");
  fflush(stdout);
  json_decref(line);
}

static int by_id(const void *one, const void *other) {
  return strcmp(json_string_value(json_array_get(*(json_t *const *)one, 0)), json_string_value(json_array_get(*(json_t *const *)other, 0)));
}

/* Of the replies to a request: member `key`, or [id, pid, data] in the order of the ids where that is NULL. */
static json_t *replies(workers_client *client, const char *request, json_t *data, const char *workers, const char *key) {
  json_t *list[16], *reply, *array = json_array();
  size_t count = 0, i;
  int code = workers_send_app_request(client, request, data, workers);
  json_decref(data);
  while (code == WORKERS_OK && workers_next(client, &reply) == WORKERS_REPLY) {
    assert(count < sizeof list / sizeof *list);
    list[count++] = key != NULL ? json_incref(json_object_get(reply, key))
                                : json_pack("[O, O, O]", json_object_get(reply, "id"), json_object_get(reply, "pid"), json_object_get(reply, "data"));
    json_decref(reply);
  }
  assert(code == WORKERS_OK && strcmp(workers_error(client), "") == 0);
  if (key == NULL) qsort(list, count, sizeof *list, by_id);
  for (i = 0; i < count; i++) json_array_append_new(array, list[i] == NULL ? json_null() : list[i]);
  return array;
}

static json_int_t data_of(json_t *reply) { return json_integer_value(json_object_get(reply, "data")); }

static void leave(workers_client *client) {
  json_t *n = json_pack("{s:i}", "count", 10000), *reply;
  json_int_t last = -1;
  assert(workers_send_app_request(client, "stream", n, NULL) == WORKERS_OK);
  json_decref(n);
  while (last != 3 && workers_next(client, &reply) == WORKERS_REPLY) {
    last = data_of(reply);
    json_decref(reply);
  }
  tell(json_pack("[s, I]", "left", last));
}

/* Leaves streams without an end, and waits for that. */
static void give_up(workers_client *client) {
  json_t *reply;
  json_int_t open;
  assert(workers_send_app_request(client, "endless", NULL, NULL) == WORKERS_OK);
  assert(workers_next(client, &reply) == WORKERS_REPLY);
  json_decref(reply);
  do {
    assert(workers_send_app_request(client, "endless-now", NULL, NULL) == WORKERS_OK);
    for (open = 0; workers_next(client, &reply) == WORKERS_REPLY; json_decref(reply)) open += data_of(reply);
    assert(strcmp(workers_error(client), "") == 0);
  } while (open > 0);
  tell(json_pack("[s]", "given up"));
}

/* Each worker counts to 1,000, in order. */
static void count(workers_client *client) {
  json_t *n = json_pack("{s:i}", "count", 1000), *reply, *counts = json_object(), *values = json_array(), *value;
  const char *key;
  assert(workers_send_app_request(client, "stream", n, NULL) == WORKERS_OK);
  json_decref(n);
  while (workers_next(client, &reply) == WORKERS_REPLY) {
    const char *id = json_string_value(json_object_get(reply, "id"));
    assert(data_of(reply) == json_integer_value(json_object_get(counts, id)) + 1);
    json_object_set(counts, id, json_object_get(reply, "data"));
    json_decref(reply);
  }
  json_object_foreach(counts, key, value) json_array_append(values, value);
  json_decref(counts);
  tell(json_pack("[s, o]", "count", values));
}

static void until_closed(workers_client *client) {
  json_t *reply;
  int code = workers_send_app_request(client, "endless", NULL, "0");
  while (code == WORKERS_OK && (code = workers_next(client, &reply)) == WORKERS_REPLY) {
    if (data_of(reply) == 5) tell(json_pack("[s]", "endless")); /* now the daemon is killed */
    json_decref(reply);
    code = WORKERS_OK;
  }
  if (code == WORKERS_ECLOSED) tell(json_pack("[s, s]", "closed", "IpcClosedError"));
  assert(workers_send_app_message(client, "hello", NULL, NULL) == WORKERS_ECLOSED);
}

int main(int argc, char **argv) {
  workers_client *client;
  json_t *status, *data = json_pack("{s:i}", "a", 1), *wrong = json_array();
  assert(argc == 3);
  if (workers_connect(argv[2], 5000, &client) == WORKERS_ECONNECT) tell(json_pack("[s, s]", "connect", "IpcConnectError"));
  if (workers_connect(argv[1], 10000, &client) != WORKERS_OK) return 1;
  if (workers_call(client, "status", NULL, &status) != WORKERS_OK) return 1;
  tell(json_pack("[s, I]", "status", (json_int_t)json_array_size(json_object_get(status, "workers"))));
  json_decref(status);
  assert(workers_send_app_message(client, "hello", wrong, NULL) == WORKERS_EINVAL);
  json_decref(wrong);
  if (workers_send_app_message(client, "hello", data, "0-1") == WORKERS_OK) tell(json_pack("[s]", "message"));
  json_decref(data);
  tell(json_pack("[s, o]", "echo", replies(client, "echo", json_pack("{s:i}", "n", 1), NULL, NULL)));
  tell(json_pack("[s, o]", "none", replies(client, "string", NULL, "7", "data")));
  tell(json_pack("[s, o]", "empty", replies(client, "nothing", NULL, "0", "data")));
  tell(json_pack("[s, o]", "stream", replies(client, "slowstream", NULL, "0", "data")));
  leave(client);
  give_up(client);
  tell(json_pack("[s, o]", "fail", replies(client, "nosuch", NULL, "1", "errors")));
  if (workers_call(client, "bogus", NULL, NULL) == WORKERS_EREQUEST) tell(json_pack("[s, [s]]", "refused", workers_error(client)));
  count(client);
  until_closed(client);
  workers_terminate(client);
  return 0;
}
