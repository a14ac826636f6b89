/* The libuv adapter at its edges. */
#include "edges.h"

#include <tidings/libuv.h>

static int closed;
static td_mailbox other;

static void count_loop_closed(td_uv_loop *handle) { (void)handle, closed++; }
static void count_mailbox_closed(td_uv_mailbox *handle) { (void)handle, closed++; }

/* What else the host's loop does: once per round. */
static void count_round(uv_check_t *check) { ((struct seen *)check->data)->others++; }

static int close_inside(td_mailbox mailbox, const td_message *message, void *user) {
  (void)mailbox, (void)message;
  td_uv_mailbox_close((td_uv_mailbox *)user, count_mailbox_closed);
  return 1;
}

static void never_done(td_mailbox mailbox, int32_t result, void *user) {
  (void)mailbox, (void)result, (void)user;
  CHECK_NEVER("done after the handle was closed");
}

static void close_loop_inside(uv_timer_t *timer) { td_loop_close(((td_uv_loop *)timer->data)->loop); }

int main(void) {
  td_engine engine = engine_in_host_time();
  td_mailbox mailbox = mailbox_with(engine, 0, SENT), handled;
  td_loop loop;
  td_timer tick;
  td_uv_mailbox in_uv;
  td_uv_loop loop_in_uv, another;
  uv_loop_t uv;
  uv_check_t check;
  uv_timer_t timer;
  struct seen seen = {0, 0, 0, 0, 0, 0, 0, 0};

  CHECK_EQ(uv_loop_init(&uv), 0);
  uv_check_init(&uv, &check);
  check.data = &seen;
  uv_check_start(&check, count_round);

  /* A turn is bounded, and the rest of the uv loop has its own in between. */
  CHECK_OK(td_uv_mailbox_init(&uv, &in_uv, mailbox, MOST, count_message, count_turn, &seen));
  while (seen.messages < SENT) uv_run(&uv, UV_RUN_NOWAIT);
  CHECK_EQ(seen.largest, MOST);
  CHECK_EQ(seen.turns, SENT / MOST);
  CHECK(seen.others >= SENT / MOST);

  /* Not watched, there is no turn; watched again, there is. */
  CHECK_OK(td_uv_mailbox_watch(&in_uv, 0));
  CHECK_OK(td_send(mailbox, TD_NOBODY, SENT, "x", 1));
  for (int round = 0; round < 10; round++) uv_run(&uv, UV_RUN_NOWAIT);
  CHECK_EQ(seen.messages, SENT);
  CHECK_OK(td_uv_mailbox_watch(&in_uv, 1));
  while (seen.messages == SENT) uv_run(&uv, UV_RUN_ONCE);

  /* The end is told once, and then the handle rests. */
  seen.turns = 0;
  CHECK_OK(td_mailbox_close(mailbox));
  while (seen.turns == 0) uv_run(&uv, UV_RUN_ONCE);
  CHECK_EQ(seen.result, TD_ECLOSED);
  for (int round = 0; round < 10; round++) uv_run(&uv, UV_RUN_NOWAIT);
  CHECK_EQ(seen.turns, 1);
  td_uv_mailbox_close(&in_uv, count_mailbox_closed);
  CHECK_IS(td_uv_mailbox_watch(&in_uv, 1), TD_ESTALE);
  while (closed < 1) uv_run(&uv, UV_RUN_ONCE);
  CHECK_IS(td_uv_mailbox_init(&uv, &in_uv, mailbox, 0, count_message, NULL, &seen), TD_ENOPROC);

  /* Closed inside fn: no further message, and no done. */
  other = mailbox_with(engine, 0, SENT);
  CHECK_OK(td_uv_mailbox_init(&uv, &in_uv, other, 0, close_inside, never_done, &in_uv));
  while (closed < 2) uv_run(&uv, UV_RUN_ONCE);

  /* A loop: messages and timers of the host's time reach its handler. */
  CHECK_OK(td_loop_open(engine, NULL, &loop));
  handled = mailbox_of_loop(engine, loop, &seen);
  CHECK_OK(td_uv_loop_init(&uv, &loop_in_uv, loop));
  CHECK_OK(td_send(handled, TD_NOBODY, 0, NULL, 0));
  while (seen.handled < 1) uv_run(&uv, UV_RUN_ONCE);
  CHECK_OK(td_send_every(handled, TD_MS(2), 0, NULL, 0, &tick));
  while (seen.handled < 10) uv_run(&uv, UV_RUN_ONCE);

  /* The loop ends beneath its handle, which then rests and does not turn round and round. */
  uv_timer_init(&uv, &timer);
  timer.data = &loop_in_uv;
  uv_timer_start(&timer, close_loop_inside, 1, 0);
  /* Both timers may be due in one round, which would then wait for what comes no more. */
  while (uv_is_active((uv_handle_t *)&loop_in_uv.poll)) uv_run(&uv, UV_RUN_NOWAIT);
  CHECK(!uv_is_active((uv_handle_t *)&loop_in_uv.timer));
  CHECK_IS(td_uv_loop_init(&uv, &another, loop), TD_ESTALE);

  td_uv_loop_close(&loop_in_uv, count_loop_closed);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_close((uv_handle_t *)&check, NULL);
  uv_run(&uv, UV_RUN_DEFAULT);
  CHECK_EQ(closed, 3);
  CHECK_EQ(uv_loop_close(&uv), 0);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
