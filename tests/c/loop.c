/* A loop runs the handlers of its mailboxes on the thread that calls td_loop_run, in batches, within its budget; what a
 * handler does to its own mailbox or loop holds at once. (rule 9) */
#include "check.h"

static td_engine engine;

struct log {
  int calls, messages, dropped;
  uint64_t last;
  pthread_t thread;
  td_mailbox mailbox;
  td_loop loop;
};

static void note(td_batch *batch, void *user) {
  struct log *log = (struct log *)user;
  td_message message;
  log->calls++;
  log->thread = pthread_self();
  while (td_batch_next(batch, &message) > 0) {
    CHECK_EQ(batch->mailbox.id, log->mailbox.id);
    log->messages++;
    log->last = message.tag;
  }
}

static void drop_log(void *user) { ((struct log *)user)->dropped++; }

static struct log open_log(td_loop loop, struct log *log, td_handler_fn handler) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  memset(log, 0, sizeof *log);
  options.loop = loop;
  options.handler = handler;
  options.user = log;
  options.drop = drop_log;
  log->loop = loop;
  CHECK_OK(td_mailbox_open(engine, &options, &log->mailbox));
  return *log;
}

static void it_runs_handlers_here(void) {
  td_loop loop = open_loop(engine);
  struct log log;
  td_message message;
  open_log(loop, &log, note);
  CHECK_IS(td_loop_run(loop, 0, 0), 0);
  CHECK_EQ(log.calls, 0);
  for (uint64_t i = 1; i <= 1000; i++) CHECK_OK(send_tag(log.mailbox, i));
  CHECK(td_loop_run(loop, TD_FOREVER, 0) > 0);
  while (td_loop_run(loop, 0, 0) > 0) continue;
  CHECK_EQ(log.messages, 1000);
  CHECK_EQ(log.last, 1000);
  CHECK(log.calls < 1000); /* in batches */
  CHECK(pthread_equal(log.thread, pthread_self()));
  CHECK_IS(td_recv(log.mailbox, 0, 0, &message), TD_EINVAL); /* the way to read is fixed when it opens */
  int64_t before = check_clock();
  CHECK_IS(td_loop_run(loop, TD_MS(20), 0), 0);
  CHECK(check_clock() - before >= TD_MS(20));
  td_fd fd;
  CHECK_OK(td_loop_fd(loop, &fd));
  CHECK_OK(td_mailbox_close(log.mailbox));
  CHECK(log.dropped == 1 || check_readable(fd)); /* drop may run here, where the handler ran */
  CHECK_IS(td_loop_run(loop, 0, 0), 0);
  CHECK_EQ(log.dropped, 1);
  CHECK(!check_readable(fd));
  CHECK_OK(td_loop_close(loop));
  CHECK_EQ(log.dropped, 1);
  CHECK_EQ(close((int)fd), 0);
}

/* What it does not take is handed to it again. */
static void take_one(td_batch *batch, void *user) {
  struct log *log = (struct log *)user;
  td_message message;
  log->calls++;
  if (td_batch_next(batch, &message) > 0) {
    CHECK_EQ(message.tag, log->last + 1);
    log->last = message.tag;
  }
}

static void what_a_handler_leaves_comes_again(void) {
  td_loop loop = open_loop(engine);
  struct log log;
  open_log(loop, &log, take_one);
  for (uint64_t i = 1; i <= 5; i++) CHECK_OK(send_tag(log.mailbox, i));
  for (int i = 0; i < 100 && log.last < 5; i++) CHECK(td_loop_run(loop, 0, 0) >= 0);
  CHECK_EQ(log.last, 5);
  CHECK_OK(td_loop_close(loop));
}

static void send_to_itself(td_batch *batch, void *user) {
  struct log *log = (struct log *)user;
  note(batch, user);
  CHECK_OK(send_tag(log->mailbox, 1));
}

