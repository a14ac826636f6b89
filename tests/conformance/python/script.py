"""Reads the scenario file into steps.

Guarantees: every line is either understood or refused with its number and the reason; nothing here knows what a
verb does. The language is described in ../README.md.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from typing import NoReturn, Optional

_PAIR = re.compile(r"([a-z_-]+)([=~])(.*)\Z", re.S)


@dataclass
class Want:
    """One acceptable outcome: a word, and fields that must hold: (key, value, contains)."""

    outcome: Optional[str] = None
    fields: list[tuple[str, str, bool]] = field(default_factory=list)


@dataclass
class Step:
    line: int
    indent: int
    source: str
    verb: str = ""
    args: list[str] = field(default_factory=list)
    opts: dict[str, str] = field(default_factory=dict)
    name: Optional[str] = None  # after "as"
    wants: list[Want] = field(default_factory=list)
    child: list[Step] = field(default_factory=list)
    run: object = None  # filled in by the runner


@dataclass
class Scenario:
    line: int
    id: str
    title: str = ""
    rules: str = ""
    virtual_clock: bool = False
    one_clock: bool = False  # not run on the other clock, too
    by_real: bool = False  # written for the virtual clock, run on the real one: times are at least what is written
    child_only: bool = False
    not_python: Optional[str] = None  # why Python has no such thing
    steps: list[Step] = field(default_factory=list)


def refuse(line: int, why: str, text: str) -> NoReturn:
    sys.exit(f"scenarios.txt:{line}: {why}: {text}")


def words(text: str, line: int) -> list[str]:
    """The words up to a comment, quotes removed; quotes may stand after = or ~ too."""
    out, at = [], 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        if text[at] == "#":
            break
        word, quoted = "", False
        while at < len(text) and (quoted or text[at] != " "):
            if text[at] == '"':
                quoted = not quoted
            else:
                word += text[at]
            at += 1
        if quoted:
            refuse(line, "a quote is not closed", text)
        out.append(word)
    return out


def step(text: str, line: int, indent: int) -> Step:
    parts = iter(words(text, line))
    s = Step(line, indent, text, next(parts))
    want: Optional[Want] = None
    for word in parts:
        pair = _PAIR.match(word)
        if word == "=>" or (want is not None and word == "or"):
            want = Want()
            s.wants.append(want)
        elif word == "as":
            s.name = next(parts, None)
            if s.name is None:
                refuse(line, "a name must follow 'as'", text)
        elif want is not None and pair:
            want.fields.append((pair[1], pair[3], pair[2] == "~"))
        elif want is not None:
            if want.outcome is not None:
                refuse(line, "an outcome is one word, then fields", text)
            want.outcome = word
        elif pair:
            s.opts[pair[1]] = pair[3]
        else:
            s.args.append(word)
    return s


def header(text: str, line: int) -> Scenario:
    """scenario ID | title | rules 1 2 | clock virtual [only: why] [| not python: why] [| not node: why] [| child]"""
    first, *rest = text.split(" | ")
    sc = Scenario(line, first[len("scenario ") :])
    sc.title = rest[0] if rest else ""
    for part in rest[1:]:
        if part.startswith("rules "):
            sc.rules = part[6:]
        elif part in ("clock real", "clock virtual") or part.startswith(("clock real only: ", "clock virtual only: ")):
            sc.virtual_clock = part.startswith("clock virtual")
            sc.one_clock = part != "clock virtual"
        elif part == "child":
            sc.child_only = True
        elif part.startswith("not python: "):
            sc.not_python = part[12:]
        elif not part.startswith("not node: "):
            refuse(line, "not 'rules ...', 'clock real', 'clock virtual', 'clock CLOCK only: ...', 'not LANGUAGE: ...' or 'child'", part)
    if not sc.title or not sc.rules:
        refuse(line, "a scenario has a title and its rules", text)
    return sc


def doubled(sc: Scenario) -> list[Scenario]:
    """What is written for the virtual clock runs on both: ID becomes ID.virtual and ID.real, with the same steps."""
    if sc.one_clock or sc.child_only:
        return [sc]
    return [replace(sc, id=sc.id + ".virtual"), replace(sc, id=sc.id + ".real", virtual_clock=False, by_real=True)]


def read(path: str) -> list[Scenario]:
    """Steps nest by indentation: deeper lines belong to the nearest shallower one above."""
    scenarios: list[Scenario] = []
    blocks: list[tuple[int, list[Step]]] = []
    with open(path, encoding="utf-8") as lines:
        for line, raw in enumerate(lines, 1):
            text = raw.strip(" \r\n")
            indent = len(raw) - len(raw.lstrip(" "))
            if not text or text.startswith("#"):
                continue
            if "\t" in text:
                refuse(line, "indent with spaces, not tabs", text)
            if indent == 0:
                if not text.startswith("scenario "):
                    refuse(line, "a step must be indented", text)
                scenarios.append(header(text, line))
                blocks = []
                continue
            if not scenarios:
                refuse(line, "a step before the first scenario", text)
            while blocks and blocks[-1][0] > indent:
                blocks.pop()
            if not blocks or blocks[-1][0] < indent:
                block = blocks[-1][1][-1].child if blocks else scenarios[-1].steps
                if block:
                    refuse(line, "indented like no step above", text)
                blocks.append((indent, block))
            blocks[-1][1].append(step(text, line, indent))
    return [each for sc in scenarios for each in doubled(sc)]


_UNITS = {"": 1, "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_NUMBER = re.compile(r"(-?\d+)(ns|us|ms|s)?\Z")
FOREVER = 2**63 - 1


def number(text: str) -> Optional[int]:
    """12, 50ms, 3us, 2s, 7ns; forever. Times are nanoseconds."""
    if text == "forever":
        return FOREVER
    m = _NUMBER.match(text)
    return int(m[1]) * _UNITS[m[2] or ""] if m else None


def span(text: str) -> Optional[tuple[int, int]]:
    """a..b, a.. or ..b"""
    low, dots, high = text.partition("..")
    if not dots or not (low or high):
        return None
    a = number(low) if low else -FOREVER
    b = number(high) if high else FOREVER
    return (a, b) if a is not None and b is not None else None
