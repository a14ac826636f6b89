/* Processes of the system are watched by pid; mailboxes may end with the thread that opened them. */
#include "check.h"

#include <sys/resource.h>
#include <sys/wait.h>

static td_engine engine;

/* A child that waits for a byte, or for the pipe to close, and then ends with this code. */
static pid_t child(int code, int *go) {
  int ends[2];
  char byte;
  CHECK_EQ(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[1]);
    if (read(ends[0], &byte, 1) < 0) _exit(99);
    _exit(code);
  }
  CHECK(pid > 0);
  close(ends[0]);
  *go = ends[1];
  return pid;
}

static void take_down(td_mailbox watcher, td_monitor_ref monitor, int32_t reason, uint64_t how, uint64_t code) {
  td_message down;
  CHECK_OK(td_recv(watcher, check_patience(TD_MS(20000)), 0, &down));
  CHECK_EQ(down.kind, TD_KIND_DOWN);
  CHECK_EQ(down.ref, monitor.id);
  CHECK_EQ(down.from.id, 0);
  CHECK_EQ(down.tag, 5);
  CHECK_EQ(down.status, reason);
  CHECK_EQ(down.info[0], how);
  CHECK_EQ(down.info[1], code);
  CHECK_OK(td_message_release(&down));
  CHECK_IS(td_recv(watcher, 0, 0, &down), TD_EAGAIN);
}

static td_monitor_ref watch(td_mailbox watcher, pid_t pid) {
  td_monitor_ref monitor;
  CHECK_OK(td_monitor_os_process(watcher, pid, 5, &monitor));
  return monitor;
}

static void reap(pid_t pid) { /* the engine has left it to us */
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
}

static void exit_code_and_signal(void) {
  td_mailbox watcher = open_mailbox(engine);
  int go;
  pid_t pid = child(42, &go);
  td_monitor_ref monitor = watch(watcher, pid), second;
  td_message message;
  CHECK_IS(td_recv(watcher, 0, 0, &message), TD_EAGAIN);
  close(go);
  take_down(watcher, monitor, TD_REASON_OS_EXIT, 1, 42);
  second = watch(watcher, pid); /* it has ended and was not waited for */
  take_down(watcher, second, TD_REASON_OS_EXIT, 1, 42);
  reap(pid);
  second = watch(watcher, pid);
  take_down(watcher, second, TD_REASON_NOPROC, 0, 0);
  pid = child(0, &go);
  monitor = watch(watcher, pid);
  CHECK_EQ(kill(pid, SIGKILL), 0);
  take_down(watcher, monitor, TD_REASON_OS_EXIT, 2, SIGKILL);
  reap(pid);
  close(go);
}

static void nobody_and_nonsense(void) {
  td_mailbox watcher = open_mailbox(engine), dead = open_mailbox(engine);
  td_monitor_ref monitor;
  CHECK_OK(td_mailbox_close(dead));
  CHECK_IS(td_monitor_os_process(watcher, 0, 5, &monitor), TD_EINVAL);
  CHECK_IS(td_monitor_os_process(watcher, -1, 5, &monitor), TD_EINVAL);
  CHECK_EQ(monitor.id, 0);
  CHECK_IS(td_monitor_os_process(dead, getpid(), 5, &monitor), TD_ENOPROC);
  CHECK_OK(td_monitor_os_process(watcher, INT64_C(1) << 40, 5, &monitor));
  take_down(watcher, monitor, TD_REASON_NOPROC, 0, 0);
}

static void taken_back(void) {
  td_mailbox watcher = open_mailbox(engine), other = open_mailbox(engine);
  int go;
  uint32_t outcome;
  pid_t pid = child(0, &go);
  td_monitor_ref monitor = watch(watcher, pid), kept = watch(watcher, pid);
  watch(other, pid);
  CHECK_EQ(counters_of(watcher).monitors, 2);
  CHECK_OK(td_demonitor(monitor, TD_FLUSH, &outcome));
  CHECK_EQ(outcome, TD_WAS_ARMED);
  CHECK_OK(td_mailbox_close(other));
  close(go);
  take_down(watcher, kept, TD_REASON_OS_EXIT, 1, 0);
  CHECK_EQ(counters_of(watcher).monitors, 0);
  reap(pid);
}

