"""Runs programs in turn and keeps what they print. Each round runs every program once, so that a ratio is formed
within a round; before each program it waits, within bounds, for other processes to be quiet, and it keeps how much
they used all the same."""
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 300  # seconds for one program
QUIET = 0.10  # of the cores used by others, at most
QUIET_LOOK = 0.3  # seconds
QUIET_PATIENCE = 60  # seconds spent waiting for it, over all programs of a benchmark


class Programs:
    """Where programs are: folders of built ones, and interpreters by name."""

    def __init__(self, folders, tools=None):
        self.folders = folders
        self.tools = tools or {}

    def command(self, words):
        first = words[0]
        if first == "@one-core":
            if shutil.which("taskset") is None:
                raise RuntimeError("taskset is not installed, which holds a program on one core")
            return ["taskset", "-c", str(min(os.sched_getaffinity(0))), *self.command(words[1:])]
        if first.startswith("@"):
            tool = shutil.which(self.tools.get(first[1:], first[1:]))
            if tool is None:
                raise RuntimeError(f"{first[1:]} is not installed; `make bench-peers` does it")
            return [tool, *words[1:]]
        program = next((f / first for f in self.folders if (f / first).exists()), None)
        if program is None:
            raise RuntimeError(f"{first} is not built; `make bench-peers` installs what peers need")
        return [str(program), *words[1:]]

    def run(self, words):
        """What the program printed, as a dict of its metrics."""
        try:
            done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=PATIENCE, cwd=HERE.parent)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"no end after {PATIENCE} s") from None
        if done.returncode != 0:
            raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()[-300:]}")
        rows = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.strip())
        try:
            return {metric: float(value) for metric, value in rows.items()}
        except ValueError:
            raise RuntimeError(f"printed no METRIC VALUE lines: {done.stdout.strip()[:300]!r}") from None


class Watch:
    """How much of the processor time others took while our programs ran."""

    def __init__(self):
        self.patience = QUIET_PATIENCE
        self.used = self.by_all = 0.0

    def run(self, programs, words):
        self.patience -= wait_for_quiet(self.patience)
        busy, own = machine_seconds(), children_seconds()
        try:
            return programs.run(words)
        finally:
            self.used += children_seconds() - own
            self.by_all += machine_seconds() - busy

    @property
    def others(self):
        return max(0.0, self.by_all - self.used) / self.by_all if self.by_all > 0 else 0.0


def measure(benchmark, programs, rounds):
    """Values by (program, metric), one per round, and what went wrong by program."""
    values, wrong, watch = {}, {}, Watch()
    for _ in range(rounds):
        for name, words in benchmark.programs.items():
            if name in wrong:
                continue
            try:
                rows = watch.run(programs, words)
                for metric in benchmark.metrics:
                    if metric not in rows:
                        raise RuntimeError(f"printed no {metric}, only {', '.join(rows)}")
                    values.setdefault((name, metric), []).append(rows[metric])
            except RuntimeError as error:
                wrong[name] = str(error)
    values = {key: v for key, v in values.items() if key[0] not in wrong}
    return {"benchmark": benchmark, "rounds": rounds, "values": values, "wrong": wrong, "others": watch.others}


def measure_growth(growth, programs, rounds):
    """Values by (program, size)."""
    values, wrong, watch = {}, {}, Watch()
    for _ in range(rounds):
        for name, n, words in growth.points():
            if name in wrong:
                continue
            try:
                rows = watch.run(programs, words)
                if growth.metric not in rows:
                    raise RuntimeError(f"printed no {growth.metric}, only {', '.join(rows)}")
                values.setdefault((name, n), []).append(rows[growth.metric])
            except RuntimeError as error:
                wrong[name] = f"at {n} {growth.along}: {error}"
    return {"growth": growth, "rounds": rounds, "values": values, "wrong": wrong, "others": watch.others}


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
