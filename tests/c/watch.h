/* watch.h - what the tests of watches share.
 *
 * Guarantees: an edge taken here is of the kind, status and subject named; snapshots are released. */
#ifndef TESTS_C_WATCH_H
#define TESTS_C_WATCH_H

#include "check.h"

/* The next message is an edge of this watch. */
CHECK_MAYBE_UNUSED static void take_edge(td_mailbox watcher, td_watch watch, uint32_t kind, int32_t status, td_mailbox from, const char *topic,
                                         const char *data) {
  td_message message;
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.kind, kind);
  CHECK_EQ(message.status, status);
  CHECK_EQ(message.ref, watch.id);
  CHECK_EQ(message.tag, 7);
  CHECK_EQ(message.from.id, from.id);
  CHECK_TEXT(message.topic, message.topic_size, topic);
  CHECK_TEXT(message.data, message.data_size, data);
  CHECK_OK(td_message_release(&message));
}

/* The next message is a RESYNC of this watch; the caller releases it. */
CHECK_MAYBE_UNUSED static td_message take_resync(td_mailbox watcher, td_watch watch, uint32_t kind, uint64_t entries) {
  td_message message;
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_RESYNC);
  CHECK_EQ(message.ref, watch.id);
  CHECK_EQ(message.tag, 7);
  CHECK_EQ(message.info[0], kind);
  CHECK_EQ(message.info[1], entries);
  return message;
}

CHECK_MAYBE_UNUSED static void nothing(td_mailbox mailbox) {
  td_message message;
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

/* A snapshot of members is exactly these; it is released. */
CHECK_MAYBE_UNUSED static void members_are(td_message *members, const td_mailbox *expected, size_t count) {
  CHECK_EQ(members->data_size, count * sizeof(td_mailbox));
  for (size_t i = 0; i < count; i++) CHECK_EQ(((const td_mailbox *)members->data)[i].id, expected[i].id);
  CHECK_OK(td_message_release(members));
}

/* A snapshot of keys is exactly these, each with a NUL behind it; it is released. */
CHECK_MAYBE_UNUSED static void keys_are(td_message *keys, const char *expected, size_t size) {
  CHECK_EQ(keys->data_size, size);
  CHECK(memcmp(keys->data, expected, size) == 0);
  CHECK_OK(td_message_release(keys));
}

#endif
