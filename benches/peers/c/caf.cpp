/* CAF, actors in C++.   caf pingpong */
#define BENCH_OF_A_PEER
#include "bench.h"
#include <caf/all.hpp>

using namespace caf;
enum { ROUNDS = 50000, WARM_UP = 5000 };

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

int main(int argc, char **argv) {
  if (argc != 2 || strcmp(argv[1], "pingpong")) {
    fprintf(stderr, "usage: caf pingpong\n");
    return 2;
  }
  actor_system_config options;
  options.set("logger.verbosity", atom("quiet"));
  actor_system system{options};
  scoped_actor waiting{system};
  auto there = system.spawn(echo);
  anon_send(system.spawn(pinger, there, actor_cast<actor>(waiting)), ok_atom::value);
  waiting->receive([](ok_atom) {});
  anon_send_exit(there, exit_reason::kill);
  return 0;
}
