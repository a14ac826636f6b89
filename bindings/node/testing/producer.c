/* A C host for the tests: a second Node-API addon, linked to the installed libtidings, with threads of its own that publish and flood.
 * It knows nothing of the package `tidings`; the two meet in the engine. Both sides hash what goes by: FNV-1a over every byte, with each
 * message's size and tag in between. */
#define NAPI_VERSION 8
#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tidings.h>

static atomic_ullong lent, released, flooded, dropped;
static atomic_uint hash, done;
static atomic_int failure;

static uint32_t fnv(uint32_t h, const void *data, size_t size) {
  const unsigned char *at = data;
  for (size_t i = 0; i < size; i++) h = (h ^ at[i]) * 16777619u;
  return h;
}

static void release(void *data, size_t size, void *user) {
  (void)size, (void)user;
  free(data);
  atomic_fetch_add(&released, 1);
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
  return *state;
}

/* Mostly small, some of some KiB, a few large: those by reference. */
static size_t size_of(uint32_t random) {
  if (random % 256 == 0) return 16384 + random % 49152;
  if (random % 64 == 1) return 1024 + random % 8192;
  return random % 97;
}

static void fill(unsigned char *data, size_t size, uint32_t random) {
  for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(random + i * 31);
}

struct job { char topic[64]; uint32_t count; };

static void *publish_all(void *arg) {
  struct job job = *(struct job *)arg;
  free(arg);
  uint32_t random = 2463534242u, h = 2166136261u;
  td_engine engine;
  int32_t rc = td_engine_default(&engine);
  unsigned char *small = malloc(65536);
  for (uint32_t i = 0; rc >= 0 && i < job.count; i++) {
    size_t size = size_of(next_random(&random));
    bool by_reference = size >= 16384;
    unsigned char *data = by_reference ? malloc(size) : small;
    fill(data, size, random);
    h = fnv(fnv(fnv(h, &(uint32_t){(uint32_t)size}, 4), &i, 4), data, size);
    td_send_options options = {.size = sizeof options, .release = release};
    td_receipt receipt;
    rc = td_publish(engine, (td_mailbox){0}, job.topic, strlen(job.topic), i, data, size, by_reference ? &options : NULL, &receipt);
    if (rc >= 0) {
      atomic_fetch_add(&lent, by_reference);
      atomic_fetch_add(&dropped, receipt.dropped);
      if (receipt.matched != 1) rc = TD_ENOTFOUND;
    } else if (by_reference) {
      free(data);
    }
  }
  free(small);
  atomic_store(&failure, rc);
  atomic_store(&hash, h);
  atomic_store(&done, 1);
  return NULL;
}

/* Sends to a name for ever: small copies, and every sixteenth by reference. Errors are the point: the mailbox fills up, ends, comes back. */
static void *flood_for_ever(void *arg) {
  char *name = arg;
  td_engine engine;
  if (td_engine_default(&engine) < 0) return NULL;
  for (uint64_t i = 0;; i++) {
    td_mailbox to;
    if (td_whereis(engine, name, strlen(name), &to) < 0) continue;
    if (i % 16 != 0) {
      if (td_send(to, (td_mailbox){0}, i, "flood", 5) == TD_OK) atomic_fetch_add(&flooded, 1);
      continue;
    }
    unsigned char *data = calloc(1, 8192);
    td_send_options options = {.size = sizeof options, .timeout = -1, .release = release};
    if (td_send_ex(to, (td_mailbox){0}, i, data, 8192, &options) < 0) free(data);
    else atomic_fetch_add(&lent, 1), atomic_fetch_add(&flooded, 1);
  }
}

static char *text_arg(napi_env env, napi_value value) {
  size_t size;
  napi_get_value_string_utf8(env, value, NULL, 0, &size);
  char *text = malloc(size + 1);
  napi_get_value_string_utf8(env, value, text, size + 1, &size);
  return text;
}

static void spawn(void *(*run)(void *), void *arg) {
  pthread_t thread;
  pthread_create(&thread, NULL, run, arg);
  pthread_detach(thread);
}

/* publish(topic, count); then ask result() until it is done */
static napi_value js_publish(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  struct job *job = calloc(1, sizeof *job);
  char *topic = text_arg(env, argv[0]);
  strncpy(job->topic, topic, sizeof job->topic - 1);
  free(topic);
  napi_get_value_uint32(env, argv[1], &job->count);
  atomic_store(&done, 0);
  spawn(publish_all, job);
  return NULL;
}

/* flood(name, threads) */
static napi_value js_flood(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  size_t argc = 2;
  uint32_t threads;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  napi_get_value_uint32(env, argv[1], &threads);
  while (threads-- > 0) spawn(flood_for_ever, text_arg(env, argv[0]));
  return NULL;
}

static void set(napi_env env, napi_value object, const char *name, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  napi_set_named_property(env, object, name, value);
}

static napi_value js_result(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result;
  napi_create_object(env, &result);
  set(env, result, "done", atomic_load(&done));
  set(env, result, "failure", atomic_load(&failure));
  set(env, result, "hash", atomic_load(&hash));
  set(env, result, "lent", (double)atomic_load(&lent));
  set(env, result, "released", (double)atomic_load(&released));
  set(env, result, "dropped", (double)atomic_load(&dropped));
  set(env, result, "flooded", (double)atomic_load(&flooded));
  return result;
}

NAPI_MODULE_INIT() {
  napi_property_descriptor functions[] = {
      {"publish", NULL, js_publish, NULL, NULL, NULL, napi_default, NULL},
      {"flood", NULL, js_flood, NULL, NULL, NULL, napi_default, NULL},
      {"result", NULL, js_result, NULL, NULL, NULL, napi_default, NULL},
  };
  napi_define_properties(env, exports, 3, functions);
  return exports;
}
