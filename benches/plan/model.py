"""What a benchmark is: the programs that measure it, and how good ours have to be."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Tuple

Command = Tuple[str, ...]
"""A program under --programs and its words; a first word `@python`, `@node` or `@erl` is that interpreter, `@one-core`
holds what follows on one core."""


@dataclass(frozen=True)
class Target:
    """Ours divided by the best of the peers in one run, or ours itself when no peers are named, is at most this."""

    ours: str
    peers: Tuple[str, ...]
    at_most: float
    metric: str = ""  # the benchmark's first when empty


@dataclass(frozen=True)
class Benchmark:
    """One table: every program prints `METRIC VALUE` lines, smaller is better."""

    id: str
    title: str
    size: int  # bytes of payload; 0 where there is none
    metrics: Tuple[str, ...]
    programs: Mapping[str, Command]
    targets: Tuple[Target, ...] = ()

    def metric_of(self, target: Target) -> str:
        return target.metric or self.metrics[0]


@dataclass(frozen=True)
class Growth:
    """One plot: how the metric grows along `sizes`, the words `{n}` of each command being the size."""

    id: str
    title: str
    along: str
    sizes: Tuple[int, ...]
    metric: str
    programs: Mapping[str, Command]
    sizes_of: Mapping[str, Tuple[int, ...]] | None = None  # where a program cannot take them all

    def points(self):
        """(program, size, command) of everything to be run, small sizes first."""
        for n in self.sizes:
            for name, command in self.programs.items():
                if n in (self.sizes_of or {}).get(name, self.sizes):
                    yield name, n, tuple(word.replace("{n}", str(n)) for word in command)
