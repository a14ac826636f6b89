/* C27: interest in a pattern starts with the first subscription that meets it and stops with the last, crash included.
 * (rule 29) */
#include "watch.h"

int main(void) {
  check_begin();
  td_engine engine = open_engine(0);
  td_mailbox watcher = open_mailbox(engine), a = open_mailbox(engine), b = open_mailbox(engine);
  td_subscription first, second;
  td_watch watch, other;
  uint64_t count = 99;
  CHECK_OK(td_subscribe(a, TD_STR("news.*"), NULL, &first));
  CHECK_OK(td_interest_watch(watcher, TD_STR("news.sport"), 7, &watch, &count));
  CHECK_EQ(count, 1);
  CHECK_OK(td_interest_watch(watcher, TD_STR("*.weather"), 7, &other, &count));
  CHECK_EQ(count, 1);
  CHECK_OK(td_unsubscribe(first, 0));
  take_edge(watcher, watch, TD_KIND_INTEREST, TD_STOPPED, TD_NOBODY, "news.sport", "");
  take_edge(watcher, other, TD_KIND_INTEREST, TD_STOPPED, TD_NOBODY, "*.weather", "");
  CHECK_OK(td_subscribe(a, TD_STR("news.>"), NULL, &first));
  CHECK_OK(td_subscribe(b, TD_STR("*.sport"), NULL, &second));
  take_edge(watcher, watch, TD_KIND_INTEREST, TD_STARTED, TD_NOBODY, "news.sport", "");
  take_edge(watcher, other, TD_KIND_INTEREST, TD_STARTED, TD_NOBODY, "*.weather", "");
  CHECK_OK(td_mailbox_kill(a));
  take_edge(watcher, other, TD_KIND_INTEREST, TD_STOPPED, TD_NOBODY, "*.weather", "");
  nothing(watcher);
  CHECK_OK(td_mailbox_kill(b));
  take_edge(watcher, watch, TD_KIND_INTEREST, TD_STOPPED, TD_NOBODY, "news.sport", "");
  nothing(watcher);

  td_mailbox small = open_bounded(engine, TD_FAIL, 1), c = open_mailbox(engine);
  CHECK_OK(td_interest_watch(small, TD_STR("x"), 7, &watch, &count));
  CHECK_EQ(count, 0);
  for (int i = 0; i < 3; i++) {
    CHECK_OK(td_subscribe(c, TD_STR("x"), NULL, &first));
    CHECK_OK(td_unsubscribe(first, 0));
  }
  for (int i = 0; i < 2; i++) CHECK_OK(td_subscribe(c, TD_STR(">"), NULL, &first));
  take_edge(small, watch, TD_KIND_INTEREST, TD_STARTED, TD_NOBODY, "x", "");
  td_message resync = take_resync(small, watch, TD_KIND_INTEREST, 2);
  CHECK_EQ(resync.data_size, sizeof count);
  memcpy(&count, resync.data, sizeof count);
  CHECK_EQ(count, 2);
  CHECK_OK(td_message_release(&resync));
  CHECK_OK(td_unwatch(watch, TD_FLUSH));
  CHECK_IS(td_interest_watch(small, TD_STR("a..b"), 7, &watch, &count), TD_EINVAL);
  CHECK_EQ(watch.id, 0);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
