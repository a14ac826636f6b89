/* Timers fire in the order of their deadlines and not one nanosecond early (on the virtual clock), once or at a period
 * that does not pile up; what was cancelled does not come. (rule 21) */
#include "check.h"

static td_engine engine; /* virtual clock */

static void take_timer(td_mailbox mailbox, td_timer timer, uint64_t tag) {
  td_message message;
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TIMER);
  CHECK_EQ(message.ref, timer.id);
  CHECK_EQ(message.tag, tag);
  CHECK_OK(td_message_release(&message));
}

static void nothing(td_mailbox mailbox) {
  td_message message;
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN);
}

static void not_early_and_once(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_message message;
  td_timer timer;
  CHECK_OK(td_send_after(mailbox, TD_MS(10), 4, TD_STR("payload"), &timer));
  CHECK_EQ(counters_of(mailbox).timers, 1);
  CHECK_OK(td_clock_advance(engine, TD_MS(10) - 1));
  nothing(mailbox);
  CHECK_OK(td_clock_advance(engine, 1));
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TIMER);
  CHECK_EQ(message.tag, 4);
  CHECK_EQ(message.ref, timer.id);
  CHECK_TEXT(message.data, message.data_size, "payload");
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_clock_advance(engine, TD_MS(1000)));
  nothing(mailbox);
  CHECK_EQ(counters_of(mailbox).timers, 0);
}

static void in_the_order_of_deadline_then_creation(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_timer late, first, second, soon, now;
  CHECK_OK(td_send_after(mailbox, TD_MS(30), 5, NULL, 0, &late));
  CHECK_OK(td_send_after(mailbox, TD_MS(20), 3, NULL, 0, &first));
  CHECK_OK(td_send_after(mailbox, TD_MS(20), 4, NULL, 0, &second));
  CHECK_OK(td_send_after(mailbox, TD_MS(10), 2, NULL, 0, &soon));
  CHECK_OK(td_send_after(mailbox, 0, 1, NULL, 0, &now));
  CHECK_OK(td_clock_advance(engine, TD_MS(100)));
  take_timer(mailbox, now, 1);
  take_timer(mailbox, soon, 2);
  take_timer(mailbox, first, 3);
  take_timer(mailbox, second, 4);
  take_timer(mailbox, late, 5);
}

static void cancel_and_read_tell_the_rest(void) { /* C21 */
  td_mailbox mailbox = open_mailbox(engine);
  td_timer timer, fired;
  int64_t remaining = -1;
  CHECK_OK(td_send_after(mailbox, TD_MS(10), 1, NULL, 0, &timer));
  CHECK_OK(td_send_after(mailbox, TD_MS(5), 2, NULL, 0, &fired));
  CHECK_OK(td_clock_advance(engine, TD_MS(4)));
  CHECK_OK(td_timer_read(timer, &remaining));
  CHECK_EQ(remaining, TD_MS(6));
  CHECK_OK(td_clock_advance(engine, TD_MS(1)));
  CHECK_OK(td_timer_cancel(timer, &remaining));
  CHECK_EQ(remaining, TD_MS(5));
  remaining = 42;
  CHECK_IS(td_timer_cancel(timer, &remaining), TD_ESTALE);
  CHECK_IS(td_timer_read(timer, &remaining), TD_ESTALE);
  CHECK_IS(td_timer_cancel(fired, &remaining), TD_ESTALE);
  CHECK_IS(td_timer_read(fired, &remaining), TD_ESTALE);
  CHECK_EQ(remaining, 42);
  CHECK_OK(td_clock_advance(engine, TD_MS(100)));
  take_timer(mailbox, fired, 2);
  nothing(mailbox);
  CHECK_OK(td_send_after(mailbox, TD_MS(10), 1, NULL, 0, &timer));
  CHECK_OK(td_timer_cancel(timer, NULL));
}

static void every_does_not_pile_up(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_timer timer;
  CHECK_OK(td_send_every(mailbox, TD_MS(10), 7, NULL, 0, &timer));
  for (int i = 0; i < 3; i++) {
    CHECK_OK(td_clock_advance(engine, TD_MS(10)));
    take_timer(mailbox, timer, 7);
    nothing(mailbox);
  }
  CHECK_OK(td_clock_advance(engine, TD_MS(55))); /* five periods, one pending tick */
  take_timer(mailbox, timer, 7);
  nothing(mailbox);
  CHECK_OK(td_clock_advance(engine, TD_MS(10)));
  CHECK_EQ(counters_of(mailbox).queued, 1);
  CHECK_OK(td_timer_cancel(timer, NULL)); /* its queued tick goes too */
  nothing(mailbox);
  CHECK_OK(td_clock_advance(engine, TD_MS(100)));
  nothing(mailbox);
  (void)counters_of(mailbox);
}

