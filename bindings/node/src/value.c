/* From JavaScript values to C ones and back.
 * Guarantees: a value of the wrong kind gives a TidingsError TD_EINVAL that names the argument and says what would be right. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "addon.h"

#define SCRATCH_KEPT 65536u
#define BY_REFERENCE_MIN 4096u /* below this a copy is cheaper than asking whose memory it is */

static napi_value throw_text(addon *a, int32_t code, const char *text) {
  napi_value make, global, args[3], error;
  const char *name = TD(err_name)(code);
  NAPI(napi_get_reference_value(a->env, a->make_error, &make));
  NAPI(napi_get_global(a->env, &global));
  NAPI(napi_create_string_utf8(a->env, name, NAPI_AUTO_LENGTH, &args[0]));
  NAPI(napi_create_int32(a->env, code, &args[1]));
  NAPI(napi_create_string_utf8(a->env, text, NAPI_AUTO_LENGTH, &args[2]));
  NAPI(napi_call_function(a->env, global, make, 3, args, &error));
  napi_throw(a->env, error);
  return NULL;
}

napi_value throw_code(addon *a, int32_t code, const char *what) {
  char detail[512], text[768];
  detail[0] = '\0';
  TD(last_error)(detail, sizeof detail);
  snprintf(text, sizeof text, "%s: %s", what, detail[0] != '\0' ? detail : TD(strerror)(code));
  return throw_text(a, code, text);
}

napi_value throw_plain(addon *a, int32_t code, const char *what) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s", what, TD(strerror)(code));
  return throw_text(a, code, text);
}

napi_value throw_invalid(addon *a, const char *format, ...) {
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  return throw_text(a, TD_EINVAL, text);
}

static const char *type_name(addon *a, napi_value value) {
  static const char *const names[] = {"undefined", "null", "boolean", "number", "string", "symbol", "object", "function", "external", "bigint"};
  napi_valuetype type;
  if (napi_typeof(a->env, value, &type) != napi_ok || (unsigned)type >= sizeof names / sizeof names[0]) return "something else";
  return names[type];
}

/* Not throw_invalid directly: its answer is a napi_value, and these functions answer false. */
#define INVALID(...) (throw_invalid(a, __VA_ARGS__), false)

bool is_nullish(addon *a, napi_value value) {
  napi_valuetype type;
  return napi_typeof(a->env, value, &type) == napi_ok && (type == napi_undefined || type == napi_null);
}

bool u64_arg(addon *a, napi_value value, const char *name, uint64_t *out) {
  double number;
  if (napi_get_value_double(a->env, value, &number) == napi_ok) {
    if (!(number >= 0 && number <= 9007199254740991.0 && floor(number) == number))
      return INVALID("%s must be an integer from 0 to Number.MAX_SAFE_INTEGER, or a bigint, not %g", name, number);
    *out = (uint64_t)number;
    return true;
  }
  bool lossless;
  if (napi_get_value_bigint_uint64(a->env, value, out, &lossless) == napi_ok) {
    if (!lossless) return INVALID("%s must fit in 64 bits without a sign", name);
    return true;
  }
  return INVALID("%s must be a number or a bigint, not %s", name, type_name(a, value));
}

bool u32_arg(addon *a, napi_value value, const char *name, uint32_t *out) {
  uint64_t wide;
  if (!u64_arg(a, value, name, &wide)) return false;
  if (wide > UINT32_MAX) return INVALID("%s must fit in 32 bits", name);
  *out = (uint32_t)wide;
  return true;
}

bool i32_arg(addon *a, napi_value value, const char *name, int32_t *out) {
  double number;
  if (napi_get_value_double(a->env, value, &number) != napi_ok) return INVALID("%s must be a number, not %s", name, type_name(a, value));
  if (!(number >= INT32_MIN && number <= INT32_MAX && floor(number) == number))
    return INVALID("%s must be an integer of 32 bits, not %g", name, number);
  *out = (int32_t)number;
  return true;
}

bool ms_arg(addon *a, napi_value value, const char *name, int64_t *out) {
  double ms;
  if (napi_get_value_double(a->env, value, &ms) != napi_ok)
    return INVALID("%s must be a number of milliseconds, not %s", name, type_name(a, value));
  if (!(ms >= 0)) return INVALID("%s must be a number of milliseconds from 0 to Infinity, not %g", name, ms);
  double ns = ms * 1e6;
  *out = ns < 9.2e18 ? (int64_t)llround(ns) : TD_FOREVER;
  return true;
}

napi_value undefined(addon *a) {
  napi_value value;
  NAPI(napi_get_undefined(a->env, &value));
  return value;
}

napi_value ms_value(addon *a, int64_t ns) {
  napi_value value;
  NAPI(napi_create_double(a->env, ns == TD_FOREVER ? INFINITY : (double)ns / 1e6, &value));
  return value;
}

