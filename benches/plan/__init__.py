"""What is measured, against whom, and how good it has to be; run.py runs it and docs/performance.md explains it.

To add a benchmark: write its programs (ours in benches/c, benches/python or benches/node, the peers' in
benches/peers) and an entry in the module of its kind. An id may have several entries, one for each size.
"""
from .model import Benchmark, Growth, Target
from . import actors, bindings, queues, steady

KINDS = (queues, actors, bindings, steady)

BENCHMARKS = tuple(benchmark for kind in KINDS for benchmark in kind.BENCHMARKS)
GROWTHS = tuple(growth for kind in KINDS for growth in getattr(kind, "GROWTHS", ()))
IDS = tuple(dict.fromkeys(entry.id for entry in BENCHMARKS + GROWTHS))

__all__ = ["BENCHMARKS", "GROWTHS", "IDS", "Benchmark", "Growth", "Target"]