static void a_timer_dies_with_its_mailbox(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_timer timer, every, none;
  int64_t remaining;
  CHECK_OK(td_send_after(mailbox, TD_MS(10), 1, NULL, 0, &timer));
  CHECK_OK(td_send_every(mailbox, TD_MS(10), 1, NULL, 0, &every));
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_IS(td_timer_read(timer, &remaining), TD_ESTALE);
  CHECK_IS(td_timer_cancel(every, NULL), TD_ESTALE);
  CHECK_IS(td_send_after(mailbox, 0, 1, NULL, 0, &none), TD_ENOPROC);
  CHECK_EQ(none.id, 0);
  CHECK_IS(td_send_every(mailbox, 1, 1, NULL, 0, &none), TD_ENOPROC);
  CHECK_OK(td_clock_advance(engine, TD_MS(100)));
}

static void a_name_is_resolved_at_expiry(void) {
  td_mailbox before = open_mailbox(engine), after = open_mailbox(engine);
  td_message message;
  td_timer timer, unheard;
  CHECK_OK(td_register(before, TD_STR("moving")));
  CHECK_OK(td_send_after_name(engine, TD_STR("moving"), TD_MS(10), 6, TD_STR("to the name"), &timer));
  CHECK_OK(td_send_after_name(engine, TD_STR("never registered"), TD_MS(10), 6, NULL, 0, &unheard));
  CHECK_OK(td_register_replace(after, TD_STR("moving"), NULL));
  CHECK_OK(td_clock_advance(engine, TD_MS(10)));
  nothing(before);
  CHECK_OK(td_recv(after, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TIMER);
  CHECK_EQ(message.ref, timer.id);
  CHECK_TEXT(message.data, message.data_size, "to the name");
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_timer_cancel(unheard, NULL), TD_ESTALE);
}

static void timers_ignore_bounds(void) {
  td_mailbox mailbox = open_bounded(engine, TD_FAIL, 1);
  td_timer timer;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(td_send_after(mailbox, TD_MS(1), 2, NULL, 0, &timer));
  CHECK_OK(td_clock_advance(engine, TD_MS(1)));
  RECV_TAG(mailbox, 1, 0);
  take_timer(mailbox, timer, 2);
}

static void timers_are_checked(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_timer timer;
  timer.id = 3;
  CHECK_IS(td_send_after(mailbox, -1, 0, NULL, 0, &timer), TD_EINVAL);
  CHECK_EQ(timer.id, 0);
  CHECK_IS(td_send_after(mailbox, 0, 0, NULL, 1, &timer), TD_EINVAL);
  CHECK_IS(td_send_after(mailbox, 0, 0, NULL, 0, NULL), TD_EINVAL);
  CHECK_IS(td_send_every(mailbox, 0, 0, NULL, 0, &timer), TD_EINVAL);
  CHECK_IS(td_send_every(mailbox, -5, 0, NULL, 0, &timer), TD_EINVAL);
  CHECK_IS(td_send_every(mailbox, 1, 0, NULL, 0, NULL), TD_EINVAL);
  CHECK_IS(td_send_after_name(engine, TD_STR("x"), 0, 0, NULL, 0, NULL), TD_EINVAL);
  CHECK_OK(td_send_after(mailbox, TD_FOREVER - 1, 0, NULL, 0, &timer)); /* does not wrap round into the past */
  CHECK_IS(td_timer_read(timer, NULL), TD_EINVAL);
  nothing(mailbox);
  CHECK_OK(td_timer_cancel(timer, NULL));
}

struct waiter {
  td_mailbox mailbox;
  int32_t result;
};

static void *wait_50(void *user) {
  struct waiter *waiter = (struct waiter *)user;
  td_message message;
  waiter->result = td_recv(waiter->mailbox, TD_MS(50), 0, &message);
  return NULL;
}

static void waits_follow_the_virtual_clock(void) { /* C3 to the nanosecond */
  struct waiter waiter;
  pthread_t thread;
  waiter.mailbox = open_mailbox(engine);
  waiter.result = 1;
  CHECK_EQ(pthread_create(&thread, NULL, wait_50, &waiter), 0);
  CHECK_OK(td_clock_wait_parked(engine, 1, check_patience(TD_MS(10000))));
  CHECK_OK(td_clock_advance(engine, TD_MS(50) - 1));
  CHECK_OK(td_clock_wait_parked(engine, 1, check_patience(TD_MS(10000))));
  CHECK_OK(td_clock_advance(engine, 1));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_IS(waiter.result, TD_ETIMEDOUT);
  CHECK_IS(td_clock_wait_parked(engine, 1, TD_MS(10)), TD_ETIMEDOUT);
  CHECK_OK(td_clock_wait_parked(engine, 0, 0));
}

