/* Workers: handlers on the engine's own threads. One call at a time for each mailbox, fair turns, drops on a worker
 * after the last call, EDEADLK only where a wait could never end, and closing from inside. Rules 9, 10, 22. */
#include "check.h"

#define RING 1000

static int64_t patience(void) { return check_patience(TD_MS(20000)); }

static td_engine open_workers(uint32_t workers, td_thread_fn start, void *user) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine engine;
  options.workers = workers;
  options.thread_start = start;
  options.thread_user = user;
  CHECK_OK(td_engine_open(&options, &engine));
  return engine;
}

static td_mailbox open_worked(td_engine engine, td_handler_fn handler, void *user, td_drop_fn drop) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.flags = TD_BY_WORKERS;
  options.handler = handler;
  options.user = user;
  options.drop = drop;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  return mailbox;
}

static void await(const int *counter, int least) {
  int64_t deadline = check_clock() + patience();
  while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < least && check_clock() < deadline) check_sleep(TD_MS(1) / 10);
  CHECK(__atomic_load_n(counter, __ATOMIC_SEQ_CST) >= least);
}

static void add(int *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST); }

/* ---- start hooks ---- */

static int begun;
static char first_name[32];

static void on_start(const char *name, void *user) {
  sigset_t blocked;
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
  CHECK_EQ(sigismember(&blocked, SIGUSR1), 1);
  CHECK(strncmp(name, "tidings-", 8) == 0);
  if (strcmp(name, "tidings-worker-1") == 0) strcpy(first_name, name);
  CHECK(user == first_name);
  add(&begun);
}

static void pass(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0) add((int *)user);
}

static void test_threads_start_with_the_first_mailbox(void) {
  int seen = 0;
  td_engine_counters counters;
  td_engine engine = open_workers(3, on_start, first_name);
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.threads, 0);
  td_mailbox mailbox = open_worked(engine, pass, &seen, NULL);
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.threads, 3);
  CHECK_OK(send_tag(mailbox, 1));
  await(&begun, 3);
  await(&seen, 1);
  CHECK_TEXT(first_name, strlen(first_name), "tidings-worker-1");
  CHECK_OK(td_engine_close(engine));
}

static void test_options(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine_options many = TD_ENGINE_OPTIONS_INIT;
  td_mailbox mailbox;
  td_engine engine = open_engine(0), other;
  options.flags = TD_BY_WORKERS;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  options.handler = pass;
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  options.loop = open_loop(engine);
  CHECK_IS(td_mailbox_open(engine, &options, &mailbox), TD_EINVAL);
  many.workers = 1025;
  CHECK_IS(td_engine_open(&many, &other), TD_EINVAL);
  CHECK_OK(td_engine_close(engine));
}

/* ---- many mailboxes, no overlap, fair ---- */

typedef struct {
  int inside, seen, dropped;
  uint64_t next;
} box;

static void one_at_a_time(td_batch *batch, void *user) {
  box *mine = (box *)user;
  td_message message;
  CHECK_EQ(__atomic_fetch_add(&mine->inside, 1, __ATOMIC_SEQ_CST), 0);
  while (td_batch_next(batch, &message) > 0) {
    CHECK_EQ(message.tag, mine->next++);
    add(&mine->seen);
  }
  CHECK_EQ(__atomic_fetch_sub(&mine->inside, 1, __ATOMIC_SEQ_CST), 1);
}

static void drop_box(void *user) {
  box *mine = (box *)user;
  CHECK_EQ(__atomic_load_n(&mine->inside, __ATOMIC_SEQ_CST), 0);
  add(&mine->dropped);
}

