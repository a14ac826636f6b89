"""Selective receive: what recv_match asks for.

Guarantees: one object is one question. Asked again, it does not show a predicate what that has seen already, but for a message
that fitted when the mailbox was suspended before it could be taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from . import _fast
from ._native import ffi, lib
from .address import id_of
from .errors import AgainError

if TYPE_CHECKING:
    from .address import Address
    from .mailbox import BaseMailbox
    from .message import Kind, Message
    from .types import Ref

    Predicate = Optional[Callable[[Message], object]]

_CURSOR_SIZE = ffi.sizeof("td_cursor")


class Match:
    """The oldest message that fits all that is given."""

    __slots__ = ("_asked", "_predicate", "_cursor")

    def __init__(
        self,
        kind: Kind | int | None,
        tag: int | None,
        tag_mask: int,
        sender: Address | None,
        ref: Ref | None,
        predicate: Predicate,
    ) -> None:
        if tag_mask and tag is None:
            raise TypeError("tag_mask says which bits of tag must fit: give tag too")
        fields = (
            (lib.TD_MATCH_KIND if kind is not None else 0)
            | (lib.TD_MATCH_TAG if tag is not None else 0)
            | (lib.TD_MATCH_FROM if sender is not None else 0)
            | (lib.TD_MATCH_REF if ref is not None else 0)
        )
        number = 0 if ref is None else ref.__index__()
        self._asked = (fields, kind or 0, tag or 0, tag_mask, 0 if sender is None else id_of(sender), number)
        self._predicate = predicate
        self._cursor = bytearray(_CURSOR_SIZE)

    def take(self, mailbox: BaseMailbox, timeout: float | None) -> Message:
        """Takes it out of the mailbox, once it is there."""
        if self._predicate is None:
            return _fast.recv_match(mailbox, timeout, *self._asked)
        deadline = None if not timeout else mailbox.engine.now() + timeout
        while True:
            left = timeout if deadline is None else max(deadline - mailbox.engine.now(), 1e-9)
            before = bytes(self._cursor)
            message = _fast.peek(mailbox, self._cursor, left)
            if not self._fits(message, self._predicate):
                continue
            try:
                taken = _fast.take(mailbox, self._cursor, None)
            except AgainError:  # the mailbox was suspended meanwhile: the message is still there, and the next peek waits
                self._cursor[:] = before
                continue
            if taken is not None:
                return taken

    def _fits(self, message: Message, predicate: Callable[[Message], Any]) -> bool:
        fields, kind, tag, mask, sender, ref = self._asked
        return bool(
            (not fields & lib.TD_MATCH_KIND or message.kind == kind)
            and (not fields & lib.TD_MATCH_TAG or (message.tag ^ tag) & (mask or -1) == 0)
            and (not fields & lib.TD_MATCH_FROM or message.sender_id == sender)
            and (not fields & lib.TD_MATCH_REF or message.ref == ref)
            and predicate(message)
        )
