#!/usr/bin/env python3
"""Counts the instructions of fixed work by callgrind, and compares them with counts.txt: a regression that the noise of
times would hide is an error from 5 % on.

    guard.py            compares
    guard.py --update   writes counts.txt

The library is the installed one (TIDINGS_PREFIX, build/prefix), the compiler CC. Counts depend on the compilers and the
processor, so counts.txt says which: another rustc or another kind of machine is a skip, and so is a machine without
valgrind.
"""
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PREFIX = Path(os.environ.get("TIDINGS_PREFIX", ROOT / "build/prefix"))
COUNTS = HERE / "counts.txt"
PROGRAM = ROOT / "build/bench/guard"
TOLERANCE = 0.05
PATIENCE = 300  # seconds for one program


def main() -> int:
    update = sys.argv[1:] == ["--update"]
    if shutil.which("valgrind") is None:
        print("skip: valgrind is not installed")
        return 1 if update else 0
    machine = {"rustc": rustc_of_library(), "machine": platform.machine()}
    known = read_counts()
    for what, value in machine.items():
        if not update and known.get(what) != value:
            print(f"skip: the counts are for {what} {known.get(what)}, this is {value}")
            return 0
    build()
    counts = {workload: count(workload) for workload in run([PROGRAM]).split()}
    if update:
        write_counts(machine, counts)
        return 0
    return compare(counts, {name: float(known.get(name, "nan")) for name in counts})


def rustc_of_library():
    """What the compiler has left in the library."""
    text = (PREFIX / "lib/libtidings.so").read_bytes()
    return re.search(rb"rustc version ([^ )\0]+)", text)[1].decode()


def build():
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    library = ["-I", PREFIX / "include", "-L", PREFIX / "lib", f"-Wl,-rpath,{PREFIX / 'lib'}", "-ltidings", "-lpthread"]
    run([os.environ.get("CC", "cc"), "-std=c99", "-O2", "-Wall", "-Wextra", HERE / "guard.c", "-o", PROGRAM, *library])


def count(workload):
    """Instructions for one operation."""
    tool = ["valgrind", "--tool=callgrind", "--toggle-collect=measured", "--callgrind-out-file=/dev/null"]
    done = subprocess.run([*tool, PROGRAM, workload], capture_output=True, text=True, timeout=PATIENCE)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None:
        raise SystemExit(f"{workload}: status {done.returncode}: {done.stderr[-500:]}")
    return int(collected[1]) / int(done.stdout)


def compare(counts, known):
    print(f"{'instructions of one':<24}{'now':>10}{'known':>10}")
    worse = []
    for name, now in counts.items():
        change = now / known[name] - 1
        print(f"  {name:<22}{now:>10.1f}{known[name]:>10.1f}{change:>+9.1%}")
        if not change <= TOLERANCE:
            worse.append(name)
        elif change < -TOLERANCE:
            print(f"    {name} got cheaper: `make bench-update` keeps it so")
    if worse:
        print(f"instruction guard: FAILED: {', '.join(worse)} by more than {TOLERANCE:.0%}; if that is meant, `make bench-update`")
        return 1
    print(f"instruction guard: {len(counts)} workloads, none more than {TOLERANCE:.0%} above its count")
    return 0


def read_counts():
    lines = COUNTS.read_text().splitlines() if COUNTS.exists() else []
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def write_counts(machine, counts):
    rows = [*machine.items(), *((name, f"{value:.1f}") for name, value in counts.items())]
    head = "# Instructions of one operation of each workload in guard.c. Written by `make bench-update`, compared by guard.py.\n"
    COUNTS.write_text(head + "".join(f"{name} {value}\n" for name, value in rows))
    print(COUNTS.read_text(), end="")


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise SystemExit(f"{words[0]}: status {done.returncode}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
