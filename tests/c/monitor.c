/* A monitor fires exactly once, whatever the end and whoever watches, or not at all once it was taken back.
 * (rules 13 14 15 16) */
#include "check.h"

static td_engine engine;

static td_message take_down(td_mailbox watcher, td_monitor_ref monitor, int32_t reason) {
  td_message message;
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_EQ(message.ref, monitor.id);
  CHECK_EQ(message.status, reason);
  CHECK_EQ(message.lost, 0);
  return message;
}

static void nothing_more(td_mailbox watcher) {
  td_message message;
  CHECK_IS(td_recv(watcher, 0, 0, &message), TD_EAGAIN);
}

static void down_says_who_and_why(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  CHECK_OK(td_monitor(watcher, target, 77, &monitor));
  CHECK_EQ(counters_of(watcher).monitors, 1);
  CHECK_EQ(counters_of(target).monitored_by, 1);
  nothing_more(watcher);
  CHECK_OK(td_mailbox_exit(target, TD_REASON_USER + 9, TD_STR("the reason's bytes")));
  td_message down = take_down(watcher, monitor, TD_REASON_USER + 9);
  CHECK_EQ(down.from.id, target.id);
  CHECK_EQ(down.tag, 77);
  CHECK_TEXT(down.data, down.data_size, "the reason's bytes");
  CHECK_EQ(down.topic_size, 0);
  CHECK_OK(td_message_release(&down));
  nothing_more(watcher);
  CHECK_EQ(counters_of(watcher).monitors, 0);
}

static void large_reasons_are_whole_for_all(void) {
  enum { SIZE = 20000 };
  static char reason[SIZE];
  td_mailbox watchers[3], target = open_mailbox(engine);
  td_monitor_ref monitors[3];
  memset(reason, 'r', sizeof reason);
  for (int i = 0; i < 3; i++) {
    watchers[i] = open_mailbox(engine);
    CHECK_OK(td_monitor(watchers[i], target, 0, &monitors[i]));
  }
  CHECK_OK(td_mailbox_exit(target, 0, reason, SIZE));
  memset(reason, 'x', sizeof reason); /* the caller's again */
  for (int i = 0; i < 3; i++) {
    td_message down = take_down(watchers[i], monitors[i], 0);
    CHECK_EQ(down.data_size, SIZE);
    for (size_t k = 0; k < SIZE; k++) CHECK(((const char *)down.data)[k] == 'r');
    CHECK_OK(td_message_release(&down));
  }
}

static void the_dead_are_noproc(void) { /* C11 */
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  CHECK_OK(td_mailbox_close(target));
  CHECK_OK(td_monitor(watcher, target, 3, &monitor));
  CHECK(monitor.id != 0);
  td_message down = take_down(watcher, monitor, TD_REASON_NOPROC);
  CHECK_EQ(down.from.id, target.id);
  CHECK_EQ(down.tag, 3);
  CHECK_OK(td_message_release(&down));
  nothing_more(watcher);
}

static void two_monitors_two_downs(void) { /* C12 */
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref first, second;
  CHECK_OK(td_monitor(watcher, target, 1, &first));
  CHECK_OK(td_monitor(watcher, target, 2, &second));
  CHECK(first.id != second.id);
  CHECK_OK(td_mailbox_kill(target));
  td_message a, b;
  CHECK_OK(td_recv(watcher, 0, 0, &a));
  CHECK_OK(td_recv(watcher, 0, 0, &b));
  CHECK_EQ(a.status, TD_REASON_KILLED);
  CHECK((a.ref == first.id && b.ref == second.id) || (a.ref == second.id && b.ref == first.id));
  CHECK_OK(td_message_release(&a));
  CHECK_OK(td_message_release(&b));
  nothing_more(watcher);
}

static void itself_never_fires(void) {
  td_mailbox mailbox = open_mailbox(engine);
  td_monitor_ref monitor;
  CHECK_OK(td_monitor(mailbox, mailbox, 0, &monitor));
  nothing_more(mailbox);
  CHECK_OK(td_mailbox_close(mailbox));
}

