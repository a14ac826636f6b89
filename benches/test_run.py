"""The runner of the benchmarks: what it computes, what it reports when a program fails, and its exit status."""
import contextlib
import io
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import run
from plan import BENCHMARKS, Benchmark, Target

RUNNER = Path(run.__file__)


class Programs(unittest.TestCase):
    """Each test has a folder of made-up programs, whose values are therefore known."""

    def setUp(self):
        run.QUIET_PATIENCE = 0  # the values are made up; no need to wait for a quiet machine
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def program(self, name, body):
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def measure(self, rounds=5):
        programs = {"ours": ["ours"], "peer": ["peer"]}
        benchmark = Benchmark("T1", "a test", 64, "ns_per_message", programs, (Target("ours", "peer", 0.5),))
        return run.measure(benchmark, [self.folder], rounds)

    def test_ratios_are_formed_within_a_round_and_their_median_is_judged(self):
        # ours: 1, 2, 3, 4, 5; peer: 10 each round.
        self.program("ours", f'n=$(($(cat {self.folder}/n 2>/dev/null || echo 0) + 1)); echo $n >{self.folder}/n; echo ns_per_message $n')
        self.program("peer", "echo ns_per_message 10")
        result = self.measure()
        [(_, ratio)] = run.ratios(result)
        self.assertEqual(ratio, {"median": 0.3, "min": 0.1, "max": 0.5, "runs": 5})
        self.assertEqual(result["values"]["ours"], [1, 2, 3, 4, 5])

    def closing(self, results):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = run.closing_line(results)
        return status, out.getvalue()

    def test_a_missing_peer_is_reported_and_does_not_fail_the_run(self):
        self.program("ours", "echo ns_per_message 3")
        result = self.measure()
        self.assertEqual(result["wrong"], {"peer": "peer is not built"})
        status, said = self.closing([result])
        self.assertEqual(status, 0)
        self.assertIn("1 without their peer", said)

    def test_ours_failing_fails_the_run_with_its_reason(self):
        self.program("ours", "echo ns_per_message 3; echo broken >&2; exit 4")
        self.program("peer", "echo ns_per_message 10")
        result = self.measure()
        self.assertEqual(result["wrong"], {"ours": "status 4: broken"})
        self.assertEqual(self.closing([result])[0], 1)

    def test_a_missed_target_is_counted(self):
        self.program("ours", "echo ns_per_message 6")
        self.program("peer", "echo ns_per_message 10")
        self.assertIn("0 of 1 targets met, 1 missed", self.closing([self.measure()])[1])

    def test_the_json_has_every_row_and_ratio(self):
        self.program("ours", "echo ns_per_message 4")
        self.program("peer", "echo ns_per_message 10")
        written = json.loads(json.dumps(run.as_json([self.measure()])))
        self.assertEqual([(r["id"], r["size"], r["peer"], r["median"], r["runs"]) for r in written["rows"]],
                         [("T1", 64, "ours", 4, 5), ("T1", 64, "peer", 10, 5)])
        self.assertEqual([(r["median"], r["target"]) for r in written["ratios"]], [(0.4, 0.5)])


class CommandLine(unittest.TestCase):
    def refused(self, *words):
        done = subprocess.run([sys.executable, RUNNER, "--programs", os.devnull, *words], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_an_unknown_id_is_answered_with_those_there_are(self):
        self.assertIn(f"no benchmark P99; there are {', '.join(BENCHMARKS)}", self.refused("P99"))

    def test_too_few_rounds_are_refused(self):
        self.assertIn("needs at least 5", self.refused("--rounds", "4"))


class Plan(unittest.TestCase):
    def test_every_target_names_programs_of_its_benchmark(self):
        for benchmark in BENCHMARKS.values():
            for target in benchmark.targets:
                self.assertIn(target.ours, benchmark.programs)
                self.assertIn(target.peer, benchmark.programs)


if __name__ == "__main__":
    unittest.main()
