/* Calling and answering.
 * Guarantees: no function here blocks the thread; where there is no room now, JavaScript is told and tries again (lib/room.js). */
#include <stdlib.h>
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

/* ---------------------------------------------------------------- many and streamed replies */

/* callMany(ids, from, tag, data, timeout ms) -> gathering */
static napi_value js_call_many(napi_env env, napi_callback_info info) {
  ARGS(5);
  td_mailbox from;
  uint64_t tag;
  payload data;
  int64_t timeout;
  td_ticket gathering;
  uint32_t count;
  NAPI(napi_get_array_length(env, argv[0], &count));
  if (!u64_arg(a, argv[1], "from", &from.id) || !u64_arg(a, argv[2], "tag", &tag) || !payload_arg(a, argv[3], &data) ||
      !ms_arg(a, argv[4], "timeout", &timeout))
    return NULL;
  td_mailbox *to = calloc((size_t)count + 1, sizeof *to);
  if (to == NULL) return throw_invalid(a, "no memory for %u mailboxes", count);
  napi_value target, answer = NULL;
  uint32_t i = 0;
  while (i < count && napi_get_element(env, argv[0], i, &target) == napi_ok && u64_arg(a, target, "target", &to[i].id)) i++;
  if (i == count) {
    int32_t rc = TD(call_many)(to, count, from, tag, data.data, data.size, timeout, &gathering);
    answer = rc == TD_OK ? id_value(a, gathering.id) : throw_code(a, rc, "call");
  }
  free(to);
  scratch_trim(a);
  return answer;
}

/* replyPart(ticket, data) -> boolean: false when the caller's mailbox is full now */
static napi_value js_reply_part(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_ticket ticket;
  payload data;
  napi_value queued;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id) || !payload_arg(a, argv[1], &data)) return NULL;
  int32_t rc = TD(reply_part)(ticket, data.data, data.size, 0, 0);
  scratch_trim(a);
  if (rc != TD_OK && rc != TD_EFULL) return throw_code(a, rc, "replyPart");
  NAPI(napi_get_boolean(env, rc == TD_OK, &queued));
  return queued;
}

static napi_value js_reply_end(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_ticket ticket;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id)) return NULL;
  return ticket_code(a, TD(reply_end)(ticket), "replyEnd");
}

/* forward(to, from, packet, where its entry begins in it) */
static napi_value js_forward(napi_env env, napi_callback_info info) {
  ARGS(4);
  td_mailbox to, from;
  void *packet;
  size_t size;
  uint32_t at;
  td_message message;
  if (!u64_arg(a, argv[0], "target", &to.id) || !u64_arg(a, argv[1], "from", &from.id) || !u32_arg(a, argv[3], "at", &at)) return NULL;
  NAPI(napi_get_arraybuffer_info(env, argv[2], &packet, &size));
  if (!message_of_packet(packet, size, at, &message)) return throw_invalid(a, "forward: this is no message");
  td_send_options options = {.size = sizeof options, .timeout = -1}; /* td_forward would wait for a full mailbox that blocks */
  int32_t rc = message.kind == TD_KIND_REQUEST ? TD(forward)(to, from, &message)
                                               : TD(send_ex)(to, from, message.tag, message.data, message.data_size, &options);
  return ticket_code(a, rc, "forward");
}

/* ticketDrop(ticket) */
static napi_value js_ticket_drop(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_ticket ticket;
  if (!u64_arg(a, argv[0], "ticket", &ticket.id)) return NULL;
  return ticket_code(a, TD(ticket_drop)(ticket), "dropping a request");
}

const napi_property_descriptor call_functions[] = {
    FUNCTION("callStart", js_call_start), FUNCTION("callCancel", js_call_cancel), FUNCTION("callMany", js_call_many),
    FUNCTION("reply", js_reply), FUNCTION("replyPart", js_reply_part), FUNCTION("replyEnd", js_reply_end),
    FUNCTION("forward", js_forward),    FUNCTION("replyError", js_reply_error), FUNCTION("ticketDrop", js_ticket_drop),
};
const size_t call_function_count = sizeof call_functions / sizeof call_functions[0];
