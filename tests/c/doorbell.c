/* The readiness fd is readable exactly while something is pending, under poll(2), for a mailbox and for a loop; a wake
 * function and td_loop_wake reach a loop from any thread. (rule 8) */
#include "check.h"

static td_engine engine;

static void a_mailbox_is_level_triggered(void) {
  td_mailbox mailbox = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message message;
  td_fd fd;
  CHECK_OK(send_tag(mailbox, 1)); /* also for what came before the fd was asked for */
  CHECK_OK(td_mailbox_fd(mailbox, &fd));
  CHECK(check_readable(fd));
  CHECK(check_readable(fd)); /* a level, not an edge */
  CHECK_OK(send_tag(mailbox, 2));
  RECV_TAG(mailbox, 1, 0);
  CHECK(check_readable(fd)); /* one is left */
  RECV_TAG(mailbox, 2, 0);
  CHECK(!check_readable(fd));
  CHECK_OK(td_monitor(mailbox, target, 0, &monitor));
  CHECK(!check_readable(fd));
  CHECK_OK(td_mailbox_close(target));
  CHECK(check_readable(fd)); /* signals count */
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_EQ(message.ref, monitor.id);
  CHECK_OK(td_message_release(&message));
  CHECK(!check_readable(fd));

  td_batch batch; /* a batch given back rings again */
  CHECK_OK(send_tag(mailbox, 3));
  CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
  CHECK_OK(td_batch_release(&batch));
  CHECK(check_readable(fd));
  RECV_TAG(mailbox, 3, 0);
  CHECK(!check_readable(fd));
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK(check_readable(fd)); /* the end, and for good */
  CHECK_IS(td_recv(mailbox, 0, 0, &message), TD_ECLOSED);
  CHECK(check_readable(fd));
  CHECK_EQ(close((int)fd), 0);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

/* C9 in small: after any mix of sends, receives and partial batches the fd says what the queue holds. */
static void any_mix_of_sends_and_receives(void) {
  td_mailbox mailbox = open_mailbox(engine);
  uint64_t queued = 0, rounds = check_count(100000);
  td_message message;
  td_fd fd;
  CHECK_OK(td_mailbox_fd(mailbox, &fd));
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t choice = next_random() % 8;
    if (choice < 4) {
      CHECK_OK(send_tag(mailbox, i));
      queued++;
    } else if (choice < 7) {
      CHECK_IS(td_recv(mailbox, 0, 0, &message), queued > 0 ? TD_OK : TD_EAGAIN);
      if (queued > 0) CHECK_OK(td_message_release(&message));
      if (queued > 0) queued--;
    } else if (queued > 0) {
      td_batch batch;
      CHECK_OK(td_recv_batch(mailbox, 0, 0, &batch));
      uint64_t take = next_random() % (batch.count + 1);
      for (uint64_t k = 0; k < take; k++) CHECK_IS(td_batch_next(&batch, &message), 1);
      CHECK_OK(td_batch_release(&batch));
      queued -= take;
    }
    if (queued > 0 || i % 16 == 0) CHECK_EQ(check_readable(fd), queued > 0);
  }
  CHECK_EQ(counters_of(mailbox).queued, queued);
  CHECK_EQ(close((int)fd), 0);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void *send_in_bursts(void *user) {
  td_mailbox mailbox = *(td_mailbox *)user;
  uint64_t count = check_count(20000);
  for (uint64_t i = 0; i < count; i++) {
    while (send_tag(mailbox, i) != TD_OK) check_sleep(1000);
    if (i % 7 == 0) sched_yield();
  }
  return NULL;
}

/* No lost wake-up: a receiver that receives only after poll has said so gets everything. */
static void no_wake_up_is_lost(void) {
  td_mailbox mailbox = open_mailbox(engine);
  uint64_t seen = 0, count = check_count(20000);
  td_message message;
  struct pollfd entry;
  pthread_t thread;
  td_fd fd;
  CHECK_OK(td_mailbox_fd(mailbox, &fd));
  entry.fd = (int)fd;
  entry.events = POLLIN;
  CHECK_EQ(pthread_create(&thread, NULL, send_in_bursts, &mailbox), 0);
  while (seen < count) {
    CHECK_EQ(poll(&entry, 1, (int)check_patience(10000)), 1);
    for (int i = 0; i < 3 && td_recv(mailbox, 0, 0, &message) == TD_OK; i++) { /* and leaves some */
      CHECK_EQ(message.tag, seen++);
      CHECK_OK(td_message_release(&message));
    }
  }
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(close((int)fd), 0);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void take_all(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0) ++*(int *)user;
}

static void a_loop_is_level_triggered(void) {
  td_loop loop = open_loop(engine);
  int seen = 0;
  td_mailbox mailbox = open_handler(engine, loop, take_all, &seen);
  td_fd fd;
  CHECK_OK(td_loop_fd(loop, &fd));
  CHECK(!check_readable(fd));
  CHECK_OK(send_tag(mailbox, 1));
  CHECK(check_readable(fd));
  CHECK(check_readable(fd));
  CHECK_IS(td_loop_run(loop, 0, 0), 1);
  CHECK_EQ(seen, 1);
  CHECK(!check_readable(fd));
  CHECK_OK(td_loop_wake(loop));
  CHECK(check_readable(fd));
  CHECK_IS(td_loop_run(loop, 0, 0), 0);
  CHECK(!check_readable(fd));
  CHECK_OK(td_loop_close(loop));
  CHECK_EQ(close((int)fd), 0);
}

static void *wake_later(void *user) {
  check_sleep(TD_MS(30));
  CHECK_OK(td_loop_wake(*(td_loop *)user));
  return NULL;
}

static void wake_reaches_a_waiting_loop(void) {
  td_loop loop = open_loop(engine);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, wake_later, &loop), 0);
  CHECK_IS(td_loop_run(loop, TD_FOREVER, 0), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_OK(td_loop_wake(loop)); /* a wake before the wait is not lost */
  CHECK_IS(td_loop_run(loop, TD_FOREVER, 0), 0);
  CHECK_OK(td_loop_close(loop));
}

static int woken; /* written under no lock: the engine orders wake before the run it asks for */

static void count_wake(void *user) {
  CHECK(user == &woken);
  __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}

static void *send_from_elsewhere(void *user) {
  CHECK_OK(send_tag(*(td_mailbox *)user, 1));
  return NULL;
}

static void the_wake_function_rings_once_per_burst(void) {
  td_loop_options options = TD_LOOP_OPTIONS_INIT;
  td_loop loop;
  int seen = 0;
  pthread_t thread;
  options.wake = count_wake;
  options.user = &woken;
  CHECK_OK(td_loop_open(engine, &options, &loop));
  td_mailbox mailbox = open_handler(engine, loop, take_all, &seen);
  for (uint64_t i = 0; i < 3; i++) CHECK_OK(send_tag(mailbox, i)); /* one batch */
  CHECK_EQ(woken, 1); /* from nothing to do to something to do */
  while (td_loop_run(loop, 0, 0) > 0) continue;
  CHECK_EQ(seen, 3);
  CHECK_EQ(pthread_create(&thread, NULL, send_from_elsewhere, &mailbox), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(woken, 2);
  while (td_loop_run(loop, 0, 0) > 0) continue;
  CHECK_EQ(seen, 4);
  CHECK_OK(td_loop_close(loop));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  a_mailbox_is_level_triggered();
  any_mix_of_sends_and_receives();
  no_wake_up_is_lost();
  a_loop_is_level_triggered();
  wake_reaches_a_waiting_loop();
  the_wake_function_rings_once_per_burst();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
