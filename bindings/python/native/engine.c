/* Finds the one engine of the process, and turns its errors into exceptions.
 *
 * Guarantees: no call goes to the library before every function of the header was found in a copy whose
 * td_abi_version is the header's; a refused copy leaves the table as it was. */
#define TDPY_TABLE_NAMES
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <math.h>
#include <string.h>
#include "tdpy.h"

struct tdpy_table tdpy_table;
static PyObject *make_error;                   /* (code, detail) -> exception, given by tidings.errors */

/* load(path or None) -> path of the copy, or None. None asks for a copy that is in the process already. */
static PyObject *load(PyObject *self, PyObject *path) {
  PyObject *encoded = NULL;
  void *library;
  if (PyInterpreterState_Get() != PyInterpreterState_Main())
    return PyErr_Format(PyExc_ImportError, "tidings works in the main interpreter only, not in a subinterpreter");
  if (path == Py_None) {
    library = dlopen("libtidings.so.0", RTLD_NOLOAD | RTLD_NOW);
    if (!library) Py_RETURN_NONE;
  } else {
    if (!PyUnicode_FSConverter(path, &encoded)) return NULL;
    library = dlopen(PyBytes_AS_STRING(encoded), RTLD_NOW);
    Py_DECREF(encoded);
    if (!library) return PyErr_Format(PyExc_ImportError, "tidings: cannot load the shared library: %s", dlerror());
  }
  void *version = dlsym(library, "td_abi_version");
  Dl_info info = {0};
  const char *where = version && dladdr(version, &info) && info.dli_fname ? info.dli_fname : "libtidings.so.0";
  if (!version) return PyErr_Format(PyExc_ImportError, "%s is not a tidings library: it has no td_abi_version", where);
  uint32_t (*abi_version)(void);
  memcpy(&abi_version, &version, sizeof abi_version);
  if (abi_version() != TD_ABI_VERSION)
    return PyErr_Format(PyExc_ImportError, "tidings: %s has ABI version %u, this package needs %u", where,
                        (unsigned)abi_version(), (unsigned)TD_ABI_VERSION);
  struct tdpy_table found;
  for (size_t i = 0; i < sizeof found / sizeof(void *); i++) {
    void *symbol = dlsym(library, tdpy_table_names[i]);
    if (!symbol)
      return PyErr_Format(PyExc_ImportError, "tidings: %s has no function %s; this package needs a newer library", where,
                          tdpy_table_names[i]);
    memcpy((char *)&found + i * sizeof(void *), &symbol, sizeof(void *));
  }
  tdpy_table = found;
  return PyUnicode_DecodeFSDefault(where);
}

static PyObject *last_error(PyObject *self, PyObject *unused) {
  char text[512];
  td_last_error(text, sizeof text);
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

PyObject *tdpy_fail(int32_t code) {
  PyObject *detail = last_error(NULL, NULL);
  PyObject *error = detail ? PyObject_CallFunction(make_error, "iN", (int)code, detail) : NULL;
  if (error) {
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
  }
  tdpy_rest_at_exit();
  return NULL;
}

static PyObject *fail(PyObject *self, PyObject *code) {
  long value = PyLong_AsLong(code);
  return value == -1 && PyErr_Occurred() ? NULL : tdpy_fail((int32_t)value);
}

int tdpy_parse_timeout(PyObject *seconds, int64_t *timeout) {
  *timeout = TD_FOREVER;
  if (seconds == Py_None) return 0;
  double value = PyFloat_AsDouble(seconds);
  if (value == -1.0 && PyErr_Occurred()) return -1;
  if (!(value >= 0)) {
    PyErr_Format(PyExc_ValueError, "a time is in seconds, 0 or more, or None for no limit; not %R", seconds);
    return -1;
  }
  if (value < 9e9) *timeout = (int64_t)ceil(value * 1e9);   /* rounded up: never sooner than asked for */
  return 0;
}

int tdpy_timeout_arg(PyObject *value, void *out) { return tdpy_parse_timeout(value, out) == 0; }

int tdpy_parse_u64(PyObject *value, const char *what, uint64_t *out) {
  PyObject *number = PyNumber_Index(value);
  if (!number) return -1;
  unsigned long long parsed = PyLong_AsUnsignedLongLong(number);
  Py_DECREF(number);
  if (parsed == (unsigned long long)-1 && PyErr_Occurred()) {
    PyErr_Format(PyExc_ValueError, "%s is a number from 0 to 2**64 - 1, not %R", what, value);
    return -1;
  }
  *out = parsed;
  return 0;
}

int tdpy_u64_arg(PyObject *value, void *out) { return tdpy_parse_u64(value, "a tag, a kind or an id", out) == 0; }

static PyObject *nanoseconds(PyObject *self, PyObject *seconds) {
  int64_t timeout;
  return tdpy_parse_timeout(seconds, &timeout) ? NULL : PyLong_FromLongLong(timeout);
}

static PyObject *setup(PyObject *self, PyObject *args) {
  PyObject *error, *message, *view;
  if (!PyArg_ParseTuple(args, "OO!O!", &error, &PyType_Type, &message, &PyType_Type, &view)) return NULL;
  if (!PyType_IsSubtype((PyTypeObject *)message, &tdpy_message_type) || !PyType_IsSubtype((PyTypeObject *)view, &tdpy_message_type))
    return PyErr_Format(PyExc_TypeError, "the classes of messages must derive from MessageBase");
  Py_INCREF(error);
  Py_XSETREF(make_error, error);
  tdpy_message_class = (PyTypeObject *)Py_NewRef(message);
  tdpy_view_class = (PyTypeObject *)Py_NewRef(view);
  Py_RETURN_NONE;
}

static PyObject *drain(PyObject *self, PyObject *unused) {
  tdpy_drain();
  Py_RETURN_NONE;
}

PyMethodDef tdpy_engine_methods[] = {
    {"load", load, METH_O, NULL},
    {"last_error", last_error, METH_NOARGS, NULL},
    {"fail", fail, METH_O, NULL},
    {"nanoseconds", nanoseconds, METH_O, NULL},
    {"setup", setup, METH_VARARGS, NULL},
    {"drain", drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tidings._fast", NULL, -1, NULL, NULL, NULL, NULL, NULL};

/* The second module of this shared object; tidings._native imports it from the same file as the cffi one. */
PyMODINIT_FUNC PyInit__fast(void);
PyMODINIT_FUNC PyInit__fast(void) {
  if (tdpy_loop_ready() < 0 || tdpy_async_ready() < 0 || tdpy_view_ready() < 0) return NULL;
  if (tdpy_exit_ready() != 0) return PyErr_SetFromErrno(PyExc_OSError);
  PyObject *fast = PyModule_Create(&module);
  if (!fast) return NULL;
  PyMethodDef *methods[] = {tdpy_engine_methods, tdpy_exit_methods, tdpy_send_methods, tdpy_receive_methods, tdpy_loop_methods};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (PyModule_AddFunctions(fast, methods[i]) < 0) goto failed;
  if (PyModule_AddType(fast, &tdpy_message_type) < 0 || PyModule_AddType(fast, &tdpy_address_type) < 0 ||
      PyModule_AddType(fast, &tdpy_batches_type) < 0 || PyModule_AddType(fast, &tdpy_async_batches_type) < 0 ||
      PyModule_AddStringConstant(fast, "CDEF", tdpy_cdef) < 0)
    goto failed;
  return fast;
failed:
  Py_DECREF(fast);
  return NULL;
}
