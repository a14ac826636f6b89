#!/usr/bin/env python3
"""Prints each rule of docs/semantics.md with the tests that hold it; fails when a rule has none.

A test names its rules in a comment, `(rule 12)` or `rules 1 2`, before it or at the top of its file; a scenario of
tests/conformance in its first line. It is an error, too, when a test names a rule that there is not, when the page does not
have the rules 1 to 32 in order, and when it names something that the header has not got.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/semantics.md"
COUNT = 32
TAG = re.compile(r"\brules? (\d+(?:(?:,| and|,? to)? \d+)*)\b", re.IGNORECASE)
SCENARIO = re.compile(r"^scenario (\S+) \|.*?\| rules ([\d ]+)", re.MULTILINE)
COMMENT = re.compile(r"^\s*(//|/?\*|#|\"\"\")|/\*|//")
TEST = re.compile(r"^\s*(?:pub )?(?:(?:async )?def (test_\w+)|fn (\w+)\(|test\((?:`|\")([^`\"]+)|static void (\w+)\()")
SOURCES = [
    "tests/c/*.c", "tests/simulation/*.rs", "tests/fuzz/*.rs", "tests/soak/*.c", "tests/exits/*", "src/**/*.rs",
    "bindings/python/tests/*.py", "bindings/node/test/*.mjs",
]  # fmt: skip


def numbers(text: str) -> list[int]:
    found: list[int] = []
    for word in re.findall(r"\d+|to", text):
        if word != "to":
            start = found.pop() if found and found[-1] < 0 else None
            found += range(-start, int(word) + 1) if start else [int(word)]
        elif found:
            found.append(-found.pop())
    return found


def is_test(path: Path, line: int, lines: list[str]) -> bool:
    """In src, what stands in a test module or a file of tests."""
    if path.relative_to(ROOT).parts[0] != "src":
        return True
    if re.search(r"/(tests?|stress|models?|plain_model)(/|\.rs$|_)", "/" + str(path.relative_to(ROOT))):
        return True
    return any("cfg(all(test" in text or "cfg(test)" in text for text in lines[:line])


def tags() -> Iterator[tuple[str, list[int]]]:
    for name, rules in SCENARIO.findall((ROOT / "tests/conformance/scenarios.txt").read_text()):
        yield f"scenario {name}", [int(rule) for rule in rules.split()]
    for pattern in SOURCES:
        for path in sorted(path for path in ROOT.glob(pattern) if path.is_file()):
            lines = path.read_text().splitlines()
            text_of_docstring = path.suffix == ".py"
            for at, line in enumerate(lines):
                match = TAG.search(line)
                if not match or not (COMMENT.search(line) or text_of_docstring) or not is_test(path, at, lines):
                    continue
                # The test that follows the comment; a file's first comment is about all of it.
                following = next((text for text in lines[at + 1 : at + 8] if not COMMENT.search(text) and not text.lstrip().startswith(("@", "#["))), "")
                test = TEST.match(following) if at > 10 else None
                name = f"{path.relative_to(ROOT)}" + (f": {next(filter(None, test.groups()))}" if test else "")
                yield name, numbers(match[1])


def main() -> int:
    wrong: list[str] = []
    page = PAGE.read_text()
    rules = re.findall(r'<a id="rule-(\d+)"></a>\*\*(\d+)\. (.*?)(?:\*\*|$)', page, re.MULTILINE)
    if [int(anchor) for anchor, _, _ in rules] != list(range(1, COUNT + 1)) or any(a != n for a, n, _ in rules):
        wrong.append(f"{PAGE.name} does not have the rules 1 to {COUNT}, in order, each with its anchor")
    header = (ROOT / "include/tidings.h").read_text()
    named = set(re.findall(r"`(td_[a-z_]+[a-z]|TD_[A-Z_]+[A-Z])`", page))
    wrong += [f"{PAGE.name} names {name}, which tidings.h has not got" for name in sorted(named) if not re.search(rf"\b{name}\b", header)]
    holders: dict[int, list[str]] = defaultdict(list)
    for name, of in tags():
        for rule in of:
            if not 1 <= rule <= COUNT:
                wrong.append(f"{name} names rule {rule}, which there is not")
            elif name not in holders[rule]:
                holders[rule].append(name)
    for number, _, title in rules:
        tests = holders[int(number)]
        print(f"{number:>3}. {title.strip()}  ({len(tests)} tests)")
        scenarios = [name.removeprefix("scenario ") for name in tests if name.startswith("scenario ")]
        if scenarios:
            print(f"       scenarios {' '.join(scenarios)}")
        for name in tests:
            if not name.startswith("scenario "):
                print(f"       {name}")
        if not tests:
            wrong.append(f"rule {number} has no test")
    for line in wrong:
        print(f"rules: {line}")
    print(f"rules: {sum(1 for tests in holders.values() if tests)} of {COUNT} rules are held by {len({n for t in holders.values() for n in t})} tests" + ("; FAILED" if wrong else ""))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
