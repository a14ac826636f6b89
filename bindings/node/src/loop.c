/* Engines as one environment sees them, and what wakes it.
 * Guarantees: handlers run on this environment's thread only, inside td_loop_run, in slices of at most LOOP_BUDGET batches, between
 * which Node's own timers and sockets get their turn (the readiness of the file descriptor is a level, so what is left comes back).
 * Nothing here keeps the process alive unless asked: every libuv handle is unreferenced until a host's `refs` is above zero. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "addon.h"

#define LOOP_BUDGET 16
#define RUN_MOST 100000

/* ---------------------------------------------------------------- file descriptors */

watch *watch_new(addon *a, td_fd fd, uint32_t index) {
  watch *w = malloc(sizeof *w);
  uv_handle_t *handle = malloc(uv_handle_size(UV_HANDLE_TYPE_POLL));
  int failed = w == NULL || handle == NULL ? 1 : uv_poll_init(a->uv, handle, (int)fd);
  if (failed != 0) {
    close((int)fd);
    free(w);
    free(handle);
    throw_invalid(a, "cannot watch a file descriptor: %s", failed < 0 ? uv_strerror(failed) : "no memory");
    return NULL;
  }
  *w = (watch){a, handle, fd, index, false};
  uv_handle_set_data(handle, w);
  uv_unref(handle);
  a->handles++;
  return w;
}

bool watch_start(watch *w, uv_poll_cb ready) {
  if (!w->started && uv_poll_start(w->handle, UV_EVENT_READABLE, ready) != 0) {
    throw_invalid(w->addon, "cannot watch a file descriptor");
    return false;
  }
  w->started = true;
  return true;
}

void watch_stop(watch *w) {
  if (w == NULL || !w->started) return;
  w->started = false;
  uv_poll_stop(w->handle);
}

static void handle_closed(uv_handle_t *handle) {
  watch *w = uv_handle_get_data(handle);
  addon *a = w->addon;
  close((int)w->fd);
  free(w);
  free(handle);
  if (--a->handles == 0) addon_finished(a);
}

void watch_free(watch *w) {
  if (w != NULL) uv_close(w->handle, handle_closed);
}

/* ---------------------------------------------------------------- running handlers */

void loop_collect(addon *a) {
  ended_list *list = a->ended;
  pthread_mutex_lock(&list->lock);
  token *first = list->first;
  list->first = NULL;
  pthread_mutex_unlock(&list->lock);
  while (first != NULL) {
    token *t = first;
    first = t->next;
    box *b = t->slot < a->box_count ? a->boxes[t->slot] : NULL;
    if (b != NULL && b->opened && !a->closing) {
      napi_handle_scope scope;
      napi_value global, told, slot, ignored;
      if (napi_open_handle_scope(a->env, &scope) == napi_ok) {
        if (napi_get_reference_value(a->env, a->on_ended, &told) == napi_ok && napi_get_global(a->env, &global) == napi_ok &&
            napi_create_uint32(a->env, t->slot, &slot) == napi_ok)
          napi_call_function(a->env, global, told, 1, &slot, &ignored);
        napi_close_handle_scope(a->env, scope);
      }
    }
    box_free(a, t->slot);
    free(t);
    ended_list_leave(list);
  }
}

/* Something JavaScript threw where nobody above can catch it: what Node does with those. */
static void report_uncaught(napi_env env) {
  bool pending = false;
  napi_value error;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending && napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
}

/* Rounds of the loop until nothing is left or `most` batches were handled: how many, or an error. A handler may close the engine. */
static int32_t run_loop(addon *a, const host *h, int32_t most) {
  int32_t ran = 0, batches = 1;
  while (batches > 0 && ran < most && h->open && h->loop.id != 0) {
    batches = TD(loop_run)(h->loop, 0, 0);
    loop_collect(a);
    ran += batches;
  }
  return batches < 0 ? batches : ran;
}

static void loop_ready(uv_handle_t *handle, int status, int events) {
  (void)status, (void)events;
  watch *w = uv_handle_get_data(handle);
  addon *a = w->addon;
  host *h = a->hosts[w->index];
  napi_handle_scope scope;
  napi_callback_scope callbacks;
  napi_value resource;
  if (a->closing || !h->open || napi_open_handle_scope(a->env, &scope) != napi_ok) return;
  if (napi_get_reference_value(a->env, a->resource, &resource) == napi_ok &&
      napi_open_callback_scope(a->env, resource, a->async, &callbacks) == napi_ok) {
    run_loop(a, h, LOOP_BUDGET);
    report_uncaught(a->env);
    napi_close_callback_scope(a->env, callbacks); /* microtasks and process.nextTick run here */
  }
  report_uncaught(a->env);
  napi_close_handle_scope(a->env, scope);
}

