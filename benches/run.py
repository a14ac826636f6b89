#!/usr/bin/env python3
"""Runs the benchmarks of plan/, ours and the peers' alternating in one run, and prints each ratio beside its target.

Only ratios taken side by side count (see measure.py); what is printed is the median over the rounds, with the
smallest and the largest. With --growth it draws how the cost grows instead. Rows go to a JSON file as well. A program
that fails or is missing is reported. The exit status says whether ours ran, not how fast.
"""
import argparse
import json
import os
import sys
from pathlib import Path

from measure import Programs, measure, measure_growth
from plan import BENCHMARKS, GROWTHS, IDS
from report import as_json, closing_line, plot, print_growth, print_result

FEWEST_ROUNDS = 5


def main() -> int:
    arguments = read_arguments()
    programs = Programs(arguments.programs, dict(tool.split("=", 1) for tool in arguments.tool))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    results, growths = [], []
    if arguments.growth:
        for growth in (g for g in GROWTHS if g.id in arguments.ids):
            growths.append(measure_growth(growth, programs, arguments.rounds))
            print_growth(growths[-1])
            drawn = plot(growths[-1], arguments.json.parent)
            print(f"drawn in {os.path.relpath(drawn)}\n" if drawn else "not drawn: matplotlib is not installed\n")
    else:
        for benchmark in (b for b in BENCHMARKS if b.id in arguments.ids):
            results.append(measure(benchmark, programs, arguments.rounds))
            print_result(results[-1])
    arguments.json.write_text(json.dumps(as_json(results, growths), indent=1) + "\n")
    print(f"rows written to {os.path.relpath(arguments.json)}")
    return growth_line(growths) if arguments.growth else closing_line(results)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"which to run: {', '.join(IDS)} (default: all)")
    parser.add_argument("--programs", type=Path, action="append", required=True, help="folder of built programs")
    parser.add_argument("--tool", action="append", default=[], metavar="NAME=PATH", help="an interpreter: python, node, erl")
    parser.add_argument("--growth", action="store_true", help="draw the growth plots instead of judging the targets")
    parser.add_argument("--rounds", type=int, help=f"default 7, at least {FEWEST_ROUNDS}; with --growth default 3")
    parser.add_argument("--json", type=Path, help="default target/bench/results.json, growth.json with --growth")
    arguments = parser.parse_args()
    unknown = [id for id in arguments.ids if id not in IDS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(IDS)}")
    arguments.rounds = arguments.rounds or (3 if arguments.growth else 7)
    if not arguments.growth and arguments.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds {arguments.rounds}: a median needs at least {FEWEST_ROUNDS}")
    arguments.json = arguments.json or Path("target/bench", "growth.json" if arguments.growth else "results.json")
    arguments.ids = arguments.ids or list(IDS)
    return arguments


def growth_line(growths) -> int:
    failed = [f"{g['growth'].id} {name}" for g in growths for name in g["wrong"] if name.startswith("td_")]
    print(f"make bench-growth: {'FAILED: ' + ', '.join(failed) if failed else f'{len(growths)} plots'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
