"""Groups, and who is present: sets of mailboxes under a name, that anyone can read and watch.

Guarantees: nothing is kept here; a Group and a Presence are a name and its engine, so any number of them are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterator

from . import _fast
from ._native import ffi, lib
from .address import id_of
from .errors import check
from .handles import Watch
from .message import keys_of, members_of
from .types import encode, fetch

if TYPE_CHECKING:
    from .address import Address
    from .engine import BaseEngine
    from .mailbox import BaseMailbox


class _Named:
    """A name in an engine."""

    __slots__ = ("engine", "name", "_text")

    def __init__(self, engine: BaseEngine[Any], name: str) -> None:
        self.engine = engine
        self.name = name
        self._text = encode(name)

    def __repr__(self) -> str:
        return f"<tidings.{type(self).__name__} {self.name!r}>"

    def _own(self, mailbox: Address) -> tuple[tuple[int], bytes, int]:
        """The first arguments of every function on a mailbox and this name."""
        id = id_of(mailbox)
        if mailbox.engine.id != self.engine.id:
            raise ValueError(f"{mailbox!r} is of another engine than {self!r}")
        return (id,), self._text, len(self._text)

    def _watch(self, function: Callable[..., int], watcher: BaseMailbox, tag: int) -> tuple[int, bytes]:
        watch = ffi.new("td_watch *")
        snapshot = fetch(function, *self._own(watcher), tag, watch)
        return int(watch.id), snapshot


class Group(_Named):
    """A group of mailboxes. Who joins twice counts twice; who ends has left.

    >>> with tidings.Engine() as engine, engine.mailbox("a") as a, engine.mailbox("b") as b, engine.mailbox() as me:
    ...     workers = engine.group("workers")
    ...     workers.join(a)
    ...     watch = workers.watch(me)
    ...     workers.join(b)
    ...     a.close()
    ...     watch.snapshot == [a], workers.members() == [b]
    ...     [(message.sender.name, message.joined) for message in (me.recv(timeout=1), me.recv(timeout=1))]
    (True, True)
    [('b', True), ('a', False)]
    """

    __slots__ = ()

    def join(self, mailbox: Address) -> None:
        """Adds a mailbox, once more if it is in already."""
        check(lib.td_group_join(*self._own(mailbox)))

    def leave(self, mailbox: Address) -> None:
        """Undoes one join; NotFoundError for a mailbox that is not in."""
        check(lib.td_group_leave(*self._own(mailbox)))

    def __iter__(self) -> Iterator[Address]:
        return iter(self.members())

    def members(self) -> list[Address]:
        """Who is in now, one entry per join."""
        return self._addresses(fetch(lib.td_group_members, (self.engine.id,), self._text, len(self._text)))

    def watch(self, watcher: BaseMailbox, *, tag: int = 0) -> Watch[list[Address]]:
        """The members now, and in the same step a watch: from here on each join and leave is one MEMBER message, with
        `sender` and `joined` or `left`."""
        watch, members = self._watch(lib.td_group_watch, watcher, tag)
        return Watch(watch, self.name, self._addresses(members))

    def _addresses(self, data: bytes) -> list[Address]:
        return [self.engine.address(id) for id in members_of(data)]


class Presence(_Named):
    """Who is present under a name: keys that mailboxes bring along, with a time of grace.

    >>> with tidings.Engine() as engine, engine.mailbox() as connection:
    ...     room = engine.presence("room")
    ...     room.enter(connection, "ann")
    ...     room.keys()
    ...     connection.close()
    ...     room.keys()
    ['ann']
    []
    """

    __slots__ = ()

    def enter(self, mailbox: Address, key: str, *, grace: float = 0.0) -> None:
        """Makes a key present for as long as the mailbox lives, and `grace` seconds longer: a key that is back within
        that time, through whatever mailbox, was never gone."""
        text = encode(key)
        check(lib.td_presence_enter(*self._own(mailbox), text, len(text), _fast.nanoseconds(grace)))
        self.engine._timer_armed()

    def leave(self, mailbox: Address, key: str) -> None:
        """Undoes `enter`, without grace; NotFoundError for a key that this mailbox did not bring."""
        text = encode(key)
        check(lib.td_presence_leave(*self._own(mailbox), text, len(text)))

    def keys(self) -> list[str]:
        """Who is present now."""
        return keys_of(fetch(lib.td_presence_keys, (self.engine.id,), self._text, len(self._text)))

    def watch(self, watcher: BaseMailbox, *, tag: int = 0) -> Watch[list[str]]:
        """The keys now, and in the same step a watch: from here on each that comes or goes is one PRESENCE message, with
        `key` and `joined` or `left`."""
        watch, keys = self._watch(lib.td_presence_watch, watcher, tag)
        return Watch(watch, self.name, keys_of(keys))
