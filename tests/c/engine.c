/* An engine is a world of its own: opened by options, counted, closed at any time; another engine's ids are strangers. */
#include "check.h"

static void options_are_checked(void) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine engine;
  engine.id = 99;
  options.flags = 0x80000000u;
  CHECK_IS(td_engine_open(&options, &engine), TD_EINVAL);
  CHECK_EQ(engine.id, 0); /* an id becomes zero on failure */
  options.flags = 0;
  options.time = 7;
  CHECK_IS(td_engine_open(&options, &engine), TD_EINVAL);
  options.time = TD_TIME_THREAD;
  options.size = 0;
  CHECK_IS(td_engine_open(&options, &engine), TD_EINVAL);
  options.size = 3; /* not even the size itself */
  CHECK_IS(td_engine_open(&options, &engine), TD_EINVAL);
  CHECK_IS(td_engine_open(NULL, NULL), TD_EINVAL);
  options.size = sizeof options;
  CHECK_OK(td_engine_open(&options, &engine));
  CHECK_OK(td_engine_close(engine));
}

static td_engine_counters engine_counters(td_engine engine) {
  td_engine_counters counters;
  memset(&counters, 0, sizeof counters);
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  return counters;
}

static void counters_follow(void) {
  td_engine engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  td_mailbox mailbox = open_mailbox(engine), gone = open_mailbox(engine);
  td_subscription subscription;
  td_timer timer;
  CHECK_OK(td_register(mailbox, TD_STR("name")));
  CHECK_OK(td_subscribe(mailbox, TD_STR("a.*"), NULL, &subscription));
  CHECK_OK(td_send_after(mailbox, TD_MS(5), 0, NULL, 0, &timer));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("a.b"), 0, NULL, 0, NULL, NULL));
  CHECK_OK(td_mailbox_close(gone));
  CHECK_IS(send_tag(gone, 1), TD_ENOPROC);
  td_engine_counters counters = engine_counters(engine);
  CHECK_EQ(counters.mailboxes, 1);
  CHECK_EQ(counters.names, 1);
  CHECK_EQ(counters.subscriptions, 1);
  CHECK_EQ(counters.timers, 1);
  CHECK_EQ(counters.published, 1);
  CHECK_EQ(counters.dead_letters, 1);

  td_mailbox_counters own = counters_of(mailbox);
  CHECK_EQ(own.names, 1);
  CHECK_EQ(own.timers, 1);
  CHECK_EQ(own.subscriptions, 1);
  CHECK_OK(td_mailbox_close(mailbox));
  counters = engine_counters(engine);
  CHECK_EQ(counters.mailboxes + counters.names + counters.subscriptions + counters.timers, 0);

  counters.size = 0;
  CHECK_IS(td_engine_stats(engine, &counters), TD_EINVAL);
  CHECK_IS(td_engine_stats(engine, NULL), TD_EINVAL);
  CHECK_OK(td_engine_close(engine));
  counters.size = sizeof counters;
  CHECK_IS(td_engine_stats(engine, &counters), TD_ESTALE);
}

/* A newer caller, whose struct is longer, finds zero in what this library does not know. */
static void a_longer_struct_is_filled_up_with_zero(void) {
  struct {
    td_engine_counters counters;
    uint64_t newer[3];
  } future;
  td_engine engine = open_engine(0);
  memset(&future, 0x5a, sizeof future);
  future.counters.size = sizeof future - sizeof(uint64_t);
  (void)open_mailbox(engine);
  CHECK_OK(td_engine_stats(engine, &future.counters));
  CHECK_EQ(future.counters.mailboxes, 1);
  CHECK_EQ(future.newer[0], 0);
  CHECK_EQ(future.newer[1], 0);
  CHECK(future.newer[2] == UINT64_C(0x5a5a5a5a5a5a5a5a)); /* beyond what the caller has */
  future.counters.size = offsetof(td_engine_counters, threads); /* less than there ever was */
  CHECK_IS(td_engine_stats(engine, &future.counters), TD_EINVAL);
  future.counters.size = SIZE_MAX; /* garbage, not a struct */
  CHECK_IS(td_engine_stats(engine, &future.counters), TD_EINVAL);
  CHECK_OK(td_engine_close(engine));
}

static void closing_ends_every_mailbox(void) {
  td_engine engine = open_engine(0);
  td_mailbox mailbox = open_mailbox(engine);
  td_message message;
  td_mailbox late;
  int64_t now = 42;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(td_engine_close(engine));
  td_mailbox_counters counters = counters_of(mailbox);
  CHECK_EQ(counters.state, TD_STATE_ENDED);
  CHECK_EQ(counters.reason, TD_REASON_ENGINE_CLOSED);
  CHECK_EQ(counters.discarded, 1);
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_ECLOSED);
  CHECK_IS(send_tag(mailbox, 1), TD_ENOPROC);
  CHECK_IS(td_engine_close(engine), TD_ESTALE);
  CHECK_IS(td_mailbox_open(engine, NULL, &late), TD_ESTALE);
  CHECK_IS(td_now(engine, &now), TD_ESTALE);
  CHECK_EQ(now, 42);
}