static void many_at_once(void) {
  enum { MANY = 40 };
  td_mailbox watcher = open_mailbox(engine);
  pid_t pids[MANY];
  int go[MANY];
  uint64_t codes = 0;
  for (int i = 0; i < MANY; i++) {
    pids[i] = child(i, &go[i]);
    watch(watcher, pids[i]);
  }
  for (int i = 0; i < MANY; i++) CHECK_EQ(kill(pids[i], SIGTERM), 0);
  for (int i = 0; i < MANY; i++) {
    td_message down;
    CHECK_OK(td_recv(watcher, check_patience(TD_MS(20000)), 0, &down));
    CHECK_EQ(down.info[0], 2);
    codes += down.info[1];
    CHECK_OK(td_message_release(&down));
  }
  CHECK_EQ(codes, MANY * SIGTERM);
  for (int i = 0; i < MANY; i++) {
    close(go[i]);
    reap(pids[i]);
  }
}

static void the_engine_closes_first(void) {
  td_engine second = open_engine(0);
  td_mailbox watcher = open_mailbox(second);
  td_engine_counters counters;
  int go;
  pid_t pid = child(0, &go);
  memset(&counters, 0, sizeof counters);
  counters.size = sizeof counters;
  watch(watcher, pid);
  CHECK_OK(td_engine_stats(second, &counters));
  CHECK(counters.threads >= 1);
  CHECK_OK(td_engine_close(second));
  close(go);
  reap(pid);
}

/* ---- TD_THREAD_BOUND ---- */

static td_mailbox bound_ones[3];
static int dropped;

static td_mailbox open_bound(td_engine in) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.flags = TD_THREAD_BOUND;
  options.user = &dropped;
  options.drop = count_drop;
  CHECK_OK(td_mailbox_open(in, &options, &mailbox));
  return mailbox;
}

static void *open_them(void *user) {
  td_engine closed = open_engine(0);
  td_monitor_ref monitor;
  for (int i = 0; i < 3; i++) bound_ones[i] = open_bound(engine);
  CHECK_OK(td_mailbox_close(bound_ones[2]));
  CHECK_OK(td_monitor(*(td_mailbox *)user, bound_ones[0], 1, &monitor));
  CHECK_OK(send_tag(bound_ones[0], 7));
  open_bound(closed);
  CHECK_OK(td_engine_close(closed)); /* before the thread ends */
  for (int i = 0; i < 1000; i++) CHECK_OK(td_mailbox_close(open_bound(engine)));
  return NULL;
}

static void mailboxes_end_with_their_thread(void) {
  td_mailbox watcher = open_mailbox(engine);
  pthread_t thread;
  td_message down;
  dropped = 0;
  CHECK_EQ(pthread_create(&thread, NULL, open_them, &watcher), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(counters_of(bound_ones[0]).reason, TD_REASON_RUNTIME_EXIT);
  CHECK_EQ(counters_of(bound_ones[0]).discarded, 1);
  CHECK_EQ(counters_of(bound_ones[1]).state, TD_STATE_ENDED);
  CHECK_EQ(counters_of(bound_ones[1]).reason, TD_REASON_RUNTIME_EXIT);
  CHECK_EQ(dropped, 1004);
  CHECK_OK(td_recv(watcher, 0, 0, &down));
  CHECK_EQ(down.status, TD_REASON_RUNTIME_EXIT);
  CHECK_OK(td_message_release(&down));
}

/* With more of them watched than the process may have descriptors from then on. */
static void fewer_descriptors_than_processes(void) {
  enum { CHILDREN = 20 };
  td_mailbox watcher = open_mailbox(engine);
  struct rlimit before, few;
  td_monitor_ref monitors[CHILDREN];
  pid_t pids[CHILDREN];
  int go[CHILDREN];
  for (int i = 0; i < CHILDREN; i++) monitors[i] = watch(watcher, pids[i] = child(i, &go[i]));
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = CHILDREN / 2;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  for (int i = CHILDREN - 1; i >= 0; i--) {
    CHECK_EQ(kill(pids[i], SIGKILL), 0);
    take_down(watcher, monitors[i], TD_REASON_OS_EXIT, 2, SIGKILL);
  }
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < CHILDREN; i++) {
    reap(pids[i]);
    close(go[i]);
  }
  CHECK_OK(td_mailbox_close(watcher));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  mailboxes_end_with_their_thread();
  td_mailbox probe = open_mailbox(engine);
  td_monitor_ref monitor;
  int32_t code = td_monitor_os_process(probe, getpid(), 0, &monitor);
  if (code == TD_EUNSUPPORTED) {
    printf("skip: this system has no pidfd_open\n");
  } else {
    CHECK_OK(code);
    CHECK_OK(td_demonitor(monitor, 0, NULL));
    exit_code_and_signal();
    nobody_and_nonsense();
    taken_back();
    many_at_once();
    fewer_descriptors_than_processes();
    the_engine_closes_first();
  }
  CHECK_OK(td_engine_close(engine));
  engine = open_engine(0);
  open_bound(engine); /* the main thread ends with the process */
  return 0;
}
