/* A native thread that sends to a mailbox, one message at a time, for P18 and P19: built as a shared library, which Python
 * loads with ctypes, and into an addon for Node. It makes 64 fresh bytes for each message. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include <pthread.h>

enum { SIZE = 64 };
static td_mailbox target;
static uint64_t messages;
static pthread_t thread;

static void *run(void *unused) {
  static char template[SIZE];
  const td_mailbox nobody = {0};
  (void)unused;
  memset(template, 7, sizeof template);
  for (uint64_t i = 0; i < messages; i++) {
    char payload[SIZE];
    memcpy(payload, template, sizeof payload);
    payload[0] = (char)i;
    BENCH_OK(td_send(target, nobody, 0, payload, sizeof payload));
  }
  return NULL;
}

void source_start(uint64_t mailbox, uint64_t count);
void source_join(void);

void source_start(uint64_t mailbox, uint64_t count) {
  target.id = mailbox;
  messages = count;
  bench_demand(pthread_create(&thread, NULL, run, NULL) == 0, "a thread");
}

void source_join(void) { pthread_join(thread, NULL); }
