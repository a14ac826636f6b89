/* Groups, presence, interest, and the wills of mailboxes.
 * Guarantees: a watch and its snapshot come in one step; snapshots are given as the engine writes them down, lib/message.js reads them. */
#include <string.h>
#include "addon.h"

/* The snapshot as a Uint8Array; the message is released. */
static napi_value snapshot(addon *a, const td_message *message) {
  void *data;
  napi_value buffer, view = NULL;
  size_t size = message->data_size;
  if (napi_create_arraybuffer(a->env, size, &data, &buffer) == napi_ok) {
    if (size != 0) memcpy(data, message->data, size);
    if (napi_create_typedarray(a->env, napi_uint8_array, size, buffer, 0, &view) != napi_ok) view = NULL;
  }
  TD(message_release)(message);
  return view;
}

static napi_value watch_value(addon *a, td_watch watch, napi_value state) {
  napi_value both;
  if (state == NULL) return NULL;
  NAPI(napi_create_array_with_length(a->env, 2, &both));
  NAPI(napi_set_element(a->env, both, 0, id_value(a, watch.id)));
  NAPI(napi_set_element(a->env, both, 1, state));
  return both;
}

/* The arguments that most begin with: a mailbox and a text. */
static bool mailbox_and_text(addon *a, napi_value *argv, td_mailbox *mailbox, payload *text, size_t *used) {
  return u64_arg(a, argv[0], "mailbox", &mailbox->id) && payload_add(a, argv[1], text, used);
}

static napi_value done(addon *a, int32_t rc, const char *what) {
  scratch_trim(a);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, what);
}

/* ---------------------------------------------------------------- groups */

static napi_value belong(napi_env env, napi_callback_info info, bool join) {
  ARGS(2);
  td_mailbox mailbox;
  payload group;
  size_t used = 0;
  if (!mailbox_and_text(a, argv, &mailbox, &group, &used)) return NULL;
  payload_settle(a, &group);
  return done(a, (join ? TD(group_join) : TD(group_leave))(mailbox, group.data, group.size), join ? "join" : "leave");
}
/* groupJoin(id, group); groupLeave likewise */
static napi_value js_group_join(napi_env env, napi_callback_info info) { return belong(env, info, true); }
static napi_value js_group_leave(napi_env env, napi_callback_info info) { return belong(env, info, false); }

static napi_value listed(napi_env env, napi_callback_info info, bool keys) {
  ARGS(2);
  payload group;
  td_message message;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !payload_arg(a, argv[1], &group)) return NULL;
  int32_t rc = (keys ? TD(presence_keys) : TD(group_members))(h->engine, group.data, group.size, &message);
  return rc == TD_OK ? snapshot(a, &message) : throw_code(a, rc, keys ? "presenceKeys" : "members");
}
/* groupMembers(host, group) -> snapshot; presenceKeys likewise */
static napi_value js_group_members(napi_env env, napi_callback_info info) { return listed(env, info, false); }
static napi_value js_presence_keys(napi_env env, napi_callback_info info) { return listed(env, info, true); }

static napi_value watched(napi_env env, napi_callback_info info, bool keys) {
  ARGS(3);
  td_mailbox watcher;
  payload group;
  size_t used = 0;
  uint64_t tag;
  td_watch watch;
  td_message message;
  if (!mailbox_and_text(a, argv, &watcher, &group, &used) || !u64_arg(a, argv[2], "tag", &tag)) return NULL;
  payload_settle(a, &group);
  int32_t rc = (keys ? TD(presence_watch) : TD(group_watch))(watcher, group.data, group.size, tag, &watch, &message);
  return rc == TD_OK ? watch_value(a, watch, snapshot(a, &message)) : throw_code(a, rc, keys ? "watchPresence" : "watchGroup");
}
/* groupWatch(watcher, group, tag) -> [watch, snapshot]; presenceWatch likewise */
static napi_value js_group_watch(napi_env env, napi_callback_info info) { return watched(env, info, false); }
static napi_value js_presence_watch(napi_env env, napi_callback_info info) { return watched(env, info, true); }

/* ---------------------------------------------------------------- presence */

