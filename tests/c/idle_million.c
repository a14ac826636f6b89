/* One million idle mailboxes fit in 256 MB, and each of them works. */
#include "check.h"

static uint64_t resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long size = 0, resident = 0;
  if (!file) return 0; /* no /proc: nothing to measure */
  CHECK_EQ(fscanf(file, "%lu %lu", &size, &resident), 2);
  fclose(file);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

int main(void) {
  check_begin();
  uint64_t count = check_count(1000000);
  td_mailbox *mailboxes = (td_mailbox *)malloc(count * sizeof *mailboxes);
  CHECK(mailboxes != NULL);
  memset(mailboxes, 0xff, count * sizeof *mailboxes); /* so that it does not count below */
  td_engine engine = open_engine(0);
  uint64_t before = resident_bytes();
  for (uint64_t i = 0; i < count; i++) mailboxes[i] = open_mailbox(engine);
  uint64_t used = resident_bytes() - before;
  printf("%" PRIu64 " idle mailboxes: %.1f MB, %.0f bytes each\n", count, (double)used / 1e6, (double)used / (double)count);
  if (count == 1000000) CHECK(used <= UINT64_C(256000000));

  td_engine_counters counters;
  counters.size = sizeof counters;
  CHECK_OK(td_engine_stats(engine, &counters));
  CHECK_EQ(counters.mailboxes, count);
  for (uint64_t i = 0; i < count; i += count / 100 + 1) {
    CHECK_OK(send_tag(mailboxes[i], i));
    RECV_TAG(mailboxes[i], i, 0);
  }
  CHECK_OK(td_engine_close(engine));
  CHECK_IS(send_tag(mailboxes[count / 2], 1), TD_ENOPROC);
  free(mailboxes);
  return 0;
}
