/* CAF, actors in C++.   caf pingpong,  caf ring ACTORS */
#define BENCH_OF_A_PEER
#include "bench.h"
#include <caf/all.hpp>

using namespace caf;
enum { ROUNDS = 50000, HOPS = 500000, WARM_UP = 5000 };

static behavior echo(event_based_actor *) {
  return {[](uint64_t number) { return number; }};
}

struct pinger_state {
  std::vector<double> taken;
  double begun;
};

static behavior pinger(stateful_actor<pinger_state> *self, actor echo, actor waiting) {
  auto send = [=] {
    self->state.begun = bench_now();
    self->send(echo, uint64_t(self->state.taken.size()));
  };
  return {[=](ok_atom) { send(); },
          [=](uint64_t number) {
            auto &taken = self->state.taken;
            bench_demand(number == taken.size(), "the number sent");
            taken.push_back(bench_now() - self->state.begun);
            if (taken.size() < WARM_UP + ROUNDS) return send();
            bench_percentiles(taken.data() + WARM_UP, ROUNDS);
            self->send(waiting, ok_atom::value);
          }};
}

static void ping(actor_system &system) {
  scoped_actor waiting{system};
  auto there = system.spawn(echo);
  anon_send(system.spawn(pinger, there, actor_cast<actor>(waiting)), ok_atom::value);
  waiting->receive([](ok_atom) {});
  anon_send_exit(there, exit_reason::kill);
}

struct ring_state {
  actor next;
};

static behavior pass_on(stateful_actor<ring_state> *self, actor waiting) {
  return {[=](const actor &next) { self->state.next = next; },
          [=](uint64_t left) {
            if (left > 0) return self->send(self->state.next, left - 1);
            self->send(waiting, ok_atom::value);
          }};
}

static void go_round(actor_system &system, size_t count) {
  scoped_actor waiting{system};
  std::vector<actor> ring;
  for (size_t i = 0; i < count; i++) ring.push_back(system.spawn(pass_on, actor_cast<actor>(waiting)));
  for (size_t i = 0; i < count; i++) anon_send(ring[i], ring[(i + 1) % count]);
  auto go = [&](uint64_t hops) {
    double begun = bench_now();
    anon_send(ring[0], hops);
    waiting->receive([](ok_atom) {});
    return bench_now() - begun;
  };
  go(10 * WARM_UP);
  bench_row("ns_per_hop", go(HOPS) / HOPS);
  for (auto &one : ring) anon_send_exit(one, exit_reason::kill);
}

int main(int argc, char **argv) {
  size_t count = argc == 3 && !strcmp(argv[1], "ring") ? strtoul(argv[2], NULL, 10) : 0;
  if (count == 0 && (argc != 2 || strcmp(argv[1], "pingpong"))) {
    fprintf(stderr, "usage: caf pingpong|ring ACTORS\n");
    return 2;
  }
  actor_system_config options;
  options.set("logger.verbosity", atom("quiet"));
  actor_system system{options};
  if (count > 0)
    go_round(system, count);
  else
    ping(system);
  return 0;
}
