"""The small values of the interface: policies, reasons, receipts, counters, and what may be given as what."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Union

from ._native import lib

if TYPE_CHECKING:
    from .handles import Call, Monitor, Subscription, Timer

    #: Anything with the buffer protocol; large bytes objects travel without a copy.
    Buffer = Union[bytes, bytearray, memoryview]
    #: What `ref=` of recv_match takes.
    Ref = Union[int, Monitor, Timer, Subscription, Call]


class Policy(IntEnum):
    """What a full mailbox or subscription does with the next message."""

    FAIL = lib.TD_FAIL
    BLOCK = lib.TD_BLOCK
    DROP_NEW = lib.TD_DROP_NEW
    DROP_OLD = lib.TD_DROP_OLD


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
    #: The first of the application's own reasons.
    USER = lib.TD_REASON_USER

    def __new__(cls, code: int, data: bytes = b"") -> Reason:
        self = super().__new__(cls, code)
        self.data = data
        return self

    @property
    def name(self) -> str:
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


class MailboxStats(NamedTuple):
    """Counters of one mailbox. sent = delivered + lost + flushed + expired + discarded + queued, always."""

    open: bool
    reason: Reason | None
    sent: int
    delivered: int
    lost: int
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


class EngineStats(NamedTuple):
    """Counters of one engine."""

    mailboxes: int
    names: int
    timers: int
    subscriptions: int
    dead_letters: int
    published: int
    threads: int