/* presenceEnter(id, group, key, grace ms) */
static napi_value js_presence_enter(napi_env env, napi_callback_info info) {
  ARGS(4);
  td_mailbox mailbox;
  payload group, key;
  size_t used = 0;
  int64_t grace;
  if (!mailbox_and_text(a, argv, &mailbox, &group, &used) || !payload_add(a, argv[2], &key, &used) || !ms_arg(a, argv[3], "grace", &grace)) return NULL;
  payload_settle(a, &group);
  payload_settle(a, &key);
  return done(a, TD(presence_enter)(mailbox, group.data, group.size, key.data, key.size, grace), "enterPresence");
}

/* presenceLeave(id, group, key) */
static napi_value js_presence_leave(napi_env env, napi_callback_info info) {
  ARGS(3);
  td_mailbox mailbox;
  payload group, key;
  size_t used = 0;
  if (!mailbox_and_text(a, argv, &mailbox, &group, &used) || !payload_add(a, argv[2], &key, &used)) return NULL;
  payload_settle(a, &group);
  payload_settle(a, &key);
  return done(a, TD(presence_leave)(mailbox, group.data, group.size, key.data, key.size), "leavePresence");
}

/* ---------------------------------------------------------------- interest, and the end of watches */

/* interestWatch(watcher, pattern, tag) -> [watch, subscriptions] */
static napi_value js_interest_watch(napi_env env, napi_callback_info info) {
  ARGS(3);
  td_mailbox watcher;
  payload pattern;
  size_t used = 0;
  uint64_t tag, subscriptions;
  td_watch watch;
  if (!mailbox_and_text(a, argv, &watcher, &pattern, &used) || !u64_arg(a, argv[2], "tag", &tag)) return NULL;
  payload_settle(a, &pattern);
  int32_t rc = TD(interest_watch)(watcher, pattern.data, pattern.size, tag, &watch, &subscriptions);
  return rc == TD_OK ? watch_value(a, watch, int_value(a, (int64_t)subscriptions)) : throw_code(a, rc, "watchInterest");
}

/* unwatch(watch, flush) -> boolean: false when it was over already */
static napi_value js_unwatch(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_watch watch;
  bool flush;
  if (!u64_arg(a, argv[0], "watch", &watch.id)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &flush));
  int32_t rc = TD(unwatch)(watch, flush ? TD_FLUSH : 0);
  if (rc != TD_OK && rc != TD_ESTALE) return throw_code(a, rc, "unwatch");
  napi_value ended;
  NAPI(napi_get_boolean(env, rc == TD_OK, &ended));
  return ended;
}

/* ---------------------------------------------------------------- wills */

/* willSet(id, topic, tag, data, retain); willClear(id) */
static napi_value js_will_set(napi_env env, napi_callback_info info) {
  ARGS(5);
  td_mailbox mailbox;
  payload topic, data;
  size_t used = 0;
  uint64_t tag;
  bool retain;
  if (!mailbox_and_text(a, argv, &mailbox, &topic, &used) || !u64_arg(a, argv[2], "tag", &tag) || !payload_add(a, argv[3], &data, &used)) return NULL;
  NAPI(napi_get_value_bool(env, argv[4], &retain));
  payload_settle(a, &topic);
  payload_settle(a, &data);
  return done(a, TD(will_set)(mailbox, topic.data, topic.size, tag, data.data, data.size, retain ? TD_RETAIN : 0), "setWill");
}

static napi_value js_will_clear(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_mailbox mailbox;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  return done(a, TD(will_clear)(mailbox), "clearWill");
}

const napi_property_descriptor group_functions[] = {
    FUNCTION("groupJoin", js_group_join), FUNCTION("groupLeave", js_group_leave), FUNCTION("groupMembers", js_group_members),
    FUNCTION("groupWatch", js_group_watch), FUNCTION("presenceEnter", js_presence_enter), FUNCTION("presenceLeave", js_presence_leave),
    FUNCTION("presenceKeys", js_presence_keys), FUNCTION("presenceWatch", js_presence_watch), FUNCTION("interestWatch", js_interest_watch),
    FUNCTION("unwatch", js_unwatch), FUNCTION("willSet", js_will_set), FUNCTION("willClear", js_will_clear),
};
const size_t group_function_count = sizeof group_functions / sizeof group_functions[0];
