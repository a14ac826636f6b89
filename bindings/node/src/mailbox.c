/* The mailboxes that this environment opened, and receiving.
 * Guarantees: a handler's messages reach JavaScript as packets inside td_loop_run, and the batch's cursor says exactly which of them
 * JavaScript took; a pull mailbox gives up messages only when JavaScript asks, so its bound and its policy hold while nobody reads, and
 * what an iterator did not get to goes back to the queue. The end of a mailbox is noticed on whatever thread it happens and told here. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "addon.h"

#define PEEK_WORDS 4

/* ---------------------------------------------------------------- ends */

ended_list *ended_list_new(void) {
  ended_list *list = calloc(1, sizeof *list);
  if (list == NULL) return NULL;
  pthread_mutex_init(&list->lock, NULL);
  atomic_init(&list->owners, 1);
  list->alive = true;
  return list;
}

void ended_list_leave(ended_list *list) {
  if (atomic_fetch_sub(&list->owners, 1) != 1) return;
  pthread_mutex_destroy(&list->lock);
  free(list);
}

/* A td_drop_fn: the mailbox is over and its handler will not be called again. Any thread. */
static void mailbox_over(void *user) {
  token *t = user;
  ended_list *list = t->list;
  td_loop loop = t->loop;
  pthread_mutex_lock(&list->lock);
  bool alive = list->alive;
  if (alive) {
    t->next = list->first;
    list->first = t;
  }
  pthread_mutex_unlock(&list->lock);
  if (alive) {
    TD(loop_wake)(loop);
  } else {
    free(t);
    ended_list_leave(list);
  }
}

/* ---------------------------------------------------------------- handlers */

static bool dispatch(addon *a, uint32_t slot, td_batch *batch, uint32_t *packed, uint32_t *passed) {
  napi_env env = a->env;
  napi_value global, function, args[2], answer;
  return packet_of_batch(env, batch, batch->cursor, packed, &args[1]) == napi_ok && napi_create_uint32(env, slot, &args[0]) == napi_ok &&
         napi_get_reference_value(env, a->on_batch, &function) == napi_ok && napi_get_global(env, &global) == napi_ok &&
         napi_call_function(env, global, function, 2, args, &answer) == napi_ok && napi_get_value_uint32(env, answer, passed) == napi_ok;
}

/* The td_handler_fn of every handler mailbox. */
static void on_batch(td_batch *batch, void *user) {
  token *t = user;
  addon *a = t->addon;
  box *b = a->boxes[t->slot];
  if (a->closing) return;
  b->current = batch;
  while (batch->cursor < batch->count) {
    napi_handle_scope scope;
    if (napi_open_handle_scope(a->env, &scope) != napi_ok) break;
    uint32_t packed = 0, passed = 0;
    b->base = batch->cursor;
    bool done = dispatch(a, t->slot, batch, &packed, &passed);
    napi_close_handle_scope(a->env, scope);
    if (!done) break; /* the environment is being torn down: nothing more of this batch counts as delivered */
    batch->cursor = b->base + passed;
    if (passed < packed) break; /* the mailbox ended */
  }
  b->current = NULL;
}

/* claim(slot, index of the packet being read) -> boolean: this entry may be delivered */
static napi_value js_claim(napi_env env, napi_callback_info info) {
  ARGS(2);
  uint32_t index;
  box *b = box_arg(a, argv[0]);
  if (b == NULL || !u32_arg(a, argv[1], "index", &index)) return NULL;
  napi_value claimed;
  bool is = b->current != NULL && TD(batch_claim)(b->current, b->base + index) == 1;
  NAPI(napi_get_boolean(env, is, &claimed));
  return claimed;
}

/* ---------------------------------------------------------------- opening and ending */

box *box_arg(addon *a, napi_value value) {
  uint32_t slot;
  if (!u32_arg(a, value, "slot", &slot)) return NULL;
  box *b = slot < a->box_count ? a->boxes[slot] : NULL;
  if (b == NULL) throw_invalid(a, "the mailbox is over");
  return b;
}

static bool boxes_grow(addon *a) {
  uint32_t count = a->box_count == 0 ? 16 : a->box_count * 2;
  box **boxes = realloc(a->boxes, count * sizeof *boxes);
  if (boxes != NULL) a->boxes = boxes;
  uint32_t *free_slots = realloc(a->free_slots, count * sizeof *free_slots);
  if (free_slots != NULL) a->free_slots = free_slots;
  if (boxes == NULL || free_slots == NULL) return false;
  for (uint32_t i = count; i-- > a->box_count;) {
    boxes[i] = NULL;
    free_slots[a->free_count++] = i;
  }
  a->box_count = count;
  return true;
}

