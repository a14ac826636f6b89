/* What a library without a queue does: a native thread that calls a function for each message, of 64 fresh bytes. */
#include <pthread.h>
#include <stddef.h>
#include <string.h>

enum { SIZE = 64 };
typedef void (*message_fn)(const void *data, size_t size);
static message_fn call;
static unsigned long messages;

static void *run(void *unused) {
  static char template[SIZE];
  (void)unused;
  memset(template, 7, sizeof template);
  for (unsigned long i = 0; i < messages; i++) {
    char payload[SIZE];
    memcpy(payload, template, sizeof payload);
    payload[0] = (char)i;
    call(payload, sizeof payload);
  }
  return NULL;
}

int callback_run(message_fn fn, unsigned long count);

/* Runs the thread to its end. */
int callback_run(message_fn fn, unsigned long count) {
  pthread_t thread;
  call = fn;
  messages = count;
  return pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL);
}
