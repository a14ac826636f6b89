"""The runner of the benchmarks: what it computes, what it reports when a program fails, and its exit status."""
import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import measure
import report
import run
from plan import BENCHMARKS, GROWTHS, IDS, Benchmark, Growth, Target

RUNNER = Path(run.__file__)


class Programs(unittest.TestCase):
    """Each test has a folder of made-up programs, whose values are therefore known."""

    def setUp(self):
        measure.QUIET_PATIENCE = 0  # the values are made up; no need to wait for a quiet machine
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def program(self, name, body):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def measure(self, rounds=5):
        programs = {"ours": ("ours",), "peer": ("peer",), "slow peer": ("slow",)}
        targets = (Target("ours", ("slow peer", "peer"), 0.5),)
        benchmark = Benchmark("T1", "a test", 64, ("ns_per_message",), programs, targets)
        return measure.measure(benchmark, measure.Programs([self.folder]), rounds)

    def test_ratios_are_formed_within_a_round_and_their_median_is_judged(self):
        # ours: 1, 2, 3, 4, 5; peer: 10 each round.
        self.program("ours", f'n=$(($(cat {self.folder}/n 2>/dev/null || echo 0) + 1)); echo $n >{self.folder}/n; echo ns_per_message $n')
        self.program("peer", "echo ns_per_message 10")
        self.program("slow", "echo ns_per_message 50")
        result = self.measure()
        [(_, best, ratio)] = report.judged(result)
        self.assertEqual(best, "peer")
        self.assertEqual(ratio, {"median": 0.3, "min": 0.1, "max": 0.5, "runs": 5})
        self.assertEqual(result["values"]["ours", "ns_per_message"], [1, 2, 3, 4, 5])

    def closing(self, results):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = report.closing_line(results)
        return status, out.getvalue()

    def test_a_missing_peer_is_reported_and_does_not_fail_the_run(self):
        self.program("ours", "echo ns_per_message 3")
        result = self.measure()
        self.assertEqual(result["wrong"], {name: f"{word} is not built; `make bench-peers` installs what peers need"
                                           for name, word in (("peer", "peer"), ("slow peer", "slow"))})
        status, said = self.closing([result])
        self.assertEqual(status, 0)
        self.assertIn("1 without their peer", said)

    def test_ours_failing_fails_the_run_with_its_reason(self):
        self.program("ours", "echo ns_per_message 3; echo broken >&2; exit 4")
        self.program("peer", "echo ns_per_message 10")
        self.program("slow", "echo ns_per_message 50")
        result = self.measure()
        self.assertEqual(result["wrong"], {"ours": "status 4: broken"})
        self.assertEqual(self.closing([result])[0], 1)

    @unittest.skipUnless(shutil.which("taskset"), "taskset is not installed")
    def test_a_program_can_be_held_on_one_core(self):
        self.program("cores", "echo cores $(nproc)")
        self.assertEqual(measure.Programs([self.folder]).run(("@one-core", "cores")), {"cores": 1})

    def test_a_missed_target_is_counted(self):
        self.program("ours", "echo ns_per_message 6")
        self.program("peer", "echo ns_per_message 10")
        self.program("slow", "echo ns_per_message 50")
        self.assertIn("0 of 1 targets met, 1 missed", self.closing([self.measure()])[1])

    def test_the_json_has_every_row_and_ratio(self):
        self.program("ours", "echo ns_per_message 4")
        self.program("peer", "echo ns_per_message 10")
        self.program("slow", "echo ns_per_message 50")
        written = json.loads(json.dumps(report.as_json([self.measure()])))
        self.assertEqual([(r["id"], r["size"], r["peer"], r["median"], r["runs"]) for r in written["rows"]],
                         [("T1", 64, "ours", 4, 5), ("T1", 64, "peer", 10, 5), ("T1", 64, "slow peer", 50, 5)])
        self.assertEqual([(r["median"], r["target"]) for r in written["ratios"]], [(0.4, 0.5)])


class CommandLine(unittest.TestCase):
    def refused(self, *words):
        done = subprocess.run([sys.executable, RUNNER, "--programs", os.devnull, *words], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_an_unknown_id_is_answered_with_those_there_are(self):
        self.assertIn(f"no benchmark P99; there are {', '.join(IDS)}", self.refused("P99"))

    def test_too_few_rounds_are_refused(self):
        self.assertIn("needs at least 5", self.refused("--rounds", "4"))


class GrowthRun(Programs):
    def test_each_size_is_a_point_and_a_program_is_spared_the_sizes_it_cannot_take(self):
        self.program("ours", "echo ns_each $((10 * $2))")
        self.program("peer", "echo ns_each 7")
        growth = Growth("T2", "a test", "members", (1, 10), "ns_each",
                        {"ours": ("ours", "x", "{n}"), "peer": ("peer", "{n}")}, {"peer": (1,)})
        result = measure.measure_growth(growth, measure.Programs([self.folder]), 1)
        self.assertEqual(result["values"], {("ours", 1): [10], ("peer", 1): [7], ("ours", 10): [100]})
        self.assertEqual(result["wrong"], {})


class Plan(unittest.TestCase):
    def test_every_target_names_programs_and_metrics_of_its_benchmark(self):
        for benchmark in BENCHMARKS:
            for target in benchmark.targets:
                self.assertIn(target.ours, benchmark.programs)
                self.assertIn(benchmark.metric_of(target), benchmark.metrics)
                for peer in target.peers:
                    self.assertIn(peer, benchmark.programs)

    def test_no_two_entries_have_one_name(self):
        for entries in (BENCHMARKS, GROWTHS):
            names = [(entry.id, entry.title, getattr(entry, "size", getattr(entry, "along", ""))) for entry in entries]
            self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