static void one_busy_mailbox_does_not_starve_the_rest(void) {
  td_loop_options options = TD_LOOP_OPTIONS_INIT;
  td_loop loop;
  struct log busy, rest[3];
  options.budget = 4;
  CHECK_OK(td_loop_open(engine, &options, &loop));
  open_log(loop, &busy, send_to_itself);
  CHECK_OK(send_tag(busy.mailbox, 1));
  CHECK(td_loop_run(loop, 0, 0) <= 4); /* it returns although there is always more */
  for (int i = 0; i < 3; i++) {
    open_log(loop, &rest[i], note);
    CHECK_OK(send_tag(rest[i].mailbox, 1));
  }
  for (int i = 0; i < 3; i++) CHECK(td_loop_run(loop, 0, 0) <= 4);
  for (int i = 0; i < 3; i++) CHECK_EQ(rest[i].messages, 1);
  CHECK(busy.messages >= 2);
  CHECK_OK(td_loop_close(loop));
}

static void close_own(td_batch *batch, void *user) {
  struct log *log = (struct log *)user;
  td_message message;
  CHECK_IS(td_batch_next(batch, &message), 1);
  log->messages++;
  CHECK_IS(td_mailbox_wait(log->mailbox, TD_MS(1000), 0), TD_EDEADLK);
  CHECK_OK(td_mailbox_exit(log->mailbox, TD_REASON_USER + 1, NULL, 0));
  CHECK_EQ(log->dropped, 0); /* not while its handler runs */
  CHECK_IS(td_batch_next(batch, &message), 0);
  CHECK_IS(send_tag(log->mailbox, 9), TD_ENOPROC);
}

static void a_handler_may_close_its_own_mailbox(void) {
  td_loop loop = open_loop(engine);
  struct log log;
  open_log(loop, &log, close_own);
  for (uint64_t i = 1; i <= 5; i++) CHECK_OK(send_tag(log.mailbox, i));
  CHECK_IS(td_loop_run(loop, 0, 0), 1);
  CHECK_EQ(log.messages, 1);
  CHECK_EQ(log.dropped, 1);
  td_mailbox_counters counters = counters_of(log.mailbox);
  CHECK_EQ(counters.discarded, 4);
  CHECK_EQ(counters.reason, TD_REASON_USER + 1);
  CHECK_IS(td_loop_run(loop, 0, 0), 0);
  CHECK_OK(td_loop_close(loop));
}

static void close_own_loop(td_batch *batch, void *user) {
  struct log *log = (struct log *)user;
  td_message message;
  CHECK_IS(td_batch_next(batch, &message), 1);
  log->messages++;
  CHECK_OK(td_loop_close(log->loop));
  CHECK_EQ(log->dropped, 0);
  CHECK_IS(td_batch_next(batch, &message), 0);
}

static void a_handler_may_close_its_own_loop(void) {
  td_loop_options options = TD_LOOP_OPTIONS_INIT;
  td_loop loop;
  struct log log, other;
  int dropped = 0;
  options.user = &dropped;
  options.drop = count_drop;
  CHECK_OK(td_loop_open(engine, &options, &loop));
  open_log(loop, &log, close_own_loop);
  open_log(loop, &other, note);
  CHECK_OK(send_tag(log.mailbox, 1));
  CHECK_OK(send_tag(log.mailbox, 2));
  CHECK_OK(send_tag(other.mailbox, 1));
  (void)td_loop_run(loop, 0, 0);
  CHECK_EQ(log.messages, 1);
  CHECK_EQ(other.messages, 0); /* nothing of a closed loop runs */
  CHECK_EQ(log.dropped + other.dropped, 2);
  CHECK_EQ(dropped, 1);
  CHECK_EQ(counters_of(log.mailbox).reason, TD_REASON_RUNTIME_EXIT);
  CHECK_EQ(counters_of(other.mailbox).reason, TD_REASON_RUNTIME_EXIT);
  CHECK_IS(td_loop_run(loop, 0, 0), TD_ECLOSED);
  CHECK_IS(td_loop_close(loop), TD_ESTALE);
}

