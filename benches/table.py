#!/usr/bin/env python3
"""Writes what was measured into docs/performance.md, between its markers.

    table.py RESULTS.json...     the files run.py wrote; of an id that is in several, the last counts

`<!-- results -->` holds the targets, `<!-- rows -->` every program's figures, `<!-- plots -->` the plots that lie in
docs/performance; each ends at the next `<!-- end -->`.
"""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/performance.md"
PLOTS = ROOT / "docs/performance"


def main(paths):
    runs = [json.loads(Path(path).read_text()) for path in paths]
    page = PAGE.read_text()
    if runs:
        page = fill(page, "results", results(runs))
        page = fill(page, "rows", rows(runs))
    page = fill(page, "plots", plots())
    PAGE.write_text(page)


def fill(page, marker, text):
    """The page with `text` between the marker and the end that follows it."""
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end -->)", re.DOTALL)
    page, times = pattern.subn(lambda found: f"{found[1]}{text}{found[2]}", page)
    if times != 1:
        raise SystemExit(f"{times} places <!-- {marker} --> ... <!-- end --> in {PAGE}")
    return page


def latest(runs, part):
    """The entries of this part, each id from the last run that has it, in the order of ids."""
    by_id = {}
    for run in runs:
        ids = {entry["id"] for key in ("rows", "not_measured") for entry in run[key]}
        by_id.update({id: [entry for entry in run[part] if entry["id"] == id] for id in ids})
    return [entry for id in sorted(by_id, key=lambda id: (id[0] != "P", int(id[1:]))) for entry in by_id[id]]


def results(runs):
    machine, cores = runs[-1]["machine"], runs[-1]["cores"]
    lines = [f"{machine['processor']}, {cores} cores, {machine['system']}.", ""]
    lines += ["| id | workload | ours | best peer | ratio (min to max) | target | |", "|---|---|---|---|---|---|---|"]
    medians = {key(row): row["median"] for row in latest(runs, "rows")}
    ratios = latest(runs, "ratios")
    for r in ratios:
        ours = f"{r['ours']}: {figure(medians[(*key(r)[:-1], r['ours'])])}"
        peer = f"{r['peer']}: {figure(medians[key(r)])}" if r["peer"] else "none"
        ratio = f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})" if r["peer"] else figure(r["median"])
        verdict = "met" if r["met"] else "**missed**"
        lines.append(f"| {r['id']} | {workload(r)} | {ours} | {peer} | {ratio} | {r['target']:g} | {verdict} |")
    met = sum(r["met"] for r in ratios)
    lines += ["", f"{met} of {len(ratios)} targets met. Times are nanoseconds; figures are medians."]
    lines += [f"Not measured: {entry['id']} {entry['peer']}: {entry['reason']}." for entry in latest(runs, "not_measured")]
    return "\n".join(lines) + "\n"


def rows(runs):
    lines = ["| id | workload | program | median | min | max |", "|---|---|---|---|---|---|"]
    for row in latest(runs, "rows"):
        spread = " | ".join(figure(row[name]) for name in ("median", "min", "max"))
        lines.append(f"| {row['id']} | {workload(row)} | {row['peer']} | {spread} |")
    return "\n".join(lines) + "\n"


def plots():
    """The plots, under their own titles."""
    found = sorted(PLOTS.glob("*.svg"), key=lambda path: (int(re.search(r"\d+", path.name)[0]), path.name))
    return "".join(f"![{path.stem}](performance/{path.name})\n" for path in found)


def key(row):
    """What a figure is of; in a ratio, the peer's."""
    return row["id"], row["title"], row["size"], row["metric"], row["peer"]


def workload(row):
    size = f", {row['size']} B" if row["size"] else ""
    return f"{row['title']}{size}, {row['metric'].replace('_', ' ')}"


def figure(value):
    """Three digits that count, thousands set apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main(sys.argv[1:])