static void by_name(void) {
  td_mailbox watcher = open_mailbox(engine), holder = open_mailbox(engine), next = open_mailbox(engine);
  td_monitor_ref monitor, noproc;
  CHECK_OK(td_register(holder, TD_STR("a service")));
  CHECK_OK(td_monitor_name(watcher, TD_STR("a service"), 5, &monitor));
  CHECK_OK(td_register_replace(next, TD_STR("a service"), NULL)); /* bound to the holder of that moment */
  CHECK_OK(td_mailbox_close(holder));
  td_message down = take_down(watcher, monitor, TD_REASON_NORMAL);
  CHECK_EQ(down.from.id, holder.id);
  CHECK_EQ(down.tag, 5);
  CHECK_TEXT(down.topic, down.topic_size, "a service");
  CHECK_OK(td_message_release(&down));
  CHECK_OK(td_mailbox_close(next));

  CHECK_OK(td_monitor_name(watcher, TD_STR("nobody"), 6, &noproc)); /* already_down */
  down = take_down(watcher, noproc, TD_REASON_NOPROC);
  CHECK_EQ(down.from.id, 0);
  CHECK_EQ(down.tag, 6);
  CHECK_TEXT(down.topic, down.topic_size, "nobody");
  CHECK_OK(td_message_release(&down));
  nothing_more(watcher);
}

static void demonitor_says_what_it_did(void) { /* C13 */
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref armed, queued, flushed;
  uint32_t outcome = 0;
  CHECK_OK(td_monitor(watcher, target, 1, &armed));
  CHECK_OK(td_monitor(watcher, target, 2, &queued));
  CHECK_OK(td_monitor(watcher, target, 3, &flushed));
  CHECK_OK(td_demonitor(armed, 0, &outcome));
  CHECK_EQ(outcome, TD_WAS_ARMED);
  CHECK_EQ(counters_of(target).monitored_by, 2); /* nothing is left at the target */
  CHECK_OK(td_mailbox_close(target));
  CHECK_EQ(counters_of(watcher).queued, 2);
  CHECK_OK(td_demonitor(queued, 0, &outcome));
  CHECK_EQ(outcome, TD_WAS_DELIVERED); /* it stays queued */
  CHECK_OK(td_demonitor(flushed, TD_FLUSH, &outcome));
  CHECK_EQ(outcome, TD_WAS_FLUSHED);
  td_message down = take_down(watcher, queued, 0);
  CHECK_OK(td_message_release(&down));
  nothing_more(watcher);
  td_mailbox_counters counters = counters_of(watcher);
  CHECK_EQ(counters.flushed, 1);
  CHECK_EQ(counters.delivered, 1);
}

static void demonitor_after_the_end_has_no_effect(void) {
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  uint32_t outcome = 0;
  CHECK_OK(td_monitor(watcher, target, 0, &monitor));
  CHECK_IS(td_demonitor(monitor, 0x80, NULL), TD_EINVAL);
  CHECK_EQ(counters_of(watcher).monitors, 1);
  CHECK_OK(td_mailbox_close(target));
  td_message down = take_down(watcher, monitor, 0);
  CHECK_OK(td_message_release(&down));
  int32_t result = td_demonitor(monitor, TD_FLUSH, &outcome);
  CHECK(result == TD_ESTALE || (result == TD_OK && outcome == TD_WAS_DELIVERED));
  monitor.id = 0;
  CHECK_IS(td_demonitor(monitor, 0, NULL), TD_EBADID);
  monitor.id = watcher.id;
  CHECK_IS(td_demonitor(monitor, 0, NULL), TD_EBADID);
}

