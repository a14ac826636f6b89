"""Waits under asyncio.

Guarantees: cancelling one loses no message, since a message is only taken in the step that returns it. Importing this does not
import asyncio, which takes longer than all of this package: whoever waits has done so.
"""

from __future__ import annotations

import select
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from . import _fast
from .errors import AgainError, ClosedError, TimedOutError

if TYPE_CHECKING:
    import asyncio

    from .mailbox import BaseMailbox
    from .matching import Match
    from .message import Message

# What comes behind messages that nobody wants now is looked for after a pause that doubles.
_SHORTEST, _LONGEST = 0.001, 0.008


class Readiness:
    """The descriptor of a mailbox, and the asyncio tasks that wait for it."""

    __slots__ = ("fd", "_waiters")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._waiters: deque[asyncio.Future[bool]] = deque()

    async def wait(self, timeout: float | None = None) -> bool:
        """Whether the mailbox was ready before the time was up."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        self._belong_to(loop)
        waiter: asyncio.Future[bool] = loop.create_future()
        if not self._waiters:
            loop.add_reader(self.fd, self._ring)
        self._waiters.append(waiter)
        clock = None if timeout is None else loop.call_later(timeout, _settle, waiter, False)
        try:
            return await waiter
        finally:
            if clock is not None:
                clock.cancel()
            with suppress(ValueError):  # an event loop that is closed has left it behind
                self._waiters.remove(waiter)
                if not self._waiters:
                    loop.remove_reader(self.fd)

    def _belong_to(self, loop: asyncio.AbstractEventLoop) -> None:
        other = self._waiters[0].get_loop() if self._waiters else loop
        if other is loop:
            return
        if not other.is_closed():
            raise RuntimeError("this mailbox is awaited in another event loop; one at a time")
        self._waiters.clear()

    def _ring(self) -> None:
        for waiter in self._waiters:
            _settle(waiter, True)

    async def recv(self, mailbox: BaseMailbox, timeout: float | None, match: Match | None = None) -> Message:
        try:
            return _take(mailbox, match)
        except AgainError:
            if timeout == 0:
                raise
        from asyncio import get_running_loop, sleep

        loop = get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        pause = _SHORTEST
        while True:
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                raise TimedOutError(f"no message within {timeout} s")
            if match is not None and self._rings():
                await sleep(pause if left is None else min(pause, left))
                pause = min(2 * pause, _LONGEST)
            else:
                pause = _SHORTEST
                await self.wait(left)
            with suppress(AgainError):
                return _take(mailbox, match)

    def _rings(self) -> bool:
        bell = select.poll()
        bell.register(self.fd, select.POLLIN)
        return bool(bell.poll(0))


def _take(mailbox: BaseMailbox, match: Match | None) -> Message:
    return _fast.recv(mailbox, 0) if match is None else match.take(mailbox, 0)


def _settle(waiter: asyncio.Future[bool], ready: bool) -> None:
    if not waiter.done():
        waiter.set_result(ready)


class AsyncMessages(_fast.AsyncBatches):
    """`async for` over a mailbox, by native batches. Ends when the mailbox has ended."""

    __slots__ = ("_readiness",)
    _readiness: Readiness

    def __new__(cls, mailbox: BaseMailbox, readiness: Readiness) -> AsyncMessages:
        self = super().__new__(cls, mailbox)
        self._readiness = readiness
        return self

    async def _next(self) -> Message:
        """The next message when there is no batch in hand; called from native/async.c."""
        from asyncio import sleep

        await sleep(0)  # between batches others get their turn, also under a flood
        while True:
            try:
                message = self._batches.poll()
            except ClosedError:
                raise StopAsyncIteration from None
            if message is not None:
                return message
            await self._readiness.wait()
