/* Ends that cause ends: however long the chain (a release function closes the next mailbox, a drop function does, a link,
 * a will or a dead letter ends it), it needs no stack, and all of it is done when the call that began it returns.
 * (rules 10 11 17 28 32) */
#include "check.h"

enum { STACK = 256 * 1024 };
static td_engine engine;
static td_mailbox *chain;
static uint64_t length, reached;

static void close_next(void *user) {
  (void)user;
  if (++reached < length) CHECK_OK(td_mailbox_close(chain[reached]));
}

static void release_next(void *data, size_t size, void *user) {
  (void)data, (void)size;
  close_next(user);
}

static td_mailbox_options no_options(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  return options;
}

static void open_chain(td_mailbox_options options) {
  reached = 0;
  for (uint64_t i = 0; i < length; i++) CHECK_OK(td_mailbox_open(engine, &options, &chain[i]));
}

static void nobody_is_left(void) {
  td_engine_counters counters;
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.mailboxes, 0);
}

static void lend(td_mailbox mailbox, td_release_fn release, void *user) {
  td_send_options options = TD_SEND_OPTIONS_INIT;
  options.release = release;
  options.release_user = user;
  CHECK_OK(td_send_ex(mailbox, TD_NOBODY, 1, NULL, 0, &options));
}

static void each_release_closes_the_next(void) {
  open_chain(no_options());
  for (uint64_t i = 0; i < length; i++) lend(chain[i], release_next, NULL);
  CHECK_OK(td_mailbox_close(chain[0]));
  CHECK_EQ(reached, length);
  nobody_is_left();
}

static void each_drop_closes_the_next(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  options.drop = close_next;
  open_chain(options);
  CHECK_OK(td_mailbox_close(chain[0]));
  CHECK_EQ(reached, length);
  nobody_is_left();
}

static void each_handler_is_dropped_for_the_next(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_loop loop = open_loop(engine);
  options.drop = close_next;
  open_chain(options);
  for (uint64_t i = 0; i < length; i++) lend(chain[i], release_next, NULL);
  td_send_options in_loop = TD_SEND_OPTIONS_INIT;
  td_mailbox first = open_mailbox(engine);
  in_loop.release = release_next;
  in_loop.release_loop = loop;
  CHECK_OK(td_send_ex(first, TD_NOBODY, 1, NULL, 0, &in_loop));
  CHECK_OK(td_mailbox_close(first));
  CHECK_EQ(reached, 0);
  CHECK_IS(td_loop_run(loop, 0, 0), 0);
  CHECK_EQ(reached, 1 + 2 * (length - 1)); /* all but the first, whose turn never came */
  CHECK_OK(td_mailbox_kill(chain[0]));
  nobody_is_left();
  CHECK_OK(td_loop_close(loop));
}

static void each_link_ends_the_next(void) {
  open_chain(no_options());
  for (uint64_t i = 1; i < length; i++) CHECK_OK(td_link(chain[i - 1], chain[i]));
  CHECK_OK(td_mailbox_exit(chain[0], TD_REASON_USER + 1, TD_STR("why")));
  CHECK_EQ(counters_of(chain[length - 1]).reason, TD_REASON_USER + 1);
  nobody_is_left();
}

static void each_will_overflows_the_next(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_subscription subscription;
  char topic[32];
  options.policy = TD_KILL;
  options.max_messages = 1;
  open_chain(options);
  for (uint64_t i = 0; i < length; i++) {
    int size = snprintf(topic, sizeof topic, "end.%" PRIu64, i);
    CHECK_OK(td_subscribe(chain[i], topic, (size_t)size, NULL, &subscription));
    size = snprintf(topic, sizeof topic, "end.%" PRIu64, i + 1);
    CHECK_OK(td_will_set(chain[i], topic, (size_t)size, 1, NULL, 0, 0));
    CHECK_OK(send_tag(chain[i], 1));
  }
  CHECK_OK(td_mailbox_kill(chain[0]));
  CHECK_EQ(counters_of(chain[length - 1]).reason, TD_REASON_OVERFLOW);
  nobody_is_left();
}

/* Its release sends to a mailbox that is over; the dead letter overflows the next, which alone mourns then. */
static void mourn(void *data, size_t size, void *user) {
  td_subscription subscription;
  (void)data, (void)size;
  if (++reached == length) return;
  lend(chain[reached], mourn, user);
  CHECK_OK(td_subscribe(chain[reached], TD_STR("$dead"), NULL, &subscription));
  CHECK_IS(send_tag(*(td_mailbox *)user, 1), TD_ENOPROC);
}

static void each_dead_letter_overflows_the_next(void) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox gone = open_mailbox(engine);
  options.policy = TD_KILL;
  options.max_messages = 1;
  open_chain(options);
  CHECK_OK(td_mailbox_kill(gone));
  lend(chain[0], mourn, &gone);
  CHECK_OK(td_mailbox_kill(chain[0]));
  CHECK_EQ(reached, length);
  CHECK_EQ(counters_of(chain[length - 1]).reason, TD_REASON_OVERFLOW);
  nobody_is_left();
}

/* What td_release_fn says of the order. */
static int order[4], done;
static void note(void *data, size_t size, void *user) {
  (void)data, (void)size;
  order[done++] = *(int *)user;
}

static void close_another(void *data, size_t size, void *user) {
  static int first = 2, second = 3;
  td_mailbox other = open_mailbox(engine);
  lend(other, note, &first);
  lend(other, note, &second);
  CHECK_OK(td_mailbox_close(other));
  CHECK_EQ(done, 0); /* not before this one has returned */
  note(data, size, user);
}

static void the_order_is_that_of_coming_free(void) {
  static int own = 1, last = 4;
  td_mailbox mailbox = open_mailbox(engine);
  lend(mailbox, close_another, &own);
  lend(mailbox, note, &last);
  CHECK_OK(td_mailbox_close(mailbox));
  CHECK_EQ(done, 4);
  for (int i = 0; i < 4; i++) CHECK_EQ(order[i], i + 1);
}

static void *on_a_small_stack(void *nothing) {
  each_release_closes_the_next();
  each_drop_closes_the_next();
  each_handler_is_dropped_for_the_next();
  each_link_ends_the_next();
  each_will_overflows_the_next();
  each_dead_letter_overflows_the_next();
  the_order_is_that_of_coming_free();
  return nothing;
}

int main(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  check_begin();
  length = check_count(100000);
  chain = (td_mailbox *)calloc(length, sizeof *chain);
  CHECK(chain);
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  CHECK_EQ(pthread_attr_init(&attributes), 0);
  CHECK_EQ(pthread_attr_setstacksize(&attributes, STACK), 0);
  CHECK_EQ(pthread_create(&thread, &attributes, on_a_small_stack, NULL), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(pthread_attr_destroy(&attributes), 0);
  CHECK_OK(td_engine_close(engine));
  free(chain);
  return 0;
}
