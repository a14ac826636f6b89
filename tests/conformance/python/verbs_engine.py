"""The verbs of engines as a whole: opened, closed, drained.

Each makes one call of the package and hands over what came of it; it judges nothing.
"""

from __future__ import annotations

import tidings

from .script import FOREVER, Step
from .verbs_mailbox import seconds
from .world import OK, Context, Result


def engine(c: Context, s: Step) -> Result:
    e = tidings.Engine(virtual_clock=c.world.scenario.virtual_clock, max_bytes=c.opt(s, "budget", 0))
    c.put(s.args[0], "engine", e, e.id)
    return OK


def close_engine(c: Context, s: Step) -> Result:
    c.of(s.args[0], "engine").value.close()
    return OK


def drain(c: Context, s: Step) -> Result:
    report = c.of(s.args[0], "engine").value.drain(seconds(c.opt(s, "timeout", FOREVER)))
    suspended = c.world.names_of(tuple(box.id for box in report.suspended))
    fields = {"delivered": report.delivered, "undelivered": report.undelivered, "suspended": suspended}
    return Result("ok" if report.complete else "TD_ETIMEDOUT", fields)
