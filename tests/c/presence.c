/* A key is present while any mailbox has entered it, and through the grace of the last one that ended. (rule 20) */
#include "watch.h"

static td_engine engine;

static void a_grace_bridges_a_return(void) {
  td_mailbox watcher = open_mailbox(engine), a = open_mailbox(engine), b = open_mailbox(engine), back;
  td_message keys;
  td_watch watch;
  CHECK_OK(td_presence_enter(a, TD_STR("room"), TD_STR("ann"), TD_MS(20)));
  CHECK_OK(td_presence_watch(watcher, TD_STR("room"), 7, &watch, &keys));
  CHECK_EQ(keys.ref, watch.id);
  keys_are(&keys, "ann", 4);
  CHECK_OK(td_presence_enter(b, TD_STR("room"), TD_STR("bob"), 0));
  CHECK_OK(td_presence_enter(b, TD_STR("room"), TD_STR("ann"), 0));
  CHECK_OK(td_presence_keys(engine, TD_STR("room"), &keys));
  CHECK_EQ(keys.info[1], 2);
  keys_are(&keys, "ann\0bob", 8);
  take_edge(watcher, watch, TD_KIND_PRESENCE, TD_JOINED, b, "room", "bob");
  CHECK_OK(td_mailbox_kill(b));
  take_edge(watcher, watch, TD_KIND_PRESENCE, TD_LEFT, b, "room", "bob");
  CHECK_OK(td_mailbox_kill(a));
  CHECK_OK(td_clock_advance(engine, TD_MS(20) - 1));
  nothing(watcher);
  back = open_mailbox(engine);
  CHECK_OK(td_presence_enter(back, TD_STR("room"), TD_STR("ann"), TD_MS(5)));
  CHECK_OK(td_clock_advance(engine, TD_MS(100)));
  nothing(watcher);
  CHECK_OK(td_mailbox_kill(back));
  CHECK_OK(td_clock_advance(engine, TD_MS(5) - 1));
  nothing(watcher);
  CHECK_OK(td_clock_advance(engine, 1));
  take_edge(watcher, watch, TD_KIND_PRESENCE, TD_LEFT, back, "room", "ann");
  nothing(watcher);
}

static void leaving_is_at_once(void) {
  td_mailbox watcher = open_bounded(engine, TD_FAIL, 1), a = open_mailbox(engine), b = open_mailbox(engine);
  td_message keys;
  td_watch watch;
  CHECK_OK(td_presence_watch(watcher, TD_STR("hall"), 7, &watch, &keys));
  keys_are(&keys, "", 0);
  CHECK_OK(td_presence_enter(a, TD_STR("hall"), TD_STR("k"), TD_MS(1000)));
  CHECK_OK(td_presence_enter(b, TD_STR("hall"), TD_STR("k"), TD_MS(1000)));
  CHECK_OK(td_presence_leave(a, TD_STR("hall"), TD_STR("k")));
  CHECK_IS(td_presence_leave(a, TD_STR("hall"), TD_STR("k")), TD_ENOTFOUND);
  take_edge(watcher, watch, TD_KIND_PRESENCE, TD_JOINED, a, "hall", "k");
  CHECK_OK(td_presence_leave(b, TD_STR("hall"), TD_STR("k")));
  CHECK_OK(td_presence_enter(a, TD_STR("hall"), TD_STR("l"), 0));
  CHECK_OK(td_presence_enter(a, TD_STR("hall"), TD_STR("m"), 0));
  take_edge(watcher, watch, TD_KIND_PRESENCE, TD_LEFT, b, "hall", "k");
  keys = take_resync(watcher, watch, TD_KIND_PRESENCE, 2);
  keys_are(&keys, "l\0m", 4);
  CHECK_OK(td_unwatch(watch, TD_FLUSH));
}

static void keys_are_checked(void) {
  td_mailbox a = open_mailbox(engine);
  char key[256];
  memset(key, 'x', sizeof key);
  CHECK_OK(td_presence_enter(a, TD_STR("g"), key, 255, 0));
  CHECK_IS(td_presence_enter(a, TD_STR("g"), key, 256, 0), TD_EINVAL);
  CHECK_IS(td_presence_enter(a, TD_STR("g"), TD_STR("a\0b"), 0), TD_EINVAL);
  CHECK_IS(td_presence_enter(a, TD_STR("g"), "", 0, 0), TD_EINVAL);
  CHECK_IS(td_presence_enter(a, TD_STR("g"), TD_STR("a"), -1), TD_EINVAL);
  CHECK_IS(td_presence_enter(a, TD_STR(""), TD_STR("a"), 0), TD_EINVAL);
}

int main(void) {
  check_begin();
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  a_grace_bridges_a_return();
  leaving_is_at_once();
  keys_are_checked();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