static box *box_new(addon *a, uint32_t *slot) {
  if (a->free_count == 0 && !boxes_grow(a)) return NULL;
  box *b = calloc(1, sizeof *b);
  if (b == NULL) return NULL;
  *slot = a->free_slots[--a->free_count];
  return a->boxes[*slot] = b;
}

void box_free(addon *a, uint32_t slot) {
  box *b = a->boxes[slot];
  if (b == NULL) return;
  a->boxes[slot] = NULL;
  a->free_slots[a->free_count++] = slot;
  if (b->reading) TD(batch_release)(&b->batch);
  watch_free(b->watch);
  free(b);
}

void boxes_exit(addon *a, const host *h) {
  if (h->owned) return; /* closing the engine does it */
  for (uint32_t i = 0; i < a->box_count; i++) {
    box *b = a->boxes[i];
    if (b != NULL && b->host == h && b->opened) TD(mailbox_exit)(b->mailbox, TD_REASON_RUNTIME_EXIT, NULL, 0);
  }
}

/* mailboxOpen(host, handled, policy, maxMessages, maxBytes, blockTimeout ms, name or undefined, notifiable) -> [slot, id] */
static napi_value js_mailbox_open(napi_env env, napi_callback_info info) {
  ARGS(8);
  host *h = host_arg(a, argv[0]);
  bool handled, notifiable;
  payload name;
  td_mailbox_options options = {.size = sizeof options};
  if (h == NULL || !host_loop(a, h)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &handled));
  NAPI(napi_get_value_bool(env, argv[7], &notifiable));
  if (!u32_arg(a, argv[2], "policy", &options.policy) || !u64_arg(a, argv[3], "maxMessages", &options.max_messages) ||
      !u64_arg(a, argv[4], "maxBytes", &options.max_bytes) || !ms_arg(a, argv[5], "blockTimeout", &options.block_timeout) ||
      !payload_arg(a, argv[6], &name))
    return NULL;
  uint32_t slot;
  token *t = calloc(1, sizeof *t);
  box *b = t == NULL ? NULL : box_new(a, &slot);
  if (b == NULL) {
    free(t);
    return throw_invalid(a, "no memory for another mailbox");
  }
  *t = (token){a, a->ended, h->loop, slot, NULL};
  atomic_fetch_add(&a->ended->owners, 1);
  b->host = h;
  if (handled) {
    options.loop = h->loop;
    options.handler = on_batch;
  }
  if (notifiable) options.flags |= TD_NOTIFIABLE;
  options.user = t;
  options.drop = mailbox_over; /* also when opening fails: the slot comes back through the list of ended ones */
  if (name.size != 0) options.name = name.data, options.name_size = name.size;
  int32_t rc = TD(mailbox_open)(h->engine, &options, &b->mailbox);
  if (rc != TD_OK) return throw_code(a, rc, "opening a mailbox");
  b->opened = true;
  napi_value pair;
  NAPI(napi_create_array_with_length(env, 2, &pair));
  NAPI(napi_set_element(env, pair, 0, int_value(a, slot)));
  NAPI(napi_set_element(env, pair, 1, id_value(a, b->mailbox.id)));
  return pair;
}

static napi_value js_stats(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_mailbox mailbox;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  td_mailbox_counters c = {.size = sizeof c};
  int32_t rc = TD(mailbox_stats)(mailbox, &c);
  if (rc != TD_OK) return throw_code(a, rc, "stats");
  napi_value stats, open;
  NAPI(napi_create_object(env, &stats));
  NAPI(napi_get_boolean(env, c.state == TD_STATE_OPEN, &open));
  NAPI(napi_set_named_property(env, stats, "open", open));
  if (c.state != TD_STATE_OPEN) set_number(a, stats, "reason", (double)c.reason);
  set_number(a, stats, "sent", (double)c.sent);
  set_number(a, stats, "delivered", (double)c.delivered);
  set_number(a, stats, "lost", (double)c.lost);
  set_number(a, stats, "conflated", (double)c.conflated);
  set_number(a, stats, "flushed", (double)c.flushed);
  set_number(a, stats, "expired", (double)c.expired);
  set_number(a, stats, "discarded", (double)c.discarded);
  set_number(a, stats, "queued", (double)c.queued);
  set_number(a, stats, "queuedBytes", (double)c.queued_bytes);
  set_number(a, stats, "refused", (double)c.refused);
  set_number(a, stats, "monitors", (double)c.monitors);
  set_number(a, stats, "monitoredBy", (double)c.monitored_by);
  set_number(a, stats, "timers", (double)c.timers);
  set_number(a, stats, "subscriptions", (double)c.subscriptions);
  set_number(a, stats, "names", (double)c.names);
  napi_value suspended;
  NAPI(napi_get_boolean(env, c.suspended != 0, &suspended));
  NAPI(napi_set_named_property(env, stats, "suspended", suspended));
  return stats;
}

