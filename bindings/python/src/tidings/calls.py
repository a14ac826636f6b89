"""Calls with more than one answer: parts of one mailbox, or replies of many.

Guarantees: each has a mailbox of its own, so that nothing else is kept waiting or mixed in; it is closed when the last
answer has come, and when the iteration is given up, so that late answers reach nobody.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Iterable, Iterator

from .errors import ClosedError, ForkedError, TidingsError
from .message import Kind

if TYPE_CHECKING:
    from types import TracebackType

    from .address import Address
    from .engine import Engine
    from .message import Message
    from .types import Buffer


class _Answers:
    """An iterator over the messages of a mailbox of its own. A context manager; leaving it gives up the rest."""

    def __init__(self, engine: Engine, max_messages: int = 0) -> None:
        self._box = engine.mailbox(max_messages=max_messages)
        self._messages = iter(self._box)
        self._over = False

    def _next(self) -> Message:
        if self._over:
            raise StopIteration
        message = next(self._messages, None)
        if message is not None and message.kind != Kind.END:
            return message
        self.close()
        raise ClosedError("the engine was closed before the last answer came")

    def close(self) -> None:
        """Gives up what has not come yet."""
        self._over = True
        self._messages.close()
        with suppress(ForkedError):
            self._box.close()

    def __enter__(self) -> _Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_over"):
            self.close()


class Parts(_Answers, Iterator["Message"]):
    """The parts of an answer, as they come. `reply` is the answer's end, once the iteration is over."""

    def __init__(self, to: Address, data: Buffer, tag: int, timeout: float | None, max_messages: int) -> None:
        super().__init__(to.engine, max_messages)
        self.reply: Message | None = None
        self._box.call_start(to, data, tag, timeout=timeout)

    def __next__(self) -> Message:
        message = self._next()
        if message.kind == Kind.PART:
            return message
        self.reply = message
        self.close()
        if message.error is not None:
            raise message.error
        raise StopIteration


class Replies(_Answers, Iterator["tuple[Address, Message | TidingsError]"]):
    """Who has answered, and what: a REPLY, or the error that came instead. Ends when all have."""

    def __init__(
        self, engine: Engine, targets: Iterable[Address], data: Buffer, tag: int, timeout: float | None
    ) -> None:
        super().__init__(engine)
        self._box.call_many_start(targets, data, tag, timeout=timeout)

    def __next__(self) -> tuple[Address, Message | TidingsError]:
        message = self._next()
        if message.kind == Kind.REPLIES:
            self.close()
            raise StopIteration
        sender = message.sender
        assert sender is not None
        return sender, message.error or message
