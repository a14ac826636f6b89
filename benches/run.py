#!/usr/bin/env python3
"""Runs benchmarks of plan.py, ours and the peers' alternating in one run, and prints each ratio beside its target.

Only ratios taken side by side count, so each round runs every program once and a ratio is formed within a round;
what is printed is the median over the rounds, with the smallest and the largest. Before each program it waits, within
bounds, for other processes to be quiet, and it says how much they used all the same. Rows go to a JSON file as well.
A program that fails or is missing is reported. The exit status says whether ours ran, not how fast.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from plan import BENCHMARKS

FEWEST_ROUNDS = 5
PATIENCE = 300  # seconds for one program
QUIET = 0.10  # of the cores used by others, at most
QUIET_LOOK = 0.3  # seconds
QUIET_PATIENCE = 60  # seconds spent waiting for it, over all programs of a benchmark


def main() -> int:
    arguments = read_arguments()
    results = [measure(BENCHMARKS[id], arguments.programs, arguments.rounds) for id in arguments.ids]
    for result in results:
        print_result(result)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(as_json(results), indent=1) + "\n")
    print(f"rows written to {os.path.relpath(arguments.json)}")
    return closing_line(results)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"which to run: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--programs", type=Path, action="append", required=True, help="folder of built programs")
    parser.add_argument("--rounds", type=int, default=7, help=f"at least {FEWEST_ROUNDS}; default %(default)s")
    parser.add_argument("--json", type=Path, default=Path("target/bench/results.json"))
    arguments = parser.parse_args()
    unknown = [id for id in arguments.ids if id not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if arguments.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds {arguments.rounds}: a median needs at least {FEWEST_ROUNDS}")
    arguments.ids = arguments.ids or list(BENCHMARKS)
    return arguments


def measure(benchmark, folders, rounds):
    """Values by program, one per round, and what went wrong by program."""
    values = {name: [] for name in benchmark.programs}
    wrong = {}
    used = by_all = 0.0
    patience = QUIET_PATIENCE
    for _ in range(rounds):
        for name, command in benchmark.programs.items():
            if name in wrong:
                continue
            patience -= wait_for_quiet(patience)
            busy, own = machine_seconds(), children_seconds()
            try:
                values[name].append(run_once(command, folders, benchmark.metric))
            except RuntimeError as error:
                wrong[name] = str(error)
            used += children_seconds() - own
            by_all += machine_seconds() - busy
    others = max(0.0, by_all - used) / by_all if by_all > 0 else 0.0
    values = {name: v for name, v in values.items() if name not in wrong}
    return {"benchmark": benchmark, "rounds": rounds, "values": values, "wrong": wrong, "others": others}


def wait_for_quiet(patience):
    """Waits until other processes leave the cores alone, at most `patience` seconds; how long that took."""
    waited = 0.0
    while waited < patience:
        before = machine_seconds()
        time.sleep(QUIET_LOOK)
        if machine_seconds() - before <= QUIET * QUIET_LOOK * os.cpu_count():
            break
        waited += QUIET_LOOK
    return waited


def run_once(command, folders, metric):
    program = next((f / command[0] for f in folders if (f / command[0]).exists()), None)
    if program is None:
        raise RuntimeError(f"{command[0]} is not built")
    try:
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no end after {PATIENCE} s") from None
    if done.returncode != 0:
        raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()[-300:]}")
    rows = dict(line.split() for line in done.stdout.splitlines())
    if metric not in rows:
        raise RuntimeError(f"printed no {metric}: {done.stdout.strip()[:300]!r}")
    return float(rows[metric])


def machine_seconds():
    """Processor seconds used by everything on this machine since it started; 0 where there is no /proc."""
    try:
        fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def ratios(result):
    """(target, spread of the ratios within each round), for the targets both of whose sides ran."""
    values = result["values"]
    for target in result["benchmark"].targets:
        if target.ours in values and target.peer in values:
            yield target, spread([a / b for a, b in zip(values[target.ours], values[target.peer])])


def print_result(result):
    benchmark = result["benchmark"]
    print(f"{benchmark.id}: {benchmark.title}, {benchmark.size} B; {result['rounds']} rounds, {os.cpu_count()} cores, "
          f"{result['others']:.0%} of the processor time went to other processes")
    print(f"  {benchmark.metric.replace('_', ' '):<44}{'median':>9}{'min':>9}{'max':>9}")
    for name, values in result["values"].items():
        s = spread(values)
        print(f"    {name:<42}{s['median']:>9.1f}{s['min']:>9.1f}{s['max']:>9.1f}")
    for name, reason in result["wrong"].items():
        print(f"    {name:<42} not measured: {reason}")
    print(f"  {'ratio':<44}{'median':>9}{'min':>9}{'max':>9}   target")
    for target, s in ratios(result):
        verdict = "met" if s["median"] <= target.at_most else "MISSED"
        print(f"    {target.ours + ' / ' + target.peer:<42}{s['median']:>9.2f}{s['min']:>9.2f}{s['max']:>9.2f}"
              f"   <= {target.at_most:.2f} {verdict}")
    print()


def as_json(results):
    rows = [{"id": r["benchmark"].id, "size": r["benchmark"].size, "peer": name, "metric": r["benchmark"].metric,
             **spread(values)} for r in results for name, values in r["values"].items()]
    pairs = [{"id": r["benchmark"].id, "size": r["benchmark"].size, "ours": target.ours, "peer": target.peer,
              "metric": "ratio", **s, "target": target.at_most} for r in results for target, s in ratios(r)]
    wrong = [{"id": r["benchmark"].id, "peer": name, "reason": reason} for r in results
             for name, reason in r["wrong"].items()]
    return {"rows": rows, "ratios": pairs, "not_measured": wrong, "cores": os.cpu_count(),
            "other_processes": {r["benchmark"].id: round(r["others"], 3) for r in results}}


def closing_line(results):
    met = missed = 0
    for result in results:
        for target, s in ratios(result):
            met, missed = (met + 1, missed) if s["median"] <= target.at_most else (met, missed + 1)
    wanted = sum(len(r["benchmark"].targets) for r in results)
    ours_failed = [f"{r['benchmark'].id} {name}" for r in results for name in r["wrong"]
                   if any(name == t.ours for t in r["benchmark"].targets)]
    if ours_failed:
        print(f"make bench: FAILED, not measured: {', '.join(ours_failed)}")
        return 1
    print(f"make bench: {met} of {wanted} targets met, {missed} missed, {wanted - met - missed} without their peer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
