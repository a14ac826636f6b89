/* An id of nothing, of another kind, or of one that has ended gives the right error in every function, and no crash.
 * (rule 12) */
#include "every_function.h"

static int wrong; /* all of them are shown */

static void must_be(const struct function *function, uint64_t id, int32_t expected, const char *what) {
  int32_t result = function->call(id);
  if (expected == ANY_ERROR ? result < 0 : result == expected) return;
  fprintf(stderr, "%s with %s (%016" PRIx64 "): got %" PRId32 " (%s), expected %s\n", function->name, what, id, result,
          result <= 0 ? td_err_name(result) : "a count", expected == ANY_ERROR ? "an error" : td_err_name(expected));
  wrong++;
}

static uint64_t id_of(int kind) {
  switch (kind) {
  case ENGINE: return world.engine.id;
  case MAILBOX: return world.mailbox.id;
  case MONITOR: return world.monitor.id;
  case TIMER: return world.timer.id;
  case SUBSCRIPTION: return world.subscription.id;
  case WATCH: return world.watch.id;
  case LOOP: return world.loop.id;
  default: return world.ticket.id;
  }
}

static void nothing_and_other_kinds(void) {
  for (int i = 0; i < FUNCTIONS; i++) {
    const struct function *function = &functions[i];
    int32_t expected = function->kind == OWNER ? ANY_ERROR : TD_EBADID;
    if (!function->nobody) must_be(function, 0, expected, "zero");
    must_be(function, UINT64_MAX, expected, "all ones");
    for (int kind = ENGINE; kind <= TICKET; kind++)
      if (kind != (int)function->kind) must_be(function, id_of(kind), expected, "an id of another kind");
  }
}

static void ended_ones(void) {
  end_world();
  for (int i = 0; i < FUNCTIONS; i++) {
    const struct function *function = &functions[i];
    if (function->kind == ENGINE || function->kind == OWNER) continue;
    must_be(function, id_of((int)function->kind), function->stale, "the id of one that has ended");
  }
  CHECK_OK(td_engine_close(world.engine));
  for (int i = 0; i < FUNCTIONS; i++) {
    const struct function *function = &functions[i];
    if (function->kind == ENGINE) must_be(function, world.engine.id, function->stale, "the id of one that has ended");
  }
}

static void ids_are_distinct(void) {
  for (int a = ENGINE; a <= TICKET; a++) {
    CHECK(id_of(a) != 0);
    for (int b = a + 1; b <= TICKET; b++) CHECK(id_of(a) != id_of(b));
  }
}

int main(void) {
  check_begin();
  open_world();
  ids_are_distinct();
  nothing_and_other_kinds();
  /* None of it did anything: the world is as it was. */
  CHECK_EQ(counters_of(world.other).queued, 1);
  CHECK_EQ(counters_of(world.mailbox).queued, 0);
  CHECK_EQ(counters_of(world.mailbox).monitors, 1);
  CHECK_EQ(counters_of(world.mailbox).timers, 1);
  CHECK_EQ(counters_of(world.mailbox).subscriptions, 1);
  ended_ones();
  CHECK_EQ(wrong, 0);
  return 0;
}
