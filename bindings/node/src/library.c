/* Loading libtidings: a copy that is already in the process, then the file that TIDINGS_LIBRARY names, then the bundled one.
 * Guarantees: a C host, Python and Node in one process share one engine, because whoever comes second takes the copy of the first;
 * a library of another ABI version, or one that lacks a function of the header, is refused with a text that says so. */
#define _GNU_SOURCE
#include "library.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_(x) #x
#define QUOTE(x) QUOTE_(x)
#define SONAME "libtidings.so." QUOTE(TD_ABI_VERSION)

struct td_library td_library;

static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;
static const char *origin;
static char path[4096];

const char *library_origin(void) { return origin; }
const char *library_path(void) { return path; }

static void *find(const char *bundled, char *why, size_t why_size) {
  void *handle = dlopen(SONAME, RTLD_NOW | RTLD_NOLOAD);
  if (handle != NULL) {
    origin = "process";
    return handle;
  }
  const char *named = getenv("TIDINGS_LIBRARY");
  if (named != NULL && named[0] != '\0') {
    handle = dlopen(named, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
      snprintf(why, why_size, "TIDINGS_LIBRARY names %s, which does not load: %s", named, dlerror());
      return NULL;
    }
    origin = "TIDINGS_LIBRARY";
    return handle;
  }
  handle = dlopen(bundled, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    snprintf(why, why_size, "no " SONAME " in the process, TIDINGS_LIBRARY is not set, and the bundled copy does not load: %s", dlerror());
    return NULL;
  }
  origin = "bundled";
  return handle;
}

/* ISO C has no conversion from an object pointer to a function pointer; POSIX promises that the bytes are the same. */
static void *look_up(void *handle, const char *name) { return dlsym(handle, name); }

static bool fill(void *handle, struct td_library *table, char *why, size_t why_size) {
  void *symbol;
#define TD_FILL(name)                                                                                                  \
  symbol = look_up(handle, #name);                                                                                     \
  if (symbol == NULL) {                                                                                                \
    snprintf(why, why_size, "%s has no %s: it is older than this package; build both from one checkout", path, #name); \
    return false;                                                                                                      \
  }                                                                                                                    \
  memcpy(&table->name, &symbol, sizeof symbol);
  TD_TABLE(TD_FILL)
#undef TD_FILL
  return true;
}

/* The version is looked up by itself first: a library of another version may lack any of the other functions. */
static bool check(void *handle, char *why, size_t why_size) {
  void *symbol = look_up(handle, "td_abi_version");
  if (symbol == NULL) {
    snprintf(why, why_size, "%s (%s) is not libtidings: it has no td_abi_version", path, origin);
    return false;
  }
  uint32_t (*abi_version)(void);
  memcpy(&abi_version, &symbol, sizeof symbol);
  if (abi_version() != TD_ABI_VERSION) {
    snprintf(why, why_size, "%s (%s) has ABI version %u; this package needs version " QUOTE(TD_ABI_VERSION), path, origin,
             (unsigned)abi_version());
    return false;
  }
  return true;
}

static bool load(const char *bundled, char *why, size_t why_size) {
  void *handle = find(bundled, why, why_size);
  if (handle == NULL) return false;
  Dl_info info;
  void *symbol = look_up(handle, "td_abi_version");
  const char *file = symbol != NULL && dladdr(symbol, &info) != 0 && info.dli_fname != NULL ? info.dli_fname : NULL;
  if (file == NULL) file = strcmp(origin, "TIDINGS_LIBRARY") == 0 ? getenv("TIDINGS_LIBRARY") : SONAME;
  snprintf(path, sizeof path, "%s", file);
  struct td_library table;
  if (!check(handle, why, why_size) || !fill(handle, &table, why, why_size)) {
    dlclose(handle);
    return false;
  }
  td_library = table;
  return true;
}

bool library_load(const char *bundled, char *why, size_t why_size) {
  pthread_mutex_lock(&once);
  if (!loaded) loaded = load(bundled, why, why_size);
  pthread_mutex_unlock(&once);
  return loaded;
}
