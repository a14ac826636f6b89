/* The epoll adapter at its edges. */
#include "edges.h"

#include <tidings/epoll.h>

static int wait_for(int epoll, int timeout, void **data) {
  struct epoll_event event;
  int n = epoll_wait(epoll, &event, 1, timeout);
  if (n == 1) *data = event.data.ptr;
  return n;
}

int main(void) {
  td_engine engine = engine_in_host_time();
  td_mailbox mailbox = mailbox_with(engine, 0, SENT), handled;
  td_epoll member = TD_EPOLL_INIT, other = TD_EPOLL_INIT;
  td_loop loop;
  td_timer timer;
  struct seen seen = {0, 0, 0, 0, 0, 0, 0, 0};
  epoll_data_t data;
  void *got = NULL;
  int epoll = epoll_create1(EPOLL_CLOEXEC);

  /* A turn is bounded, and readiness stays until all is taken. */
  data.ptr = &member;
  CHECK_IS(td_epoll_watch(&member, 1), TD_ESTALE);
  CHECK_OK(td_epoll_add_mailbox(&member, epoll, mailbox, data));
  for (uint32_t turn = 1; turn <= SENT / MOST; turn++) {
    CHECK_EQ(wait_for(epoll, 0, &got), 1);
    CHECK(got == &member);
    CHECK_IS(td_turn_mailbox(mailbox, MOST, count_message, &seen), MOST);
    CHECK_EQ(seen.messages, turn * MOST);
  }
  CHECK_EQ(wait_for(epoll, 0, &got), 0);
  CHECK_IS(td_turn_mailbox(mailbox, 0, count_message, &seen), 0);

  /* fn ends a turn; the rest stays. Without a bound of the caller's there is one. */
  seen.messages = 0, seen.stop_at = 3;
  for (uint64_t tag = 0; tag < SENT; tag++) CHECK_OK(td_send(mailbox, TD_NOBODY, tag, "x", 1));
  CHECK_IS(td_turn_mailbox(mailbox, MOST, count_message, &seen), 3);
  CHECK_IS(td_turn_mailbox(mailbox, 0, count_message, &seen), (int32_t)TD_TURN_MESSAGES);

  /* Not watched, there is no event; watched again, there is. */
  CHECK_OK(td_epoll_watch(&member, 0));
  CHECK_EQ(wait_for(epoll, 0, &got), 0);
  CHECK_OK(td_epoll_watch(&member, 1));
  CHECK_EQ(wait_for(epoll, 0, &got), 1);

  /* Removed, it is silent, though the engine's bell is set, and can be added again. */
  td_epoll_remove(&member);
  td_epoll_remove(&member);
  CHECK_EQ(wait_for(epoll, 0, &got), 0);
  CHECK_OK(td_epoll_add_mailbox(&member, epoll, mailbox, data));
  CHECK_EQ(wait_for(epoll, 0, &got), 1);

  /* The end is an event, and a turn says so. */
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(wait_for(epoll, 0, &got), 1);
  CHECK_IS(td_turn_mailbox(mailbox, 0, count_message, &seen), TD_ECLOSED);
  CHECK(td_turn_over(TD_ECLOSED) && !td_turn_over(TD_ENOMEM) && !td_turn_over(0));
  td_epoll_remove(&member);
  CHECK_IS(td_epoll_add_mailbox(&member, epoll, mailbox, data), TD_ENOPROC);
  CHECK_EQ(member.fd, -1);
  td_epoll_remove(&member);

  /* A loop: its own data, and the engine's next timer bounds the wait. */
  CHECK_OK(td_loop_open(engine, NULL, &loop));
  handled = mailbox_of_loop(engine, loop, &seen);
  CHECK_IS(td_epoll_add_mailbox(&member, epoll, handled, data), TD_EINVAL);
  data.ptr = &other;
  CHECK_OK(td_epoll_add_loop(&other, epoll, loop, data));
  CHECK_EQ(wait_for(epoll, 0, &got), 0);
  CHECK_OK(td_send(handled, TD_NOBODY, 0, NULL, 0));
  CHECK_EQ(wait_for(epoll, 0, &got), 1);
  CHECK(got == &other);
  CHECK_IS(td_turn_loop(loop), 1);
  CHECK_EQ(seen.handled, 1);
  CHECK_EQ(wait_for(epoll, 0, &got), 0);
  CHECK_EQ(td_turn_timeout(loop, -1), -1);
  CHECK_EQ(td_turn_timeout(loop, 7), 7);
  CHECK_OK(td_send_after(handled, TD_MS(3600000), 0, NULL, 0, &timer));
  CHECK(td_turn_timeout(loop, -1) > 3500000 && td_turn_timeout(loop, -1) <= 3600000);
  CHECK_EQ(td_turn_timeout(loop, 7), 7);
  CHECK_OK(td_send_after(handled, 1, 0, NULL, 0, &timer));
  while (seen.handled == 1) {
    int wait = td_turn_timeout(loop, 1000);
    CHECK(wait <= 1);
    wait_for(epoll, wait, &got);
    td_turn_loop(loop);
  }
  CHECK_EQ(seen.handled, 2);

  CHECK_OK(td_loop_close(loop));
  CHECK_IS(td_turn_loop(loop), TD_ECLOSED);
  CHECK_EQ(td_turn_timeout(loop, 5), 5);
  td_epoll_remove(&other);
  CHECK_EQ(wait_for(epoll, 0, &got), 0);

  /* A set that is none. */
  mailbox = mailbox_with(engine, 0, 1);
  CHECK_IS(td_epoll_add_mailbox(&member, -1, mailbox, data), TD_ESYS);
  CHECK_EQ(member.fd, -1);
  close(epoll);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