static void test_no_overlap(void) {
  static box boxes[16];
  td_mailbox mailboxes[16];
  uint64_t count = check_count(2000);
  td_engine engine = open_workers(4, NULL, NULL);
  for (int i = 0; i < 16; i++) mailboxes[i] = open_worked(engine, one_at_a_time, &boxes[i], drop_box);
  for (uint64_t tag = 0; tag < count; tag++)
    for (int i = 0; i < 16; i++) CHECK_OK(send_tag(mailboxes[i], tag));
  for (int i = 0; i < 16; i++) await(&boxes[i].seen, (int)count);
  for (int i = 0; i < 16; i += 2) {
    CHECK_OK(td_mailbox_close(mailboxes[i]));
    CHECK_OK(td_mailbox_wait(mailboxes[i], patience(), 0));
    await(&boxes[i].dropped, 1);
  }
  CHECK_OK(td_engine_close(engine));
  for (int i = 0; i < 16; i++) {
    await(&boxes[i].dropped, 1);
    CHECK_EQ(boxes[i].dropped, 1);
    (void)counters_of(mailboxes[i]);
  }
}

static void send_to_self(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0) (void)send_tag(batch->mailbox, 0);
  add((int *)user);
}

static void test_fair(void) {
  int spins = 0, seen = 0;
  td_engine engine = open_workers(1, NULL, NULL);
  td_mailbox busy = open_worked(engine, send_to_self, &spins, NULL), calm = open_worked(engine, pass, &seen, NULL);
  CHECK_OK(send_tag(busy, 0));
  await(&spins, 10);
  for (int i = 1; i <= 100; i++) {
    CHECK_OK(send_tag(calm, 1));
    await(&seen, i);
  }
  CHECK_OK(td_engine_close(engine));
}

/* ---- waiting inside ---- */

static td_mailbox other;
static int32_t outcomes[4];
static int done;

static void answer(td_batch *batch, void *user) {
  td_message message;
  (void)user;
  while (td_batch_next(batch, &message) > 0) {
    td_ticket ticket;
    ticket.id = message.ref;
    if (message.kind == TD_KIND_REQUEST) CHECK_OK(td_reply(ticket, NULL, 0));
  }
}

static void wait_inside(td_batch *batch, void *user) {
  td_message message;
  td_mailbox self = batch->mailbox;
  (void)user;
  CHECK_EQ(td_batch_next(batch, &message), 1);
  outcomes[0] = td_call(self, TD_NOBODY, 1, NULL, 0, TD_FOREVER, 0, &message);
  outcomes[1] = td_mailbox_wait(self, TD_FOREVER, 0);
  outcomes[2] = td_call(other, TD_NOBODY, 1, NULL, 0, patience(), 0, &message);
  if (outcomes[2] == TD_OK) CHECK_OK(td_message_release(&message));
  outcomes[3] = 0;
  for (int i = 0; i < 3 && outcomes[3] == 0; i++) outcomes[3] = td_send(other, self, 2, NULL, 0);
  add(&done);
}

static void test_waits(uint32_t workers, int32_t expected) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine = open_workers(workers, NULL, NULL);
  options.flags = TD_BY_WORKERS;
  options.handler = answer;
  options.policy = TD_BLOCK;
  options.max_messages = 1;
  CHECK_OK(td_mailbox_open(engine, &options, &other));
  td_mailbox mailbox = open_worked(engine, wait_inside, NULL, NULL);
  done = 0;
  CHECK_OK(send_tag(mailbox, 1));
  await(&done, 1);
  CHECK_IS(outcomes[0], TD_EDEADLK);
  CHECK_IS(outcomes[1], TD_EDEADLK);
  CHECK_IS(outcomes[2], expected);
  CHECK_IS(outcomes[3], expected);
  CHECK_OK(td_engine_close(engine));
}

/* A worker may wait for a mailbox that a thread of the host reads, even when it is the only one. */
static void call_outside(td_batch *batch, void *user) {
  td_message message;
  (void)user;
  CHECK_EQ(td_batch_next(batch, &message), 1);
  outcomes[0] = td_call(other, TD_NOBODY, 1, NULL, 0, patience(), 0, &message);
  if (outcomes[0] == TD_OK) CHECK_OK(td_message_release(&message));
  add(&done);
}

