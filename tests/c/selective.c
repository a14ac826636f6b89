/* A selective receive takes the oldest that matches and leaves the rest in order; peek and take for any other choice.
 * (rule 6) */
#include "check.h"

static td_engine engine;

static void by_tag(void) { /* C2 */
  td_mailbox mailbox = open_mailbox(engine);
  td_match match = TD_MATCH_INIT;
  td_message message;
  for (uint64_t i = 1; i <= 5; i++) CHECK_OK(send_tag(mailbox, i));
  match.fields = TD_MATCH_TAG;
  match.tag = 4;
  CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
  CHECK_EQ(message.tag, 4);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_recv_match(mailbox, &match, 0, 0, &message), TD_EAGAIN);
  CHECK_IS(td_recv_match(mailbox, &match, TD_MS(10), 0, &message), TD_ETIMEDOUT);
  RECV_TAG(mailbox, 1, 0);
  RECV_TAG(mailbox, 2, 0);
  RECV_TAG(mailbox, 3, 0);
  RECV_TAG(mailbox, 5, 0);
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

static void by_mask_sender_and_kind(void) {
  td_mailbox mailbox = open_mailbox(engine), a = open_mailbox(engine), b = open_mailbox(engine);
  td_match match = TD_MATCH_INIT;
  td_message message;
  td_timer timer;
  CHECK_OK(td_send(mailbox, a, 0x101, NULL, 0));
  CHECK_OK(td_send(mailbox, b, 0x202, NULL, 0));
  CHECK_OK(td_send(mailbox, b, 0x103, NULL, 0));
  CHECK_OK(td_send_after(mailbox, 0, 0x204, NULL, 0, &timer));
  match.fields = TD_MATCH_TAG | TD_MATCH_FROM;
  match.tag = 0x1ff; /* only the masked bits count, on both sides */
  match.tag_mask = 0xf00;
  match.from = b;
  CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
  CHECK_EQ(message.tag, 0x103);
  CHECK_OK(td_message_release(&message));
  match.fields = TD_MATCH_KIND;
  match.kind = TD_KIND_TIMER;
  CHECK_OK(td_recv_match(mailbox, &match, TD_MS(5000), 0, &message));
  CHECK_EQ(message.tag, 0x204);
  CHECK_EQ(message.ref, timer.id);
  CHECK_OK(td_message_release(&message));
  match.fields = 0; /* matches everything */
  CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
  CHECK_EQ(message.tag, 0x101);
  CHECK_OK(td_message_release(&message));
  RECV_TAG(mailbox, 0x202, 0);
}

