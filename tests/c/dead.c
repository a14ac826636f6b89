/* Dead letters are shown to who subscribed to $dead, with what was lost, for whom, and why. (rule 2) */
#include "check.h"

static td_engine engine;
static td_mailbox mourner;

static void letter(td_mailbox from, uint64_t tag, const char *text, int32_t status, uint64_t to, uint32_t kind) {
  td_message message;
  CHECK_OK(td_recv(mourner, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TOPIC);
  CHECK_TEXT(message.topic, message.topic_size, "$dead");
  CHECK_EQ(message.from.id, from.id);
  CHECK_EQ(message.tag, tag);
  CHECK_TEXT(message.data, message.data_size, text);
  CHECK_EQ(message.status, status);
  CHECK_EQ(message.info[0], to);
  CHECK_EQ(message.info[1], kind);
  CHECK_OK(td_message_release(&message));
}

int main(void) {
  check_begin();
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  td_mailbox a = open_mailbox(engine), gone = open_mailbox(engine), server = open_mailbox(engine);
  td_subscription subscription, wild;
  td_ticket ticket;
  td_timer timer;
  td_message message;
  mourner = open_mailbox(engine);
  CHECK_OK(td_mailbox_kill(gone));
  CHECK_IS(td_send(gone, a, 1, TD_STR("unheard")), TD_ENOPROC);
  CHECK_OK(td_subscribe(mourner, TD_STR("$dead"), NULL, &subscription));
  CHECK_OK(td_subscribe(mourner, TD_STR(">"), NULL, &wild));
  CHECK_IS(td_send(gone, a, 2, TD_STR("lost")), TD_ENOPROC);
  letter(a, 2, "lost", TD_ENOPROC, gone.id, TD_KIND_MESSAGE);
  CHECK_IS(td_call_start(gone, a, 3, TD_STR("ask"), TD_FOREVER, &ticket), TD_ENOPROC);
  letter(a, 3, "ask", TD_ENOPROC, gone.id, TD_KIND_REQUEST);
  CHECK_OK(td_call_start(server, a, 4, TD_STR("x"), TD_MS(5), &ticket));
  CHECK_OK(td_clock_advance(engine, TD_MS(5)));
  CHECK_IS(td_reply(ticket, TD_STR("late")), TD_ESTALE);
  letter(TD_NOBODY, 0, "late", TD_ESTALE, ticket.id, TD_KIND_REPLY);
  CHECK_OK(td_send_after_name(engine, TD_STR("nobody"), TD_MS(1), 5, TD_STR("tick"), &timer));
  CHECK_OK(td_clock_advance(engine, TD_MS(1)));
  letter(TD_NOBODY, 5, "tick", TD_ENOTFOUND, timer.id, TD_KIND_TIMER);
  CHECK_IS(td_recv(mourner, 0, 0, &message), TD_EAGAIN);
  CHECK_IS(td_publish(engine, a, TD_STR("$dead"), 0, NULL, 0, NULL, NULL), TD_EINVAL);
  td_engine_counters counters;
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.dead_letters, 5);
  /* A mourner without room loses letters, and they are no letters again. */
  td_mailbox small = open_bounded(engine, TD_FAIL, 1);
  CHECK_OK(td_subscribe(small, TD_STR("$dead"), NULL, &subscription));
  for (int i = 0; i < 3; i++) CHECK_IS(td_send(gone, a, 6, NULL, 0), TD_ENOPROC);
  CHECK_EQ(counters_of(small).lost, 2);
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.dead_letters, 8);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