static void closing_ends_its_mailboxes(void) {
  td_loop loop = open_loop(engine);
  struct log log;
  td_mailbox watcher = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message message;
  td_fd fd = -1;
  open_log(loop, &log, note);
  CHECK_OK(td_monitor(watcher, log.mailbox, 0, &monitor));
  CHECK_OK(td_loop_close(loop));
  CHECK_EQ(log.dropped, 1);
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_EQ(message.status, TD_REASON_RUNTIME_EXIT);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_loop_fd(loop, &fd), TD_ESTALE);
  CHECK_EQ(fd, -1);
  CHECK_IS(td_loop_wake(loop), TD_ESTALE);
  int64_t delay = 5;
  CHECK_IS(td_loop_deadline(loop, &delay), TD_ESTALE);
  CHECK_EQ(delay, 5);
}

static void nested(td_batch *batch, void *user) {
  struct log *log = (struct log *)user;
  note(batch, user);
  CHECK_IS(td_batch_release(batch), TD_EINVAL); /* it ends with the handler */
  CHECK_IS(td_loop_run(log->loop, 0, 0), TD_EDEADLK); /* handlers of one mailbox never overlap */
}

static void running_inside_a_handler_is_refused(void) {
  td_loop loop = open_loop(engine);
  struct log log;
  open_log(loop, &log, nested);
  CHECK_OK(send_tag(log.mailbox, 1));
  CHECK_IS(td_loop_run(loop, 0, 0), 1);
  CHECK_EQ(log.calls, 1);
  CHECK_OK(td_loop_close(loop));
}

static void *run_for_long(void *user) {
  CHECK_IS(td_loop_run(*(td_loop *)user, TD_FOREVER, 0), 0);
  return NULL;
}

static void two_threads_may_not_run_one_loop(void) {
  td_loop loop = open_loop(engine);
  pthread_t thread;
  int32_t result;
  CHECK_EQ(pthread_create(&thread, NULL, run_for_long, &loop), 0);
  while ((result = td_loop_run(loop, 0, 0)) == 0) check_sleep(TD_MS(1));
  CHECK_IS(result, TD_EDEADLK);
  CHECK_OK(td_loop_wake(loop));
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_OK(td_loop_close(loop));
}

static void options_are_checked(void) {
  td_loop_options options = TD_LOOP_OPTIONS_INIT;
  td_loop loop;
  int dropped = 0;
  loop.id = 3;
  options.flags = 1;
  options.user = &dropped;
  options.drop = count_drop;
  CHECK_IS(td_loop_open(engine, &options, &loop), TD_EINVAL);
  CHECK_EQ(loop.id, 0);
  CHECK_EQ(dropped, 1);
  options.flags = 0;
  CHECK_IS(td_loop_open(engine, &options, NULL), TD_EINVAL);
  CHECK_EQ(dropped, 2);
  options.size = 2;
  CHECK_IS(td_loop_open(engine, &options, &loop), TD_EINVAL);
  CHECK_EQ(dropped, 2);
  CHECK_OK(td_loop_open(engine, NULL, &loop));
  CHECK_IS(td_loop_run(loop, -1, 0), TD_EINVAL);
  CHECK_IS(td_loop_run(loop, 0, 2048), TD_EINVAL);
  CHECK_IS(td_loop_fd(loop, NULL), TD_EINVAL);
  CHECK_IS(td_loop_deadline(loop, NULL), TD_EINVAL);
  CHECK_OK(td_loop_close(loop));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  it_runs_handlers_here();
  what_a_handler_leaves_comes_again();
  one_busy_mailbox_does_not_starve_the_rest();
  a_handler_may_close_its_own_mailbox();
  a_handler_may_close_its_own_loop();
  closing_ends_its_mailboxes();
  running_inside_a_handler_is_refused();
  two_threads_may_not_run_one_loop();
  options_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
