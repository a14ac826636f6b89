/* td_notify from signal handlers that interrupt sends and receives of the same mailbox, at a high rate: every bit
 * arrives, errno stays, and nothing hangs. (rules 9 12) */
#include "check.h"

#define BITS 64

static td_mailbox noticed;
static volatile sig_atomic_t stop;
static int outstanding[BITS]; /* given and not received yet */
static uint64_t given[BITS], received[BITS], handled;

static void give_bit(unsigned bit) {
  if (__atomic_exchange_n(&outstanding[bit], 1, __ATOMIC_SEQ_CST) == 0) {
    __atomic_fetch_add(&given[bit], 1, __ATOMIC_SEQ_CST);
    if (td_notify(noticed, UINT64_C(1) << bit) != TD_OK) _exit(4);
  }
}

static void on_signal(int number) {
  int before = errno;
  errno = 12345;
  give_bit((unsigned)(handled++ % BITS));
  if (errno != 12345) _exit(5);
  errno = before;
  (void)number;
}

static void *shoot(void *user) {
  pthread_t target = *(pthread_t *)user;
  while (!stop) {
    (void)pthread_kill(target, SIGUSR1);
    if (handled % 7 == 0) sched_yield();
  }
  return NULL;
}

static void *give(void *user) {
  (void)user;
  for (unsigned i = 0; !stop; i++) {
    give_bit(i % BITS);
    if (i % 64 == 0) sched_yield();
  }
  return NULL;
}

/* Counts what one message brings; true for a notice. */
static int take(const td_message *message) {
  if (message->kind != TD_KIND_NOTIFY) return 0;
  CHECK(message->tag != 0);
  CHECK_EQ(message->ref, 0);
  CHECK_EQ(message->from.id, 0);
  for (unsigned bit = 0; bit < BITS; bit++)
    if (message->tag >> bit & 1) {
      received[bit]++;
      CHECK_EQ(__atomic_exchange_n(&outstanding[bit], 0, __ATOMIC_SEQ_CST), 1);
    }
  return 1;
}

static void receive(int64_t timeout) {
  td_message message;
  int32_t code = td_recv(noticed, timeout, 0, &message);
  if (code == TD_EAGAIN || code == TD_ETIMEDOUT) return;
  CHECK_OK(code);
  (void)take(&message);
  CHECK_OK(td_message_release(&message));
}

static void receive_batch(void) {
  td_batch batch;
  td_message message;
  int32_t code = td_recv_batch(noticed, 0, 0, &batch);
  if (code == TD_EAGAIN) return;
  CHECK_OK(code);
  while (td_batch_next(&batch, &message) > 0) (void)take(&message);
  CHECK_OK(td_batch_release(&batch));
}

static int all_received(void) {
  for (unsigned bit = 0; bit < BITS; bit++)
    if (__atomic_load_n(&outstanding[bit], __ATOMIC_SEQ_CST)) return 0;
  return 1;
}

static void test_storm(void) {
  pthread_t me = pthread_self(), threads[2];
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
  CHECK_EQ(pthread_create(&threads[0], NULL, shoot, &me), 0);
  CHECK_EQ(pthread_create(&threads[1], NULL, give, NULL), 0);
  uint64_t rounds = check_count(2000000);
  for (uint64_t i = 0; i < rounds; i++) {
    CHECK_OK(send_tag(noticed, i));
    if (i % 5 == 0) receive_batch();
    else receive(0);
    if (i % 1000 == 0) receive(TD_MS(1));
  }
  stop = 1;
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  int64_t deadline = check_clock() + check_patience(TD_MS(20000));
  while (!all_received() && check_clock() < deadline) receive(TD_MS(10));
  CHECK(all_received());
  CHECK(handled > 0);
  for (unsigned bit = 0; bit < BITS; bit++) CHECK_EQ(received[bit], given[bit]);
  while (counters_of(noticed).queued > 0) receive(0);
}

static void test_one_waits_at_most(void) {
  td_message message;
  for (uint64_t bit = 0; bit < 3; bit++) CHECK_OK(td_notify(noticed, UINT64_C(1) << bit));
  uint64_t bits = 0;
  for (int i = 0; i < 3 && bits != 7; i++) {
    CHECK_OK(td_recv(noticed, check_patience(TD_MS(20000)), 0, &message));
    CHECK_EQ(message.kind, TD_KIND_NOTIFY);
    CHECK_EQ(bits & message.tag, 0);
    bits |= message.tag;
    CHECK_OK(td_message_release(&message));
  }
  CHECK_EQ(bits, 7);
  CHECK_IS(td_recv(noticed, 0, 0, &message), TD_EAGAIN);
}

/* A waiting notice that was looked at in vain is looked at again when it has more bits; and one peeked at can be taken. */
static void test_looking_for_bits(void) {
  td_match match = TD_MATCH_INIT;
  td_cursor cursor = TD_CURSOR_INIT;
  td_message message;
  int64_t until = check_clock() + check_patience(TD_MS(20000));
  match.fields = TD_MATCH_KIND | TD_MATCH_TAG;
  match.kind = TD_KIND_NOTIFY;
  match.tag = match.tag_mask = 2;
  for (uint64_t i = 0; i < 10; i++) CHECK_OK(send_tag(noticed, i));
  CHECK_OK(td_notify(noticed, 1));
  CHECK_IS(td_recv_match(noticed, &match, TD_MS(1), 0, &message), TD_ETIMEDOUT);
  CHECK_OK(td_notify(noticed, 2));
  while (td_recv_match(noticed, &match, 0, 0, &message) != TD_OK) CHECK(check_clock() < until);
  CHECK_EQ(message.tag & 2, 2);
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_notify(noticed, 4));
  do {
    CHECK_OK(td_recv_peek(noticed, &cursor, check_patience(TD_MS(20000)), 0, &message));
    CHECK_OK(td_message_release(&message));
  } while (message.kind != TD_KIND_NOTIFY);
  CHECK_OK(td_recv_take(noticed, &cursor, &message));
  CHECK_EQ(message.kind, TD_KIND_NOTIFY);
  CHECK_EQ(message.tag & 4, 4);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(td_recv_take(noticed, &cursor, &message), TD_ESTALE);
  for (uint64_t i = 0; i < 10; i++) RECV_TAG(noticed, i, 0);
}

int main(void) {
  td_engine engine;
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  check_begin();
  CHECK_IS(td_notify(TD_NOBODY, 1), TD_EBADID);
  engine = open_engine(0);
  td_mailbox plain = open_mailbox(engine);
  CHECK_IS(td_notify(plain, 1), TD_EINVAL);
  options.flags = TD_NOTIFIABLE;
  options.max_messages = 10;
  options.policy = TD_DROP_OLD;
  CHECK_OK(td_mailbox_open(engine, &options, &noticed));
  CHECK_OK(td_notify(noticed, 0));
  test_one_waits_at_most();
  test_looking_for_bits();
  test_storm();
  CHECK_OK(td_mailbox_close(noticed));
  CHECK_IS(td_notify(noticed, 1), TD_ENOPROC);
  options.flags = 8;
  CHECK_IS(td_mailbox_open(engine, &options, &plain), TD_EINVAL);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
