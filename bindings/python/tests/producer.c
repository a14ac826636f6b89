/* A C producer for the tests: a thread of its own publishes a stream that Python receives in the same process.
 *
 * The stream is the same in every run: message n has a size and bytes that follow from n. producer_crc is over
 * the little-endian size and the bytes of each message, in order. Every 16th message goes straight to the mailbox
 * "sink", the others through the topic; every 500th is large and travels by reference. What was refused or dropped
 * is sent again, so that nothing is missing; producer_dropped counts what the subscription dropped. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tidings.h>

#define LARGE 131072

static td_engine engine;
static td_mailbox sink;
static pthread_t thread;
static uint64_t wanted;
static uint32_t crc, table[256];
static uint64_t given, released, dropped;
static int failure;

static void add_to_crc(const void *data, size_t size) {
  const unsigned char *bytes = data;
  crc = ~crc;
  for (size_t i = 0; i < size; i++) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
  crc = ~crc;
}

static void release(void *data, size_t size, void *user) {
  (void)size;
  (void)user;
  free(data);
  __atomic_fetch_add(&released, 1, __ATOMIC_SEQ_CST);
}

static void rest(void) {
  struct timespec pause = {0, 200000};
  nanosleep(&pause, NULL);
}

/* 1 it is in the queue, 0 not this time, negative an error */
static int32_t pass_on(uint64_t n, const void *data, size_t size, const td_send_options *options) {
  if (n % 16 == 0) {
    int32_t code = options ? td_send_ex(sink, (td_mailbox){0}, n, data, size, options)
                           : td_send(sink, (td_mailbox){0}, n, data, size);
    return code == TD_OK ? 1 : code == TD_EFULL ? 0 : code;
  }
  td_receipt receipt = {0, 0, 0};
  int32_t code = td_publish(engine, (td_mailbox){0}, TD_STR("stream.data"), n, data, size, options, &receipt);
  dropped += receipt.dropped;
  return code < 0 ? code : receipt.queued == 1;
}

static int32_t large(uint64_t n, const void *body, size_t size) {
  unsigned char *copy = malloc(size);
  td_send_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.release = release;
  memcpy(copy, body, size);
  __atomic_fetch_add(&given, 1, __ATOMIC_SEQ_CST);
  int32_t code = pass_on(n, copy, size, &options);
  if (code < 0 || (code == 0 && n % 16 == 0)) release(copy, size, NULL);   /* refused: it is still ours */
  return code;
}

static void *run(void *unused) {
  static unsigned char body[LARGE];
  (void)unused;
  for (uint64_t n = 0; n < wanted; n++) {
    size_t size = n % 500 == 0 ? LARGE - n % 7 : n % 20 == 0 ? 1024 + n % 7 : n % 65;
    uint32_t length = (uint32_t)size;
    memset(body, (int)(n * 31 % 251), size);
    memcpy(body, &n, size < 8 ? size : 8);
    add_to_crc(&length, 4);
    add_to_crc(body, size);
    int32_t code;
    while ((code = n % 500 == 0 ? large(n, body, size) : pass_on(n, body, size, NULL)) == 0) rest();
    if (code < 0) {
      failure = code;
      break;
    }
  }
  return NULL;
}

/* A stream without an end, small and large, to the default engine's topic "flood" and to the mailbox "sink". */
static void *flood(void *unused) {
  static unsigned char body[LARGE];
  (void)unused;
  for (uint64_t n = 0;; n++) {
    td_publish(engine, (td_mailbox){0}, TD_STR("flood"), n, body, n % 100 ? 64 : 32768, NULL, NULL);
    td_send(sink, (td_mailbox){0}, n, body, 64);
  }
  return NULL;
}

static int start(void *(*what)(void *)) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0xEDB88320u ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  int32_t code = td_whereis(engine, TD_STR("sink"), &sink);
  if (code < 0) return code;
  return pthread_create(&thread, NULL, what, NULL);
}

uint64_t producer_engine(void);
int producer_start(uint64_t count);
int producer_flood(void);
int producer_join(void);
uint32_t producer_crc(void);
uint64_t producer_given(void);
uint64_t producer_released(void);
uint64_t producer_dropped(void);

uint64_t producer_engine(void) { return td_engine_default(&engine) == TD_OK ? engine.id : 0; }
int producer_start(uint64_t count) { return wanted = count, start(run); }
int producer_flood(void) { return start(flood); }
int producer_join(void) { return pthread_join(thread, NULL) ? -1000 : failure; }
uint32_t producer_crc(void) { return crc; }
uint64_t producer_given(void) { return __atomic_load_n(&given, __ATOMIC_SEQ_CST); }
uint64_t producer_released(void) { return __atomic_load_n(&released, __ATOMIC_SEQ_CST); }
uint64_t producer_dropped(void) { return dropped; }
