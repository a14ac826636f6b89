"""The tables of docs/performance.md: what stands in them, and where."""
import unittest

import table


def run_of(id, ours, peer, wrong=()):
    of = {"id": id, "title": "a test", "size": 64, "metric": "ns_each"}
    rows = [{**of, "peer": name, "median": value, "min": value, "max": 2 * value} for name, value in (("ours", ours), ("other", peer))]
    ratio = {**of, "ours": "ours", "peer": "other", "median": ours / peer, "min": 0.1, "max": 0.9, "target": 0.5, "met": ours / peer <= 0.5}
    alone = {**of, "ours": "ours", "peer": "", "median": ours, "min": ours, "max": ours, "target": 10, "met": ours <= 10}
    return {"rows": rows, "ratios": [ratio, alone], "machine": {"processor": "a processor", "system": "a system"}, "cores": 2,
            "not_measured": [{"id": id, "peer": name, "reason": "it is missing"} for name in wrong]}


class Tables(unittest.TestCase):
    def test_a_ratio_stands_beside_both_figures_and_its_target(self):
        text = table.results([run_of("P1", 30, 100)])
        self.assertIn("| P1 | a test, 64 B, ns each | ours: 30 | other: 100 | 0.30 (0.10 to 0.90) | 0.5 | met |", text)
        self.assertIn("| P1 | a test, 64 B, ns each | ours: 30 | none | 30 | 10 | **missed** |", text)
        self.assertIn("1 of 2 targets met", text)

    def test_the_last_run_of_an_id_counts_and_ids_are_in_their_order(self):
        text = table.rows([run_of("P10", 1, 2), run_of("P2", 3, 4), run_of("P10", 5, 6), run_of("L1", 7, 8)])
        self.assertEqual([line.split(" | ")[0] + line.split(" | ")[3] for line in text.splitlines()[2:]],
                         ["| P23", "| P24", "| P105", "| P106", "| L17", "| L18"])

    def test_what_was_not_measured_is_said(self):
        self.assertIn("Not measured: P1 third: it is missing.", table.results([run_of("P1", 1, 2, ["third"])]))

    def test_only_what_is_between_the_markers_changes(self):
        page = "before\n<!-- rows -->\nold\n<!-- end -->\nafter\n<!-- plots -->\n<!-- end -->\n"
        self.assertEqual(table.fill(page, "rows", "new\n"), page.replace("old", "new"))
        with self.assertRaises(SystemExit):
            table.fill(page, "results", "new\n")


if __name__ == "__main__":
    unittest.main()
