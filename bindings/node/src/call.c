/* Calling and answering.
 * Guarantees: no function here blocks the thread; where there is no room now, JavaScript is told and tries again (lib/room.js). */
#include "addon.h"

/* callStart(to, from, tag, data, timeout ms) -> ticket */
static napi_value js_call_start(napi_env env, napi_callback_info info) {
  ARGS(5);
  td_mailbox to, from;
  uint64_t tag;
  payload data;
  int64_t timeout;
  td_ticket ticket;
  if (!u64_arg(a, argv[0], "target", &to.id) || !u64_arg(a, argv[1], "from", &from.id) || !u64_arg(a, argv[2], "tag", &tag) ||
      !payload_arg(a, argv[3], &data) || !ms_arg(a, argv[4], "timeout", &timeout))
    return NULL;
  int32_t rc = TD(call_start)(to, from, tag, data.data, data.size, timeout, &ticket);
  scratch_trim(a);
  return rc == TD_OK ? id_value(a, ticket.id) : throw_code(a, rc, "call");
}

static napi_value ticket_code(addon *a, int32_t rc, const char *what) {
  scratch_trim(a);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, what);
}

/* callCancel(ticket) -> boolean: no reply will be seen; false when it was delivered before */
static napi_value js_call_cancel(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_ticket ticket;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id)) return NULL;
  int32_t rc = TD(call_cancel)(ticket);
  if (rc != TD_OK && rc != TD_ESTALE) return throw_code(a, rc, "cancelling a call");
  napi_value cancelled;
  NAPI(napi_get_boolean(env, rc == TD_OK, &cancelled));
  return cancelled;
}

static napi_value js_reply(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_ticket ticket;
  payload data;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id) || !payload_arg(a, argv[1], &data)) return NULL;
  return ticket_code(a, TD(reply)(ticket, data.data, data.size), "reply");
}

/* replyError(ticket, status, data) */
static napi_value js_reply_error(napi_env env, napi_callback_info info) {
  ARGS(3);
  td_ticket ticket;
  int32_t status;
  payload data;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id) || !i32_arg(a, argv[1], "status", &status) || !payload_arg(a, argv[2], &data)) return NULL;
  return ticket_code(a, TD(reply_error)(ticket, status, data.data, data.size), "reply");
}

/* ticketDrop(ticket) */
static napi_value js_ticket_drop(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_ticket ticket;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id)) return NULL;
  return ticket_code(a, TD(ticket_drop)(ticket), "dropping a request");
}

const napi_property_descriptor call_functions[] = {
    FUNCTION("callStart", js_call_start), FUNCTION("callCancel", js_call_cancel),
    FUNCTION("reply", js_reply),    FUNCTION("replyError", js_reply_error), FUNCTION("ticketDrop", js_ticket_drop),
};
const size_t call_function_count = sizeof call_functions / sizeof call_functions[0];
