/* check.h - what every C test shares.
 *
 * Guarantees: a check that does not hold prints file, line and both values, and ends the process with status 1; a test
 * that hangs is ended by the watchdog with status 2. Compiles as C99 and as C++11. */
#ifndef TESTS_C_CHECK_H
#define TESTS_C_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll, pthread_kill under -std=c99 */
#endif
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tidings.h>

#if defined(__GNUC__)
#define CHECK_MAYBE_UNUSED __attribute__((unused))
#else
#define CHECK_MAYBE_UNUSED
#endif

CHECK_MAYBE_UNUSED static void check_exit(void) { _exit(1); }

/* The end of a test; with CHECK_CONTINUE set it goes on to show what else does not hold, and fails in the end. */
CHECK_MAYBE_UNUSED static void check_give_up(void) {
  static int registered;
  if (!getenv("CHECK_CONTINUE")) exit(1);
  if (!registered++) atexit(check_exit);
}

CHECK_MAYBE_UNUSED static void check_failed(const char *file, int line, const char *what, int64_t got, int64_t expected) {
  char detail[256];
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "%s:%d: %s: got %" PRId64 ", expected %" PRId64 " (last error: %s)\n", file, line, what, got, expected, detail);
  check_give_up();
}

CHECK_MAYBE_UNUSED static void check_code_failed(const char *file, int line, const char *what, int32_t got, const char *expected) {
  char detail[256];
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "%s:%d: %s: got %" PRId32 " (%s), expected %s (last error: %s)\n", file, line, what, got,
          got <= 0 ? td_err_name(got) : "a count", expected, detail);
  check_give_up();
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, 0, 1))

#define CHECK_NEVER(what) check_failed(__FILE__, __LINE__, what, 1, 0)

/* Two integers of any type. */
#define CHECK_EQ(got, expected) check_eq(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(expected))
CHECK_MAYBE_UNUSED static void check_eq(const char *file, int line, const char *what, int64_t got, int64_t expected) {
  if (got != expected) check_failed(file, line, what, got, expected);
}

/* A call's result: exactly this code or count. */
#define CHECK_IS(call, code) check_is(__FILE__, __LINE__, #call, (call), (code), #code)
#define CHECK_OK(call) CHECK_IS(call, TD_OK)
CHECK_MAYBE_UNUSED static void check_is(const char *file, int line, const char *what, int32_t got, int32_t code, const char *expected) {
  if (got != code) check_code_failed(file, line, what, got, expected);
}

/* A call's result: any error. */
#define CHECK_FAILS(call) check_fails(__FILE__, __LINE__, #call, (call))
CHECK_MAYBE_UNUSED static void check_fails(const char *file, int line, const char *what, int32_t got) {
  if (got >= 0) check_code_failed(file, line, what, got, "an error");
}

#define CHECK_TEXT(data, size, text) check_text(__FILE__, __LINE__, #data, (data), (size), (text))
CHECK_MAYBE_UNUSED static void check_text(const char *file, int line, const char *what, const void *data, size_t size, const char *text) {
  if (!data || size != strlen(text) || memcmp(data, text, size) != 0) {
    fprintf(stderr, "%s:%d: %s: got \"%.*s\" (%zu bytes), expected \"%s\"\n", file, line, what, (int)size,
            data ? (const char *)data : "(null)", size, text);
    check_give_up();
  }
}

/* ---- the frame of a test ---- */

CHECK_MAYBE_UNUSED static void check_watchdog(int signal_number) {
  static const char text[] = "watchdog: the test hangs\n";
  (void)signal_number;
  if (write(2, text, sizeof text - 1) < 0) _exit(3);
  _exit(2);
}

/* How often to repeat: n, or a part of it where CHECK_DIVISOR says so (under valgrind). */
CHECK_MAYBE_UNUSED static uint64_t check_count(uint64_t n) {
  const char *text = getenv("CHECK_DIVISOR");
  uint64_t divisor = text ? strtoull(text, NULL, 10) : 1;
  uint64_t count = n / (divisor ? divisor : 1);
  return count ? count : 1;
}

