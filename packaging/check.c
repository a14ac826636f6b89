/* A program as a user links it: a message, then the end of the mailbox it came from, through the installed library.
 * With ANOTHER_ARCHIVE it also calls a second Rust archive, which must be able to live beside this one. */
#include <stdio.h>
#include <string.h>
#include <tidings.h>

#ifdef ANOTHER_ARCHIVE
int another_archive(void);
#endif

#define DEMAND(condition)                                                   \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "check.c:%d: %s does not hold\n", __LINE__, #condition); \
      return 1;                                                             \
    }                                                                       \
  } while (0)

int main(void) {
  td_engine engine;
  td_mailbox ann, bob;
  td_monitor_ref watch;
  td_message message;
  DEMAND(TD_CHECK_ABI());
  DEMAND(td_engine_open(NULL, &engine) == TD_OK);
  DEMAND(td_mailbox_open(engine, NULL, &ann) == TD_OK && td_mailbox_open(engine, NULL, &bob) == TD_OK);
  DEMAND(td_monitor(ann, bob, 0, &watch) == TD_OK);
  DEMAND(td_send(ann, bob, 7, TD_STR("hello")) == TD_OK);
  DEMAND(td_mailbox_close(bob) == TD_OK);
  DEMAND(td_recv(ann, TD_MS(10000), 0, &message) == TD_OK);
  DEMAND(message.kind == TD_KIND_MESSAGE && message.tag == 7 && message.data_size == 5);
  DEMAND(memcmp(message.data, "hello", 5) == 0);
  DEMAND(td_message_release(&message) == TD_OK);
  DEMAND(td_recv(ann, TD_MS(10000), 0, &message) == TD_OK);
  DEMAND(message.kind == TD_KIND_DOWN && message.ref == watch.id && message.status == TD_REASON_NORMAL);
  DEMAND(td_message_release(&message) == TD_OK);
  DEMAND(td_send(bob, ann, 0, NULL, 0) == TD_ENOPROC);
#ifdef ANOTHER_ARCHIVE
  DEMAND(another_archive() == 2);
#endif
  DEMAND(td_engine_close(engine) == TD_OK);
  return 0;
}
