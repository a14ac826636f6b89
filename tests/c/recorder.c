/* The flight recorder: what was done is told, in order, by whom, and never what was in it. */
#include "check.h"
#include <sys/wait.h>

static td_engine engine;

static char *dump_text(void) {
  td_message text;
  char *copy;
  CHECK_OK(td_recorder_dump(&text));
  copy = (char *)malloc(text.data_size + 1);
  CHECK(copy != NULL);
  memcpy(copy, text.data, text.data_size);
  copy[text.data_size] = 0;
  CHECK_EQ(strlen(copy), text.data_size);
  CHECK_OK(td_message_release(&text));
  CHECK_IS(td_message_release(&text), TD_ESTALE);
  return copy;
}

/* Where the line `event id` stands. */
static const char *find(const char *text, const char *event, uint64_t id) {
  char line[128];
  const char *at;
  snprintf(line, sizeof line, ": %s 0x%016" PRIx64, event, id);
  at = strstr(text, line);
  if (!at) fprintf(stderr, "no \"%s\" in the dump:\n%s\n", line, text);
  CHECK(at != NULL);
  return at;
}

static void a_life_is_told_in_order(void) {
  td_mailbox a = open_mailbox(engine), b = open_mailbox(engine);
  td_monitor_ref monitor;
  td_timer timer;
  td_message message;
  char *text;
  CHECK_OK(td_monitor(b, a, 0, &monitor));
  CHECK_OK(td_send_after(b, TD_MS(5), 0, NULL, 0, &timer));
  CHECK_OK(td_send(a, b, 7, "a secret payload", 16));
  RECV_TAG(a, 7, 0);
  CHECK_OK(td_mailbox_exit(a, TD_REASON_USER + 7, "a secret reason", 15));
  CHECK_OK(td_clock_advance(engine, TD_MS(5)));
  CHECK_OK(td_recv(b, 0, 0, &message));
  CHECK_OK(td_message_release(&message));
  text = dump_text();
  CHECK(find(text, "opened", a.id) < find(text, "opened", b.id));
  CHECK(find(text, "opened", b.id) < find(text, "monitor", monitor.id));
  CHECK(find(text, "monitor", monitor.id) < find(text, "timer armed", timer.id));
  CHECK(find(text, "timer armed", timer.id) < find(text, "send", a.id));
  CHECK(find(text, "send", a.id) < find(text, "receive", a.id));
  CHECK(strstr(find(text, "receive", a.id), ", 16 bytes\n") != NULL);
  CHECK(find(text, "receive", a.id) < find(text, "ended", a.id));
  CHECK(strncmp(strchr(find(text, "ended", a.id), ','), ", reason 1031\n", 14) == 0);
  CHECK(find(text, "ended", a.id) < find(text, "DOWN", b.id));
  CHECK(find(text, "DOWN", b.id) < find(text, "TIMER", b.id));
  CHECK(strstr(text, "secret") == NULL);
  free(text);
}

static void batches_and_losses_are_told(void) {
  td_mailbox a = open_bounded(engine, TD_DROP_NEW, 3), over = open_mailbox(engine);
  td_item items[3];
  td_batch batch;
  td_message message;
  char *text;
  memset(items, 0, sizeof items);
  CHECK_IS(td_send_many(a, TD_NOBODY, items, 3), 3);
  CHECK_OK(send_tag(a, 1));
  CHECK_OK(td_recv_batch(a, 0, 0, &batch));
  while (td_batch_next(&batch, &message) == 1) {}
  CHECK_OK(td_batch_release(&batch));
  CHECK_OK(td_mailbox_kill(over));
  CHECK_IS(send_tag(over, 1), TD_ENOPROC);
  text = dump_text();
  CHECK(strncmp(strchr(find(text, "send many", a.id), ','), ", 3 messages\n", 13) == 0);
  CHECK(strncmp(strchr(find(text, "receive batch", a.id), ','), ", 3 messages\n", 13) == 0);
  CHECK(find(text, "send many", a.id) < find(text, "dropped", a.id));
  CHECK(find(text, "dropped", a.id) < find(text, "receive batch", a.id));
  CHECK(strncmp(strchr(find(text, "ended", over.id), ','), ", reason killed (1)\n", 20) == 0);
  CHECK(find(text, "ended", over.id) < find(text, "dead letter", over.id));
  free(text);
}

