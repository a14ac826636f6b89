/* Sending and publishing.
 * Guarantees: no function here blocks the thread, except `send` where JavaScript gave a timeout for a mailbox whose policy is to block.
 * Memory from alloc() travels by reference; everything else is copied before the function returns. */
#include <stdlib.h>
#include "addon.h"

/* How a payload travels: by reference when it is ours. Answers whether it does; then block_keep() is due if the send fails. */
static void lend(const payload *p, td_send_options *options) {
  if (p->lent == NULL) return;
  block_lend(p->lent);
  options->release = block_release;
  options->release_user = p->lent;
}

static napi_value sent(addon *a, int32_t rc, const payload *p, const char *what) {
  if (rc < 0 && p->lent != NULL) block_keep(p->lent);
  scratch_trim(a);
  return rc < 0 ? throw_code(a, rc, what) : undefined(a);
}

static bool timeout_arg(addon *a, napi_value value, td_send_options *options) {
  options->timeout = -1; /* do not wait */
  if (is_nullish(a, value)) return true;
  if (!ms_arg(a, value, "timeout", &options->timeout)) return false;
  if (options->timeout == 0) options->timeout = -1;
  return true;
}

/* send(to, from, tag, data, timeout ms or undefined) */
static napi_value js_send(napi_env env, napi_callback_info info) {
  ARGS(5);
  td_mailbox to, from;
  uint64_t tag;
  payload data;
  td_send_options options = {.size = sizeof options};
  if (!u64_arg(a, argv[0], "target", &to.id) || !u64_arg(a, argv[1], "from", &from.id) || !u64_arg(a, argv[2], "tag", &tag) ||
      !payload_arg(a, argv[3], &data) || !timeout_arg(a, argv[4], &options))
    return NULL;
  lend(&data, &options);
  return sent(a, TD(send_ex)(to, from, tag, data.data, data.size, &options), &data, "send");
}

/* sendName(host, name, from, tag, data, timeout). td_send_name has no way to say "do not wait", so the name is looked up here; a holder
 * that ended in between had its names freed first, so asking once more tells a new holder from none. */
static napi_value js_send_name(napi_env env, napi_callback_info info) {
  ARGS(6);
  td_mailbox to, from;
  uint64_t tag;
  payload name, data;
  size_t used = 0;
  td_send_options options = {.size = sizeof options};
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !payload_add(a, argv[1], &name, &used) || !u64_arg(a, argv[2], "from", &from.id) || !u64_arg(a, argv[3], "tag", &tag) ||
      !payload_add(a, argv[4], &data, &used) || !timeout_arg(a, argv[5], &options))
    return NULL;
  payload_settle(a, &name);
  payload_settle(a, &data);
  lend(&data, &options);
  int32_t rc = TD_ENOPROC;
  for (int attempt = 0; attempt < 8 && rc == TD_ENOPROC; attempt++) {
    rc = TD(whereis)(h->engine, name.data, name.size, &to);
    if (rc == TD_OK) rc = TD(send_ex)(to, from, tag, data.data, data.size, &options);
  }
  return sent(a, rc, &data, "send to a name");
}

static napi_value receipt_value(addon *a, const td_receipt *r) {
  napi_value receipt;
  NAPI(napi_create_object(a->env, &receipt));
  set_number(a, receipt, "matched", (double)r->matched);
  set_number(a, receipt, "queued", (double)r->queued);
  set_number(a, receipt, "dropped", (double)r->dropped);
  return receipt;
}

/* publish(host, from, topic, tag, data, retain) -> receipt */
static napi_value js_publish(napi_env env, napi_callback_info info) {
  ARGS(6);
  bool retain;
  td_mailbox from;
  uint64_t tag;
  payload topic, data;
  size_t used = 0;
  td_receipt receipt;
  td_send_options options = {.size = sizeof options};
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !u64_arg(a, argv[1], "from", &from.id) || !payload_add(a, argv[2], &topic, &used) || !u64_arg(a, argv[3], "tag", &tag) ||
      !payload_add(a, argv[4], &data, &used))
    return NULL;
  NAPI(napi_get_value_bool(env, argv[5], &retain));
  if (retain) options.flags = TD_RETAIN;
  payload_settle(a, &topic);
  payload_settle(a, &data);
  lend(&data, &options);
  int32_t rc = TD(publish)(h->engine, from, topic.data, topic.size, tag, data.data, data.size, &options, &receipt);
  return sent(a, rc, &data, "publish") == NULL ? NULL : receipt_value(a, &receipt);
}