/* run(host): what loop_ready does, for a caller who does not want to wait for the event loop; until nothing is queued, or RUN_MOST batches. */
static napi_value js_run(napi_env env, napi_callback_info info) {
  ARGS(1);
  host *h = host_arg(a, argv[0]);
  if (h == NULL) return NULL;
  int32_t ran = run_loop(a, h, RUN_MOST);
  return ran < 0 ? throw_code(a, ran, "run") : int_value(a, ran);
}

/* ---------------------------------------------------------------- engines */

host *host_arg(addon *a, napi_value value) {
  uint32_t index;
  if (!u32_arg(a, value, "engine", &index)) return NULL;
  host *h = index < a->host_count ? a->hosts[index] : NULL;
  if (h == NULL || !h->open) {
    throw_plain(a, TD_ESTALE, "the engine is closed");
    return NULL;
  }
  return h;
}

bool host_loop(addon *a, host *h) {
  if (h->loop.id != 0) return true;
  td_loop_options options = {.size = sizeof options, .budget = LOOP_BUDGET};
  int32_t rc = TD(loop_open)(h->engine, &options, &h->loop);
  if (rc != TD_OK) return throw_code(a, rc, "opening the engine's loop"), false;
  uint32_t index = 0;
  while (a->hosts[index] != h) index++;
  td_fd fd;
  rc = TD(loop_fd)(h->loop, &fd);
  if (rc != TD_OK) throw_code(a, rc, "the loop's file descriptor");
  else if ((h->watch = watch_new(a, fd, index)) != NULL && watch_start(h->watch, loop_ready)) {
    if (h->refs > 0) uv_ref(h->watch->handle);
    return true;
  }
  watch_free(h->watch);
  h->watch = NULL;
  TD(loop_close)(h->loop);
  h->loop.id = 0;
  return false;
}

/* The index of a host that is not in use; host_count when there is no memory. */
static uint32_t host_unused(addon *a) {
  uint32_t i = 0;
  while (i < a->host_count && a->hosts[i]->open) i++;
  if (i < a->host_count) return i;
  host **hosts = realloc(a->hosts, (i + 1) * sizeof *hosts);
  if (hosts == NULL) return i;
  a->hosts = hosts;
  if ((hosts[i] = calloc(1, sizeof **hosts)) != NULL) a->host_count++;
  return i;
}

static napi_value host_add(addon *a, td_engine engine, bool owned) {
  uint32_t i = host_unused(a);
  if (i == a->host_count) return throw_invalid(a, "no memory for another engine");
  *a->hosts[i] = (host){.engine = engine, .owned = owned, .open = true};
  napi_value pair;
  NAPI(napi_create_array_with_length(a->env, 2, &pair));
  NAPI(napi_set_element(a->env, pair, 0, int_value(a, i)));
  NAPI(napi_set_element(a->env, pair, 1, id_value(a, engine.id)));
  return pair;
}

/* engineOpen(flags, maxBytes) -> [host, id] */
static napi_value js_engine_open(napi_env env, napi_callback_info info) {
  ARGS(2);
  td_engine_options options = {.size = sizeof options, .time = TD_TIME_THREAD};
  if (!u32_arg(a, argv[0], "flags", &options.flags) || !u64_arg(a, argv[1], "maxBytes", &options.max_bytes)) return NULL;
  td_engine engine;
  int32_t rc = TD(engine_open)(&options, &engine);
  return rc == TD_OK ? host_add(a, engine, true) : throw_code(a, rc, "opening an engine");
}

/* engineAttach(id or undefined) -> [host, id]; undefined: the process's default engine */
static napi_value js_engine_attach(napi_env env, napi_callback_info info) {
  ARGS(1);
  td_engine engine;
  if (is_nullish(a, argv[0])) {
    int32_t rc = TD(engine_default)(&engine);
    return rc == TD_OK ? host_add(a, engine, false) : throw_code(a, rc, "the default engine");
  }
  if (!u64_arg(a, argv[0], "engine id", &engine.id)) return NULL;
  int64_t now;
  int32_t rc = TD(now)(engine, &now);
  return rc == TD_OK ? host_add(a, engine, false) : throw_code(a, rc, "engine id");
}