static void test_calls_outside(void) {
  td_message request;
  td_ticket ticket;
  td_engine engine = open_workers(1, NULL, NULL);
  other = open_mailbox(engine);
  td_mailbox mailbox = open_worked(engine, call_outside, NULL, NULL);
  done = 0;
  CHECK_OK(send_tag(mailbox, 1));
  CHECK_OK(td_recv(other, patience(), 0, &request));
  ticket.id = request.ref;
  CHECK_OK(td_reply(ticket, NULL, 0));
  CHECK_OK(td_message_release(&request));
  await(&done, 1);
  CHECK_OK(outcomes[0]);
  CHECK_OK(td_engine_close(engine));
}

/* ---- endings from inside ---- */

typedef struct {
  td_engine engine;
  int how, calls, dropped;
} ending;

static void end_inside(td_batch *batch, void *user) {
  ending *mine = (ending *)user;
  td_message message;
  CHECK_EQ(td_batch_next(batch, &message), 1);
  if (mine->how == 0) CHECK_OK(td_mailbox_close(batch->mailbox));
  if (mine->how == 1) CHECK_OK(td_mailbox_exit(batch->mailbox, TD_REASON_USER, "why", 3));
  if (mine->how == 2) CHECK_OK(td_mailbox_kill(batch->mailbox));
  if (mine->how == 3) CHECK_OK(td_engine_close(mine->engine));
  CHECK_EQ(td_batch_next(batch, &message), 0);
  CHECK_EQ(mine->dropped, 0);
  add(&mine->calls);
}

static void drop_ending(void *user) {
  ending *mine = (ending *)user;
  CHECK_EQ(__atomic_load_n(&mine->calls, __ATOMIC_SEQ_CST), 1);
  add(&mine->dropped);
}

static void test_endings(void) {
  for (int how = 0; how < 4; how++) {
    ending mine;
    memset(&mine, 0, sizeof mine);
    mine.how = how;
    mine.engine = open_workers(2, NULL, NULL);
    td_mailbox mailbox = open_worked(mine.engine, end_inside, &mine, drop_ending);
    td_item items[2] = {{1, NULL, 0}, {2, NULL, 0}};
    CHECK_IS(td_send_many(mailbox, TD_NOBODY, items, 2), 2);
    CHECK_OK(td_mailbox_wait(mailbox, patience(), 0));
    await(&mine.dropped, 1);
    CHECK_EQ(mine.calls, 1);
    CHECK_IS(send_tag(mailbox, 1), TD_ENOPROC);
    if (how != 3) CHECK_OK(td_engine_close(mine.engine));
  }
}

/* ---- a ring: one message, from mailbox to mailbox ---- */

static td_mailbox ring[RING];
static uint64_t hops;
static int round_done;

static void hop(td_batch *batch, void *user) {
  td_message message;
  while (td_batch_next(batch, &message) > 0) {
    if (message.tag == hops) add(&round_done);
    else CHECK_OK(send_tag(*(td_mailbox *)user, message.tag + 1));
  }
}

static void test_ring(void) {
  td_engine engine = open_workers(1, NULL, NULL);
  for (int i = 0; i < RING; i++) ring[i] = open_worked(engine, hop, &ring[(i + 1) % RING], NULL);
  hops = check_count(1000000);
  int64_t start = check_clock();
  CHECK_OK(send_tag(ring[0], 1));
  int64_t deadline = check_clock() + 2 * patience();
  while (!__atomic_load_n(&round_done, __ATOMIC_SEQ_CST) && check_clock() < deadline) check_sleep(TD_MS(1));
  CHECK_EQ(round_done, 1);
  printf("ring of %d mailboxes on one worker: %.0f ns per hop\n", RING, (double)(check_clock() - start) / (double)hops);
  CHECK_OK(td_engine_close(engine));
}

int main(void) {
  check_begin();
  test_threads_start_with_the_first_mailbox();
  test_options();
  test_no_overlap();
  test_fair();
  test_waits(1, TD_EDEADLK);
  test_waits(2, TD_OK);
  test_calls_outside();
  test_endings();
  test_ring();
  return 0;
}
