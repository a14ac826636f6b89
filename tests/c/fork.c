/* Forks with live engines: the child answers TD_EFORKED for every id of its parent's, at once, whatever the parent's
 * threads were doing, and has an engine of its own; the parent does not notice. Rule 12, scenario C30. */
#include "check.h"

#include <sys/wait.h>

static td_engine engine;
static td_loop loop;
static td_mailbox flooded[3], quiet, handled;
static td_monitor_ref monitor;
static td_timer timer;
static td_subscription subscription;
static td_ticket ticket;
static td_message held;
static td_batch batch;
static volatile int stop;
static volatile int dropped_in_child, logged_in_child;
static pid_t parent;

static void *flood(void *user) {
  td_mailbox mine = *(td_mailbox *)user;
  for (uint64_t i = 0; !stop; i++) {
    td_message message;
    td_mailbox brief;
    td_monitor_ref watch;
    (void)send_tag(mine, i);
    if (i % 3 == 0 && td_recv(mine, 0, 0, &message) == TD_OK) (void)td_message_release(&message);
    if (i % 16 == 0) {
      CHECK_OK(td_mailbox_open(engine, NULL, &brief));
      CHECK_OK(td_monitor(mine, brief, i, &watch));
      CHECK_OK(td_mailbox_close(brief));
      (void)td_publish(engine, TD_NOBODY, TD_STR("flood.all"), i, NULL, 0, NULL, NULL);
    }
  }
  return NULL;
}

static void no_drop(void *user) {
  (void)user;
  if (getpid() != parent) dropped_in_child = 1;
}

static void no_log(uint32_t level, const char *text, size_t size, void *user) {
  (void)level, (void)text, (void)size, (void)user;
  if (getpid() != parent) logged_in_child = 1;
}

static void no_release(void *data, size_t size, void *user) {
  (void)data, (void)size;
  no_drop(user);
}

static void take_all(td_batch *taken, void *user) {
  td_message message;
  (void)user;
  while (td_batch_next(taken, &message) > 0) continue;
}

/* Every id of the parent's, in every sort of call. */
static void check_forked(void) {
  td_mailbox_counters counters;
  td_engine_counters engine_counters;
  td_message message;
  td_mailbox mailbox;
  td_monitor_ref watch;
  td_timer other;
  int64_t left;
  td_fd fd;
  counters.size = sizeof counters;
  engine_counters.size = sizeof engine_counters;
  CHECK_IS(send_tag(quiet, 1), TD_EFORKED);
  CHECK_IS(td_send(flooded[0], flooded[1], 1, NULL, 0), TD_EFORKED);
  CHECK_IS(td_recv(quiet, TD_FOREVER, 0, &message), TD_EFORKED);
  CHECK_IS(td_recv_batch(quiet, TD_FOREVER, 0, &batch), TD_EFORKED);
  CHECK_IS(td_call(quiet, TD_NOBODY, 1, NULL, 0, TD_FOREVER, 0, &message), TD_EFORKED);
  CHECK_IS(td_mailbox_open(engine, NULL, &mailbox), TD_EFORKED);
  CHECK_IS(td_mailbox_close(quiet), TD_EFORKED);
  CHECK_IS(td_mailbox_kill(flooded[2]), TD_EFORKED);
  CHECK_IS(td_mailbox_wait(quiet, TD_FOREVER, 0), TD_EFORKED);
  CHECK_IS(td_mailbox_stats(quiet, &counters), TD_EFORKED);
  CHECK_IS(td_mailbox_fd(quiet, &fd), TD_EFORKED);
  CHECK_IS(td_monitor(quiet, handled, 1, &watch), TD_EFORKED);
  CHECK_IS(td_demonitor(monitor, 0, NULL), TD_EFORKED);
  CHECK_IS(td_send_after(quiet, TD_MS(1), 1, NULL, 0, &other), TD_EFORKED);
  CHECK_IS(td_timer_cancel(timer, &left), TD_EFORKED);
  CHECK_IS(td_unsubscribe(subscription, 0), TD_EFORKED);
  CHECK_IS(td_register(quiet, TD_STR("name")), TD_EFORKED);
  CHECK_IS(td_whereis(engine, TD_STR("quiet"), &mailbox), TD_EFORKED);
  CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("flood.all"), 1, NULL, 0, NULL, NULL), TD_EFORKED);
  CHECK_IS(td_reply(ticket, NULL, 0), TD_EFORKED);
  CHECK_IS(td_message_release(&held), TD_EFORKED);
  CHECK_IS(td_loop_run(loop, TD_FOREVER, 0), TD_EFORKED);
  CHECK_IS(td_loop_close(loop), TD_EFORKED);
  CHECK_IS(td_engine_stats(engine, &engine_counters), TD_EFORKED);
  CHECK_IS(td_engine_close(engine), TD_EFORKED);
  CHECK(!dropped_in_child && !logged_in_child);
}

/* An engine of the child's own, whose ids are none of the parent's. */
static void use_own_engine(void) {
  td_engine own;
  td_timer tick;
  td_message message;
  CHECK_OK(td_engine_default(&own));
  CHECK(own.id != engine.id);
  td_mailbox mine = open_mailbox(own);
  CHECK(mine.id != quiet.id && mine.id != flooded[0].id);
  CHECK_OK(send_tag(mine, 5));
  RECV_TAG(mine, 5, 0);
  CHECK_OK(td_send_after(mine, TD_MS(1), 6, NULL, 0, &tick));
  CHECK_OK(td_recv(mine, TD_FOREVER, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TIMER);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_timer_cancel(tick, NULL), TD_ESTALE);
  CHECK_OK(td_engine_close(own));
  CHECK_IS(send_tag(mine, 7), TD_ENOPROC);
  check_forked();
}

