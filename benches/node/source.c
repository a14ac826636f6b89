/* The native thread of benches/c/source.c for Node: start(mailbox id, count) and join(). */
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>

void source_start(uint64_t mailbox, uint64_t count);
void source_join(void);

static napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  uint64_t mailbox;
  int64_t messages;
  bool lossless;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok ||
      napi_get_value_bigint_uint64(env, arguments[0], &mailbox, &lossless) != napi_ok ||
      napi_get_value_int64(env, arguments[1], &messages) != napi_ok)
    napi_throw_type_error(env, NULL, "start(mailbox id, count)");
  else
    source_start(mailbox, (uint64_t)messages);
  return NULL;
}

static napi_value join(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  source_join();
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"start", NULL, start, NULL, NULL, NULL, napi_default, NULL},
      {"join", NULL, join, NULL, NULL, NULL, napi_default, NULL},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