/* How often a line says it: N of its xN, else 1. */
static uint64_t times(const char *line) {
  const char *x = strstr(line, ", x");
  return x && x < strchr(line, '\n') ? strtoull(x + 3, NULL, 10) : 1;
}

static void refusals_are_told_together(void) {
  td_mailbox a = open_bounded(engine, TD_FAIL, 1);
  uint64_t i, refused = 0;
  const char *line, *end;
  char *text, wanted[64];
  CHECK_OK(send_tag(a, 0));
  for (i = 0; i < 1000; i++) CHECK_IS(send_tag(a, 1), TD_EFULL);
  text = dump_text();
  end = find(text, "send", a.id);
  CHECK(end < find(text, "refused", a.id));
  snprintf(wanted, sizeof wanted, ": refused 0x%016" PRIx64 ", TD_EFULL", a.id);
  for (i = 0, line = strstr(text, wanted); line; i++, line = strstr(line + 1, wanted)) refused += times(line);
  CHECK_EQ(refused, 1000);
  CHECK(i < 1000 || check_count(20000) < 20000);
  free(text);
}

static void what_became_of_messages_is_told(void) {
  td_mailbox a = open_bounded(engine, TD_CONFLATE, 4), b = open_mailbox(engine);
  td_subscribe_options options = TD_SUBSCRIBE_OPTIONS_INIT;
  td_subscription subscription;
  td_message message;
  td_ticket ticket;
  char *text;
  CHECK_OK(send_tag(a, 1));
  CHECK_OK(send_tag(a, 1));
  options.max_messages = 1;
  options.policy = TD_DROP_NEW;
  CHECK_OK(td_subscribe(b, TD_STR("told"), &options, &subscription));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("told"), 1, NULL, 0, NULL, NULL));
  CHECK_OK(td_publish(engine, TD_NOBODY, TD_STR("told"), 2, NULL, 0, NULL, NULL));
  CHECK_OK(td_unsubscribe(subscription, TD_FLUSH));
  CHECK_OK(td_call_start(b, a, 0, NULL, 0, TD_MS(5), &ticket));
  CHECK_OK(td_clock_advance(engine, TD_MS(5)));
  CHECK_IS(td_recv(b, 0, 0, &message), TD_EAGAIN);
  CHECK_OK(td_suspend(b));
  CHECK_OK(td_resume(b));
  CHECK_OK(td_register(b, TD_STR("told")));
  CHECK_OK(td_unregister(engine, TD_STR("told")));
  CHECK_OK(send_tag(b, 1));
  CHECK_OK(td_mailbox_kill(b));
  text = dump_text();
  CHECK(find(text, "send", a.id) < find(text, "conflated", a.id));
  CHECK(find(text, "subscribe", subscription.id) < find(text, "dropped", b.id));
  CHECK(find(text, "dropped", b.id) < find(text, "flushed", b.id));
  CHECK(find(text, "flushed", b.id) < find(text, "call", b.id));
  CHECK(find(text, "call", b.id) < find(text, "REPLY", a.id));
  CHECK(strstr(find(text, "REPLY", a.id), ", TD_ETIMEDOUT\n") != NULL);
  CHECK(find(text, "REPLY", a.id) < find(text, "request expired", b.id));
  CHECK(find(text, "request expired", b.id) < find(text, "suspended", b.id));
  CHECK(find(text, "suspended", b.id) < find(text, "resumed", b.id));
  CHECK(find(text, "resumed", b.id) < find(text, "named", b.id));
  CHECK(find(text, "named", b.id) < find(text, "name given up", b.id));
  CHECK(find(text, "ended", b.id) < find(text, "discarded", b.id));
  CHECK(strncmp(strchr(find(text, "discarded", b.id), ','), ", 1 messages\n", 13) == 0);
  free(text);
}

