/* What the C benchmark programs share: a clock, and calls that end the program with the reason when they fail. */
#ifndef TIDINGS_BENCH_H
#define TIDINGS_BENCH_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tidings.h>

/* A wait that takes this long is a hang, and a failed run. */
#define BENCH_PATIENCE TD_MS(60000)

static inline double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline int32_t bench_check(int32_t result, const char *call) {
  char detail[256];
  if (result >= 0) return result;
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "%s: %s: %s\n", call, td_err_name(result), detail);
  exit(1);
}
#define BENCH_OK(call) bench_check((call), #call)

static inline void bench_demand(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "wrong outcome: %s\n", what);
  exit(1);
}

static inline void bench_row(const char *metric, double value) { printf("%s %.3f\n", metric, value); }
#endif
