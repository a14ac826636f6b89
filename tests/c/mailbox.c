/* A mailbox opens by its options, ends once with a reason, and tells both; its drop function runs exactly once. */
#include "check.h"

static td_engine engine;

static void never(td_batch *batch, void *user) {
  (void)batch;
  (void)user;
  CHECK_NEVER("this handler must not run");
}

static void drop_runs_when_opening_fails(void) {
  td_loop loop = open_loop(engine);
  td_mailbox mailbox, holder = open_mailbox(engine);
  int dropped = 0;
  td_mailbox_options good = TD_MAILBOX_OPTIONS_INIT;
  good.loop = loop;
  good.handler = never;
  good.user = &dropped;
  good.drop = count_drop;
  td_mailbox_options options = good;

  mailbox.id = 9;
  options.flags = 1u << 30;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  CHECK_EQ(mailbox.id, 0);
  CHECK_EQ(dropped, 1);
  options = good;
  options.policy = TD_CONFLATE + 1;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  CHECK_EQ(dropped, 2);
  options = good;
  options.handler = NULL; /* a loop, and nothing to run */
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  CHECK_EQ(dropped, 3);
  options = good;
  options.loop.id = 0; /* something to run, and no loop */
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  CHECK_EQ(dropped, 4);
  options = good;
  options.loop.id = holder.id; /* of the wrong kind */
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EBADID);
  CHECK_EQ(dropped, 5);
  CHECK_OK(td_register(holder, TD_STR("taken")));
  options = good;
  options.name = "taken";
  options.name_size = 5;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EEXIST);
  CHECK_IS(td_loop_run(loop, 0, 0), 0); /* it may run on the loop's thread */
  CHECK_EQ(dropped, 6);
  options.name = NULL;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  CHECK_EQ(dropped, 7);
  options = good;
  options.block_timeout = -1;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  CHECK_EQ(dropped, 8);
  CHECK_IS(td_mailbox_open(engine, &good, NULL), TD_EINVAL);
  CHECK_EQ(dropped, 9);
  CHECK_OK(td_loop_close(loop));
  CHECK_IS(td_mailbox_open(engine, &good, &mailbox), TD_ESTALE);
  CHECK_EQ(dropped, 10);
  CHECK_OK(td_mailbox_close(holder));

  options = good;
  options.size = 0; /* nothing of it can be trusted, the drop function neither */
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  options.size = sizeof(size_t) + 1;
  CHECK_FAILS(td_mailbox_open(engine, &options, &mailbox));
  CHECK_EQ(dropped, 10);
}

static void a_larger_struct_must_be_zero_beyond_what_is_known(void) {
  struct {
    td_mailbox_options options;
    uint64_t newer[2];
  } future;
  td_mailbox_options init = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  memset(&future, 0, sizeof future);
  future.options = init;
  future.options.size = sizeof future;
  CHECK_OK(td_mailbox_open(engine, &future.options, &mailbox));
  CHECK_OK(td_mailbox_close(mailbox));
  future.newer[1] = 1; /* asks for something this library does not know */
  CHECK_IS(td_mailbox_open(engine, &future.options, &mailbox), TD_EINVAL);
}

static void drop_runs_once_at_the_end(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  int dropped = 0;
  options.user = &dropped;
  options.drop = count_drop;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  void *user = NULL;
  CHECK_OK(td_mailbox_user(mailbox, &user));
  CHECK(user == &dropped);
  CHECK_IS(td_mailbox_user(mailbox, NULL), TD_EINVAL);
  CHECK_EQ(dropped, 0);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(dropped, 1);
  CHECK_IS(td_mailbox_close(mailbox), TD_ENOPROC);
  CHECK_EQ(dropped, 1);
  user = &options;
  CHECK_IS(td_mailbox_user(mailbox, &user), TD_ENOPROC);
  CHECK(user == &options);
}

