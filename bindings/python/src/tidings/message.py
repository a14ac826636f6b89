"""What a mailbox delivers.

Guarantees: a message owns its payload; a request that is let go without an answer tells its caller so.
"""

from __future__ import annotations

import sys
from array import array
from enum import IntEnum
from typing import TYPE_CHECKING

from ._native import _fast, lib
from .errors import DownError, TidingsError, make_error, text_of
from .types import DeadLetter, Reason

if TYPE_CHECKING:
    from .address import Address


class Kind(IntEnum):
    """What a message is."""

    MESSAGE = lib.TD_KIND_MESSAGE
    REQUEST = lib.TD_KIND_REQUEST
    TOPIC = lib.TD_KIND_TOPIC
    PART = lib.TD_KIND_PART
    MEMBER = lib.TD_KIND_MEMBER
    INTEREST = lib.TD_KIND_INTEREST
    PRESENCE = lib.TD_KIND_PRESENCE
    DOWN = lib.TD_KIND_DOWN
    TIMER = lib.TD_KIND_TIMER
    REPLY = lib.TD_KIND_REPLY
    EXIT = lib.TD_KIND_EXIT
    RESYNC = lib.TD_KIND_RESYNC
    REPLIES = lib.TD_KIND_REPLIES
    NOTIFY = lib.TD_KIND_NOTIFY
    END = lib.TD_KIND_END


def members_of(data: bytes) -> list[int]:
    """The ids of a td_mailbox array."""
    ids = array("Q")
    ids.frombytes(data)
    return ids.tolist()


def keys_of(data: bytes) -> list[str]:
    """Keys, each followed by a NUL."""
    return [key.decode("utf-8", "replace") for key in data.split(b"\0")[:-1]]


