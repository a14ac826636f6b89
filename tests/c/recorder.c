/* The flight recorder: what was done is told, in order, by whom, and never what was in it. */
#include "check.h"

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
  CHECK(strstr(find(text, "send", a.id), "bytes, x17\n") != NULL || count < 100);
  free(text);
}

int main(void) {
  check_begin();
  engine = open_engine(TD_ENGINE_VIRTUAL_CLOCK);
  CHECK_IS(td_recorder_dump(NULL), TD_EINVAL);
  a_life_is_told_in_order();
  batches_and_losses_are_told();
  all_threads_are_told_while_they_work();
  CHECK_OK(td_engine_close(engine));
  free(dump_text());
  return 0;
}
