/* What about this id? Every number gets an answer in words. */
#include "check.h"

static td_engine engine;

static char *explained(uint64_t id) {
  td_message text;
  char *copy;
  CHECK_OK(td_explain(id, &text));
  copy = (char *)malloc(text.data_size + 1);
  CHECK(copy != NULL);
  memcpy(copy, text.data, text.data_size);
  copy[text.data_size] = 0;
  CHECK_EQ(strlen(copy), text.data_size);
  CHECK(text.data_size > 0);
  CHECK_OK(td_message_release(&text));
  return copy;
}

/* That the text on an id has both parts. */
#define SAYS(id, first, second) says(__LINE__, (id), (first), (second))
static void says(int line, uint64_t id, const char *first, const char *second) {
  const char *wanted[2];
  char *text = explained(id);
  int i;
  wanted[0] = first;
  wanted[1] = second;
  for (i = 0; i < 2; i++) {
    if (!strstr(text, wanted[i])) {
      fprintf(stderr, "line %d: no \"%s\" in:\n%s\n", line, wanted[i], text);
      CHECK_NEVER("the text does not say it");
    }
  }
  free(text);
}

static void a_mailbox_that_lives(void) {
  td_mailbox a = open_bounded(engine, TD_FAIL, 10), b = open_mailbox(engine);
  td_monitor_ref monitor;
  td_ticket ticket;
  td_timer timer;
  uint64_t i;
  CHECK_OK(td_register(a, TD_STR("worker")));
  CHECK_OK(td_monitor(b, a, 0, &monitor));
  CHECK_OK(td_call_start(a, b, 3, NULL, 0, TD_MS(100), &ticket));
  CHECK_OK(td_send_after(b, TD_MS(50), 9, NULL, 0, &timer));
  for (i = 0; i < 4; i++) CHECK_OK(td_send(a, b, 0x77, "1234", 4));
  SAYS(a.id, "is an open mailbox", "\"worker\"");
  SAYS(a.id, "queue: 5 of at most 10 messages, 16 of 67108864 bytes", "4 messages, 1 requests");
  SAYS(a.id, "4 of 0x77", "a monitor of mailbox");
  SAYS(a.id, "read by receive calls; 0 receivers wait", "lately");
  SAYS(a.id, "the ticket of a call to mailbox", "due in 0.100000 s");
  SAYS(ticket.id, "is the ticket of a call to mailbox", "armed");
  SAYS(monitor.id, "is a monitor of mailbox", "armed");
  SAYS(timer.id, "is a timer for mailbox", "due in 0.050000 s");
  CHECK_OK(td_suspend(a));
  SAYS(a.id, "is an open mailbox, suspended", "oldest: of the requests, tag 0x3");
  CHECK_OK(td_mailbox_exit(a, TD_REASON_USER + 1, "out of \"paper\"", 14));
  SAYS(a.id, "is a mailbox that has ended: reason 1025", "it said: \"out of \\\"paper\\\"\"");
  SAYS(a.id, "ago, by thread ", "discarded at its end: 5 messages");
  SAYS(ticket.id, "is the ticket of a call", "queued");
  CHECK_OK(td_demonitor(monitor, TD_FLUSH, NULL));
  SAYS(monitor.id, "was a monitor, which is over", "demonitor");
  CHECK_OK(td_mailbox_kill(b));
  SAYS(b.id, "has ended: reason killed (1)", "ended");
}

static void what_fills_it_and_since_when(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine), c = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message message;
  td_ticket ticket;
  td_item items[3];
  uint64_t i;
  memset(items, 0, sizeof items);
  CHECK_IS(td_send_many(a, b, items, 3), 3);
  CHECK_OK(td_send(a, c, 5, "1234", 4));
  SAYS(a.id, "senders: 3 from 0x", "oldest: of the messages, tag 0x0, 0 bytes, from 0x");
  SAYS(a.id, "bytes, from 0x", ", sent 0.");
  for (i = 0; i < 3; i++) RECV_TAG(a, 0, 0);
  SAYS(a.id, "oldest: of the messages, tag 0x5, 4 bytes", ", sent 0.");
  RECV_TAG(a, 5, 0);
  CHECK_OK(td_call_start(a, b, 6, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_monitor(c, a, 0, &monitor));
  CHECK_OK(td_link(a, c));
  SAYS(a.id, "oldest: of the requests, tag 0x6", ", sent 0.");
  SAYS(a.id, "calls that wait for its answer: 1", ", without a deadline, tag 0x6, for 0.");
  SAYS(a.id, "monitors that watch it: 1", "linked to: 1");
  CHECK_OK(td_recv(a, 0, 0, &message));
  CHECK_OK(td_message_release(&message));
  CHECK_OK(td_reply(ticket, NULL, 0));
  SAYS(b.id, "first signal: REPLY of 0x", ", for 0.");
  CHECK_OK(td_mailbox_kill(a));
  SAYS(c.id, "has ended: reason killed", "because: mailbox 0x");
}

