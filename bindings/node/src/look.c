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

/* drain(host, last): begins or goes on -> { complete, delivered, undelivered, suspended: ids }. Complete: nothing was left, and the engine is
 * closed; `last` closes it all the same. */
static napi_value js_drain(napi_env env, napi_callback_info info) {
  ARGS(2);
  bool last;
  td_drain_report r = {.size = sizeof r};
  host *h = host_arg(a, argv[0]);
  if (h == NULL) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &last));
  td_mailbox *suspended = calloc(SUSPENDED_MOST, sizeof *suspended);
  if (suspended == NULL) return throw_invalid(a, "no memory for the report");
  int32_t rc = TD(engine_drain)(h->engine, 0, &r, suspended, SUSPENDED_MOST);
  if (rc == TD_EAGAIN && last) TD(engine_close)(h->engine);
  napi_value report = NULL, complete, ids;
  if (rc != TD_OK && rc != TD_EAGAIN) throw_code(a, rc, "drain");
  else if (napi_create_object(env, &report) != napi_ok || napi_get_boolean(env, rc == TD_OK, &complete) != napi_ok ||
           napi_create_array(env, &ids) != napi_ok || napi_set_named_property(env, report, "complete", complete) != napi_ok ||
           napi_set_named_property(env, report, "suspended", ids) != napi_ok)
    report = NULL;
  for (uint32_t i = 0; report != NULL && i < r.suspended && i < SUSPENDED_MOST; i++) napi_set_element(env, ids, i, id_value(a, suspended[i].id));
  free(suspended);
  if (report == NULL) return NULL;
  set_number(a, report, "delivered", (double)r.delivered);
  set_number(a, report, "undelivered", (double)r.undelivered);
  return report;
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
    FUNCTION("drain", js_drain),
};
const size_t look_function_count = sizeof look_functions / sizeof look_functions[0];
