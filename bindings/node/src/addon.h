/* What the files of the addon share. One `addon` exists per JavaScript environment (the main thread, each worker), and everything in it
 * belongs to that environment's thread. The only things that other threads touch are `ended` (the list of mailboxes whose end has to be
 * told to JavaScript) and `block` (memory lent to the engine), both with their own protection. */
#ifndef TIDINGS_NODE_ADDON_H
#define TIDINGS_NODE_ADDON_H
#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "library.h"
#include "uv.h"

typedef struct addon addon;
typedef struct box box;

/* ---- loop.c: an engine as one environment sees it, and the watching of file descriptors */
typedef struct watch {
  addon *addon;
  uv_handle_t *handle; /* a libuv poll handle */
  td_fd fd;            /* ours; closed after the handle */
  uint32_t index;      /* of the host or of the box it wakes */
  bool started;
} watch;

typedef struct host {
  td_engine engine;
  td_loop loop; /* zero until the first mailbox */
  watch *watch;
  uint32_t refs; /* > 0: keeps the process alive */
  bool owned;    /* opened here: closed with this environment */
  bool open;
} host;

watch *watch_new(addon *a, td_fd fd, uint32_t index); /* NULL: an exception is pending; fd is closed */
bool watch_start(watch *w, uv_poll_cb ready);
void watch_stop(watch *w);
void watch_free(watch *w);

bool host_loop(addon *a, host *h); /* opens the loop if there is none yet; false: an exception is pending */
host *host_arg(addon *a, napi_value value);
void host_close(addon *a, host *h);
void loop_collect(addon *a); /* tells JavaScript which mailboxes ended */

/* ---- mailbox.c */
typedef struct ended_list {
  pthread_mutex_t lock;
  atomic_uint owners; /* the addon and every mailbox that is not over */
  bool alive;         /* the environment still takes them */
  struct token *first;
} ended_list;

typedef struct token { /* a mailbox's `user` */
  addon *addon;        /* valid while list->alive */
  ended_list *list;
  td_loop loop;
  uint32_t slot;
  struct token *next;
} token;

struct box { /* a mailbox opened by this environment */
  td_mailbox mailbox;
  host *host;
  td_batch batch;    /* pull: the batch that is being read, when `reading` */
  td_batch *current; /* the batch that claims refer to, or NULL */
  uint32_t base;     /* entries of the current batch that came before the packet being read */
  bool reading, opened;
  watch *watch; /* pull: made by the first wait */
};

ended_list *ended_list_new(void);
void ended_list_leave(ended_list *list);
box *box_arg(addon *a, napi_value value);
void box_free(addon *a, uint32_t slot);
void boxes_exit(addon *a, const host *h); /* ends this environment's mailboxes of an engine that stays open */

/* ---- addon.c */
struct addon {
  napi_env env;
  uv_loop_t *uv;
  napi_ref on_batch, on_readable, on_ended, make_error, resource;
  napi_async_context async;
  napi_async_cleanup_hook_handle cleanup;
  ended_list *ended;
  host **hosts;
  uint32_t host_count;
  box **boxes;
  uint32_t box_count;
  uint32_t *free_slots; /* of boxes: as many as there are boxes at most */
  uint32_t free_count;
  uint32_t handles; /* libuv handles that are not closed yet */
  bool closing;
  char *scratch; /* text on its way in; grows to the longest, up to SCRATCH_KEPT between calls */
  size_t scratch_size;
};
void addon_finished(addon *a); /* called when the last libuv handle has closed */

/* ---- value.c: from and to JavaScript values. The *_arg functions leave an exception pending when they answer false or NULL. */
napi_value throw_code(addon *a, int32_t code, const char *what);                   /* with td_last_error's text */
napi_value throw_plain(addon *a, int32_t code, const char *what);                  /* for functions that leave no detail */
napi_value throw_invalid(addon *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool u64_arg(addon *a, napi_value value, const char *name, uint64_t *out);         /* bigint, or a non-negative integer number */
bool u32_arg(addon *a, napi_value value, const char *name, uint32_t *out);
bool i32_arg(addon *a, napi_value value, const char *name, int32_t *out);
bool ms_arg(addon *a, napi_value value, const char *name, int64_t *out);           /* milliseconds, Infinity; out in nanoseconds */
bool is_nullish(addon *a, napi_value value);
napi_value ms_value(addon *a, int64_t ns);
napi_value id_value(addon *a, uint64_t id);
napi_value int_value(addon *a, int64_t n);
napi_value undefined(addon *a);
void set_number(addon *a, napi_value object, const char *name, double value);

typedef struct block block;
typedef struct payload {
  const void *data;
  size_t size;
  block *lent; /* not NULL: the memory is the addon's own and may go by reference */
  size_t offset; /* text: where it begins in the scratch memory */
  bool text;
} payload;
bool payload_arg(addon *a, napi_value value, payload *out);                        /* text goes to the start of the scratch memory */
bool payload_add(addon *a, napi_value value, payload *out, size_t *used);          /* text goes behind the first `used` bytes of it */
void payload_settle(const addon *a, payload *p);                                   /* after the last payload_add */
void scratch_trim(addon *a);

/* ---- block.c: memory that JavaScript and the engine hold together */
block *block_of(addon *a, napi_value arraybuffer, const void *data);               /* NULL: not a block */
void block_lend(block *b);                                                         /* before a send by reference */
void block_keep(block *b);                                                         /* that send failed */
void block_release(void *data, size_t size, void *user);                           /* a td_release_fn: any thread */
napi_value js_alloc(napi_env env, napi_callback_info info);
napi_value js_lent(napi_env env, napi_callback_info info);

/* ---- frame.c: messages on their way to JavaScript, one ArrayBuffer for many */
napi_status packet_of_batch(napi_env env, const td_batch *batch, uint32_t from, uint32_t *count, napi_value *out);
napi_status packet_of_message(napi_env env, const td_message *message, napi_value *out);
bool message_of_packet(const unsigned char *packet, size_t size, uint32_t at, td_message *out);

/* Takes up to `n` arguments; missing ones are undefined. */
#define ARGS(n)                                                          \
  napi_value argv[n];                                                    \
  size_t argc = (n);                                                     \
  addon *a;                                                              \
  if (napi_get_cb_info(env, info, &argc, argv, NULL, (void **)&a) != napi_ok) return NULL

/* Node-API calls that fail only when the environment is going down or memory is out: give up, whatever is pending stays pending. */
#define NAPI(call) \
  if ((call) != napi_ok) return NULL

/* One table for each file that has functions for JavaScript. */
#define TABLES(X) X(loop) X(mailbox) X(life) X(send) X(call) X(object) X(group) X(look)
#define TABLE(name)                                        \
  extern const napi_property_descriptor name##_functions[]; \
  extern const size_t name##_function_count;
TABLES(TABLE)
#undef TABLE
#define FUNCTION(name, function) { name, NULL, function, NULL, NULL, NULL, napi_default, NULL }
#endif
