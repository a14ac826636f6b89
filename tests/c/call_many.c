/* td_call_many: a reply or its reason from each, by one ref, then the end with the counts. */
#include "check.h"

static td_engine engine;

static td_message next_of(td_mailbox mailbox, td_ticket gathering) {
  td_match match = TD_MATCH_INIT;
  td_message message;
  match.fields = TD_MATCH_REF;
  match.ref = gathering.id;
  CHECK_OK(td_recv_match(mailbox, &match, TD_MS(30000), 0, &message));
  CHECK_EQ(message.tag, 7);
  CHECK_OK(td_message_release(&message));
  return message;
}

static void each_tells_and_then_all(void) {
  td_mailbox to[4], caller = open_mailbox(engine);
  td_ticket gathering;
  td_message message;
  to[0] = open_mailbox(engine);
  to[1] = open_mailbox(engine);
  to[2] = open_mailbox(engine);
  to[3] = to[0]; /* twice */
  CHECK_OK(td_mailbox_close(to[1]));
  CHECK_OK(td_call_many(to, 4, caller, 7, "q", 1, TD_FOREVER, &gathering));
  CHECK_OK(send_tag(caller, 1)); /* stays, in its turn */
  message = next_of(caller, gathering);
  CHECK_EQ(message.from.id, to[1].id);
  CHECK_EQ(message.status, TD_ENOPROC);
  for (int i = 0; i < 2; i++) {
    td_ticket ticket;
    CHECK_OK(td_recv(to[0], 0, 0, &message));
    ticket.id = message.ref;
    CHECK_OK(td_message_release(&message));
    if (i == 0) CHECK_OK(td_reply_part(ticket, "p", 1, 0, 0));
    CHECK_OK(td_reply(ticket, "r", 1));
  }
  message = next_of(caller, gathering);
  CHECK_EQ(message.kind, TD_KIND_PART);
  for (int i = 0; i < 2; i++) {
    message = next_of(caller, gathering);
    CHECK_EQ(message.kind, TD_KIND_REPLY);
    CHECK_EQ(message.from.id, to[0].id);
    CHECK_EQ(message.status, 0);
  }
  CHECK_OK(td_mailbox_kill(to[2]));
  message = next_of(caller, gathering);
  CHECK_EQ(message.status, TD_EDOWN);
  CHECK_EQ(message.info[0], TD_REASON_KILLED);
  message = next_of(caller, gathering);
  CHECK_EQ(message.kind, TD_KIND_REPLIES);
  CHECK_EQ(message.info[0], 2);
  CHECK_EQ(message.info[1], 2);
  RECV_TAG(caller, 1, 0);
  CHECK_IS(td_call_cancel(gathering), TD_ESTALE);
  counters_of(caller);
}

static void nobody_is_an_end_at_once(void) {
  td_mailbox caller = open_mailbox(engine);
  td_ticket gathering;
  CHECK_OK(td_call_many(NULL, 0, caller, 7, NULL, 0, 0, &gathering));
  CHECK_EQ(td_last_error(NULL, 0), 0);
  td_message message = next_of(caller, gathering);
  CHECK_EQ(message.kind, TD_KIND_REPLIES);
  CHECK_EQ(message.info[0] + message.info[1], 0);
}

static void a_cancel_takes_all_of_it(void) {
  td_mailbox to[3], caller = open_mailbox(engine);
  td_ticket gathering;
  td_message message;
  for (int i = 0; i < 3; i++) to[i] = open_mailbox(engine);
  CHECK_OK(td_call_many(to, 3, caller, 7, NULL, 0, TD_MS(60000), &gathering));
  CHECK_OK(td_mailbox_close(to[0]));
  CHECK_EQ(counters_of(caller).queued, 1);
  CHECK_OK(td_call_cancel(gathering));
  CHECK_IS(td_recv(caller, 0, 0, &message), TD_EAGAIN);
  CHECK_IS(td_recv(to[1], 0, 0, &message), TD_EAGAIN); /* nobody waits for it */
  CHECK_EQ(counters_of(to[2]).monitored_by, 0);
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  each_tells_and_then_all();
  nobody_is_an_end_at_once();
  a_cancel_takes_all_of_it();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