static void by_the_timer_thread(void) {
  td_engine real = open_engine(0);
  td_mailbox mailbox = open_mailbox(real);
  td_message message;
  td_timer timer, every;
  int64_t before, after;
  CHECK_OK(td_now(real, &before));
  CHECK_OK(td_send_after(mailbox, TD_MS(20), 1, NULL, 0, &timer));
  CHECK_OK(td_recv(mailbox, check_patience(TD_MS(10000)), 0, &message));
  CHECK_OK(td_now(real, &after));
  CHECK_EQ(message.ref, timer.id);
  CHECK(after - before >= TD_MS(20));
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_send_every(mailbox, TD_MS(2), 2, NULL, 0, &every));
  for (int i = 0; i < 5; i++) {
    CHECK_OK(td_recv(mailbox, check_patience(TD_MS(10000)), 0, &message));
    CHECK_EQ(message.ref, every.id);
    CHECK_OK(td_message_release(&message));
  }
  CHECK_OK(td_engine_close(real));
}

static void count_timers(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0)
    if (message.kind == TD_KIND_TIMER) ++*(int *)user;
}

static void by_the_host(void) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine host;
  td_engine_counters counters;
  td_timer timer;
  int seen = 0;
  int64_t delay = 1;
  options.time = TD_TIME_HOST;
  CHECK_OK(td_engine_open(&options, &host));
  td_loop loop = open_loop(host);
  td_mailbox mailbox = open_handler(host, loop, count_timers, &seen);
  CHECK_OK(td_loop_deadline(loop, &delay));
  CHECK(delay == TD_FOREVER);
  CHECK_OK(td_send_after(mailbox, TD_MS(20), 0, NULL, 0, &timer));
  CHECK_OK(td_loop_deadline(loop, &delay));
  CHECK(delay > 0 && delay <= TD_MS(20));
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(host, &counters));
  CHECK_EQ(counters.threads, 0);
  CHECK_IS(td_loop_run(loop, 0, 0), 0);
  CHECK_EQ(seen, 0);
  check_sleep(TD_MS(25));
  CHECK_OK(td_loop_deadline(loop, &delay));
  CHECK_EQ(delay, 0);
  CHECK_EQ(seen, 0); /* nobody but the host moves time */
  CHECK_IS(td_loop_run(loop, 0, 0), 1);
  CHECK_EQ(seen, 1);
  CHECK_OK(td_send_after(mailbox, TD_MS(5), 0, NULL, 0, &timer));
  int64_t end = check_clock() + check_patience(TD_MS(10000));
  while (seen < 2 && check_clock() < end) CHECK(td_loop_run(loop, TD_MS(1000), 0) >= 0);
  CHECK_EQ(seen, 2);
  CHECK_OK(td_engine_close(host));
}

static uint64_t armed(void) {
  td_engine_counters counters;
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  return counters.timers;
}

/* The deadlines of calls and the grace of a presence are not timers of the user's. */
static void the_engine_counts_timers_only(void) {
  td_mailbox mailbox = open_mailbox(engine), caller = open_mailbox(engine), member = open_mailbox(engine);
  td_timer once, again, named;
  td_ticket ticket;
  int64_t left;
  uint64_t before = armed();
  CHECK_OK(td_call_start(mailbox, caller, 1, NULL, 0, TD_MS(50), &ticket));
  CHECK_OK(td_presence_enter(member, TD_STR("group"), TD_STR("key"), TD_MS(50)));
  CHECK_OK(td_mailbox_close(member));
  CHECK_EQ(armed(), before);
  CHECK_OK(td_send_after(mailbox, TD_MS(10), 1, NULL, 0, &once));
  CHECK_OK(td_send_every(mailbox, TD_MS(10), 1, NULL, 0, &again));
  CHECK_OK(td_send_after_name(engine, TD_STR("name"), TD_MS(20), 1, NULL, 0, &named));
  CHECK_EQ(armed(), before + 3);
  CHECK_OK(td_clock_advance(engine, TD_MS(10)));
  CHECK_EQ(armed(), before + 2);
  CHECK_OK(td_clock_advance(engine, TD_MS(90)));
  CHECK_EQ(armed(), before + 1);
  CHECK_OK(td_timer_cancel(again, &left));
  CHECK_EQ(armed(), before);
  CHECK_OK(td_mailbox_close(mailbox));
}

int main(void) {
  check_begin();
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  not_early_and_once();
  in_the_order_of_deadline_then_creation();
  cancel_and_read_tell_the_rest();
  every_does_not_pile_up();
  a_timer_dies_with_its_mailbox();
  a_name_is_resolved_at_expiry();
  timers_ignore_bounds();
  timers_are_checked();
  waits_follow_the_virtual_clock();
  the_engine_counts_timers_only();
  by_the_timer_thread();
  by_the_host();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