static void engines_are_strangers_to_each_other(void) {
  td_engine one = open_engine(0), other = open_engine(0);
  td_mailbox here = open_mailbox(one), there = open_mailbox(other), found;
  td_monitor_ref monitor;
  CHECK(one.id != other.id);
  CHECK_OK(td_register(here, TD_STR("name")));
  CHECK_OK(td_register(there, TD_STR("name"))); /* names are an engine's own */
  CHECK_OK(td_whereis(other, TD_STR("name"), &found));
  CHECK_EQ(found.id, there.id);
  CHECK_IS(td_send(there, here, 1, NULL, 0), TD_EBADID);
  monitor.id = 5;
  CHECK_IS(td_monitor(here, there, 0, &monitor), TD_EBADID);
  CHECK_EQ(monitor.id, 0);
  CHECK_OK(td_engine_close(one));
  CHECK_OK(td_send(there, TD_NOBODY, 1, NULL, 0)); /* the other engine lives on */
  CHECK_OK(td_engine_close(other));
}

static void the_default_engine_is_one(void) {
  td_engine first, second;
  CHECK_OK(td_engine_default(&first));
  CHECK_OK(td_engine_default(&second));
  CHECK_EQ(first.id, second.id);
  CHECK_IS(td_engine_default(NULL), TD_EINVAL);
  td_mailbox mailbox = open_mailbox(first);
  CHECK_OK(send_tag(mailbox, 3));
  RECV_TAG(mailbox, 3, 0);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void time_moves_on_or_by_hand(void) {
  td_engine real = open_engine(0), engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  int64_t before, after;
  CHECK_OK(td_now(real, &before));
  check_sleep(TD_MS(2));
  CHECK_OK(td_now(real, &after));
  CHECK(after - before >= TD_MS(2));
  CHECK_OK(td_now(engine, &before));
  check_sleep(TD_MS(2));
  CHECK_OK(td_now(engine, &after));
  CHECK_EQ(after, before);
  CHECK_OK(td_clock_advance(engine, TD_MS(5)));
  CHECK_OK(td_now(engine, &after));
  CHECK_EQ(after - before, TD_MS(5));
  CHECK_IS(td_now(engine, NULL), TD_EINVAL);
  CHECK_IS(td_clock_advance(engine, -1), TD_EINVAL);
  CHECK_IS(td_clock_advance(real, TD_MS(5)), TD_EINVAL); /* its clock does not obey */
  CHECK_IS(td_clock_wait_parked(real, 0, 0), TD_EINVAL);
  CHECK_OK(td_engine_close(real));
  CHECK_OK(td_engine_close(engine));
}

static void note_log(uint32_t level, const char *text, size_t size, void *user) {
  CHECK(level >= TD_LOG_ERROR && level <= TD_LOG_INFO);
  CHECK(text != NULL && size > 0);
  (*(int *)user)++;
}

static void the_log_sink_is_dropped_once(void) {
  int logged = 0, first = 0, second = 0;
  CHECK_OK(td_log_set(TD_LOG_INFO, note_log, &logged, NULL));
  CHECK_OK(td_log_set(TD_LOG_INFO, note_log, &first, count_drop));
  CHECK_EQ(first, 0);
  CHECK_OK(td_log_set(TD_LOG_WARN, note_log, &second, count_drop));
  CHECK(first >= 1); /* dropped when replaced (the log itself may have counted too) */
  CHECK_OK(td_log_set(TD_LOG_ERROR, NULL, NULL, NULL));
  CHECK(second >= 1);
  CHECK_IS(td_log_set(77, note_log, &logged, NULL), TD_EINVAL);
  CHECK_IS(td_log_set(77, note_log, &logged, count_drop), TD_EINVAL);
  CHECK_EQ(logged, 1); /* drop runs also when the registration fails */
  CHECK_OK(td_log_set(TD_LOG_ERROR, NULL, NULL, NULL));
}

int main(void) {
  check_begin();
  options_are_checked();
  counters_follow();
  a_longer_struct_is_filled_up_with_zero();
  closing_ends_every_mailbox();
  engines_are_strangers_to_each_other();
  the_default_engine_is_one();
  time_moves_on_or_by_hand();
  the_log_sink_is_dropped_once();
  return 0;
}
