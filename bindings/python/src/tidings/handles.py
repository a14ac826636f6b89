"""What a monitor, a timer, a subscription, a watch and an open call are to their owner: an id, and the way to end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ._native import ffi, lib
from .errors import StaleError, check
from .types import Outcome

if TYPE_CHECKING:
    from .mailbox import BaseMailbox

Snapshot = TypeVar("Snapshot")


class Handle:
    """A value with an id; `ref` of the messages that belong to it is the same number."""

    __slots__ = ("id",)

    def __init__(self, id: int) -> None:
        self.id = id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and type(other) is type(self) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __index__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<tidings.{type(self).__name__} {self.id:#x}>"


class Monitor(Handle):
    """A one-shot watch on a mailbox's end."""

    __slots__ = ("watcher",)

    def __init__(self, id: int, watcher: BaseMailbox) -> None:
        super().__init__(id)
        self.watcher = watcher

    def demonitor(self, flush: bool = False) -> Outcome:
        """Stops watching. With flush, no DOWN of this monitor is or will be seen after this returns."""
        return self.watcher.demonitor(self, flush=flush)


class Timer(Handle):
    """A message that will be sent."""

    __slots__ = ()

    def cancel(self) -> float | None:
        """Stops it; the seconds it had left, or None when it has fired or was cancelled before."""
        return self._remaining(lib.td_timer_cancel)

    def read(self) -> float | None:
        """The seconds it has left, or None when it has fired or was cancelled."""
        return self._remaining(lib.td_timer_read)

    def _remaining(self, function: object) -> float | None:
        left = ffi.new("int64_t *")
        try:
            check(function((self.id,), left))  # type: ignore[operator]
        except StaleError:
            return None
        return float(left[0]) / 1e9


class Subscription(Handle):
    """Delivery of a topic pattern into a mailbox."""

    __slots__ = ("pattern",)

    def __init__(self, id: int, pattern: str) -> None:
        super().__init__(id)
        self.pattern = pattern

    def __repr__(self) -> str:
        return f"<tidings.Subscription {self.pattern!r} {self.id:#x}>"

    def unsubscribe(self, flush: bool = False) -> None:
        """Ends it. What is queued stays, unless flush is given."""
        check(lib.td_unsubscribe((self.id,), lib.TD_FLUSH if flush else 0))


class Watch(Handle, Generic[Snapshot]):
    """A look at a group, a presence or the interest in a pattern: how it was, and from then on each change as a message.

    `snapshot` is how it was when the watch began: the members of a group, one entry per join; the keys of a presence;
    the number of subscriptions. Each later change is one message with this ref. Where changes had to be dropped
    because the mailbox was full, one RESYNC comes with a new snapshot.
    """

    __slots__ = ("name", "snapshot")

    def __init__(self, id: int, name: str, snapshot: Snapshot) -> None:
        super().__init__(id)
        self.name = name
        self.snapshot = snapshot

    def __repr__(self) -> str:
        return f"<tidings.Watch {self.name!r} {self.id:#x}>"

    def unwatch(self, flush: bool = False) -> None:
        """Ends it. With flush, what is queued goes, too."""
        check(lib.td_unwatch((self.id,), lib.TD_FLUSH if flush else 0))


class Call(Handle):
    """A request whose answer comes to the mailbox as a REPLY with this ref; of `call_many_start`, several, then REPLIES."""

    __slots__ = ()

    def cancel(self) -> None:
        """The answer is no longer wanted; none will be seen."""
        check(lib.td_call_cancel((self.id,)))
