"""An engine at rest and under a steady load: P20, L1."""
from .model import Benchmark, Target

SLOW = "td_publish, twenty of a thousand slow"
WELL = "td_publish, all well"

BENCHMARKS = (
    Benchmark(
        "P20", "idle for five seconds", 0, ("threads_of_its_own", "context_switches", "processor_ns"),
        {"td_engine": ("p20",)},
        (
            Target("td_engine", (), 0, "threads_of_its_own"),
            Target("td_engine", (), 0, "context_switches"),
            Target("td_engine", (), 0, "processor_ns"),
        ),
    ),
    Benchmark(
        "L1", "latency under load", 64, ("p50_ns", "p99_ns", "p999_ns", "switches_per_publication"),
        {SLOW: ("l1", "slow"), WELL: ("l1", "well")},
        (Target(SLOW, (WELL,), 1.2, "p99_ns"), Target(SLOW, (WELL,), 1.5, "p999_ns")),
    ),
)
