/* With TD_INTERRUPTIBLE the return of a signal handler ends every wait with TD_EINTR; without it the wait goes on. */
#include "check.h"

static td_engine engine;
static td_mailbox mailbox, full;
static td_loop loop;

static void on_signal(int number) { (void)number; }

static int32_t wait_recv(void) {
  td_message message;
  return td_recv(mailbox, TD_FOREVER, TD_INTERRUPTIBLE, &message);
}

static int32_t wait_match(void) {
  td_match match = TD_MATCH_INIT;
  td_message message;
  return td_recv_match(mailbox, &match, TD_MS(60000), TD_INTERRUPTIBLE, &message);
}

static int32_t wait_peek(void) {
  td_cursor cursor = TD_CURSOR_INIT;
  td_message message;
  return td_recv_peek(mailbox, &cursor, TD_FOREVER, TD_INTERRUPTIBLE, &message);
}

static int32_t wait_batch(void) {
  td_batch batch;
  return td_recv_batch(mailbox, TD_FOREVER, TD_INTERRUPTIBLE, &batch);
}

static int32_t wait_end(void) { return td_mailbox_wait(mailbox, TD_FOREVER, TD_INTERRUPTIBLE); }

static int32_t wait_room(void) {
  td_send_options options = TD_SEND_OPTIONS_INIT;
  options.flags = TD_INTERRUPTIBLE;
  return td_send_ex(full, TD_NOBODY, 2, NULL, 0, &options);
}

static int32_t wait_call(void) {
  td_message reply;
  return td_call(mailbox, TD_NOBODY, 1, NULL, 0, TD_MS(60000), TD_INTERRUPTIBLE, &reply);
}

static int32_t wait_loop(void) { return td_loop_run(loop, TD_FOREVER, TD_INTERRUPTIBLE); }

static int32_t wait_deaf(void) {
  td_message message;
  return td_recv(mailbox, TD_MS(100), 0, &message);
}

struct wait {
  int32_t (*call)(void);
  int32_t result;
  int done;
};

static void *run_wait(void *user) {
  struct wait *wait = (struct wait *)user;
  wait->result = wait->call();
  __atomic_store_n(&wait->done, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

/* Signals until the wait has ended: one sent before it began does not count. */
static int32_t interrupted(int32_t (*call)(void)) {
  struct wait wait;
  pthread_t thread;
  wait.call = call;
  wait.result = 99;
  wait.done = 0;
  CHECK_EQ(pthread_create(&thread, NULL, run_wait, &wait), 0);
  while (!__atomic_load_n(&wait.done, __ATOMIC_SEQ_CST)) {
    check_sleep(TD_MS(10));
    CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
  }
  CHECK_EQ(pthread_join(thread, NULL), 0);
  return wait.result;
}

int main(void) {
  struct sigaction action;
  td_message message;
  check_begin();
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
  engine = open_engine(0);
  mailbox = open_mailbox(engine);
  full = open_bounded(engine, TD_BLOCK, 1);
  loop = open_loop(engine);
  CHECK_OK(send_tag(full, 1));

  CHECK_IS(interrupted(wait_recv), TD_EINTR);
  CHECK_IS(interrupted(wait_match), TD_EINTR);
  CHECK_IS(interrupted(wait_peek), TD_EINTR);
  CHECK_IS(interrupted(wait_batch), TD_EINTR);
  CHECK_IS(interrupted(wait_end), TD_EINTR);
  CHECK_IS(interrupted(wait_room), TD_EINTR);
  CHECK_IS(interrupted(wait_loop), TD_EINTR);
  CHECK_IS(interrupted(wait_deaf), TD_ETIMEDOUT); /* the flag was not given */
  CHECK_EQ(counters_of(full).queued, 1);
  CHECK_IS(interrupted(wait_call), TD_EINTR);
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_EAGAIN); /* nobody waits for the answer any more */
  CHECK_EQ(counters_of(mailbox).delivered, 0);

  action.sa_flags = SA_RESTART; /* makes no difference */
  CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
  CHECK_IS(interrupted(wait_recv), TD_EINTR);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