/* ---------------------------------------------------------------- pulling: an ArrayBuffer (a packet), or TD_EAGAIN or TD_ECLOSED */

static napi_value received(addon *a, int32_t rc, const td_message *message) {
  if (rc == TD_EAGAIN || rc == TD_ETIMEDOUT) return int_value(a, TD_EAGAIN);
  if (rc == TD_ECLOSED) return int_value(a, rc);
  if (rc < 0) return throw_code(a, rc, "receiving");
  napi_value packet = NULL;
  napi_status status = packet_of_message(a->env, message, &packet);
  TD(message_release)(message);
  return status == napi_ok ? packet : NULL;
}

/* receive(id, fields, kind, tag, mask, from, ref): the oldest that matches; only `id` and `fields` when fields is 0 */
static napi_value js_receive(napi_env env, napi_callback_info info) {
  ARGS(7);
  td_mailbox mailbox;
  td_match match = {.size = sizeof match};
  td_message message;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !u32_arg(a, argv[1], "fields", &match.fields)) return NULL;
  if (match.fields == 0) return received(a, TD(recv)(mailbox, 0, 0, &message), &message);
  if (!u32_arg(a, argv[2], "kind", &match.kind) || !u64_arg(a, argv[3], "tag", &match.tag) || !u64_arg(a, argv[4], "tagMask", &match.tag_mask) ||
      !u64_arg(a, argv[5], "from", &match.from.id) || !u64_arg(a, argv[6], "ref", &match.ref))
    return NULL;
  return received(a, TD(recv_match)(mailbox, &match, 0, 0, &message), &message);
}

static bool cursor_arg(addon *a, napi_value value, td_cursor **cursor) {
  napi_typedarray_type type;
  size_t length;
  if (napi_get_typedarray_info(a->env, value, &type, &length, (void **)cursor, NULL, NULL) != napi_ok || type != napi_biguint64_array ||
      length != PEEK_WORDS)
    return throw_invalid(a, "cursor must be a BigUint64Array of %d", PEEK_WORDS), false;
  return true;
}

/* peek(id, cursor): the next after the cursor, left in place. take(id, cursor): takes that one -> 0 or a negative code */
static napi_value js_peek(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox;
  td_cursor *cursor;
  td_message message;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !cursor_arg(a, argv[1], &cursor)) return NULL;
  return received(a, TD(recv_peek)(mailbox, cursor, 0, 0, &message), &message);
}

static napi_value js_take(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_mailbox mailbox;
  td_cursor *cursor;
  td_message message;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id) || !cursor_arg(a, argv[1], &cursor)) return NULL;
  int32_t rc = TD(recv_take)(mailbox, cursor, &message);
  if (rc == TD_OK) TD(message_release)(&message);
  else if (rc != TD_ESTALE && rc != TD_ECLOSED && rc != TD_EAGAIN) return throw_code(a, rc, "receiving");
  return int_value(a, rc);
}

static void stop_reading(box *b) {
  TD(batch_release)(&b->batch);
  b->reading = false;
  b->current = NULL;
}