static void by_ref_past_a_backlog(void) {
  td_mailbox mailbox = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  td_match match = TD_MATCH_INIT;
  td_message message;
  uint64_t backlog = check_count(20000);
  for (uint64_t i = 0; i < backlog; i++) CHECK_OK(send_tag(mailbox, i));
  CHECK_OK(td_monitor(mailbox, target, 7, &monitor));
  CHECK_OK(td_mailbox_close(target));
  match.fields = TD_MATCH_REF;
  match.ref = monitor.id;
  CHECK_OK(td_recv_match(mailbox, &match, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_EQ(message.tag, 7);
  CHECK_OK(td_message_release(&message));
  for (uint64_t i = 0; i < backlog; i++) RECV_TAG(mailbox, i, 0);
}

static void match_is_checked(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_match match = TD_MATCH_INIT;
  td_message message;
  CHECK_IS(td_recv_match(mailbox, NULL, 0, 0, &message), TD_EINVAL);
  CHECK_IS(td_recv_match(mailbox, &match, 0, 0, NULL), TD_EINVAL);
  match.fields = 16;
  CHECK_IS(td_recv_match(mailbox, &match, 0, 0, &message), TD_EINVAL);
  match.fields = 0;
  match.size = 0;
  CHECK_IS(td_recv_match(mailbox, &match, 0, 0, &message), TD_EINVAL);
}

/* Any predicate: here, the first payload that begins with 'x'. */
static void by_peek_and_take(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_cursor cursor = TD_CURSOR_INIT, start = TD_CURSOR_INIT;
  td_message message;
  int32_t result;
  CHECK_OK(td_send(mailbox, TD_NOBODY, 1, TD_STR("a")));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 2, TD_STR("b")));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 3, TD_STR("xyz")));
  CHECK_OK(td_send(mailbox, TD_NOBODY, 4, TD_STR("d")));
  int seen = 0;
  while ((result = td_recv_peek(mailbox, &cursor, 0, 0, &message)) == TD_OK) {
    seen++;
    int found = message.data_size > 0 && *(const char *)message.data == 'x';
    CHECK_OK(td_message_release(&message));
    if (found) break;
  }
  CHECK_OK(result);
  CHECK_EQ(seen, 3);
  CHECK_EQ(counters_of(mailbox).queued, 4); /* peeking leaves it in place */
  CHECK_OK(td_recv_take(mailbox, &cursor, &message));
  CHECK_EQ(message.tag, 3);
  CHECK_TEXT(message.data, message.data_size, "xyz");
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_recv_take(mailbox, &cursor, &message), TD_ESTALE);
  CHECK_OK(td_recv_peek(mailbox, &cursor, 0, 0, &message)); /* goes on after it */
  CHECK_EQ(message.tag, 4);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_recv_peek(mailbox, &cursor, 0, 0, &message), TD_EAGAIN);
  CHECK_IS(td_recv_peek(mailbox, &cursor, TD_MS(10), 0, &message), TD_ETIMEDOUT);
  CHECK_OK(send_tag(mailbox, 5));
  CHECK_OK(td_recv_peek(mailbox, &cursor, 0, 0, &message));
  CHECK_EQ(message.tag, 5);
  CHECK_OK(td_message_release(&message));
  RECV_TAG(mailbox, 1, 0);
  CHECK_OK(td_recv_peek(mailbox, &start, 0, 0, &message));
  CHECK_EQ(message.tag, 2);
  CHECK_OK(td_message_release(&message));
  RECV_TAG(mailbox, 2, 0);
  CHECK_IS(td_recv_take(mailbox, &start, &message), TD_ESTALE); /* someone else has it */
  RECV_TAG(mailbox, 4, 0);
  RECV_TAG(mailbox, 5, 0);
}

static void peek_and_take_are_checked(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_cursor cursor = TD_CURSOR_INIT, garbage;
  td_message message;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_IS(td_recv_peek(mailbox, NULL, 0, 0, &message), TD_EINVAL);
  CHECK_IS(td_recv_peek(mailbox, &cursor, 0, 0, NULL), TD_EINVAL);
  CHECK_IS(td_recv_peek(mailbox, &cursor, 0, 0x800, &message), TD_EINVAL);
  CHECK_IS(td_recv_peek(mailbox, &cursor, -1, 0, &message), TD_EINVAL);
  CHECK_IS(td_recv_take(mailbox, NULL, &message), TD_EINVAL);
  CHECK_IS(td_recv_take(mailbox, &cursor, NULL), TD_EINVAL);
  CHECK_FAILS(td_recv_take(mailbox, &cursor, &message)); /* nothing peeked yet */
  memset(&garbage, 0xa7, sizeof garbage);
  CHECK_FAILS(td_recv_take(mailbox, &garbage, &message));
  CHECK_IS(td_recv_peek(mailbox, &garbage, 0, 0, &message), TD_EINVAL);
  memset(&garbage, 0, sizeof garbage);
  garbage.words[0] = 2; /* beyond the end of the queue */
  garbage.words[2] = 3;
  CHECK_IS(td_recv_peek(mailbox, &garbage, TD_FOREVER, 0, &message), TD_EINVAL);
  RECV_TAG(mailbox, 1, 0);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  by_tag();
  by_mask_sender_and_kind();
  by_ref_past_a_backlog();
  match_is_checked();
  by_peek_and_take();
  peek_and_take_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