/* Several messages: arrays of the same length, `datas` and `tags`, as the engine's items. Text is in the scratch memory behind `used` bytes. */
typedef struct batch { uint32_t count; payload *payloads; td_item *items; } batch;

static bool batch_fill(addon *a, napi_value datas, napi_value tags, batch *b, size_t *used) {
  for (uint32_t i = 0; i < b->count; i++) {
    napi_value data, tag;
    if (napi_get_element(a->env, datas, i, &data) != napi_ok || napi_get_element(a->env, tags, i, &tag) != napi_ok) return false;
    if (!u64_arg(a, tag, "tag", &b->items[i].tag) || !payload_add(a, data, &b->payloads[i], used)) return false;
  }
  for (uint32_t i = 0; i < b->count; i++) { /* only now: reading one value may move the text of another */
    payload_settle(a, &b->payloads[i]);
    b->items[i].data = b->payloads[i].data;
    b->items[i].data_size = b->payloads[i].size;
  }
  return true;
}

static bool batch_arg(addon *a, napi_value datas, napi_value tags, batch *b, size_t *used) {
  if (napi_get_array_length(a->env, datas, &b->count) != napi_ok) return false;
  b->payloads = calloc((size_t)b->count + 1, sizeof *b->payloads);
  b->items = calloc((size_t)b->count + 1, sizeof *b->items);
  if (b->payloads != NULL && b->items != NULL) return batch_fill(a, datas, tags, b, used);
  throw_invalid(a, "no memory for %u messages", b->count);
  return false;
}

static void batch_done(addon *a, batch *b) {
  free(b->payloads);
  free(b->items);
  scratch_trim(a);
}

/* sendMany(to, from, datas, tags) -> how many were accepted. One by one: td_send_many has no way to say "do not wait". */
static napi_value js_send_many(napi_env env, napi_callback_info info) {
  ARGS(4);
  td_mailbox to, from;
  batch b = {0};
  size_t used = 0;
  if (!u64_arg(a, argv[0], "target", &to.id) || !u64_arg(a, argv[1], "from", &from.id)) return NULL;
  napi_value answer = NULL;
  if (batch_arg(a, argv[2], argv[3], &b, &used)) {
    int32_t rc = TD_OK;
    uint32_t accepted = 0;
    while (accepted < b.count) {
      td_send_options options = {.size = sizeof options, .timeout = -1};
      payload *p = &b.payloads[accepted];
      lend(p, &options);
      rc = TD(send_ex)(to, from, b.items[accepted].tag, p->data, p->size, &options);
      if (rc < 0 && p->lent != NULL) block_keep(p->lent);
      if (rc < 0) break;
      accepted++;
    }
    answer = rc < 0 && accepted == 0 ? throw_code(a, rc, "send") : int_value(a, accepted);
  }
  batch_done(a, &b);
  return answer;
}

/* publishMany(host, from, topic, datas, tags) -> receipt */
static napi_value js_publish_many(napi_env env, napi_callback_info info) {
  ARGS(5);
  td_mailbox from;
  payload topic;
  batch b = {0};
  size_t used = 0;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !u64_arg(a, argv[1], "from", &from.id) || !payload_add(a, argv[2], &topic, &used)) return NULL;
  napi_value answer = NULL;
  if (batch_arg(a, argv[3], argv[4], &b, &used)) {
    td_receipt receipt = {0, 0, 0};
    payload_settle(a, &topic);
    int32_t rc = TD(publish_many)(h->engine, from, topic.data, topic.size, b.items, b.count, &receipt);
    answer = rc < 0 ? throw_code(a, rc, "publish") : receipt_value(a, &receipt);
  }
  batch_done(a, &b);
  return answer;
}

const napi_property_descriptor send_functions[] = {
    FUNCTION("send", js_send), FUNCTION("sendName", js_send_name), FUNCTION("publish", js_publish), FUNCTION("publishMany", js_publish_many),
    FUNCTION("sendMany", js_send_many),
};
const size_t send_function_count = sizeof send_functions / sizeof send_functions[0];