class Message(_fast.MessageBase):
    """One message: kind, data, tag, sender, ref, status, topic, deadline, lost.

    A request is answered with `reply(data)` or `reply_error(status, data)`, or in parts with `reply_part(data)` and
    then `reply_end()`, or given on with `forward(mailbox)`. A request that goes out of scope unanswered gives its
    caller NoReplyError, so keep the message for as long as the answer may come.

    `data` is the payload as bytes, `view` the same as a read-only memoryview. Of a mailbox opened with views=True the view
    shows it where the engine (or, of a large one, its sender) has it, and `data` copies it each time. The memory of a
    whole batch stays for as long as a message or a view of it: copy what is kept for long.

    >>> with tidings.Engine() as engine, engine.mailbox(views=True) as inbox:
    ...     inbox.send(b"hello, world", tag=7)
    ...     message = inbox.recv(timeout=1)
    >>> message.kind == tidings.Kind.MESSAGE, message.tag, message.data, bytes(message.view[:5])
    (True, 7, b'hello, world', b'hello')
    """

    __slots__ = ()

    def forward(self, to: Address, *, sender: Address | None = None) -> None:
        """Gives the message on. A request stays one: `to` answers it then, and its end is what the caller would hear of.
        Anything else goes on as a MESSAGE with its tag and data."""
        if self.kind == Kind.REQUEST:
            self._forward(to, sender)
        else:
            to.send(self.data, self.tag, sender=sender)

    @property
    def sender(self) -> Address | None:
        """The sending mailbox, or None when nobody was named."""
        return self.engine.address(self.sender_id) if self.sender_id else None

    @property
    def reason(self) -> Reason:
        """Why a mailbox ended: of a DOWN, an EXIT, an END, or a REPLY whose error is DownError."""
        code = self.info[0] if self.kind == Kind.REPLY and self.status == DownError.code else self.status
        return Reason(code, self.data)

    @property
    def error(self) -> TidingsError | None:
        """Of a REPLY: the error that came instead of an answer, or None."""
        if self.status >= 0 or self.kind != Kind.REPLY:
            return None
        if self.status == DownError.code:
            return DownError.of(self)
        return make_error(self.status, text_of(self.status))

    @property
    def name(self) -> str:
        """Of a DOWN: the name that was monitored, or "" when it was a mailbox."""
        return self.topic

    @property
    def consumed(self) -> int:
        """Of a DOWN with receipt: how many of the watcher's messages since the monitoring began were received there."""
        return self.info[0] if self.kind == Kind.DOWN and self.status != Reason.OS_EXIT else 0

    @property
    def discarded(self) -> int:
        """Of a DOWN with receipt: how many of the watcher's messages were not received any more."""
        return self.info[1] if self.kind == Kind.DOWN and self.status != Reason.OS_EXIT else 0

    @property
    def returncode(self) -> int | None:
        """Of the DOWN of a process: its exit code, the negative number of the signal that ended it, or None: not known."""
        if self.kind != Kind.DOWN or self.status != Reason.OS_EXIT or not self.info[0]:
            return None
        return self.info[1] if self.info[0] == 1 else -self.info[1]

    @property
    def replaced(self) -> int:
        """How many earlier messages of its tag it took the place of (Policy.CONFLATE)."""
        return self.info[0] if self.kind < Kind.DOWN and self.dead is None else 0

    @property
    def retained(self) -> bool:
        """Whether it is the kept value of its topic, from before the subscription."""
        return self.kind == Kind.TOPIC and self.status == lib.TD_RETAINED and self.dead is None

    @property
    def dead(self) -> DeadLetter | None:
        """What is known of the lost message that this one, of the topic "$dead", tells of; sender, tag and data are its own."""
        if self.kind != Kind.TOPIC or self.topic != "$dead":
            return None
        return DeadLetter(self.info[0], self.info[1], make_error(self.status, text_of(self.status)))

    @property
    def joined(self) -> bool:
        """Whether `sender` joined the group `topic`, or came to the presence `topic` as `key`."""
        return self._edge(lib.TD_JOINED)

    @property
    def left(self) -> bool:
        """Whether `sender` left the group `topic`, or `key` is no longer present in `topic`."""
        return self._edge(lib.TD_LEFT)

    @property
    def started(self) -> bool:
        """Whether the pattern `topic` has got its first subscription."""
        return self._edge(lib.TD_STARTED)

    @property
    def stopped(self) -> bool:
        """Whether the pattern `topic` has lost its last subscription."""
        return self._edge(lib.TD_STOPPED)

    def _edge(self, status: int) -> bool:
        return Kind.MEMBER <= self.kind <= Kind.PRESENCE and self.status == status

    @property
    def key(self) -> str:
        """Of a PRESENCE: who it is about, in the words of `Presence.enter`."""
        return self.data.decode("utf-8", "replace") if self.kind == Kind.PRESENCE else ""

    @property
    def members(self) -> list[Address]:
        """Of the RESYNC of a group's watch: its members now, one entry per join."""
        return [self.engine.address(id) for id in members_of(self._snapshot(Kind.MEMBER))]

    @property
    def keys(self) -> list[str]:
        """Of the RESYNC of a presence's watch: the keys that are there now."""
        return keys_of(self._snapshot(Kind.PRESENCE))

    @property
    def subscriptions(self) -> int:
        """Of the RESYNC of a watch of interest: how many subscriptions there are now."""
        return int.from_bytes(self._snapshot(Kind.INTEREST), sys.byteorder)

    def _snapshot(self, of: Kind) -> bytes:
        if self.kind != Kind.RESYNC or self.info[0] != of:
            raise ValueError(f"this message is not a RESYNC after changes of kind {of.name}")
        return self.data

    @property
    def answered(self) -> int:
        """Of a REPLIES: how many mailboxes have answered."""
        return self.info[0] if self.kind == Kind.REPLIES else 0

    @property
    def failed(self) -> int:
        """Of a REPLIES: how many mailboxes have not answered."""
        return self.info[1] if self.kind == Kind.REPLIES else 0

    @property
    def bits(self) -> int:
        """Of a NOTIFY: the bits of every `notify` since the last one, together."""
        return self.tag if self.kind == Kind.NOTIFY else 0

    def __repr__(self) -> str:
        try:
            kind = Kind(self.kind).name
        except ValueError:
            kind = str(self.kind)
        parts = [kind]
        if self.kind in (Kind.DOWN, Kind.EXIT):
            parts.append(f"reason={self.reason!r}")
        elif self.status:
            parts.append(f"status={self.status}")
        if self.data:
            shown = self.data if len(self.data) <= 32 else self.data[:29] + b"..."
            parts.append(f"{shown!r} ({len(self.data)} bytes)")
        for name in ("tag", "lost", "topic"):
            if getattr(self, name):
                parts.append(f"{name}={getattr(self, name)!r}")
        for name, id in (("ref", self.ref), ("sender", self.sender_id)):
            if id:
                parts.append(f"{name}={id:#x}")
        return f"<tidings.Message {' '.join(parts)}>"


class ViewMessage(Message):
    """A message of a mailbox opened with views=True."""

    __slots__ = ()

    @property
    def data(self) -> bytes:
        """A copy of the payload."""
        return bytes(self.view)

