"""What is measured, against whom, and how good it has to be. `run.py` says how.

A benchmark names its programs, ours and the peers', each a command that measures once and prints `METRIC VALUE`
lines; and its targets, each a ratio of ours to a peer's that must not be exceeded. To add one: write its programs
(benches/c/pN.c for ours, benches/peers/src/pN.rs for Rust peers) and an entry here.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    ours: str
    peer: str
    at_most: float


@dataclass(frozen=True)
class Benchmark:
    id: str
    title: str
    size: int  # bytes of payload
    metric: str
    programs: dict  # name -> command; the first word is looked for under --programs
    targets: tuple


def _p1() -> Benchmark:
    programs = {
        "td_recv_batch": ["p1", "batch", "0"],
        "td_recv": ["p1", "recv", "0"],
        "td_recv_batch, 1024": ["p1", "batch", "1024"],
        "td_recv, 1024": ["p1", "recv", "1024"],
        "crossbeam unbounded": ["peers", "p1", "crossbeam-unbounded"],
        "crossbeam bounded(1024)": ["peers", "p1", "crossbeam-1024"],
        "kanal bounded(1024)": ["peers", "p1", "kanal-1024"],
    }
    targets = (
        Target("td_recv_batch", "crossbeam unbounded", 0.5),
        Target("td_recv_batch", "crossbeam bounded(1024)", 0.5),
        Target("td_recv_batch", "kanal bounded(1024)", 0.5),
    )
    return Benchmark("P1", "one thread to one thread", 64, "ns_per_message", programs, targets)


BENCHMARKS = {benchmark.id: benchmark for benchmark in (_p1(),)}
