"""Waits under asyncio.

Guarantees: cancelling one loses no message, since a message is only taken in the step that returns it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from . import _fast
from .errors import AgainError, ClosedError, TimedOutError

if TYPE_CHECKING:
    from .mailbox import BaseMailbox
    from .message import Message


class Readiness:
    """The descriptor of a mailbox, and the asyncio tasks that wait for it."""

    __slots__ = ("fd", "_waiters")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._waiters: deque[asyncio.Future[bool]] = deque()

    async def wait(self, timeout: float | None = None) -> bool:
        """Whether the mailbox was ready before the time was up."""
        loop = asyncio.get_running_loop()
        if self._waiters and self._waiters[0].get_loop() is not loop:
            raise RuntimeError("this mailbox is awaited in another event loop; one at a time")
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
            self._waiters.remove(waiter)
            if not self._waiters:
                loop.remove_reader(self.fd)

    def _ring(self) -> None:
        for waiter in self._waiters:
            _settle(waiter, True)

    async def recv(self, mailbox: BaseMailbox, timeout: float | None) -> Message:
        loop = asyncio.get_running_loop()
        deadline = None if not timeout else loop.time() + timeout
        while True:
            try:
                return _fast.recv(mailbox, 0)
            except AgainError:
                if timeout == 0:
                    raise
            left = None if deadline is None else deadline - loop.time()
            if left is not None and (left <= 0 or not await self.wait(left)):
                raise TimedOutError(f"no message within {timeout} s")
            if left is None:
                await self.wait()


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
        await asyncio.sleep(0)  # between batches others get their turn, also under a flood
        while True:
            try:
                message = self._batches.poll()
            except ClosedError:
                raise StopAsyncIteration from None
            if message is not None:
                return message
            await self._readiness.wait()
