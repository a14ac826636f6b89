"""The face of an engine for asyncio: what waits is awaited.

Guarantees: cancelling a wait loses no message, since one is only taken in the step that returns it. What can be awaited here
never blocks the event loop; what does not wait is the same as for threads. There is one thing that may wait and cannot be
awaited: a send to a full mailbox whose policy is BLOCK. Make it `await asyncio.to_thread(mailbox.send, data)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, TypeVar

from ._waiting import AsyncMessages
from .calls import Answers, PartsOfOne, RepliesOfMany
from .draining import drain_async
from .engine import BaseEngine
from .mailbox import BaseMailbox
from .matching import Match

if TYPE_CHECKING:
    from types import TracebackType

    from .address import Address
    from .engine import Engine
    from .errors import TidingsError
    from .matching import Predicate
    from .message import Kind, Message
    from .types import Buffer, DrainReport, Ref

_Self = TypeVar("_Self", bound="_AsyncAnswers")


class AsyncMailbox(BaseMailbox):
    """A mailbox that tasks of one event loop receive from.

    `async for` gives message after message from native batches, until the mailbox has ended. What a loop has not passed
    when it ends sooner goes back to the queue. Who is woken, the descriptor of the mailbox decides (`fileno`).

    >>> async def main():
    ...     async with tidings.Engine() as engine, engine.mailbox("inbox") as inbox:
    ...         engine.send("inbox", b"hello")
    ...         engine.send("inbox", b"there")
    ...         print((await inbox.recv(timeout=1)).data)
    ...         async for message in inbox:
    ...             print(message.data)
    ...             break
    >>> asyncio.run(main())
    b'hello'
    b'there'
    """

    __slots__ = ()

    async def recv(self, timeout: float | None = None) -> Message:
        """The oldest message. timeout=0 does not wait: AgainError when there is none. The time is the event loop's."""
        return await self._ready().recv(self, timeout)

    async def recv_match(
        self,
        timeout: float | None = None,
        *,
        kind: Kind | int | None = None,
        tag: int | None = None,
        tag_mask: int = 0,
        sender: Address | None = None,
        ref: Ref | None = None,
        predicate: Predicate = None,
    ) -> Message:
        """The oldest message that fits all that is given, as `Mailbox.recv_match`; the others stay in their order.

        What comes behind messages that are left is noticed within 8 ms, since the descriptor says only that there are some; a
        mailbox of its own for what is awaited often has no such delay. A predicate is called on the event loop's thread.
        """
        return await self._ready().recv(self, timeout, Match(kind, tag, tag_mask, sender, ref, predicate))

    def __aiter__(self) -> AsyncMessages:
        return AsyncMessages(self, self._ready())

    async def __aenter__(self) -> AsyncMailbox:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, trace)


class AsyncEngine(BaseEngine[AsyncMailbox]):
    """An engine under asyncio: what `async with tidings.Engine()` gives. Of one that is open already, the default one for
    example, `AsyncEngine(engine)` is the same; both faces are of one engine and may be used side by side.

    >>> async def main():
    ...     async with tidings.Engine() as engine:
    ...         echo = engine.mailbox("echo", handler=lambda request: request.reply(request.data), loop=engine.loop().start())
    ...         return (await engine.call("echo", b"hello", timeout=5)).data
    >>> asyncio.run(main())
    b'hello'
    """

    _box = AsyncMailbox

    def __init__(self, engine: Engine) -> None:
        #: The face for threads.
        self.blocking = engine
        self.id = engine.id
        self.virtual_clock, self.host_time, self.is_default = engine.virtual_clock, engine.host_time, engine.is_default
        self._loops, self._mailboxes = engine._loops, engine._mailboxes

    async def call(
        self, target: Address | str, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None
    ) -> Message:
        """Sends a request to a mailbox, or to whoever has a name now, and waits for the reply, as `Address.call` does for
        threads. Cancelling it gives the reply up."""
        async with self.stream(target, data, tag, timeout=timeout) as parts:
            async for _ in parts:
                pass
            assert parts.reply is not None
            return parts.reply

    def stream(
        self,
        target: Address | str,
        data: Buffer = b"",
        tag: int = 0,
        *,
        timeout: float | None = None,
        max_messages: int = 0,
    ) -> AsyncParts:
        """Sends a request whose answer comes in parts, which `async for` gives one after another; see `Address.stream`."""
        if not isinstance(target, str):
            return AsyncParts(self, target, data, tag, timeout, max_messages)
        return self._to_holder(target, lambda holder: AsyncParts(self, holder, data, tag, timeout, max_messages))

    def call_many(
        self, targets: Iterable[Address], data: Buffer = b"", tag: int = 0, *, timeout: float | None = None
    ) -> AsyncReplies:
        """Sends a request to each of them; `async for` gives (mailbox, reply or error) as the answers come."""
        return AsyncReplies(self, targets, data, tag, timeout)

    async def drain(self, timeout: float | None = None) -> DrainReport:
        """`Engine.drain`, while attached loops and waiting tasks go on."""
        return await drain_async(self, timeout)


class _AsyncAnswers(Answers):
    """For asyncio. A context manager; leaving it gives up the rest."""

    _box: AsyncMailbox
    _messages: AsyncMessages

    def _begin(self, engine: AsyncEngine, max_messages: int = 0) -> None:
        self._open(engine, max_messages)
        self._messages = self._box.__aiter__()
        self._batches = self._messages._batches

    async def _next(self) -> Message | None:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._messages.__anext__()
        except StopAsyncIteration:
            return None

    def __aiter__(self: _Self) -> _Self:
        return self

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncParts(_AsyncAnswers, PartsOfOne):
    """`Parts` for asyncio."""

    def __init__(
        self, engine: AsyncEngine, to: Address, data: Buffer, tag: int, timeout: float | None, max_messages: int
    ) -> None:
        self._begin(engine, max_messages)
        self._ask(to, data, tag, timeout)

    async def __anext__(self) -> Message:
        part = self._part(await self._next())
        if part is None:
            raise StopAsyncIteration
        return part


class AsyncReplies(_AsyncAnswers, RepliesOfMany):
    """`Replies` for asyncio."""

    def __init__(
        self, engine: AsyncEngine, targets: Iterable[Address], data: Buffer, tag: int, timeout: float | None
    ) -> None:
        self._begin(engine)
        self._ask(targets, data, tag, timeout)

    async def __anext__(self) -> tuple[Address, Message | TidingsError]:
        reply = self._reply(await self._next())
        if reply is None:
            raise StopAsyncIteration
        return reply
