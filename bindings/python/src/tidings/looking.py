"""A look inside: what an engine has, what happened lately, and why something is as it is. For people, not for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, SupportsIndex

from ._native import lib
from .types import fetch

if TYPE_CHECKING:
    from .address import Address
    from .engine import Engine


def inspect(engine: Engine | None = None) -> dict[str, Any]:
    """All that an engine has: mailboxes with their queues, names, monitors, topics, timers, counters. None: the default
    engine, which C and all languages of the process share."""
    from .engine import default_engine

    return (engine or default_engine()).inspect()


def snapshot(engine: int) -> dict[str, Any]:
    """See Engine.inspect."""
    found: dict[str, Any] = json.loads(fetch(lib.td_engine_inspect, (engine,)))
    return found


def recorder() -> str:
    """What the library did lately in this process, on which thread: sends, receives, drops, ends, timers; ids and sizes,
    never payloads."""
    return fetch(lib.td_recorder_dump).decode("utf-8", "replace")


def explain(what: Address | SupportsIndex) -> str:
    """Why a mailbox ended, who waits for it, what fills its queue; of a monitor, timer, call and so on, how it stands.
    Takes the object or its id."""
    id = what.__index__() if hasattr(what, "__index__") else what.id
    return fetch(lib.td_explain, id).decode("utf-8", "replace")
