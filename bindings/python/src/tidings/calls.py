"""Calls with more than one answer: parts of one mailbox, or replies of many. For threads; aio.py has them for asyncio.

Guarantees: each has a mailbox of its own, so that nothing else is kept waiting or mixed in; it is closed when the last
answer has come, and when the iteration is given up, so that late answers reach nobody.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Iterable, Iterator

from . import _fast
from .errors import ClosedError, ForkedError, TidingsError
from .message import Kind

if TYPE_CHECKING:
    from types import TracebackType

    from .address import Address
    from .engine import BaseEngine
    from .mailbox import BaseMailbox
    from .message import Message
    from .types import Buffer


class Answers:
    """The answers that come to a mailbox of their own."""

    _box: BaseMailbox
    _batches: _fast.Batches
    _over = False

    def _open(self, engine: BaseEngine[Any], max_messages: int = 0) -> None:
        self._box = engine.mailbox(max_messages=max_messages)

    def _came(self, message: Message | None) -> Message:
        """What the mailbox gave, None where it has ended."""
        if message is not None and message.kind != Kind.END:
            return message
        self.close()
        raise ClosedError("the engine was closed before the last answer came")

    def close(self) -> None:
        """Gives up what has not come yet."""
        self._over = True
        self._batches.close()
        with suppress(ForkedError):
            self._box.close()

    def __del__(self) -> None:
        if hasattr(self, "_batches"):
            self.close()


class PartsOfOne(Answers):
    """A request to one mailbox, answered in parts."""

    #: The end of the answer, once the iteration is over.
    reply: Message | None = None

    def _ask(self, to: Address, data: Buffer, tag: int, timeout: float | None) -> None:
        self._box.call_start(to, data, tag, timeout=timeout)

    def _part(self, message: Message | None) -> Message | None:
        """The next part; None: that was the end."""
        message = self._came(message)
        if message.kind == Kind.PART:
            return message
        self.reply = message
        self.close()
        if message.error is not None:
            raise message.error
        return None


class RepliesOfMany(Answers):
    """A request to many mailboxes."""

    def _ask(self, targets: Iterable[Address], data: Buffer, tag: int, timeout: float | None) -> None:
        self._box.call_many_start(targets, data, tag, timeout=timeout)

    def _reply(self, message: Message | None) -> tuple[Address, Message | TidingsError] | None:
        """Who has answered, and what; None: all have."""
        message = self._came(message)
        if message.kind == Kind.REPLIES:
            self.close()
            return None
        sender = message.sender
        assert sender is not None
        return sender, message.error or message


class _Iteration(Answers):
    """For threads. A context manager; leaving it gives up the rest."""

    def _begin(self, engine: BaseEngine[Any], max_messages: int = 0) -> None:
        self._open(engine, max_messages)
        self._batches = _fast.Batches(self._box)

    def _next(self) -> Message | None:
        if self._over:
            raise StopIteration
        return next(self._batches, None)

    def __enter__(self) -> _Iteration:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Parts(_Iteration, PartsOfOne, Iterator["Message"]):
    """The parts of an answer, as they come. `reply` is the answer's end, once the iteration is over."""

    def __init__(self, to: Address, data: Buffer, tag: int, timeout: float | None, max_messages: int) -> None:
        self._begin(to.engine, max_messages)
        self._ask(to, data, tag, timeout)

    def __next__(self) -> Message:
        part = self._part(self._next())
        if part is None:
            raise StopIteration
        return part


class Replies(_Iteration, RepliesOfMany, Iterator["tuple[Address, Message | TidingsError]"]):
    """Who has answered, and what: a REPLY, or the error that came instead. Ends when all have."""

    def __init__(
        self, engine: BaseEngine[Any], targets: Iterable[Address], data: Buffer, tag: int, timeout: float | None
    ) -> None:
        self._begin(engine)
        self._ask(targets, data, tag, timeout)

    def __next__(self) -> tuple[Address, Message | TidingsError]:
        reply = self._reply(self._next())
        if reply is None:
            raise StopIteration
        return reply