static void *send_one_more(void *user) {
  CHECK_OK(send_tag(*(td_mailbox *)user, 2));
  return NULL;
}

static void who_waits_for_room(void) {
  td_mailbox a = open_bounded(engine, TD_BLOCK, 1);
  pthread_t thread;
  CHECK_OK(send_tag(a, 1));
  CHECK_EQ(pthread_create(&thread, NULL, send_one_more, &a), 0);
  CHECK_OK(td_clock_wait_parked(engine, 1, check_patience(TD_MS(30000))));
  SAYS(a.id, "waiting for room: 1 senders\n    thread ", ", from nobody, 0 bytes, for 0.");
  RECV_TAG(a, 1, 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
}

static td_mailbox stuck;
static void look_inside(td_batch *batch, void *user) {
  (void)batch;
  (void)user;
  SAYS(stuck.id, "its handler is running, for ", "by thread ");
}

static void a_mailbox_with_a_handler(void) {
  td_loop loop = open_loop(engine);
  stuck = open_handler(engine, loop, look_inside, NULL);
  CHECK_OK(send_tag(stuck, 1));
  SAYS(stuck.id, "read by its handler, which loop", "no thread runs the loop now; 1 mailboxes wait");
  SAYS(loop.id, "is an open loop; no thread runs it now", "1 mailboxes are ready");
  CHECK_IS(td_loop_run(loop, 0, 0), 1);
  CHECK_OK(td_loop_close(loop));
  SAYS(loop.id, "was a loop, which is over", "loop closed");
  SAYS(stuck.id, "has ended: reason runtime_exit (6)", "handler returned");
}

static void *wait_for_one(void *user) {
  td_message message;
  CHECK_OK(td_recv(*(td_mailbox *)user, TD_FOREVER, 0, &message));
  CHECK_OK(td_message_release(&message));
  return NULL;
}

static void who_waits(void) {
  td_mailbox a = open_mailbox(engine);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, wait_for_one, &a), 0);
  CHECK_OK(td_clock_wait_parked(engine, 1, check_patience(TD_MS(30000))));
  SAYS(a.id, "read by receive calls; 1 receivers wait", "");
  CHECK_OK(send_tag(a, 1));
  CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void everything_else(void) {
  td_mailbox a = open_mailbox(engine);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription subscription;
  td_monitor_ref monitor;
  td_message message;
  td_engine other = open_engine(0);
  uint64_t i, seed = 88172645463325252u;
  options.max_messages = 4;
  options.policy = TD_DROP_NEW;
  CHECK_OK(td_subscribe(a, TD_STR("news.>"), &options, &subscription));
  SAYS(subscription.id, "is a subscription to \"news.>\" of mailbox", "0 of at most 4");
  CHECK_OK(td_unsubscribe(subscription, 0));
  SAYS(subscription.id, "was a subscription, which is over", "unsubscribe");
  /* Under valgrind there is no pidfd_open. */
  if (td_monitor_os_process(a, getpid(), 5, &monitor) != TD_EUNSUPPORTED)
    SAYS(monitor.id, "is a monitor of a process of the system, armed", "tag 0x5");
  CHECK_OK(td_monitor_name(a, TD_STR("no one"), 6, &monitor));
  SAYS(monitor.id, "is a monitor of nobody, queued", "by the name \"no one\"");
  SAYS(engine.id, "is an open engine on a virtual clock", "mailboxes");
  CHECK_OK(td_engine_close(other));
  SAYS(other.id, "was an engine, which is over", "engine closed");
  CHECK_OK(td_recv(a, 0, 0, &message));
  SAYS(message.owner, "is the owner of a received message or batch, not released yet", "");
  CHECK_EQ(message.kind, TD_KIND_DOWN);
  CHECK_OK(td_message_release(&message));
  SAYS(message.owner, "was the owner of a message or batch, which is over", "");
  SAYS(0, "zero is the id of nothing", "");
  SAYS(0xF000000000000001u, "is not an id of this library", "");
  SAYS(0x2FFFFFFFFFFFFFFFu, "looks like the id of a mailbox but never was one", "");
  for (i = 0; i < check_count(20000); i++) { /* xorshift */
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    free(explained(seed));
    if (i % 16 == 0) free(explained(a.id ^ (seed & 0xF0000000000003FFu)));
  }
}

int main(void) {
  check_begin();
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  CHECK_IS(td_explain(engine.id, NULL), TD_EINVAL);
  a_mailbox_that_lives();
  a_mailbox_with_a_handler();
  who_waits();
  what_fills_it_and_since_when();
  who_waits_for_room();
  everything_else();
  CHECK_OK(td_engine_close(engine));
  return 0;
}