static int child_status(pid_t child) {
  int status;
  CHECK_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* What a child does, by its number; the last is to end in one of the ways there are. */
static void child(uint64_t number) {
  alarm((unsigned)check_patience(60));
  if (number % 2 == 0) check_forked();
  if (number % 3 != 0) use_own_engine();
  if (number % 5 == 0) {
    pid_t grandchild = fork();
    CHECK(grandchild >= 0);
    if (grandchild == 0) {
      check_forked();
      use_own_engine();
      _exit(9);
    }
    CHECK_EQ(child_status(grandchild), 9);
  }
  if (number % 4 == 0) {
    execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
    _exit(8);
  }
  if (number % 4 == 1) _exit(7);
  exit(7);
}

static void test_forks_under_flood(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, flood, &flooded[i]), 0);
  for (uint64_t i = 0; i < check_count(200); i++) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(i);
    CHECK_EQ(child_status(pid), 7);
  }
  stop = 1;
  for (int i = 0; i < 3; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < 3; i++) (void)counters_of(flooded[i]);
  CHECK_OK(send_tag(quiet, 3));
  RECV_TAG(quiet, 3, 0);
}

static void fork_inside(td_batch *taken, void *user) {
  td_message message;
  pid_t *pid = (pid_t *)user;
  CHECK(td_batch_next(taken, &message) >= 0);
  *pid = fork();
  CHECK(*pid >= 0);
  if (*pid == 0) {
    CHECK_IS(td_batch_next(taken, &message), TD_EFORKED);
    check_forked();
  }
}

static void close_and_fork(td_batch *taken, void *user) {
  CHECK_OK(td_mailbox_close(taken->mailbox));
  fork_inside(taken, user);
}

static void test_fork_inside_a_handler(void) {
  td_handler_fn handlers[2] = {fork_inside, close_and_fork};
  for (int i = 0; i < 2; i++) {
    pid_t pid = -1;
    td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
    td_mailbox forking;
    options.loop = loop;
    options.handler = handlers[i];
    options.user = &pid;
    options.drop = no_drop;
    CHECK_OK(td_mailbox_open(engine, &options, &forking));
    CHECK_OK(send_tag(forking, 1));
    CHECK_OK(send_tag(forking, 2));
    int32_t handled_now = td_loop_run(loop, TD_FOREVER, 0);
    if (pid == 0) {
      CHECK_IS(handled_now, TD_EFORKED);
      CHECK_IS(td_loop_run(loop, 0, 0), TD_EFORKED);
      use_own_engine();
      CHECK(!dropped_in_child);
      _exit(7);
    }
    CHECK_EQ(handled_now, 1);
    CHECK_EQ(child_status(pid), 7);
    (void)td_mailbox_close(forking);
    CHECK_EQ(td_loop_run(loop, 0, 0), 0);
  }
}

/* What waits for a release function to return is the parent's to release, also when that function forks. */
static int released_in_parent;
static void count_release(void *data, size_t size, void *user) {
  no_release(data, size, user);
  released_in_parent++;
}

static td_mailbox open_with_lent(td_release_fn release, void *user) {
  td_send_options lending = TD_SEND_OPTIONS_INIT;
  td_mailbox mailbox = open_mailbox(engine);
  lending.release = release;
  lending.release_user = user;
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, NULL, 0, &lending));
  return mailbox;
}

static void close_another_and_fork(void *data, size_t size, void *user) {
  (void)data, (void)size;
  CHECK_OK(td_mailbox_close(open_with_lent(count_release, NULL)));
  CHECK_EQ(released_in_parent, 0);
  *(pid_t *)user = fork();
}

static void test_fork_inside_a_release(void) {
  pid_t pid = -1;
  CHECK_OK(td_mailbox_close(open_with_lent(close_another_and_fork, &pid)));
  if (pid == 0) _exit(dropped_in_child || released_in_parent ? 1 : 7);
  CHECK_EQ(released_in_parent, 1);
  CHECK_EQ(child_status(pid), 7);
}

int main(void) {
  static int lent;
  td_send_options lending = TD_SEND_OPTIONS_INIT;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  parent = getpid();
  check_begin();
  CHECK_OK(td_log_set(TD_LOG_INFO, no_log, NULL, no_drop));
  CHECK_OK(td_engine_default(&engine));
  loop = open_loop(engine);
  quiet = open_mailbox(engine);
  CHECK_OK(td_register(quiet, TD_STR("quiet")));
  for (int i = 0; i < 3; i++) {
    flooded[i] = open_bounded(engine, TD_DROP_OLD, 1000);
    CHECK_OK(td_subscribe(flooded[i], TD_STR("flood.>"), NULL, &subscription));
  }
  options.loop = loop;
  options.handler = take_all;
  options.drop = no_drop;
  CHECK_OK(td_mailbox_open(engine, &options, &handled));
  lending.release = no_release;
  CHECK_OK(td_send_ex(quiet, TD_NOBODY, 1, &lent, sizeof lent, &lending));
  CHECK_OK(td_recv(quiet, 0, 0, &held));
  CHECK_OK(td_monitor(quiet, handled, 1, &monitor));
  CHECK_OK(td_send_after(quiet, TD_MS(1000000), 1, NULL, 0, &timer));
  CHECK_OK(td_call_start(flooded[0], quiet, 1, NULL, 0, TD_FOREVER, &ticket));
  test_fork_inside_a_handler();
  test_fork_inside_a_release();
  test_forks_under_flood();
  CHECK_OK(td_message_release(&held));
  CHECK_OK(td_engine_close(engine));
  return 0;
}
