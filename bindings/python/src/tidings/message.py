"""What a mailbox delivers.

Guarantees: a message owns its payload; a request that is let go without an answer tells its caller so.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from ._native import _fast, lib
from .types import Reason

if TYPE_CHECKING:
    from .mailbox import Address


class Kind(IntEnum):
    """What a message is."""

    MESSAGE = lib.TD_KIND_MESSAGE
    REQUEST = lib.TD_KIND_REQUEST
    TOPIC = lib.TD_KIND_TOPIC
    DOWN = lib.TD_KIND_DOWN
    TIMER = lib.TD_KIND_TIMER
    REPLY = lib.TD_KIND_REPLY
    END = lib.TD_KIND_END


class Message(_fast.MessageBase):
    """One message: kind, data, tag, sender, ref, status, topic, deadline, lost.

    A request is answered with `reply(data)` or `reply_error(status, data)`. A request that goes out of scope
    unanswered gives its caller NoReplyError, so keep the message for as long as the answer may come.
    """

    __slots__ = ()

    @property
    def sender(self) -> Address | None:
        """The sending mailbox, or None when nobody was named."""
        return self.engine.address(self.sender_id) if self.sender_id else None

    @property
    def reason(self) -> Reason:
        """Why a mailbox ended: of a DOWN, an END, or a REPLY that says so."""
        return Reason(self.status, self.data)

    @property
    def name(self) -> str:
        """Of a DOWN: the name that was monitored, or "" when it was a mailbox."""
        return self.topic

    def __repr__(self) -> str:
        try:
            kind = Kind(self.kind).name
        except ValueError:
            kind = str(self.kind)
        parts = [kind]
        if self.kind == Kind.DOWN:
            parts.append(f"reason={self.reason!r}")
        elif self.status:
            parts.append(f"status={self.status}")
        if self.data:
            shown = self.data if len(self.data) <= 32 else self.data[:29] + b"..."
            parts.append(f"{shown!r} ({len(self.data)} bytes)")
        for name in ("tag", "lost", "topic"):
            if getattr(self, name):
                parts.append(f"{name}={getattr(self, name)!r}")
        if self.sender_id:
            parts.append(f"sender={self.sender_id:#x}")
        return f"<tidings.Message {' '.join(parts)}>"