static void calls_links_and_drains_are_told(void) {
  td_engine other = open_engine(0);
  td_mailbox a = open_mailbox(other), b = open_mailbox(other), c = open_mailbox(other);
  td_drain_report report;
  td_message message;
  td_ticket ticket;
  char *text;
  report.size = sizeof report;
  CHECK_IS(td_call(b, a, 0, NULL, 0, TD_MS(5), 0, &message), TD_ETIMEDOUT);
  CHECK_OK(td_call_start(c, a, 0, NULL, 0, TD_FOREVER, &ticket));
  CHECK_OK(td_reply_part(ticket, "part", 4, 0, 0));
  CHECK_OK(td_reply(ticket, NULL, 0));
  CHECK_OK(td_link(a, b));
  CHECK_OK(td_mailbox_kill(b));
  CHECK_IS(td_engine_drain(other, TD_MS(5), &report, NULL, 0), TD_ETIMEDOUT);
  text = dump_text();
  CHECK(find(text, "call", b.id) < find(text, "call given up", b.id));
  CHECK(strstr(find(text, "call given up", b.id), ", TD_ETIMEDOUT\n") != NULL);
  CHECK(find(text, "part of an answer", a.id) < find(text, "answer", ticket.id));
  CHECK(find(text, "ended", b.id) < find(text, "ends with", a.id));
  CHECK(find(text, "ends with", a.id) < find(text, "ended", a.id));
  CHECK(find(text, "engine drains", other.id) < find(text, "engine closed", other.id));
  CHECK(find(text, "engine closed", other.id) < find(text, "engine drained", other.id));
  free(text);
}

/* In a child there are other threads under the parent's numbers. */
static void a_child_tells_of_its_own_thread(void) {
  td_mailbox before = open_mailbox(engine);
  int status = 0;
  pid_t child;
  char line[64];
  snprintf(line, sizeof line, "thread %d ", (int)getpid());
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    td_engine own = open_engine(0);
    td_mailbox after = open_mailbox(own);
    char *text = dump_text(), *at;
    const char *told = find(text, "opened", before.id);
    for (at = (char *)told; at > text && at[-1] != '\n'; at--) {}
    CHECK(strstr(at, line) != NULL && strstr(at, line) < told);
    told = find(text, "opened", after.id);
    snprintf(line, sizeof line, "thread %d ", (int)getpid());
    for (at = (char *)told; at > text && at[-1] != '\n'; at--) {}
    CHECK(strstr(at, line) != NULL && strstr(at, line) < told);
    _exit(0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *send_some(void *user) {
  uint64_t i, count = check_count(20000);
  for (i = 0; i < count; i++) CHECK_OK(send_tag(*(td_mailbox *)user, i));
  return NULL;
}

static void all_threads_are_told_while_they_work(void) {
  uint64_t i, count = check_count(20000);
  td_mailbox a = open_mailbox(engine);
  td_message message;
  pthread_t threads[2];
  char *text;
  for (i = 0; i < 2; i++) CHECK_EQ(pthread_create(&threads[i], NULL, send_some, &a), 0);
  for (i = 0; i < 2 * count; i++) {
    CHECK_OK(td_recv(a, TD_FOREVER, 0, &message));
    CHECK_OK(td_message_release(&message));
    if (i % 1000 == 0) free(dump_text());
  }
  for (i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  text = dump_text();
  find(text, "send", a.id);
  free(text);
}

int main(void) {
  check_begin();
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  CHECK_IS(td_recorder_dump(NULL), TD_EINVAL);
  a_life_is_told_in_order();
  batches_and_losses_are_told();
  refusals_are_told_together();
  what_became_of_messages_is_told();
  calls_links_and_drains_are_told();
  a_child_tells_of_its_own_thread();
  all_threads_are_told_while_they_work();
  CHECK_OK(td_engine_close(engine));
  free(dump_text());
  return 0;
}
