/* Names, subscriptions and timers: one small function for each of the header's.
 * Guarantees: ids are bigints both ways, durations milliseconds; "gone" (a timer that fired) is undefined, not an error. */
#include "addon.h"

/* ---------------------------------------------------------------- names */

static napi_value js_register(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox;
  payload name;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !payload_arg(a, argv[1], &name)) return NULL;
  int32_t rc = TD(register)(mailbox, name.data, name.size);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, "register");
}

/* registerReplace(mailbox, name) -> who held it, 0n for nobody */
static napi_value js_register_replace(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox, previous = {0};
  payload name;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !payload_arg(a, argv[1], &name)) return NULL;
  int32_t rc = TD(register_replace)(mailbox, name.data, name.size, &previous);
  return rc == TD_OK ? id_value(a, previous.id) : throw_code(a, rc, "register");
}

static napi_value js_unregister(napi_env env, napi_callback_info info) {
  ARGS(2);
  payload name;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !payload_arg(a, argv[1], &name)) return NULL;
  int32_t rc = TD(unregister)(h->engine, name.data, name.size);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, "unregister");
}

/* whereis(host, name) -> id, 0n for nobody */
static napi_value js_whereis(napi_env env, napi_callback_info info) {
  ARGS(2);
  payload name;
  td_mailbox mailbox = {0};
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !payload_arg(a, argv[1], &name)) return NULL;
  int32_t rc = TD(whereis)(h->engine, name.data, name.size, &mailbox);
  return rc == TD_OK ? id_value(a, mailbox.id) : rc == TD_ENOTFOUND ? id_value(a, 0) : throw_code(a, rc, "whereis");
}

/* ---------------------------------------------------------------- subscriptions */

/* subscribe(mailbox, pattern, policy, maxMessages, queueGroup or undefined) -> subscription */
static napi_value js_subscribe(napi_env env, napi_callback_info info) {
  ARGS(5);
  td_mailbox mailbox;
  payload pattern, group;
  size_t used = 0;
  td_subscription subscription;
  td_subscribe_options options = {.size = sizeof options};
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !payload_add(a, argv[1], &pattern, &used) || !u32_arg(a, argv[2], "policy", &options.policy) ||
      !u64_arg(a, argv[3], "maxMessages", &options.max_messages) || !payload_add(a, argv[4], &group, &used))
    return NULL;
  payload_settle(a, &pattern);
  payload_settle(a, &group);
  options.queue_group = group.data;
  options.queue_group_size = group.size;
  int32_t rc = TD(subscribe)(mailbox, pattern.data, pattern.size, &options, &subscription);
  return rc == TD_OK ? id_value(a, subscription.id) : throw_code(a, rc, "subscribe");
}

/* unsubscribe(subscription, flush): one that is gone already is no error */
static napi_value js_unsubscribe(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_subscription subscription;
  bool flush;
  if (!u64_arg(a, argv[0], "subscription", &subscription.id)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &flush));
  int32_t rc = TD(unsubscribe)(subscription, flush ? TD_FLUSH : 0);
  return rc == TD_OK || rc == TD_ESTALE ? undefined(a) : throw_code(a, rc, "unsubscribe");
}

/* ---------------------------------------------------------------- timers */

static napi_value armed(addon *a, int32_t rc, td_timer timer) {
  scratch_trim(a);
  return rc == TD_OK ? id_value(a, timer.id) : throw_code(a, rc, "timer");
}

/* sendAfter(to, ms, tag, data) -> timer; sendEvery likewise */
static napi_value arm(napi_env env, napi_callback_info info, bool every) {
  ARGS(4);
  td_mailbox to;
  int64_t delay;
  uint64_t tag;
  payload data;
  td_timer timer;
  if (!u64_arg(a, argv[0], "target", &to.id) || !ms_arg(a, argv[1], "ms", &delay) || !u64_arg(a, argv[2], "tag", &tag) ||
      !payload_arg(a, argv[3], &data))
    return NULL;
  return armed(a, (every ? TD(send_every) : TD(send_after))(to, delay, tag, data.data, data.size, &timer), timer);
}
static napi_value js_send_after(napi_env env, napi_callback_info info) { return arm(env, info, false); }
static napi_value js_send_every(napi_env env, napi_callback_info info) { return arm(env, info, true); }

/* sendAfterName(host, name, ms, tag, data) -> timer */
static napi_value js_send_after_name(napi_env env, napi_callback_info info) {
  ARGS(5);
  int64_t delay;
  uint64_t tag;
  payload name, data;
  size_t used = 0;
  td_timer timer;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !payload_add(a, argv[1], &name, &used) || !ms_arg(a, argv[2], "ms", &delay) || !u64_arg(a, argv[3], "tag", &tag) ||
      !payload_add(a, argv[4], &data, &used))
    return NULL;
  payload_settle(a, &name);
  payload_settle(a, &data);
  return armed(a, TD(send_after_name)(h->engine, name.data, name.size, delay, tag, data.data, data.size, &timer), timer);
}

static napi_value remaining(napi_env env, napi_callback_info info, bool cancel) {
  ARGS(1);
  td_timer timer;
  int64_t left;
  if (!u64_arg(a, argv[0], "timer", &timer.id)) return NULL;
  int32_t rc = (cancel ? TD(timer_cancel) : TD(timer_read))(timer, &left);
  return rc == TD_OK ? ms_value(a, left) : rc == TD_ESTALE ? undefined(a) : throw_code(a, rc, "timer");
}
static napi_value js_timer_cancel(napi_env env, napi_callback_info info) { return remaining(env, info, true); }
static napi_value js_timer_read(napi_env env, napi_callback_info info) { return remaining(env, info, false); }

const napi_property_descriptor object_functions[] = {
    FUNCTION("register", js_register), FUNCTION("registerReplace", js_register_replace), FUNCTION("unregister", js_unregister),
    FUNCTION("whereis", js_whereis), FUNCTION("subscribe", js_subscribe), FUNCTION("unsubscribe", js_unsubscribe),
    FUNCTION("sendAfter", js_send_after), FUNCTION("sendEvery", js_send_every), FUNCTION("sendAfterName", js_send_after_name),
    FUNCTION("timerCancel", js_timer_cancel), FUNCTION("timerRead", js_timer_read),
};
const size_t object_function_count = sizeof object_functions / sizeof object_functions[0];
