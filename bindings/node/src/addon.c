/* Setting the addon up in an environment and taking it down.
 * Guarantees: each environment (main thread, worker) has its own state, and when it goes its mailboxes end with the reason runtime_exit,
 * its loops close and nothing of it is called any more, while other environments and native threads go on. process.exit() runs none of
 * this and needs none: native threads touch only the engine and memory that no JavaScript owns. */
#include <stdlib.h>
#include "addon.h"

static void addon_free(addon *a) {
  for (uint32_t i = 0; i < a->host_count; i++) free(a->hosts[i]);
  free(a->hosts);
  free(a->boxes);
  free(a->free_slots);
  free(a->scratch);
  ended_list_leave(a->ended);
  free(a);
}

void addon_finished(addon *a) {
  if (!a->closing) return;
  napi_async_cleanup_hook_handle cleanup = a->cleanup;
  addon_free(a);
  napi_remove_async_cleanup_hook(cleanup);
}

/* The environment is going down; no JavaScript may run. Ends when the last libuv handle has closed. */
static void addon_leave(napi_async_cleanup_hook_handle handle, void *arg) {
  addon *a = arg;
  a->cleanup = handle;
  a->closing = true;
  a->handles++; /* so that it cannot finish half-way */
  for (uint32_t i = 0; i < a->host_count; i++) host_close(a, a->hosts[i]);
  pthread_mutex_lock(&a->ended->lock);
  a->ended->alive = false;
  pthread_mutex_unlock(&a->ended->lock);
  loop_collect(a);
  for (uint32_t i = 0; i < a->box_count; i++) box_free(a, i); /* a mailbox whose end is still on its way on another thread */
  if (--a->handles == 0) addon_finished(a);
}

static bool define(addon *a, napi_value target, const napi_property_descriptor *functions, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_property_descriptor one = functions[i];
    one.data = a;
    if (napi_define_properties(a->env, target, 1, &one) != napi_ok) return false;
  }
  return true;
}

static bool define_all(addon *a, napi_value target) {
#define TABLE(name) define(a, target, name##_functions, name##_function_count) &&
  return TABLES(TABLE) true;
#undef TABLE
}

static addon *addon_new(napi_env env) {
  addon *a = calloc(1, sizeof *a);
  if (a == NULL) return NULL;
  a->env = env;
  a->ended = ended_list_new();
  napi_value name, resource;
  if (a->ended == NULL || napi_get_uv_event_loop(env, (struct uv_loop_s **)&a->uv) != napi_ok ||
      napi_create_string_utf8(env, "tidings", NAPI_AUTO_LENGTH, &name) != napi_ok || napi_create_object(env, &resource) != napi_ok ||
      napi_create_reference(env, resource, 1, &a->resource) != napi_ok || napi_async_init(env, resource, name, &a->async) != napi_ok) {
    free(a->ended);
    free(a);
    return NULL;
  }
  return a;
}

static bool callback(addon *a, napi_value functions, const char *name, napi_ref *out) {
  napi_value function;
  return napi_get_named_property(a->env, functions, name, &function) == napi_ok && napi_create_reference(a->env, function, 1, out) == napi_ok;
}

/* start(bundled library, { onBatch, onReadable, onEnded, makeError }) -> the native functions */
static napi_value js_start(napi_env env, napi_callback_info info) {
  napi_value argv[2], functions;
  size_t argc = 2, size;
  char bundled[4096], why[8192];
  NAPI(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  NAPI(napi_get_value_string_utf8(env, argv[0], bundled, sizeof bundled, &size));
  if (!library_load(bundled, why, sizeof why)) {
    napi_throw_error(env, "TIDINGS_LIBRARY", why);
    return NULL;
  }
  addon *a = addon_new(env);
  if (a == NULL || !callback(a, argv[1], "onBatch", &a->on_batch) || !callback(a, argv[1], "onReadable", &a->on_readable) ||
      !callback(a, argv[1], "onEnded", &a->on_ended) || !callback(a, argv[1], "makeError", &a->make_error) ||
      napi_create_object(env, &functions) != napi_ok || !define_all(a, functions) ||
      napi_add_async_cleanup_hook(env, addon_leave, a, &a->cleanup) != napi_ok) {
    napi_throw_error(env, "TIDINGS_START", "the tidings addon could not start in this environment");
    return NULL;
  }
  napi_value text;
  NAPI(napi_create_string_utf8(env, TD(version)(), NAPI_AUTO_LENGTH, &text));
  NAPI(napi_set_named_property(env, functions, "version", text));
  NAPI(napi_create_string_utf8(env, library_origin(), NAPI_AUTO_LENGTH, &text));
  NAPI(napi_set_named_property(env, functions, "libraryOrigin", text));
  NAPI(napi_create_string_utf8(env, library_path(), NAPI_AUTO_LENGTH, &text));
  NAPI(napi_set_named_property(env, functions, "libraryPath", text));
  return functions;
}

NAPI_MODULE_INIT() {
  napi_value start;
  if (napi_create_function(env, "start", NAPI_AUTO_LENGTH, js_start, NULL, &start) != napi_ok) return NULL;
  napi_set_named_property(env, exports, "start", start);
  return exports;
}
