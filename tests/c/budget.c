/* The engine's byte budget bounds what all its mailboxes hold together; what a mailbox does not use is there for the
 * others, and signals are outside of it. (rule 3) */
#include "check.h"

static char bytes[100000];

static td_engine open_small(uint64_t max_bytes) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine engine;
  options.max_bytes = max_bytes;
  CHECK_OK(td_engine_open(&options, &engine));
  return engine;
}

static td_engine_counters engine_counters(td_engine engine) {
  td_engine_counters counters;
  memset(&counters, 0, sizeof counters);
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  return counters;
}

static int32_t send_size(td_mailbox to, size_t size) { return td_send(to, TD_NOBODY, 1, bytes, size); }

static void take(td_mailbox mailbox) {
  td_message message;
  CHECK_OK(td_recv(mailbox, 0, 0, &message));
  CHECK_OK(td_message_release(&message));
}

static void all_mailboxes_share_it(void) {
  enum { COUNT = 50 };
  td_engine engine = open_small(sizeof bytes);
  td_mailbox mailbox[COUNT];
  td_message message;
  td_timer timer;
  char detail[256];
  CHECK_EQ(engine_counters(engine).max_bytes, sizeof bytes);
  for (int i = 0; i < COUNT; i++) { /* each was busy once */
    mailbox[i] = open_mailbox(engine);
    for (int k = 0; k < 200; k++) {
      CHECK_OK(send_size(mailbox[i], 400));
      take(mailbox[i]);
    }
  }
  for (int i = 0; i < 10; i++) CHECK_OK(send_size(mailbox[i], sizeof bytes / 10));
  CHECK_EQ(engine_counters(engine).queued_bytes, sizeof bytes);
  CHECK_IS(send_size(mailbox[20], 1), TD_EFULL);
  td_last_error(detail, sizeof detail);
  CHECK(strstr(detail, "budget") != NULL);
  CHECK_OK(send_size(mailbox[20], 0)); /* needs no bytes */
  CHECK_OK(td_send_after(mailbox[21], 0, 5, bytes, 1000, &timer)); /* signals are outside */
  CHECK_OK(td_recv(mailbox[21], TD_MS(30000), 0, &message));
  CHECK_EQ(message.kind, TD_KIND_TIMER);
  CHECK_OK(td_message_release(&message));
  CHECK_IS(send_size(mailbox[20], sizeof bytes + 1), TD_ETOOBIG);
  take(mailbox[3]); /* room of one is room of all, at once */
  CHECK_OK(send_size(mailbox[22], sizeof bytes / 10));
  CHECK_IS(send_size(mailbox[22], 1), TD_EFULL);
  CHECK_OK(td_mailbox_close(mailbox[4]));
  CHECK_OK(send_size(mailbox[23], sizeof bytes / 10));
  CHECK_OK(td_engine_close(engine));
}

static void policies_meet_it(void) {
  td_engine engine = open_small(1000);
  td_mailbox full = open_mailbox(engine), fresh = open_bounded(engine, TD_DROP_NEW, 10),
             old = open_bounded(engine, TD_DROP_OLD, 10), latest = open_bounded(engine, TD_CONFLATE, 10);
  td_send_options options = TD_SEND_OPTIONS_INIT;
  td_mailbox block = open_bounded(engine, TD_BLOCK, 10);
  CHECK_OK(send_size(old, 100));
  CHECK_OK(send_size(latest, 100));
  CHECK_OK(send_size(full, 800));
  CHECK_OK(send_size(fresh, 1));
  CHECK_EQ(counters_of(fresh).lost, 1);
  CHECK_OK(send_size(old, 100)); /* evicts its own */
  CHECK_EQ(counters_of(old).lost, 1);
  CHECK_OK(send_size(latest, 100)); /* in the place of its own */
  CHECK_IS(send_size(latest, 101), TD_EFULL);
  options.timeout = TD_MS(20);
  CHECK_IS(td_send_ex(block, TD_NOBODY, 1, bytes, 1, &options), TD_ETIMEDOUT);
  CHECK_OK(td_engine_close(engine));
}

static void *send_one(void *data) {
  td_mailbox mailbox = *(td_mailbox *)data;
  CHECK_OK(send_size(mailbox, 100));
  return NULL;
}

static void a_blocked_sender_finds_room_elsewhere(void) {
  td_engine engine = open_small(1000);
  td_mailbox full = open_mailbox(engine), block = open_bounded(engine, TD_BLOCK, 10);
  pthread_t thread;
  CHECK_OK(send_size(full, 1000));
  CHECK_EQ(pthread_create(&thread, NULL, send_one, &block), 0);
  check_sleep(TD_MS(20));
  CHECK_EQ(counters_of(block).queued, 0);
  take(full);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(counters_of(block).queued_bytes, 100);
  CHECK_OK(td_engine_close(engine));
}

/* What is larger than the budget never fits: nothing goes for it. */
static void a_publication_beyond_the_budget_changes_nothing(void) {
  td_engine engine = open_small(1000);
  td_mailbox keeps = open_bounded(engine, TD_DROP_OLD, 0), lives = open_bounded(engine, TD_KILL, 0);
  td_subscription subscription;
  td_receipt receipt;
  CHECK_OK(td_subscribe(keeps, TD_STR("large"), NULL, &subscription));
  CHECK_OK(td_subscribe(lives, TD_STR("large"), NULL, &subscription));
  for (int i = 0; i < 3; i++) CHECK_OK(send_size(keeps, 10));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("large"), 1, bytes, 1001, NULL, &receipt));
  CHECK_EQ(receipt.dropped, 2);
  CHECK_EQ(counters_of(keeps).queued, 3);
  CHECK_EQ(counters_of(lives).state, TD_STATE_OPEN);
  CHECK_OK(td_engine_close(engine));
}

int main(void) {
  check_begin();
  a_publication_beyond_the_budget_changes_nothing();
  all_mailboxes_share_it();
  policies_meet_it();
  a_blocked_sender_finds_room_elsewhere();
  return 0;
}