/* batch(slot, passed): the next packet, after `passed` entries of the previous one */
static napi_value js_batch(napi_env env, napi_callback_info info) {
  ARGS(2);
  uint32_t passed, count;
  box *b = box_arg(a, argv[0]);
  if (b == NULL || !u32_arg(a, argv[1], "passed", &passed)) return NULL;
  if (b->reading) {
    b->batch.cursor = b->base += passed;
    if (b->base >= b->batch.count) stop_reading(b);
  }
  while (!b->reading) {
    int32_t rc = TD(recv_batch)(b->mailbox, 0, 0, &b->batch);
    if (rc == TD_EAGAIN || rc == TD_ETIMEDOUT || rc == TD_ECLOSED) return int_value(a, rc == TD_ECLOSED ? rc : TD_EAGAIN);
    if (rc < 0) return throw_code(a, rc, "receiving");
    b->reading = true;
    b->current = &b->batch;
    b->base = b->batch.cursor;
    if (b->base >= b->batch.count) stop_reading(b);
  }
  napi_value packet;
  NAPI(packet_of_batch(env, &b->batch, b->base, &count, &packet));
  return packet;
}

/* putBack(slot, passed): what follows the first `passed` entries of the packet being read returns to the front of the queue */
static napi_value js_put_back(napi_env env, napi_callback_info info) {
  ARGS(2);
  uint32_t passed;
  box *b = box_arg(a, argv[0]);
  if (b == NULL || !u32_arg(a, argv[1], "passed", &passed)) return NULL;
  if (b->reading) {
    b->batch.cursor = b->base + passed;
    stop_reading(b);
  }
  return undefined(a);
}

static void mailbox_ready(uv_handle_t *handle, int status, int events) {
  (void)status, (void)events;
  watch *w = uv_handle_get_data(handle);
  addon *a = w->addon;
  napi_handle_scope scope;
  napi_value resource, function, slot, ignored;
  watch_stop(w); /* JavaScript asks again when it still waits */
  if (a->closing || napi_open_handle_scope(a->env, &scope) != napi_ok) return;
  if (napi_get_reference_value(a->env, a->resource, &resource) == napi_ok && napi_get_reference_value(a->env, a->on_readable, &function) == napi_ok &&
      napi_create_uint32(a->env, w->index, &slot) == napi_ok &&
      napi_make_callback(a->env, a->async, resource, function, 1, &slot, &ignored) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(a->env, &error) == napi_ok) napi_fatal_exception(a->env, error);
  }
  napi_close_handle_scope(a->env, scope);
}

/* watch(slot, on): calls on_readable once when the mailbox has something */
static napi_value js_watch(napi_env env, napi_callback_info info) {
  ARGS(2);
  uint32_t slot;
  bool on;
  box *b = box_arg(a, argv[0]);
  if (b == NULL || !u32_arg(a, argv[0], "slot", &slot)) return NULL;
  NAPI(napi_get_value_bool(env, argv[1], &on));
  if (!on) {
    watch_stop(b->watch);
    return undefined(a);
  }
  if (b->watch == NULL) {
    td_fd fd;
    int32_t rc = TD(mailbox_fd)(b->mailbox, &fd);
    if (rc != TD_OK) return throw_code(a, rc, "the mailbox's file descriptor");
    b->watch = watch_new(a, fd, slot);
    if (b->watch == NULL) return NULL;
  }
  return watch_start(b->watch, mailbox_ready) ? undefined(a) : NULL;
}

/* readable(id) -> boolean: what its file descriptor says now; of one that has ended it says so for ever */
static napi_value js_readable(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_mailbox mailbox;
  td_fd fd;
  napi_value readable;
  if (!u64_arg(a, argv[0], "mailbox", &mailbox.id)) return NULL;
  int32_t rc = TD(mailbox_fd)(mailbox, &fd);
  if (rc != TD_OK && rc != TD_ENOPROC) return throw_code(a, rc, "readable");
  bool is = rc == TD_ENOPROC;
  if (rc == TD_OK) {
    struct pollfd asked = {(int)fd, POLLIN, 0};
    is = poll(&asked, 1, 0) == 1;
    close((int)fd);
  }
  NAPI(napi_get_boolean(env, is, &readable));
  return readable;
}

const napi_property_descriptor mailbox_functions[] = {
    FUNCTION("mailboxOpen", js_mailbox_open), FUNCTION("claim", js_claim),
    FUNCTION("stats", js_stats), FUNCTION("receive", js_receive), FUNCTION("peek", js_peek), FUNCTION("take", js_take),
    FUNCTION("batch", js_batch), FUNCTION("putBack", js_put_back), FUNCTION("watch", js_watch), FUNCTION("readable", js_readable),
};
const size_t mailbox_function_count = sizeof mailbox_functions / sizeof mailbox_functions[0];
