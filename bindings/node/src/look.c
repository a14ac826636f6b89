/* Looking into engines, and what else a program does with an engine as a whole: draining it, notifying mailboxes.
 * Guarantees: nothing here waits; a drain is asked about again and again by lib/engine.js. */
#include <stdlib.h>
#include "addon.h"

#define SUSPENDED_MOST 4096

/* A text that the library wrote; the message is released. */
static napi_value text_value(addon *a, const td_message *message) {
  napi_value text;
  napi_status status = napi_create_string_utf8(a->env, message->data, message->data_size, &text);
  TD(message_release)(message);
  return status == napi_ok ? text : NULL;
}

/* inspect(host) -> JSON */
static napi_value js_inspect(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_message message;
  host *h = host_arg(a, argv[0]);
  if (h == NULL) return NULL;
  int32_t rc = TD(engine_inspect)(h->engine, &message);
  return rc == TD_OK ? text_value(a, &message) : throw_code(a, rc, "inspect");
}

static napi_value js_recorder(napi_env env, napi_callback_info info) {
  ARGS(1);
  (void)argv;
  td_message message;
  int32_t rc = TD(recorder_dump)(&message);
  return rc == TD_OK ? text_value(a, &message) : throw_code(a, rc, "recorder");
}

/* explain(id) -> text */
static napi_value js_explain(napi_env env, napi_callback_info info) {
  ARGS(1);
  uint64_t id;
  td_message message;
  if (!u64_arg(a, argv[0], "id", &id)) return NULL;
  int32_t rc = TD(explain)(id, &message);
  return rc == TD_OK ? text_value(a, &message) : throw_code(a, rc, "explain");
}

/* notify(id, bits) */
static napi_value js_notify(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox;
  uint64_t bits;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !u64_arg(a, argv[1], "bits", &bits)) return NULL;
  int32_t rc = TD(notify)(mailbox, bits);
  if (rc == TD_EINVAL) return throw_invalid(a, "notify: the mailbox was not opened with notifiable: true");
  return rc == TD_OK ? undefined(a) : throw_plain(a, rc, "notify");
}

const napi_property_descriptor look_functions[] = {
    FUNCTION("inspect", js_inspect), FUNCTION("recorder", js_recorder), FUNCTION("explain", js_explain), FUNCTION("notify", js_notify),
};
const size_t look_function_count = sizeof look_functions / sizeof look_functions[0];
