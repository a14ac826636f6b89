"""A look inside: what an engine has, what happened lately, and why something is as it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, SupportsIndex

from ._native import lib
from .types import fetch

if TYPE_CHECKING:
    from .address import Address
    from .engine import BaseEngine


def inspect(engine: BaseEngine[Any] | None = None) -> dict[str, Any]:
    """All that an engine has: mailboxes with their queues, names, monitors, topics, timers, counters. None: the default
    engine, which C and all languages of the process share."""
    from .engine import default_engine

    return (engine or default_engine()).inspect()


def snapshot(engine: int) -> dict[str, Any]:
    """See Engine.inspect."""
    found: dict[str, Any] = json.loads(fetch(lib.td_engine_inspect, (engine,)))
    return found


# A line of the flight recorder, as tidings.h has it under td_recorder_dump.
_EVENT = re.compile(
    r"^ *-(?P<age>[\d.]+)(?P<about>[~ ]) thread (?:(?P<thread>\d+) (?P<name>.*?)|\?): (?P<event>[A-Za-z][A-Za-z ]*?)"
    r"(?: (?P<id>0x[0-9a-f]{16}))?(?: with (?P<other>0x[0-9a-f]{16}))?"
    r"(?:, (?P<amount>(?!x\d+$).+?))?(?:, x(?P<times>\d+))?$"
)


def _events(lines: list[str]) -> list[dict[str, Any]]:
    """The lines that are events."""
    events = []
    for found in filter(None, map(_EVENT.match, lines)):
        event: dict[str, Any] = found.groupdict()
        for name in "id", "other":
            event[name] = event[name] and int(event[name], 16)
        event["age"], event["about"] = float(event["age"]), event["about"] == "~"
        event["thread"], event["times"] = event["thread"] and int(event["thread"]), int(event["times"] or 1)
        events.append(event)
    return events


def recorder() -> dict[str, Any]:
    """What the library did lately in this process, on which thread: sends, receives, drops, ends, timers; ids and sizes,
    never payloads. "text" is all of it for people; "events", from the oldest on, has of each age (seconds), about (then
    or later), thread and name, event, id and other (None where it has none), amount ("64 bytes") and times."""
    text = fetch(lib.td_recorder_dump).decode("utf-8", "replace")
    return {"text": text, "events": _events(text.splitlines())}


def explain(what: Address | SupportsIndex) -> dict[str, Any]:
    """Why a mailbox ended, who waits for it, what fills its queue; of a monitor, timer, call and so on, how it stands.
    Takes the object or its id. "text" is all of it for people, "what" its first line; "details" has the others by their
    first words ("queue", "oldest", "monitors that watch it"), lists as lists; "lately" the events with it, as of
    recorder(). What it says may change with each version.

    >>> with tidings.Engine() as engine, engine.mailbox("inbox") as inbox:
    ...     inbox.send(b"hello")
    ...     found = tidings.explain(inbox)
    >>> found["id"] == inbox.id, "queue" in found["details"]
    (True, True)
    """
    id = what.__index__() if hasattr(what, "__index__") else what.id
    text = fetch(lib.td_explain, id).decode("utf-8", "replace")
    lines = text.splitlines()
    return {"text": text, "id": id, "what": lines[0], "details": _details(lines), "lately": _events(lines)}


def _details(lines: list[str]) -> dict[str, Any]:
    """Lines "  key: value", each with the lines "    more" below it: a list where the value is their number."""
    details: dict[str, Any] = {}
    key = ""
    for line in lines[1:]:
        if not line.startswith("  "):
            break
        if not line.startswith("    "):
            key, _, value = line.strip().partition(": ")
            details[key] = [] if value.isdigit() else value
        elif isinstance(details.get(key), list):
            details[key].append(line.strip())
        elif key:
            details[key] += "; " + line.strip()
    return details
