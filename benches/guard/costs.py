#!/usr/bin/env python3
"""Which instructions of a send and its receive belong to what is always on, written into docs/performance.md.

callgrind counts each instruction of the library, addr2line says which source lines it comes from, those it was inlined
into included. An instruction is a feature's when one of these lines is in its files, in its functions, or names its
fields. Needs valgrind and binutils, and the library as `make stage` has built it.
"""
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from guard import PREFIX, PROGRAM, ROOT, build, run

sys.path.insert(0, str(ROOT / "benches"))
from table import PAGE, fill  # noqa: E402

LIBRARY = PREFIX / "lib/libtidings.so.0"
OUT = ROOT / "build/bench/costs.callgrind"
WORKLOADS = {"send_recv": "td_send, td_recv", "recv_batch": "td_send, td_recv_batch", "send_many": "td_send_many, td_recv_batch"}
# name: what a source file, a function or a line of source looks like. The first that fits has the instruction.
FEATURES = {
    "flight recorder": (r"src/recorder/", r"record\w*", None),
    "byte budget of the engine": (r"src/mailbox/budget", None, r"\bgrant"),
    "bounds": (None, r"make_room|look|room_came_free", r"\blimit(_bytes|s)?\b"),
    "counters": (None, r"count_\w+|note_\w+", r"\b(accepted|consumed|delivered|lost_shown|in_hand)(_bytes)?\b"),
    "checks of arguments and ids, last error": (r"src/(ffi/args|error|id)\.rs", r"expect|slot|is_live|check(_\w+)?", None),
}


def main():
    build()
    tables = {workload: costs(workload) for workload in WORKLOADS}
    lines = ["| instructions of one 64-byte message | " + " | ".join(WORKLOADS.values()) + " |", "|---|" + "---|" * len(tables)]
    for name in (*FEATURES, "all else"):
        lines.append(f"| {name} | " + " | ".join(f"{table[name]:.0f}" for table in tables.values()) + " |")
    lines.append("| together | " + " | ".join(f"{sum(table.values()):.0f}" for table in tables.values()) + " |")
    text = "\n".join(lines) + "\n"
    PAGE.write_text(fill(PAGE.read_text(), "costs", text))
    print(text, end="")


def costs(workload):
    """Instructions of one operation, by feature."""
    tool = ["valgrind", "-q", "--tool=callgrind", "--toggle-collect=measured", "--dump-instr=yes", "--compress-pos=no",
            "--compress-strings=no", f"--callgrind-out-file={OUT}"]  # fmt: skip
    operations = int(run([*tool, PROGRAM, workload]))
    by_address = instructions(OUT.read_text().splitlines())
    places = inlined_places(sorted(by_address))
    sums = Counter({name: 0.0 for name in FEATURES})
    for address, count in by_address.items():
        sums[feature(places[address])] += count / operations
    return sums


def instructions(lines):
    """How often each of the library's instructions ran; with a call to another library, what that took."""
    counts, within, to, called = Counter(), False, "", False
    for line in lines:
        if line.startswith("ob="):
            within = line.endswith(LIBRARY.name)
        elif line.startswith("cob="):
            to = line[4:]
        elif line.startswith("calls="):
            called = True
        elif line.startswith("0x"):
            address, _, count = line.split()
            if within and (not called or (to and not to.endswith(LIBRARY.name))):
                counts[int(address, 16)] += int(count)
            if called:
                to, called = "", False
    return counts


def inlined_places(addresses):
    """(function, file, line) of each address, innermost first."""
    done = subprocess.run(["addr2line", "-f", "-i", "-C", "-a", "-e", LIBRARY], input="\n".join(map(hex, addresses)),
                          capture_output=True, text=True, check=True)  # fmt: skip
    places, now = {}, []
    lines = iter(done.stdout.splitlines())
    for line in lines:
        if line.startswith("0x"):
            now = places[int(line, 16)] = []
            continue
        path, _, number = next(lines).partition(" ")[0].rpartition(":")
        number = int(number) if number.isdigit() else 0
        now.append((line.rpartition("::")[2].partition("<")[0], path, number))
    return places


def feature(places):
    for name, (file, function, text) in FEATURES.items():
        for place in places:
            path, line = of_ours(place)
            if path and ((file and re.search(file, path)) or (function and re.fullmatch(function, place[0]))
                         or (text and re.search(text, line))):  # fmt: skip
                return name
    return "all else"


SOURCES = {}


def of_ours(place):
    """The path from the root and the text of a line of this project; nothing for another's."""
    _, path, number = place
    found = re.search(r"(?:^|/)(src/[^/].*)$", path)
    file = ROOT / found[1] if found and "/rustc/" not in path and "/registry/" not in path else None
    if file not in SOURCES:
        SOURCES[file] = file.read_text().splitlines() if file and file.exists() else None
    lines = SOURCES[file]
    return (found[1], lines[number - 1] if 0 < number <= len(lines) else "") if lines else ("", "")


if __name__ == "__main__":
    main()
