/* C10: random 64-bit ids into every function, a million times: errors only. Half of them are real ids with a bit or two
 * turned, which a check that looks at one field only would let through. (rule 12) */
#include "every_function.h"

static uint64_t state;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static const uint64_t *live_ids(size_t *count) {
  static uint64_t ids[10];
  const uint64_t live[] = {world.engine.id,       world.mailbox.id, world.other.id, world.monitor.id, world.timer.id,
                           world.subscription.id, world.watch.id, world.loop.id, world.ticket.id, 0};
  memcpy(ids, live, sizeof live);
  *count = sizeof live / sizeof *live;
  return ids;
}

static int is_live(uint64_t id) {
  size_t count;
  const uint64_t *live = live_ids(&count);
  for (size_t i = 0; i < count; i++)
    if (live[i] == id) return 1;
  return 0;
}

static uint64_t wrong_id(void) {
  size_t count;
  const uint64_t *live = live_ids(&count);
  for (;;) {
    uint64_t id = next_random();
    if (id & 1) {
      id = live[next_random() % count] ^ (UINT64_C(1) << (next_random() % 64));
      if (next_random() & 1) id ^= UINT64_C(1) << (next_random() % 64);
    }
    if (!is_live(id)) return id;
  }
}

int main(void) {
  const char *seed = getenv("CHECK_SEED");
  check_begin();
  state = seed ? strtoull(seed, NULL, 10) : (uint64_t)check_clock() | 1;
  uint64_t started = state, rounds = check_count(1000000);
  open_world();
  for (uint64_t i = 0; i < rounds; i++) {
    const struct function *function = &functions[next_random() % FUNCTIONS];
    uint64_t id = wrong_id();
    int32_t result = function->call(id);
    if (result < 0) continue;
    fprintf(stderr, "CHECK_SEED=%" PRIu64 ": round %" PRIu64 ": %s took the random id %016" PRIx64 " (result %" PRId32 ")\n",
            started, i, function->name, id, result);
    return 1;
  }
  CHECK_EQ(counters_of(world.other).queued, 1); /* and nothing has changed */
  CHECK_EQ(counters_of(world.mailbox).sent, 0);
  end_world();
  CHECK_OK(td_engine_close(world.engine));
  return 0;
}
