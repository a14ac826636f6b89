"""The verbs for groups, presence, interest, wills and the watches of them.

Each makes one call of the package and hands over what came of it; it judges nothing.
"""

from __future__ import annotations

from typing import Any

import tidings

from .script import Step
from .verbs_mailbox import payload
from .verbs_signal import text_of
from .world import OK, Context, Result


def _group(c: Context, text: str) -> tidings.Group:
    return c.world.engine.group(text_of(c, text))


def _presence(c: Context, text: str) -> tidings.Presence:
    return c.world.engine.presence(text_of(c, text))


def _members(found: list[tidings.Address]) -> Result:
    return Result("ok", {"count": len(found), "members": tuple(box.id for box in found)})


def _keys(found: list[str]) -> Result:
    return Result("ok", {"count": len(found), "keys": " ".join(found).encode()})


def _named(c: Context, s: Step, watch: tidings.Watch[Any]) -> Any:
    c.put(s.name, "watch", watch, watch.id)
    return watch.snapshot


def join(c: Context, s: Step) -> Result:
    _group(c, s.args[1]).join(c.mailbox(s.args[0]))
    return OK


def part(c: Context, s: Step) -> Result:
    _group(c, s.args[1]).leave(c.mailbox(s.args[0]))
    return OK


def members(c: Context, s: Step) -> Result:
    return _members(_group(c, s.args[0]).members())


def watch(c: Context, s: Step) -> Result:
    return _members(_named(c, s, _group(c, s.args[1]).watch(c.mailbox(s.args[0]), tag=c.opt(s, "tag", 0))))


def enter(c: Context, s: Step) -> Result:
    grace = c.opt(s, "grace", 0) / 1e9
    _presence(c, s.args[1]).enter(c.mailbox(s.args[0]), text_of(c, s.args[2]), grace=grace)
    return OK


def depart(c: Context, s: Step) -> Result:
    _presence(c, s.args[1]).leave(c.mailbox(s.args[0]), text_of(c, s.args[2]))
    return OK


def keys(c: Context, s: Step) -> Result:
    return _keys(_presence(c, s.args[0]).keys())


def watch_keys(c: Context, s: Step) -> Result:
    return _keys(_named(c, s, _presence(c, s.args[1]).watch(c.mailbox(s.args[0]), tag=c.opt(s, "tag", 0))))


def interest(c: Context, s: Step) -> Result:
    found = c.mailbox(s.args[0]).watch_interest(text_of(c, s.args[1]), tag=c.opt(s, "tag", 0))
    return Result("ok", {"count": _named(c, s, found)})


def unwatch(c: Context, s: Step) -> Result:
    c.of(s.args[0], "watch").value.unwatch(flush=s.args[1:] == ["flush"])
    return OK


def will(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).will(text_of(c, s.args[1]), payload(c, s), c.number(s.args[2]), retain="retain" in s.opts)
    return OK


def clear_will(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).will_clear()
    return OK
