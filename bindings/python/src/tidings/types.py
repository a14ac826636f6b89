"""The small values of the interface: policies, reasons, receipts, counters, and what may be given as what."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Union

from ._native import ffi, lib
from .errors import TidingsError, check

if TYPE_CHECKING:
    from typing import Any, Callable

    # Anything with the buffer protocol; large bytes objects travel without a copy. Type checkers bring this module along.
    from typing_extensions import Buffer as Buffer

    from .address import Address
    from .handles import Call, Monitor, Subscription, Timer, Watch

    #: What `ref=` of recv_match takes.
    Ref = Union[int, Monitor, Timer, Subscription, Call, Watch[Any]]


def encode(name: str) -> bytes:
    """A name, a topic or a key as the library takes it."""
    if not isinstance(name, str):
        raise TypeError(f"a name or a topic is a str, not {type(name).__name__}")
    return name.encode()


def payload(data: Buffer) -> Any:
    """The bytes of a payload as the library takes them. A context manager."""
    if isinstance(data, str):
        raise TypeError("a payload is bytes; encode the str first")
    return ffi.from_buffer(data)


def fetch(function: Callable[..., int], *args: object) -> bytes:
    """The data of the td_message that a function of the library makes."""
    message = ffi.new("td_message *")
    check(function(*args, message))
    try:
        return bytes(ffi.buffer(message.data, message.data_size))
    finally:
        lib.td_message_release(message)


class OfThisProcess:
    """What means nothing elsewhere, and must not be there twice."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is of its process: it can be neither pickled nor copied; open one in each")


class Policy(IntEnum):
    """What a full mailbox or subscription does with the next message.

    FAIL refuses it, BLOCK makes its sender wait, DROP_NEW drops it, DROP_OLD drops the oldest, KILL ends the mailbox
    with reason overflow. CONFLATE works at any time: a message takes the place of the queued one with its tag.
    """

    FAIL = lib.TD_FAIL
    BLOCK = lib.TD_BLOCK
    DROP_NEW = lib.TD_DROP_NEW
    DROP_OLD = lib.TD_DROP_OLD
    KILL = lib.TD_KILL
    CONFLATE = lib.TD_CONFLATE


class Outcome(IntEnum):
    """What `demonitor` found."""

    ARMED = lib.TD_WAS_ARMED
    FLUSHED = lib.TD_WAS_FLUSHED
    DELIVERED = lib.TD_WAS_DELIVERED


class Reason(int):
    """Why a mailbox ended: a number with a name, and `data`, the bytes that were given with it."""

    data: bytes

    NORMAL = lib.TD_REASON_NORMAL
    KILLED = lib.TD_REASON_KILLED
    NOPROC = lib.TD_REASON_NOPROC
    CALLBACK_FAILED = lib.TD_REASON_CALLBACK_FAILED
    OVERFLOW = lib.TD_REASON_OVERFLOW
    ENGINE_CLOSED = lib.TD_REASON_ENGINE_CLOSED
    RUNTIME_EXIT = lib.TD_REASON_RUNTIME_EXIT
    OS_EXIT = lib.TD_REASON_OS_EXIT
    #: The first of the application's own reasons.
    USER = lib.TD_REASON_USER

    def __new__(cls, code: int, data: bytes = b"") -> Reason:
        self = super().__new__(cls, code)
        self.data = data
        return self

    @property
    def name(self) -> str:
        """In words: "normal", "killed" and so on; "user+3" of the application's own."""
        known = _REASON_NAMES.get(int(self))
        if known:
            return known
        return f"user+{int(self) - Reason.USER}" if self >= Reason.USER else f"reason {int(self)}"

    def __str__(self) -> str:
        return f"{self.name}: {self.data.decode('utf-8', 'replace')}" if self.data else self.name

    def __repr__(self) -> str:
        return f"Reason({int(self)}, {self.data!r})" if self.data else f"Reason({int(self)})"


_REASON_NAMES = {
    value: name.lower() for name, value in vars(Reason).items() if name.isupper() and name != "USER"
}


class Receipt(NamedTuple):
    """What became of a publish: how many subscriptions matched, took it, dropped it."""

    matched: int
    queued: int
    dropped: int


class DeadLetter(NamedTuple):
    """What a message of the topic "$dead" says of the one that was lost: for which id, of what kind, and why."""

    id: int
    kind: int
    error: TidingsError


class DrainReport(NamedTuple):
    """How `Engine.drain` went: how many messages were delivered meanwhile, how many were left or discarded by the end of
    their mailbox, in which suspended mailboxes some of them were, and whether the queues were empty before the time was up."""

    delivered: int
    undelivered: int
    suspended: list[Address]
    complete: bool


class MailboxStats(NamedTuple):
    """Counters of one mailbox. sent = delivered + lost + conflated + flushed + expired + discarded + queued, always."""

    open: bool
    reason: Reason | None
    sent: int
    delivered: int
    lost: int
    conflated: int
    flushed: int
    expired: int
    discarded: int
    queued: int
    queued_bytes: int
    refused: int
    monitors: int
    monitored_by: int
    timers: int
    subscriptions: int
    names: int
    suspended: int


class EngineStats(NamedTuple):
    """Counters of one engine."""

    mailboxes: int
    names: int
    timers: int
    subscriptions: int
    dead_letters: int
    published: int
    threads: int
    queued_bytes: int
    max_bytes: int
