/* The life of mailboxes: their ends, who is told of them, and how they are made to wait.
 * Guarantees: when exit or kill returns, whoever waits for that end in this environment has been told. */
#include "addon.h"

/* ---------------------------------------------------------------- ends */

/* exit(id, reason, data); kill(id) */
static napi_value js_exit(napi_env env, napi_callback_info info) {
  ARGS(3);
  td_mailbox mailbox;
  int32_t reason;
  payload data;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !i32_arg(a, argv[1], "reason", &reason) || !payload_arg(a, argv[2], &data)) return NULL;
  int32_t rc = TD(mailbox_exit)(mailbox, reason, data.data, data.size);
  loop_collect(a); /* whoever waits for it here is told before this returns */
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, "exit");
}

static napi_value js_kill(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_mailbox mailbox;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  int32_t rc = TD(mailbox_kill)(mailbox);
  loop_collect(a);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, "kill");
}

/* over(id) -> boolean: it is over and its handler is not running */
static napi_value js_over(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_mailbox mailbox;
  napi_value over;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  int32_t rc = TD(mailbox_wait)(mailbox, 0, 0);
  if (rc != TD_OK && rc != TD_EAGAIN && rc != TD_EDEADLK) return throw_code(a, rc, "waiting for a mailbox's end");
  NAPI(napi_get_boolean(env, rc == TD_OK, &over));
  return over;
}

/* suspend(id, on): on false resumes */
static napi_value js_suspend(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox;
  bool on;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &on));
  int32_t rc = (on ? TD(suspend) : TD(resume))(mailbox);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, on ? "suspend" : "resume");
}

/* ---------------------------------------------------------------- links */

static napi_value pair(napi_env env, napi_callback_info info, bool on) {
  ARGS(2);
  td_mailbox one, other;
  if (!u64_arg(a, argv[0], "mailbox", &one.id) || !u64_arg(a, argv[1], "other", &other.id)) return NULL;
  int32_t rc = (on ? TD(link) : TD(unlink))(one, other);
  loop_collect(a); /* a link to the dead may end one of this environment's */
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, on ? "link" : "unlink");
}
static napi_value js_link(napi_env env, napi_callback_info info) { return pair(env, info, true); }
static napi_value js_unlink(napi_env env, napi_callback_info info) { return pair(env, info, false); }

/* trapExit(id, on) */
static napi_value js_trap_exit(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox;
  bool on;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &on));
  int32_t rc = TD(trap_exit)(mailbox, on ? 1 : 0);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, "trapExit");
}

/* ---------------------------------------------------------------- monitors */

/* monitorProcess(watcher, pid, tag) -> ref */
static napi_value js_monitor_process(napi_env env, napi_callback_info info) {
  ARGS(3);
  td_mailbox watcher;
  int32_t pid;
  uint64_t tag;
  td_monitor_ref ref;
  if (!u64_arg(a, argv[0], "watcher", &watcher.id) || !i32_arg(a, argv[1], "pid", &pid) || !u64_arg(a, argv[2], "tag", &tag)) return NULL;
  int32_t rc = TD(monitor_os_process)(watcher, pid, tag, &ref);
  return rc == TD_OK ? id_value(a, ref.id) : throw_code(a, rc, "monitorProcess");
}

/* monitor(watcher, target, tag, receipt) -> ref */
static napi_value js_monitor(napi_env env, napi_callback_info info) {
  ARGS(4);
  td_mailbox watcher, target;
  uint64_t tag;
  bool receipt;
  td_monitor_ref ref;
  if (!u64_arg(a, argv[0], "watcher", &watcher.id) || !u64_arg(a, argv[1], "target", &target.id) || !u64_arg(a, argv[2], "tag", &tag)) return NULL;
  NAPI(napi_get_value_bool(env, argv[3], &receipt));
  int32_t rc = (receipt ? TD(monitor_receipt) : TD(monitor))(watcher, target, tag, &ref);
  return rc == TD_OK ? id_value(a, ref.id) : throw_code(a, rc, "monitor");
}

/* monitorName(watcher, name, tag) -> ref */
static napi_value js_monitor_name(napi_env env, napi_callback_info info) {
  ARGS(3);
  td_mailbox watcher;
  payload name;
  uint64_t tag;
  td_monitor_ref ref;
  if (!u64_arg(a, argv[0], "watcher", &watcher.id) || !payload_arg(a, argv[1], &name) || !u64_arg(a, argv[2], "tag", &tag)) return NULL;
  int32_t rc = TD(monitor_name)(watcher, name.data, name.size, tag, &ref);
  return rc == TD_OK ? id_value(a, ref.id) : throw_code(a, rc, "monitor");
}

/* demonitor(ref, flush) -> outcome, 0 for a ref that is unknown or long gone */
static napi_value js_demonitor(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_monitor_ref ref;
  bool flush;
  uint32_t outcome = 0;
  if (!u64_arg(a, argv[0], "monitor", &ref.id)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &flush));
  int32_t rc = TD(demonitor)(ref, flush ? TD_FLUSH : 0, &outcome);
  return rc == TD_OK || rc == TD_ESTALE ? int_value(a, outcome) : throw_code(a, rc, "demonitor");
}

const napi_property_descriptor life_functions[] = {
    FUNCTION("exit", js_exit), FUNCTION("kill", js_kill), FUNCTION("over", js_over), FUNCTION("suspend", js_suspend),
    FUNCTION("link", js_link), FUNCTION("unlink", js_unlink), FUNCTION("trapExit", js_trap_exit),
    FUNCTION("monitorProcess", js_monitor_process), FUNCTION("monitor", js_monitor), FUNCTION("monitorName", js_monitor_name), FUNCTION("demonitor", js_demonitor),
};
const size_t life_function_count = sizeof life_functions / sizeof life_functions[0];
