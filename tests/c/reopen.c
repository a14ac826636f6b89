/* After a million mailboxes that opened and closed, every id of a closed one is still an error, and memory has not grown.
 * (rule 12) */
#include "check.h"

enum { KEPT = 1000 };

static uint64_t resident_kib(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long size = 0, resident = 0;
  if (!file) return 0; /* no /proc: nothing to measure */
  CHECK_EQ(fscanf(file, "%lu %lu", &size, &resident), 2);
  fclose(file);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void open_and_close(td_engine engine, uint64_t count, td_mailbox *kept, uint64_t every) {
  for (uint64_t i = 0; i < count; i++) {
    td_mailbox mailbox = open_mailbox(engine);
    if (kept && i % every == 0 && i / every < KEPT) kept[i / every] = mailbox;
    CHECK_OK(td_mailbox_close(mailbox));
  }
}

int main(void) {
  static td_mailbox kept[KEPT];
  check_begin();
  uint64_t count = check_count(1000000), every = count / KEPT ? count / KEPT : 1;
  td_engine engine = open_engine(0);
  open_and_close(engine, check_count(100000), NULL, 1);
  uint64_t before = resident_kib();
  open_and_close(engine, count, kept, every);
  uint64_t after = resident_kib();
  CHECK(after <= before + 16 * 1024);

  td_message message;
  td_mailbox live = open_mailbox(engine);
  for (int i = 0; i < KEPT && kept[i].id != 0; i++) {
    CHECK(kept[i].id != live.id);
    CHECK_IS(send_tag(kept[i], 1), TD_ENOPROC);
    CHECK_IS(td_recv(kept[i], 0, 0, &message), TD_ECLOSED);
    CHECK_IS(td_mailbox_close(kept[i]), TD_ENOPROC);
    CHECK_FAILS(td_mailbox_kill(kept[i]));
  }
  td_mailbox_counters counters = counters_of(live); /* nothing of it reached the one that lives in a used slot */
  CHECK_EQ(counters.sent, 0);
  CHECK_EQ(counters.state, TD_STATE_OPEN);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
