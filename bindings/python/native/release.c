/* Python objects that the engine holds, and their way back.
 *
 * Guarantees: the engine may let go of an object on any thread at any time, also on a C thread and also after the
 * interpreter has ended: that only pushes a node to a list, and takes neither the GIL nor a lock. The reference
 * itself is given back by tdpy_drain, which calls of this package run with the GIL held. Each node is pushed once and
 * the list is only ever taken as a whole, so a plain compare-and-swap stack is enough. */
#include <stdlib.h>
#include "tdpy.h"

/* Below this a copy is cheaper than a node, its reference and the way back. */
#define BY_REFERENCE_MIN 16384

typedef struct node {
  struct node *next;
  PyObject *object;
} node;

static node *released;

bool tdpy_by_reference(PyObject *data) {
  return PyBytes_CheckExact(data) && PyBytes_GET_SIZE(data) >= BY_REFERENCE_MIN;   /* immutable, so it may be shared */
}

void *tdpy_hold(PyObject *object) {
  node *held = malloc(sizeof *held);
  if (!held) {
    PyErr_NoMemory();
    return NULL;
  }
  Py_INCREF(object);
  held->object = object;
  return held;
}

PyObject *tdpy_held_object(void *pointer) { return ((node *)pointer)->object; }

void tdpy_unhold(void *pointer) {
  node *held = pointer;
  PyObject *object = held->object;
  free(held);
  Py_DECREF(object);
}

void tdpy_let_go(void *pointer) {
  node *held = pointer;
  node *head = __atomic_load_n(&released, __ATOMIC_RELAXED);
  do held->next = head;
  while (!__atomic_compare_exchange_n(&released, &head, held, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

void tdpy_release(void *data, size_t size, void *held) { tdpy_let_go(held); }

void tdpy_drain(void) {
  if (!__atomic_load_n(&released, __ATOMIC_RELAXED)) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);      /* finalisers run here; they must not lose an exception on its way */
  node *list = __atomic_exchange_n(&released, NULL, __ATOMIC_ACQUIRE);
  while (list) {
    node *next = list->next;
    tdpy_unhold(list);
    list = next;
  }
  PyErr_Restore(type, value, traceback);
}
