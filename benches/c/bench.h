/* What the C benchmark programs share: a clock, rows of results, and calls that end the program with the reason when
 * they fail. A program includes it first. */
#ifndef TIDINGS_BENCH_H
#define TIDINGS_BENCH_H
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void bench_sleep(double nanoseconds) {
  struct timespec t;
  t.tv_sec = (time_t)(nanoseconds / 1e9);
  t.tv_nsec = (long)(nanoseconds - (double)t.tv_sec * 1e9);
  nanosleep(&t, NULL);
}

static inline void bench_demand(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "wrong outcome: %s\n", what);
  exit(1);
}

static inline void bench_row(const char *metric, double value) { printf("%s %.3f\n", metric, value); }

static inline int bench_rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts what was measured; prints its median and the value that one in a hundred exceeds. */
static inline void bench_percentiles(double *nanoseconds, size_t count) {
  qsort(nanoseconds, count, sizeof *nanoseconds, bench_rising);
  bench_row("p50_ns", nanoseconds[count / 2]);
  bench_row("p99_ns", nanoseconds[count * 99 / 100]);
}

#ifndef BENCH_OF_A_PEER /* which has no tidings.h */
#include <tidings.h>

/* As long as it takes, like the peers; run.py ends a program that hangs. */
#define BENCH_PATIENCE TD_FOREVER

static inline int32_t bench_check(int32_t result, const char *call) {
  char detail[256];
  if (result >= 0) return result;
  td_last_error(detail, sizeof detail);
  fprintf(stderr, "%s: %s: %s\n", call, td_err_name(result), detail);
  exit(1);
}
#define BENCH_OK(call) bench_check((call), #call)
#endif
#endif
