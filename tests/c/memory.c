/* Where there is no memory a send is TD_ENOMEM, whatever its size; the process and what is queued are as before. (rules 2 5) */
#include "check.h"

#include <sys/resource.h>

static struct rlimit before;

/* So much beyond what the process has now. */
static int leave_memory(rlim_t bytes) {
  struct rlimit limit;
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%lu", &pages) != 1) pages = 0;
  fclose(file);
  CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
  limit = before;
  limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
  return pages > 0 && setrlimit(RLIMIT_AS, &limit) == 0;
}

int main(void) {
  check_begin();
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_engine engine = open_engine(0);
  td_mailbox full, watcher = open_mailbox(engine), watched = open_mailbox(engine);
  td_monitor_ref monitor;
  td_message message;
  uint64_t sent = 0;
  int32_t code;
  options.max_messages = options.max_bytes = UINT64_C(1) << 40;
  CHECK_OK(td_mailbox_open(engine, &options, &full));
  CHECK_OK(td_monitor(watcher, watched, 1, &monitor));
  CHECK_OK(send_tag(full, 1)); /* the first receive of a process makes what later ones use */
  RECV_TAG(full, 1, 0);
  if (getenv("CHECK_DIVISOR") || !leave_memory((rlim_t)16 << 20)) { /* valgrind needs its own */
    printf("skip: the memory of this process cannot be bounded\n");
    return 0;
  }
  while ((code = td_send(full, TD_NOBODY, sent, "0123456789", 10)) == TD_OK) sent++;
  CHECK_EQ(code, TD_ENOMEM);
  CHECK(sent > 1000);
  CHECK_IS(send_tag(full, sent), TD_ENOMEM);
  CHECK_OK(td_mailbox_close(watched));
  CHECK_OK(td_recv(watcher, 0, 0, &message));
  CHECK_EQ(message.ref, monitor.id);
  CHECK_OK(td_message_release(&message));
  CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
  CHECK_EQ(counters_of(full).queued, sent);
  for (uint64_t i = 0; i < sent; i++) RECV_TAG(full, i, 0);
  CHECK_OK(send_tag(full, sent));
  RECV_TAG(full, sent, 0);
  CHECK_OK(td_engine_close(engine));
  return 0;
}
