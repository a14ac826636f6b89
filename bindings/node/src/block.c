/* Memory that JavaScript and the engine hold together: what alloc() gives, and what may be sent without a copy.
 * Guarantees: a block lives until the last view of it is collected and the last message that carries it is released, in whatever order
 * and on whatever thread; the last one to let go frees it with free(), which needs no JavaScript. So a C thread that evicts or reads such
 * a message is safe while the environment that sent it goes down, which memory of JavaScript's own could not be. */
#include <stddef.h>
#include <stdlib.h>
#include "addon.h"

struct block {
  atomic_size_t owners;
  size_t size;
  _Alignas(16) unsigned char data[];
};

/* In this process: blocks that exist, sends by reference, and how many of those were released. */
static atomic_ullong blocks, lent, released;

/* Marks the ArrayBuffers whose memory is a block. */
static const napi_type_tag tag = {0x7469646e67732d62u, 0x6c6f636b2d303031u};

void block_lend(block *b) {
  atomic_fetch_add_explicit(&b->owners, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&lent, 1, memory_order_relaxed);
}

static void let_go(block *b) {
  if (atomic_fetch_sub_explicit(&b->owners, 1, memory_order_acq_rel) != 1) return;
  free(b);
  atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
}

void block_keep(block *b) {
  atomic_fetch_sub_explicit(&lent, 1, memory_order_relaxed);
  let_go(b);
}

void block_release(void *data, size_t size, void *user) {
  (void)data, (void)size;
  let_go(user);
  atomic_fetch_add_explicit(&released, 1, memory_order_release);
}

block *block_of(addon *a, napi_value arraybuffer, const void *data) {
  bool ours = false;
  if (data == NULL || napi_check_object_type_tag(a->env, arraybuffer, &tag, &ours) != napi_ok || !ours) return NULL;
  void *start;
  size_t size;
  if (napi_get_arraybuffer_info(a->env, arraybuffer, &start, &size) != napi_ok || start == NULL || size == 0) return NULL;
  return (block *)((char *)start - offsetof(block, data));
}

static void collected(napi_env env, void *data, void *hint) {
  (void)env, (void)data;
  let_go(hint);
}

napi_value js_alloc(napi_env env, napi_callback_info info) {
  ARGS(1);
  uint64_t size;
  if (!u64_arg(a, argv[0], "size", &size)) return NULL;
  if (size > ((uint64_t)1 << 32)) return throw_invalid(a, "size must be at most 4 GiB");
  napi_value buffer, view;
  block *b = size == 0 ? NULL : calloc(1, sizeof *b + (size_t)size);
  if (b == NULL && size != 0) return throw_invalid(a, "no memory for %llu bytes", (unsigned long long)size);
  if (b != NULL) {
    atomic_init(&b->owners, 1);
    b->size = (size_t)size;
    atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    napi_status status = napi_create_external_arraybuffer(env, b->data, b->size, collected, b, &buffer);
    if (status == napi_ok) {
      NAPI(napi_type_tag_object(env, buffer, &tag));
      NAPI(napi_create_typedarray(env, napi_uint8_array, (size_t)size, buffer, 0, &view));
      return view;
    }
    let_go(b); /* a runtime that takes no foreign memory (a sandboxed V8): ordinary memory does, sends copy it */
  }
  void *data;
  NAPI(napi_create_arraybuffer(env, (size_t)size, &data, &buffer));
  NAPI(napi_create_typedarray(env, napi_uint8_array, (size_t)size, buffer, 0, &view));
  return view;
}

napi_value js_lent(napi_env env, napi_callback_info info) {
  ARGS(1);
  (void)argv;
  napi_value counts;
  NAPI(napi_create_object(env, &counts));
  set_number(a, counts, "blocks", (double)atomic_load(&blocks));
  set_number(a, counts, "released", (double)atomic_load_explicit(&released, memory_order_acquire));
  set_number(a, counts, "lent", (double)atomic_load(&lent));
  return counts;
}
