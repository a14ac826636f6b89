/* Streamed replies: parts come to the caller in order, under its bound, before the one reply; too late is too late. */
#include "check.h"

static td_engine engine;

static td_ticket next_request(td_mailbox mailbox) {
  td_message message;
  td_ticket ticket;
  CHECK_OK(td_recv(mailbox, TD_MS(30000), 0, &message));
  CHECK_EQ(message.kind, TD_KIND_REQUEST);
  ticket.id = message.ref;
  CHECK_OK(td_message_release(&message));
  return ticket;
}

static uint64_t dead_letters(void) {
  td_engine_counters counters;
  memset(&counters, 0, sizeof counters);
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  return counters.dead_letters;
}

static void *send_parts(void *data) { /* C24: without a pause */
  td_mailbox server = *(td_mailbox *)data;
  td_ticket ticket = next_request(server);
  uint64_t count = check_count(100000);
  for (uint64_t i = 0; i < count; i++) CHECK_OK(td_reply_part(ticket, &i, sizeof i, TD_FOREVER, 0));
  CHECK_OK(td_reply_end(ticket));
  CHECK_IS(td_reply_end(ticket), TD_ESTALE);
  return NULL;
}

static void a_long_stream_is_in_order(void) {
  td_mailbox server = open_mailbox(engine), caller = open_bounded(engine, TD_DROP_OLD, 100);
  pthread_t thread;
  td_ticket call;
  td_message message;
  uint64_t next = 0, value;
  CHECK_EQ(pthread_create(&thread, NULL, send_parts, &server), 0);
  CHECK_OK(td_call_start(server, caller, 7, NULL, 0, TD_FOREVER, &call));
  for (;;) {
    CHECK_OK(td_recv(caller, TD_MS(30000), 0, &message));
    CHECK_EQ(message.ref, call.id);
    CHECK_EQ(message.tag, 7);
    CHECK_EQ(message.from.id, server.id);
    CHECK_EQ(message.lost, 0);
    if (message.kind == TD_KIND_REPLY) break;
    CHECK_EQ(message.kind, TD_KIND_PART);
    memcpy(&value, message.data, sizeof value);
    CHECK_EQ(value, next++);
    CHECK_OK(td_message_release(&message));
  }
  CHECK_EQ(next, check_count(100000));
  CHECK_EQ(message.status, 0);
  CHECK_OK(td_message_release(&message));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  counters_of(caller);
}

static void parts_obey_the_bound(void) {
  td_mailbox server = open_mailbox(engine), caller = open_bounded(engine, TD_DROP_NEW, 2);
  td_ticket call, ticket;
  CHECK_OK(td_call_start(server, caller, 7, NULL, 0, TD_FOREVER, &call));
  ticket = next_request(server);
  CHECK_OK(td_reply_part(ticket, "a", 1, 0, 0));
  CHECK_OK(td_reply_part(ticket, "b", 1, 0, 0));
  CHECK_IS(td_reply_part(ticket, "c", 1, 0, 0), TD_EFULL);
  CHECK_IS(td_reply_part(ticket, "c", 1, TD_MS(5), 0), TD_ETIMEDOUT);
  CHECK_EQ(counters_of(caller).lost, 0);
  CHECK_OK(td_call_cancel(call));
  CHECK_EQ(counters_of(caller).queued, 0);
  uint64_t before = dead_letters();
  CHECK_IS(td_reply_part(ticket, "d", 1, 0, 0), TD_ESTALE);
  CHECK_EQ(dead_letters(), before + 1);
}

static void an_end_in_the_middle(void) {
  td_mailbox server = open_mailbox(engine), caller = open_mailbox(engine);
  td_ticket call, ticket;
  td_message message;
  CHECK_OK(td_call_start(server, caller, 7, NULL, 0, TD_FOREVER, &call));
  ticket = next_request(server);
  CHECK_OK(td_reply_part(ticket, "a", 1, 0, 0));
  CHECK_OK(td_mailbox_exit(server, TD_REASON_USER + 3, "why", 3));
  CHECK_IS(td_reply_part(ticket, "b", 1, 0, 0), TD_ESTALE);
  CHECK_OK(td_recv(caller, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_PART);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_recv(caller, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_REPLY);
  CHECK_EQ(message.status, TD_EDOWN);
  CHECK_EQ(message.info[0], TD_REASON_USER + 3);
  CHECK_TEXT(message.data, message.data_size, "why");
  CHECK_OK(td_message_release(&message));
}

static void *refuse_parts(void *data) {
  td_ticket ticket = next_request(*(td_mailbox *)data);
  CHECK_IS(td_reply_part(ticket, "a", 1, 0, 0), TD_EINVAL);
  CHECK_OK(td_reply(ticket, "b", 1));
  return NULL;
}

static void a_blocking_call_takes_no_parts(void) {
  td_mailbox server = open_mailbox(engine);
  pthread_t thread;
  td_message reply;
  CHECK_EQ(pthread_create(&thread, NULL, refuse_parts, &server), 0);
  CHECK_OK(td_call(server, TD_NOBODY, 7, NULL, 0, TD_FOREVER, 0, &reply));
  CHECK_OK(td_message_release(&reply));
  CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void a_request_is_forwarded(void) {
  td_mailbox front = open_mailbox(engine), back = open_mailbox(engine), caller = open_mailbox(engine);
  td_ticket call;
  td_message message;
  CHECK_OK(td_call_start(front, caller, 7, "q", 1, TD_FOREVER, &call));
  CHECK_OK(td_recv(front, 0, 0, &message));
  CHECK_OK(td_forward(back, front, &message));
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_forward(back, front, &message), TD_ESTALE);
  CHECK_OK(td_mailbox_close(front));
  CHECK_OK(td_recv(back, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_REQUEST);
  CHECK_EQ(message.ref, call.id);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_recv(caller, 0, 0, &message), TD_EAGAIN);
  CHECK_OK(td_reply(call, "r", 1));
  CHECK_OK(td_recv(caller, 0, 0, &message));
  CHECK_TEXT(message.data, message.data_size, "r");
  CHECK_OK(td_message_release(&message));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  a_long_stream_is_in_order();
  parts_obey_the_bound();
  an_end_in_the_middle();
  a_blocking_call_takes_no_parts();
  a_request_is_forwarded();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