static void the_end_has_a_reason(void) {
  td_mailbox watcher = open_mailbox(engine), normal = open_mailbox(engine), own = open_mailbox(engine), killed = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message message;
  CHECK_OK(td_monitor(watcher, own, 0, &monitor));
  CHECK_OK(td_mailbox_close(normal));
  CHECK_OK(td_mailbox_exit(own, TD_REASON_USER + 5, TD_STR("why")));
  CHECK_OK(td_mailbox_kill(killed));
  CHECK_EQ(counters_of(normal).reason, TD_REASON_NORMAL);
  CHECK_EQ(counters_of(own).reason, TD_REASON_USER + 5);
  CHECK_EQ(counters_of(killed).reason, TD_REASON_KILLED);
  CHECK_EQ(counters_of(killed).state, TD_STATE_ENDED);
  CHECK_EQ(counters_of(watcher).state, TD_STATE_OPEN);
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_EQ(message.status, TD_REASON_USER + 5);
  CHECK_TEXT(message.data, message.data_size, "why");
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_mailbox_exit(own, 0, NULL, 0), TD_ENOPROC);
  CHECK_IS(td_mailbox_kill(own), TD_ENOPROC);
  CHECK_IS(td_mailbox_exit(watcher, 0, NULL, 3), TD_EINVAL); /* three bytes of nothing */
  CHECK_IS(td_mailbox_exit(watcher, -1, NULL, 0), TD_EINVAL); /* negative numbers are errors, not reasons */
  CHECK_IS(td_mailbox_exit(watcher, TD_REASON_KILLED, NULL, 0), TD_EINVAL); /* the engine's own */
  CHECK_IS(td_mailbox_exit(watcher, TD_REASON_USER - 1, NULL, 0), TD_EINVAL);
  CHECK_OK(td_mailbox_close(watcher));
}

static void what_was_queued_is_discarded(void) {
  td_mailbox mailbox = open_mailbox(engine);
  for (uint64_t i = 0; i < 5; i++) CHECK_OK(send_tag(mailbox, i));
  RECV_TAG(mailbox, 0, 0);
  td_mailbox_counters counters = counters_of(mailbox);
  CHECK_EQ(counters.queued, 4);
  CHECK_EQ(counters.sent, 5);
  CHECK_OK(td_mailbox_close(mailbox));
  counters = counters_of(mailbox);
  CHECK_EQ(counters.discarded, 4);
  CHECK_EQ(counters.delivered, 1);
  CHECK_EQ(counters.queued, 0);
  counters.size = 0;
  CHECK_IS(td_mailbox_stats(mailbox, &counters), TD_EINVAL);
  CHECK_IS(td_mailbox_stats(mailbox, NULL), TD_EINVAL);
}

static void *close_later(void *user) {
  check_sleep(TD_MS(20));
  CHECK_OK(td_mailbox_close(*(td_mailbox *)user));
  return NULL;
}

static void wait_sees_the_end(void) {
  td_mailbox mailbox = open_mailbox(engine);
  pthread_t thread;
  CHECK_IS(td_mailbox_wait(mailbox, 0, 0), TD_EAGAIN);
  int64_t before = check_clock();
  CHECK_IS(td_mailbox_wait(mailbox, TD_MS(20), 0), TD_ETIMEDOUT);
  CHECK(check_clock() - before >= TD_MS(20));
  CHECK_IS(td_mailbox_wait(mailbox, 0, 0x100), TD_EINVAL);
  CHECK_IS(td_mailbox_wait(mailbox, -5, 0), TD_EINVAL);
  CHECK_EQ(pthread_create(&thread, NULL, close_later, &mailbox), 0);
  CHECK_OK(td_mailbox_wait(mailbox, TD_FOREVER, 0));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_OK(td_mailbox_wait(mailbox, 0, 0)); /* it is over, so there is nothing to wait for */
}

static void the_fd_is_the_callers(void) {
  td_loop loop = open_loop(engine);
  td_mailbox pull = open_mailbox(engine), handler = open_handler(engine, loop, never, NULL);
  td_fd one, two;
  CHECK_OK(td_mailbox_fd(pull, &one));
  CHECK_OK(td_mailbox_fd(pull, &two));
  CHECK(!check_readable(one) && !check_readable(two));
  CHECK_OK(send_tag(pull, 1));
  CHECK(check_readable(one) && check_readable(two));
  CHECK_EQ(close((int)one), 0);
  RECV_TAG(pull, 1, 0);
  CHECK_OK(send_tag(pull, 2));
  CHECK(check_readable(two));
  CHECK_OK(td_mailbox_close(pull));
  CHECK(check_readable(two)); /* the end is something to receive */
  CHECK_EQ(close((int)two), 0);
  one = 77;
  CHECK_IS(td_mailbox_fd(handler, &one), TD_EINVAL); /* its loop has the fd */
  CHECK_IS(td_mailbox_fd(pull, &one), TD_ENOPROC);
  CHECK_EQ(one, 77);
  CHECK_OK(td_loop_close(loop));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  drop_runs_when_opening_fails();
  a_larger_struct_must_be_zero_beyond_what_is_known();
  drop_runs_once_at_the_end();
  the_end_has_a_reason();
  what_was_queued_is_discarded();
  wait_sees_the_end();
  the_fd_is_the_callers();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