void host_close(addon *a, host *h) {
  if (!h->open) return;
  h->open = false;
  watch_stop(h->watch);
  boxes_exit(a, h);
  if (h->owned) TD(engine_close)(h->engine);
  if (h->loop.id != 0) TD(loop_close)(h->loop);
  watch_free(h->watch);
  h->watch = NULL;
  loop_collect(a);
}

/* engineClose(host, everywhere): ends this environment's loop; and the engine with all its mailboxes if `everywhere` */
static napi_value js_engine_close(napi_env env, napi_callback_info info) {
  ARGS(2);
  uint32_t index;
  if (!u32_arg(a, argv[0], "engine", &index)) return NULL;
  bool everywhere;
  NAPI(napi_get_value_bool(env, argv[1], &everywhere));
  host *h = index < a->host_count ? a->hosts[index] : NULL;
  if (h != NULL && h->open) {
    if (!everywhere) h->owned = false;
    host_close(a, h);
  }
  return undefined(a);
}

/* engineRef(host, +1 or -1) */
static napi_value js_engine_ref(napi_env env, napi_callback_info info) {
  ARGS(2);
  int32_t by;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !i32_arg(a, argv[1], "by", &by)) return NULL;
  if (by > 0 && !host_loop(a, h)) return NULL;
  bool was = h->refs > 0;
  if (by > 0) h->refs++;
  else if (h->refs > 0) h->refs--;
  if (h->watch != NULL && was != (h->refs > 0)) (h->refs > 0 ? uv_ref : uv_unref)(h->watch->handle);
  return undefined(a);
}

static napi_value js_engine_stats(napi_env env, napi_callback_info info) {
  ARGS(1);
  host *h = host_arg(a, argv[0]);
  if (h == NULL) return NULL;
  td_engine_counters c = {.size = sizeof c};
  int32_t rc = TD(engine_stats)(h->engine, &c);
  if (rc != TD_OK) return throw_code(a, rc, "stats");
  napi_value stats;
  NAPI(napi_create_object(env, &stats));
  set_number(a, stats, "mailboxes", (double)c.mailboxes);
  set_number(a, stats, "names", (double)c.names);
  set_number(a, stats, "timers", (double)c.timers);
  set_number(a, stats, "subscriptions", (double)c.subscriptions);
  set_number(a, stats, "deadLetters", (double)c.dead_letters);
  set_number(a, stats, "published", (double)c.published);
  set_number(a, stats, "threads", (double)c.threads);
  set_number(a, stats, "queuedBytes", (double)c.queued_bytes);
  set_number(a, stats, "maxBytes", (double)c.max_bytes);
  return stats;
}

static napi_value js_now(napi_env env, napi_callback_info info) {
  ARGS(1);
  host *h = host_arg(a, argv[0]);
  int64_t now;
  if (h == NULL) return NULL;
  int32_t rc = TD(now)(h->engine, &now);
  return rc == TD_OK ? ms_value(a, now) : throw_code(a, rc, "now");
}

static napi_value js_advance(napi_env env, napi_callback_info info) {
  ARGS(2);
  int64_t by;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !ms_arg(a, argv[1], "ms", &by)) return NULL;
  int32_t rc = TD(clock_advance)(h->engine, by);
  return rc == TD_OK ? undefined(a) : throw_code(a, rc, "advance");
}

/* parked(host, count) -> boolean: so many threads wait on the virtual clock */
static napi_value js_parked(napi_env env, napi_callback_info info) {
  ARGS(2);
  uint32_t count;
  napi_value parked;
  host *h = host_arg(a, argv[0]);
  if (h == NULL || !u32_arg(a, argv[1], "count", &count)) return NULL;
  int32_t rc = TD(clock_wait_parked)(h->engine, count, 0);
  if (rc != TD_OK && rc != TD_ETIMEDOUT) return throw_code(a, rc, "parked");
  NAPI(napi_get_boolean(env, rc == TD_OK, &parked));
  return parked;
}

const napi_property_descriptor loop_functions[] = {
    FUNCTION("run", js_run), FUNCTION("engineOpen", js_engine_open), FUNCTION("engineAttach", js_engine_attach),
    FUNCTION("engineClose", js_engine_close), FUNCTION("engineRef", js_engine_ref), FUNCTION("engineStats", js_engine_stats),
    FUNCTION("now", js_now), FUNCTION("advance", js_advance), FUNCTION("parked", js_parked), FUNCTION("alloc", js_alloc), FUNCTION("lent", js_lent),
};
const size_t loop_function_count = sizeof loop_functions / sizeof loop_functions[0];