static void a_full_watcher_hears_all_the_same(void) { /* C14 */
  td_mailbox watcher = open_bounded(engine, TD_FAIL, 2), target = open_mailbox(engine);
  td_monitor_ref monitor;
  CHECK_OK(send_tag(watcher, 1));
  CHECK_OK(send_tag(watcher, 2));
  CHECK_OK(td_monitor(watcher, target, 0, &monitor));
  CHECK_OK(td_mailbox_close(target));
  RECV_TAG(watcher, 1, 0);
  RECV_TAG(watcher, 2, 0);
  td_message down = take_down(watcher, monitor, 0);
  CHECK_OK(td_message_release(&down));
}

static void messages_come_before_down_and_the_name_is_free(void) { /* C15 */
  td_mailbox watcher = open_mailbox(engine);
  for (uint64_t i = 0; i < 500; i++) {
    td_mailbox target = open_mailbox(engine), found;
    td_monitor_ref monitor;
    CHECK_OK(td_register(target, TD_STR("passing")));
    CHECK_OK(td_monitor(watcher, target, 0, &monitor));
    CHECK_OK(td_send(watcher, target, i, NULL, 0));
    CHECK_OK(td_mailbox_close(target));
    RECV_TAG(watcher, i, 0);
    td_message down = take_down(watcher, monitor, 0);
    CHECK_IS(td_whereis(engine, TD_STR("passing"), &found), TD_ENOTFOUND);
    CHECK_OK(td_message_release(&down));
  }
}

static void many_watch_one(void) { /* C17 */
  uint64_t count = check_count(100000), fired = 0;
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message message;
  for (uint64_t i = 0; i < count; i++) CHECK_OK(td_monitor(watcher, target, i, &monitor));
  CHECK_EQ(counters_of(target).monitored_by, count);
  CHECK_OK(td_mailbox_close(target));
  while (td_recv(watcher, 0, 0, &message) == TD_OK) {
    CHECK_EQ(message.kind, TD_KIND_DOWN);
    fired++;
    CHECK_OK(td_message_release(&message));
  }
  CHECK_EQ(fired, count);
}

static void a_watcher_that_ends_leaves_nothing_behind(void) { /* C18 */
  td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
  td_monitor_ref monitor;
  for (int i = 0; i < 100; i++) CHECK_OK(td_monitor(watcher, target, 0, &monitor));
  CHECK_EQ(counters_of(target).monitored_by, 100);
  CHECK_OK(td_mailbox_close(watcher));
  CHECK_EQ(counters_of(target).monitored_by, 0);
  CHECK_OK(td_mailbox_close(target));
}

static void *kill_it(void *user) {
  CHECK_OK(td_mailbox_kill(*(td_mailbox *)user));
  return NULL;
}

static void racing_ends_are_seen_once(void) { /* C16, in small */
  uint64_t count = check_count(2000);
  for (uint64_t i = 0; i < count; i++) {
    td_mailbox watcher = open_mailbox(engine), target = open_mailbox(engine);
    td_monitor_ref monitor;
    td_message message;
    uint32_t outcome = 0;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, kill_it, &target), 0);
    CHECK_OK(td_monitor(watcher, target, 0, &monitor));
    if (i % 3 == 0) sched_yield();
    CHECK_OK(td_demonitor(monitor, i % 2 ? TD_FLUSH : 0, &outcome));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    int32_t result = td_recv(watcher, 0, 0, &message);
    CHECK_IS(result, outcome == TD_WAS_DELIVERED ? TD_OK : TD_EAGAIN); /* DOWN xor taken back */
    if (result == TD_OK) CHECK_OK(td_message_release(&message));
    CHECK_OK(td_mailbox_close(watcher));
  }
}

int main(void) {
  check_begin();
  engine = open_engine(0);
  down_says_who_and_why();
  large_reasons_are_whole_for_all();
  the_dead_are_noproc();
  two_monitors_two_downs();
  itself_never_fires();
  by_name();
  demonitor_says_what_it_did();
  demonitor_after_the_end_has_no_effect();
  a_full_watcher_hears_all_the_same();
  messages_come_before_down_and_the_name_is_free();
  many_watch_one();
  a_watcher_that_ends_leaves_nothing_behind();
  racing_ends_are_seen_once();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