/* How long to wait for what should come at once; longer under valgrind, by CHECK_PATIENCE. */
CHECK_MAYBE_UNUSED static int64_t check_patience(int64_t nanoseconds) {
  const char *text = getenv("CHECK_PATIENCE");
  int64_t factor = text ? strtoll(text, NULL, 10) : 1;
  return nanoseconds * (factor > 0 ? factor : 1);
}

CHECK_MAYBE_UNUSED static void check_begin(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = check_watchdog;
  sigaction(SIGALRM, &action, NULL);
  alarm((unsigned)(check_patience(60)));
  CHECK(TD_CHECK_ABI());
}

/* Monotonic nanoseconds of the real clock. */
CHECK_MAYBE_UNUSED static int64_t check_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

CHECK_MAYBE_UNUSED static void check_sleep(int64_t nanoseconds) {
  struct timespec time;
  time.tv_sec = (time_t)(nanoseconds / 1000000000);
  time.tv_nsec = (long)(nanoseconds % 1000000000);
  nanosleep(&time, NULL);
}

CHECK_MAYBE_UNUSED static int check_readable(td_fd fd) {
  struct pollfd entry;
  entry.fd = (int)fd;
  entry.events = POLLIN;
  entry.revents = 0;
  int n = poll(&entry, 1, 0);
  CHECK(n >= 0);
  return n > 0;
}

/* ---- short forms of the engine's everyday calls ---- */

CHECK_MAYBE_UNUSED static td_engine open_engine(uint32_t flags) {
  td_engine_options options = TD_ENGINE_OPTIONS_INIT;
  td_engine engine;
  options.flags = flags;
  CHECK_OK(td_engine_open(&options, &engine));
  return engine;
}

CHECK_MAYBE_UNUSED static td_mailbox open_mailbox(td_engine engine) {
  td_mailbox mailbox;
  CHECK_OK(td_mailbox_open(engine, NULL, &mailbox));
  return mailbox;
}

CHECK_MAYBE_UNUSED static td_mailbox open_bounded(td_engine engine, uint32_t policy, uint64_t max_messages) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.policy = policy;
  options.max_messages = max_messages;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  return mailbox;
}

CHECK_MAYBE_UNUSED static td_mailbox open_handler(td_engine engine, td_loop loop, td_handler_fn handler, void *user) {
  td_mailbox_options options = TD_MAILBOX_OPTIONS_INIT;
  td_mailbox mailbox;
  options.loop = loop;
  options.handler = handler;
  options.user = user;
  CHECK_OK(td_mailbox_open(engine, &options, &mailbox));
  return mailbox;
}

CHECK_MAYBE_UNUSED static td_loop open_loop(td_engine engine) {
  td_loop loop;
  CHECK_OK(td_loop_open(engine, NULL, &loop));
  return loop;
}

CHECK_MAYBE_UNUSED static int32_t send_tag(td_mailbox to, uint64_t tag) { return td_send(to, TD_NOBODY, tag, NULL, 0); }

/* The next message must be there, be a td_send with this tag and this loss; it is released. */
#define RECV_TAG(mailbox, tag, lost) recv_tag(__FILE__, __LINE__, (mailbox), (tag), (lost))
CHECK_MAYBE_UNUSED static void recv_tag(const char *file, int line, td_mailbox mailbox, uint64_t tag, uint64_t lost) {
  td_message message;
  check_is(file, line, "td_recv", td_recv(mailbox, 0, 0, &message), TD_OK, "TD_OK");
  check_eq(file, line, "message.kind", message.kind, TD_KIND_MESSAGE);
  check_eq(file, line, "message.tag", (int64_t)message.tag, (int64_t)tag);
  check_eq(file, line, "message.lost", (int64_t)message.lost, (int64_t)lost);
  check_is(file, line, "td_message_release", td_message_release(&message), TD_OK, "TD_OK");
}

CHECK_MAYBE_UNUSED static td_mailbox_counters counters_of(td_mailbox mailbox) {
  td_mailbox_counters counters;
  memset(&counters, 0, sizeof counters);
  counters.size = sizeof counters;
  CHECK_OK(td_mailbox_stats(mailbox, &counters));
  CHECK_EQ(counters.sent, counters.delivered + counters.lost + counters.conflated + counters.flushed + counters.expired + counters.discarded + counters.queued);
  return counters;
}

CHECK_MAYBE_UNUSED static void count_drop(void *user) { (*(int *)user)++; }

#endif
