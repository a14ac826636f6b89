/* Groups: joining twice counts two, death leaves all before DOWN, and a watch misses nothing, whatever overflows.
 * (rules 11 20) */
#include "watch.h"

static td_engine engine;

static void joins_are_counted_and_watched(void) {
  td_mailbox watcher = open_mailbox(engine), a = open_mailbox(engine), b = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message members;
  td_watch watch;
  CHECK_OK(td_group_join(a, TD_STR("g")));
  CHECK_OK(td_group_watch(watcher, TD_STR("g"), 7, &watch, &members));
  CHECK_EQ(members.ref, watch.id);
  members_are(&members, &a, 1);
  CHECK_OK(td_group_join(b, TD_STR("g")));
  CHECK_OK(td_group_join(a, TD_STR("g")));
  td_mailbox all[3] = {a, a, b};
  CHECK_OK(td_group_members(engine, TD_STR("g"), &members));
  members_are(&members, all, 3);
  CHECK_IS(td_group_leave(watcher, TD_STR("g")), TD_ENOTFOUND);
  CHECK_IS(td_group_leave(a, TD_STR("none")), TD_ENOTFOUND);
  CHECK_OK(td_monitor(watcher, a, 0, &monitor));
  CHECK_OK(td_mailbox_kill(a));
  CHECK_IS(td_group_join(a, TD_STR("g")), TD_ENOPROC);
  CHECK_OK(td_group_leave(b, TD_STR("g")));
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_JOINED, b, "g", "");
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_JOINED, a, "g", "");
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_LEFT, a, "g", "");
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_LEFT, a, "g", "");
  td_message down;
  CHECK_OK(td_recv(watcher, 0, 0, &down));
  CHECK_EQ(down.kind, TD_KIND_DOWN);
  CHECK_OK(td_message_release(&down));
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_LEFT, b, "g", "");
  CHECK_OK(td_unwatch(watch, 0));
  CHECK_IS(td_unwatch(watch, 0), TD_ESTALE);
  CHECK_OK(td_group_join(b, TD_STR("g")));
  nothing(watcher);
  counters_of(watcher);
}

static void an_overflow_is_one_resync(void) {
  td_mailbox watcher = open_bounded(engine, TD_FAIL, 2), a = open_mailbox(engine);
  td_message members;
  td_watch watch;
  CHECK_OK(td_group_watch(watcher, TD_STR("o"), 7, &watch, &members));
  members_are(&members, NULL, 0);
  for (int i = 0; i < 5; i++) CHECK_OK(td_group_join(a, TD_STR("o")));
  CHECK_OK(td_group_leave(a, TD_STR("o")));
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_JOINED, a, "o", "");
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_JOINED, a, "o", "");
  td_mailbox four[4] = {a, a, a, a};
  members = take_resync(watcher, watch, TD_KIND_MEMBER, 4);
  members_are(&members, four, 4);
  CHECK_OK(td_group_leave(a, TD_STR("o")));
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_LEFT, a, "o", "");
  /* In a batch, too; a flush takes it out of one that was begun. */
  for (int i = 0; i < 3; i++) CHECK_OK(td_group_join(a, TD_STR("o")));
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_JOINED, a, "o", "");
  take_edge(watcher, watch, TD_KIND_MEMBER, TD_JOINED, a, "o", "");
  td_batch batch;
  td_message message;
  CHECK_OK(td_recv_batch(watcher, 0, 0, &batch));
  CHECK_OK(td_group_join(a, TD_STR("o")));
  CHECK_OK(td_unwatch(watch, TD_FLUSH));
  CHECK_IS(td_batch_next(&batch, &message), 0);
  CHECK_OK(td_batch_release(&batch));
  nothing(watcher);
  CHECK_EQ(counters_of(watcher).queued, 0);
}

/* Two threads join and leave while the watcher reads with little room: in the end it knows the truth. */
static td_mailbox racer[2];

static void *race(void *at) {
  td_mailbox own = racer[*(int *)at];
  uint64_t rounds = check_count(20000);
  for (uint64_t i = 0; i < rounds; i++) {
    CHECK_OK(td_group_join(own, TD_STR("r")));
    if (i % 3 != 0) CHECK_OK(td_group_leave(own, TD_STR("r")));
  }
  return NULL;
}

static int64_t hear(int64_t count, const td_message *message) {
  if (message->kind == TD_KIND_RESYNC) return (int64_t)(message->data_size / sizeof(td_mailbox));
  CHECK_EQ(message->kind, TD_KIND_MEMBER);
  return message->status == TD_JOINED ? count + 1 : count - 1;
}

static void what_is_told_adds_up_under_a_race(void) {
  td_mailbox watcher = open_bounded(engine, TD_DROP_OLD, 8);
  td_message message;
  td_watch watch;
  int64_t count = 0;
  int which[2] = {0, 1};
  pthread_t threads[2];
  CHECK_OK(td_group_watch(watcher, TD_STR("r"), 7, &watch, &message));
  members_are(&message, NULL, 0);
  for (int i = 0; i < 2; i++) {
    racer[i] = open_mailbox(engine);
    CHECK_EQ(pthread_create(&threads[i], NULL, race, &which[i]), 0);
  }
  for (int i = 0; i < 50000; i++) {
    td_batch batch;
    if (i % 2 == 0 && td_recv(watcher, 0, 0, &message) == TD_OK) {
      count = hear(count, &message);
      CHECK_OK(td_message_release(&message));
    } else if (i % 2 == 1 && td_recv_batch(watcher, 0, 0, &batch) == TD_OK) {
      for (int k = 0; k < 3 && td_batch_next(&batch, &message) == 1; k++) count = hear(count, &message);
      CHECK_OK(td_batch_release(&batch));
    }
    CHECK(count >= 0);
  }
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  while (td_recv(watcher, 0, 0, &message) == TD_OK) {
    count = hear(count, &message);
    CHECK_OK(td_message_release(&message));
  }
  CHECK_OK(td_group_members(engine, TD_STR("r"), &message));
  CHECK_EQ(count, message.data_size / sizeof(td_mailbox));
  CHECK_OK(td_message_release(&message));
  counters_of(watcher);
}

static void names_are_checked(void) {
  td_mailbox a = open_mailbox(engine);
  char name[256];
  memset(name, 'x', sizeof name);
  CHECK_OK(td_group_join(a, name, 255));
  CHECK_IS(td_group_join(a, name, 256), TD_EINVAL);
  CHECK_IS(td_group_join(a, "", 0), TD_EINVAL);
  CHECK_IS(td_group_join(a, "\xff", 1), TD_EINVAL);
  CHECK_OK(td_group_leave(a, name, 255));
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  joins_are_counted_and_watched();
  an_overflow_is_one_resync();
  what_is_told_adds_up_under_a_race();
  names_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
