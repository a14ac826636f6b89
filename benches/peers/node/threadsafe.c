/* What an addon without a queue of its own does: a native thread, and one call of a threadsafe function for each message of
 * 64 fresh bytes, which becomes a Buffer (a Uint8Array).   start(count, callback) */
#define NAPI_VERSION 8
#include <node_api.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64, QUEUE = 1024 };
static int64_t messages;

static void call(napi_env env, napi_value callback, void *context, void *data) {
  napi_value global, buffer, result;
  (void)context;
  if (env != NULL && napi_get_global(env, &global) == napi_ok && napi_create_buffer_copy(env, SIZE, data, NULL, &buffer) == napi_ok)
    napi_call_function(env, global, callback, 1, &buffer, &result);
  free(data);
}

static void *run(void *function) {
  static char template[SIZE];
  memset(template, 7, sizeof template);
  for (int64_t i = 0; i < messages; i++) {
    char *payload = malloc(SIZE);
    if (payload == NULL) abort();
    memcpy(payload, template, SIZE);
    payload[0] = (char)i;
    if (napi_call_threadsafe_function(function, payload, napi_tsfn_blocking) != napi_ok) abort();
  }
  napi_release_threadsafe_function(function, napi_tsfn_release);
  return NULL;
}

static napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], name;
  napi_threadsafe_function function;
  pthread_t thread;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok ||
      napi_get_value_int64(env, arguments[0], &messages) != napi_ok ||
      napi_create_string_utf8(env, "benchmark", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, arguments[1], NULL, name, QUEUE, 1, NULL, NULL, NULL, call, &function) != napi_ok ||
      pthread_create(&thread, NULL, run, function) != 0)
    napi_throw_type_error(env, NULL, "start(count, callback)");
  else
    pthread_detach(thread);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, NULL, &function) == napi_ok)
    napi_set_named_property(env, exports, "start", function);
  return exports;
}
