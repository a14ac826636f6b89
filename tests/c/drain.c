/* td_engine_drain: what is on its way arrives, nothing new comes in from outside, and then the engine closes. Rule 30. */
#include "check.h"

static int64_t patience(void) { return check_patience(TD_MS(20000)); }

static td_engine open_workers(void) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine engine;
  options.workers = 2;
  CHECK_OK(td_engine_open(&options, &engine));
  return engine;
}

typedef struct {
  td_engine engine;
  td_mailbox next;
  int seen;
  int32_t inside;
} relay;

/* Passes each message on in its own name, and tries what is refused. */
static void pass_on(td_batch *batch, void *user) {
  relay *mine = (relay *)user;
  td_message message;
  mine->inside = td_engine_drain(mine->engine, TD_MS(1), NULL, NULL, 0);
  while (td_batch_next(batch, &message) > 0) {
    __atomic_fetch_add(&mine->seen, 1, __ATOMIC_SEQ_CST);
    if (mine->next.id) CHECK_OK(td_send(mine->next, batch->mailbox, message.tag, NULL, 0));
    check_sleep(TD_MS(1) / 10);
  }
}

static td_mailbox open_relay(relay *mine) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.flags = TD_BY_WORKERS;
  options.handler = pass_on;
  options.user = mine;
  CHECK_OK(td_mailbox_open(mine->engine, &options, &mailbox));
  return mailbox;
}

static void test_all_arrives(void) {
  static relay first, last;
  td_drain_report report;
  td_mailbox other;
  int count = (int)check_count(200);
  td_engine engine = first.engine = last.engine = open_workers();
  first.next = open_relay(&last);
  td_mailbox entry = open_relay(&first);
  for (int i = 0; i < count; i++) CHECK_OK(send_tag(entry, 1));
  report.size = sizeof report;
  int32_t now = td_engine_drain(engine, 0, &report, NULL, 0);
  CHECK(now == TD_EAGAIN || now == TD_OK);
  if (now == TD_EAGAIN) {
    CHECK(report.undelivered > 0);
    CHECK_IS(send_tag(entry, 1), TD_ECLOSED);
    CHECK_IS(td_mailbox_open(engine, NULL, &other), TD_ECLOSED);
    CHECK_IS(td_publish(engine, TD_NOBODY, TD_STR("topic"), 1, NULL, 0, NULL, NULL), TD_ECLOSED);
    CHECK_OK(td_engine_drain(engine, patience(), &report, NULL, 0));
  }
  CHECK_EQ(report.undelivered, 0);
  CHECK_EQ(report.suspended, 0);
  CHECK_EQ(first.seen, count);
  CHECK_EQ(last.seen, count);
  CHECK_IS(first.inside, TD_EDEADLK);
  CHECK_IS(send_tag(entry, 1), TD_ENOPROC);
  CHECK_IS(td_engine_drain(engine, 0, &report, NULL, 0), TD_ESTALE);
}

static void test_time_is_up(void) {
  td_drain_report report;
  td_mailbox list[2];
  td_engine engine = open_engine(0);
  td_mailbox full = open_mailbox(engine), waiting = open_mailbox(engine), empty = open_mailbox(engine);
  for (int i = 0; i < 3; i++) CHECK_OK(send_tag(full, 1));
  CHECK_OK(send_tag(waiting, 1));
  CHECK_OK(td_suspend(waiting));
  CHECK_OK(td_suspend(empty));
  memset(list, 0, sizeof list);
  report.size = sizeof report;
  CHECK_IS(td_engine_drain(engine, 0, &report, list, 2), TD_EAGAIN);
  CHECK_EQ(report.undelivered, 4);
  RECV_TAG(full, 1, 0);
  CHECK_OK(td_send(full, waiting, 2, NULL, 0));
  CHECK_OK(td_send(full, waiting, 3, NULL, 0));
  CHECK_IS(send_tag(full, 4), TD_ECLOSED);
  CHECK_IS(td_engine_drain(engine, TD_MS(20), &report, list, 2), TD_ETIMEDOUT);
  CHECK_EQ(report.delivered, 1);
  CHECK_EQ(report.undelivered, 5);
  CHECK_EQ(report.suspended, 1);
  CHECK_EQ(list[0].id, waiting.id);
  CHECK_EQ(list[1].id, 0);
  CHECK_IS(send_tag(full, 1), TD_ENOPROC);
}

/* Nor after a message of a mailbox that found no room. */
static void test_nothing_comes_in_from_outside(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine = open_engine(0);
  td_mailbox small, other = open_mailbox(engine);
  options.max_bytes = 10;
  CHECK_OK(td_mailbox_open(engine, &options, &small));
  CHECK_OK(td_send(small, TD_NOBODY, 1, "8 bytes.", 8));
  CHECK_IS(td_engine_drain(engine, 0, NULL, NULL, 0), TD_EAGAIN);
  CHECK_IS(td_send(small, other, 1, "8 bytes.", 8), TD_EFULL);
  CHECK_IS(send_tag(small, 1), TD_ECLOSED);
  CHECK_OK(td_send(small, other, 1, NULL, 0));
  CHECK_IS(send_tag(small, 1), TD_ECLOSED);
  CHECK_OK(td_engine_close(engine));
}

typedef struct {
  pthread_t thread;
  pthread_barrier_t *together;
  td_engine engine;
  td_drain_report report;
  int32_t result;
} drainer;

static void *drain_together(void *user) {
  drainer *mine = (drainer *)user;
  mine->report.size = sizeof mine->report;
  pthread_barrier_wait(mine->together);
  mine->result = td_engine_drain(mine->engine, TD_MS(2), &mine->report, NULL, 0);
  return NULL;
}

/* Nobody reads: whoever drains finds all of it left, or the engine closed. */
static void test_several_drain_at_once(void) {
  for (int round = 0; round < (int)check_count(50); round++) {
    td_engine engine = open_engine(0);
    pthread_barrier_t together;
    drainer all[4];
    for (int i = 0; i < 100; i++) CHECK_OK(send_tag(open_mailbox(engine), 1));
    CHECK(pthread_barrier_init(&together, NULL, 4) == 0);
    for (int i = 0; i < 4; i++) {
      all[i].together = &together;
      all[i].engine = engine;
      CHECK(pthread_create(&all[i].thread, NULL, drain_together, &all[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
      CHECK(pthread_join(all[i].thread, NULL) == 0);
      CHECK(all[i].result == TD_ETIMEDOUT || all[i].result == TD_ESTALE);
      if (all[i].result == TD_ETIMEDOUT) CHECK_EQ(all[i].report.undelivered, 100);
    }
    pthread_barrier_destroy(&together);
  }
}

int main(void) {
  check_begin();
  test_all_arrives();
  test_time_is_up();
  test_nothing_comes_in_from_outside();
  test_several_drain_at_once();
  return 0;
}
