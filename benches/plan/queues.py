"""One-way traffic between threads, and within one: P1 to P7, P10."""
from .model import Benchmark, Target

P1_PEERS = {
    "crossbeam unbounded": ("peers", "oneway", "crossbeam-unbounded"),
    "crossbeam bounded(1024)": ("peers", "oneway", "crossbeam-1024"),
    "kanal bounded(1024)": ("peers", "oneway", "kanal-1024"),
}

BENCHMARKS = (
    Benchmark(
        "P1", "one thread to one thread", 64, ("ns_per_message",),
        {
            "td_recv_batch": ("p1", "batch", "0"),
            "td_recv": ("p1", "recv", "0"),
            "td_recv_batch, 1024": ("p1", "batch", "1024"),
            "td_recv, 1024": ("p1", "recv", "1024"),
            **P1_PEERS,
        },
        (
            Target("td_recv_batch", tuple(P1_PEERS), 0.5),
            Target("td_recv_batch", ("crossbeam unbounded",), 0.3),
        ),
    ),
)
