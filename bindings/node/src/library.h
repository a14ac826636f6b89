/* The library's functions, looked up when the addon is first loaded: TD(send)(...) is td_send(...).
 * Guarantees: one copy of libtidings for the whole process, every function of the header present, the header's ABI version. */
#ifndef TIDINGS_NODE_LIBRARY_H
#define TIDINGS_NODE_LIBRARY_H
#include <stdbool.h>
#include <stddef.h>
#include "tidings.h"
#include "td_table.h" /* TD_TABLE(X): one X(name) for each function of tidings.h, written by scripts/table.js */

struct td_library {
#define TD_MEMBER(name) __typeof__(name) *name;
  TD_TABLE(TD_MEMBER)
#undef TD_MEMBER
};
extern struct td_library td_library;
#define TD(name) (td_library.td_##name)

/* Finds and loads it, once in a process. `bundled` is tried last. On failure `why` says what was tried and what would help. */
bool library_load(const char *bundled, char *why, size_t why_size);
/* Where the copy in use came from: "process", "TIDINGS_LIBRARY" or "bundled"; and its file. */
const char *library_origin(void);
const char *library_path(void);
#endif