napi_value id_value(addon *a, uint64_t id) {
  napi_value value;
  NAPI(napi_create_bigint_uint64(a->env, id, &value));
  return value;
}

napi_value int_value(addon *a, int64_t n) {
  napi_value value;
  NAPI(napi_create_int64(a->env, n, &value));
  return value;
}

void set_number(addon *a, napi_value object, const char *name, double number) {
  napi_value value;
  if (napi_create_double(a->env, number, &value) == napi_ok) napi_set_named_property(a->env, object, name, value);
}

static bool scratch_room(addon *a, size_t size) {
  if (size <= a->scratch_size) return true;
  size_t rounded = a->scratch_size < 1024 ? 1024 : a->scratch_size;
  while (rounded < size) rounded *= 2;
  char *grown = realloc(a->scratch, rounded);
  if (grown == NULL) return false;
  a->scratch = grown;
  a->scratch_size = rounded;
  return true;
}

void scratch_trim(addon *a) {
  if (a->scratch_size <= SCRATCH_KEPT) return;
  free(a->scratch);
  a->scratch = NULL;
  a->scratch_size = 0;
}

static bool text_add(addon *a, napi_value value, payload *out, size_t *used) {
  size_t size;
  if (napi_get_value_string_utf8(a->env, value, NULL, 0, &size) != napi_ok) return false;
  if (!scratch_room(a, *used + size + 1)) return throw_text(a, TD_ENOMEM, "no memory for the text"), false;
  if (napi_get_value_string_utf8(a->env, value, a->scratch + *used, size + 1, &size) != napi_ok) return false;
  *out = (payload){a->scratch + *used, size, NULL, *used, true};
  *used += size;
  return true;
}

/* Of an array of a kind that this Node-API does not name, so that its length in elements says little: Float16Array for example. */
static bool byte_length(addon *a, napi_value view, size_t *size) {
  napi_value value;
  int64_t length;
  if (napi_get_named_property(a->env, view, "byteLength", &value) != napi_ok || napi_get_value_int64(a->env, value, &length) != napi_ok) return false;
  *size = (size_t)length;
  return true;
}

static bool typed_array(addon *a, napi_value value, napi_value *buffer, payload *out, void **data) {
  napi_typedarray_type type = (napi_typedarray_type)-1; /* left so where there is no name */
  size_t length, offset;
  if (napi_get_typedarray_info(a->env, value, &type, &length, data, buffer, &offset) != napi_ok) return false;
  switch (type) {
    case napi_int8_array: case napi_uint8_array: case napi_uint8_clamped_array: out->size = length; return true;
    case napi_int16_array: case napi_uint16_array: out->size = length * 2; return true;
    case napi_int32_array: case napi_uint32_array: case napi_float32_array: out->size = length * 4; return true;
    case napi_float64_array: case napi_bigint64_array: case napi_biguint64_array: out->size = length * 8; return true;
    default: return byte_length(a, value, &out->size);
  }
}

/* What was transferred to another thread has no bytes any more, which is not the same as none. */
static bool is_detached(addon *a, napi_value buffer) {
  bool is = false;
  return napi_is_detached_arraybuffer(a->env, buffer, &is) == napi_ok && is;
}

bool payload_add(addon *a, napi_value value, payload *out, size_t *used) {
  napi_env env = a->env;
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  if (type == napi_string) return text_add(a, value, out, used);
  *out = (payload){NULL, 0, NULL, 0, false};
  if (type == napi_undefined || type == napi_null) return true;
  if (type != napi_object) return INVALID("data must be a string, a Uint8Array or Buffer, or nothing, not %s", type_name(a, value));
  bool is;
  napi_value buffer = value;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
    if (!typed_array(a, value, &buffer, out, &data)) return false;
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, &data, &out->size) != napi_ok) return false;
  } else if (napi_is_dataview(env, value, &is) == napi_ok && is) {
    size_t offset;
    if (napi_get_dataview_info(env, value, &out->size, &data, &buffer, &offset) != napi_ok) return false;
  } else {
    return INVALID("data must be a string, a Uint8Array or Buffer, or nothing, not this object; JSON.stringify it first?");
  }
  if (out->size == 0 && is_detached(a, buffer)) return INVALID("data was handed over to another thread (its buffer is detached): there is nothing to send");
  out->data = data;
  if (out->size >= BY_REFERENCE_MIN) out->lent = block_of(a, buffer, data);
  return true;
}

bool payload_arg(addon *a, napi_value value, payload *out) {
  size_t used = 0;
  return payload_add(a, value, out, &used);
}

void payload_settle(const addon *a, payload *p) {
  if (p->text) p->data = a->scratch + p->offset;
}
