"""A connection: a mailbox, and what becomes of its messages on the wire.

The mailbox subscribes to what is for its user and for its client, and gets replies, the end of a batch and the time of
the next ping as messages, too. All of it goes out in the order in which it came, by one path: `frames`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import tidings

from .rules import GONE, Event
from .wire import BadPackage, event_of, unpack_any

if TYPE_CHECKING:
    from aiohttp import web

    from .server import Server

CLOSE = object()  # instead of a frame: the server ends the connection for good
ENDED = object()  # instead of a frame: there are no more, because it fell behind or the server stops
CALLS = 1000  # so many answers one connection may wait for


class Tag(IntEnum):
    """What a message of a connection's mailbox is."""

    EVENT = 1
    FLUSHED = 2  # an event that does not wait for company
    CLOSE = 3
    WINDOW = 4  # timer: the batch is over
    ALIVE = 5  # timer: is anybody there


class Connection:
    """What a WebSocket and a long-polling client have in common."""

    kind: str

    def __init__(self, server: Server, client_id: str, uid: Any) -> None:
        self.server = server
        self.client_id = client_id
        self.uid = uid
        self.calls: dict[int, Any] = {}  # callbacks by the call that will answer them
        options = server.options
        self.box = server.engine.mailbox(max_bytes=options.send_bytes)
        # Whoever does not read loses the connection, and knows; he does not lose an event here and there.
        for topic in server.topics(client_id, uid):
            self.box.subscribe(topic, max_messages=options.send_bound, policy=tidings.Policy.KILL)

    def event(self, id: str, data: Any) -> Event:
        return Event(id, data, self.client_id, self.uid)

    async def understand(self, text: str) -> tuple[Event, Any]:
        """The event of a packed text, and its callback. What is none becomes an event of the server's own."""
        try:
            value, callback = await unpack_any(text)
        except BadPackage:
            return self.event("chsk/bad-package", text), None
        found = event_of(value)
        # What begins with chsk/ is for the server to say.
        if found is None or (found[0].name.startswith("chsk/") and found[0].name != "chsk/ws-ping"):
            return self.event("chsk/bad-event", value), None
        return self.event(found[0].name, found[1]), callback

    async def frames(self) -> AsyncIterator[Any]:
        """Frame after frame, until the mailbox ends."""
        packer = self.server.packer
        batch: list[bytes] = []
        window: tidings.Timer | None = None
        async for message in self.box:
            if message.tag == Tag.EVENT and message.kind == tidings.Kind.TOPIC:
                batch.append(message.data)
                if window is None:
                    window = self._timer(self.server.options.window, Tag.WINDOW)
                continue
            if message.kind == tidings.Kind.TIMER and message.tag == Tag.WINDOW:
                if window is None or message.ref != window.id:
                    continue  # of a batch that was sent sooner
            elif message.kind == tidings.Kind.TIMER:
                if self.is_idle():
                    yield packer.word("ws-ping")
                continue
            elif message.tag == Tag.FLUSHED:
                batch.append(message.data)
            # Whatever else it is, what came before it goes out before it.
            if window is not None:
                window.cancel()
                window = None
            if batch:
                yield packer.batch(batch)
                batch = []
            if message.kind == tidings.Kind.REPLY:
                callback = self.calls.pop(message.ref, None)
                if message.error is None:
                    yield packer.printed(message.data, callback)
            elif message.tag == Tag.CLOSE:
                yield CLOSE
        if batch:  # the mailbox has ended before the batch did
            yield packer.batch(batch)

    def _timer(self, seconds: float, tag: Tag) -> tidings.Timer | None:
        with contextlib.suppress(*GONE):  # the mailbox has ended meanwhile: `frames` ends, too
            return self.box.send_after(seconds, tag=tag)
        return None

    def is_idle(self) -> bool:
        return False

    def close(self) -> None:
        self.box.close()


class Socket(Connection):
    """A client on a WebSocket."""

    kind = "ws"

    def __init__(self, server: Server, client_id: str, uid: Any, ws: web.WebSocketResponse) -> None:
        super().__init__(server, client_id, uid)
        self.ws = ws
        self._active = asyncio.get_running_loop().time()
        self._timer(server.options.keep_alive, Tag.ALIVE)

    async def run(self) -> None:
        """Until either side has had enough."""
        self.server.enter(self)
        writer = asyncio.ensure_future(self._write())
        try:
            await self._read()
        finally:
            self.box.close()
            writer.cancel()
            await asyncio.wait([writer])

    async def _read(self) -> None:
        async for frame in self.ws:
            self._active = asyncio.get_running_loop().time()
            text = frame.data if isinstance(frame.data, str) else repr(frame.data)
            event, callback = await self.understand(text)
            if callback is None:
                self.server.rules.take(self.box, event)
            elif len(self.calls) < CALLS:
                call = self.server.rules.take(self.box, event, self.server.options.reply_timeout)
                if call is not None:
                    self.calls[call.id] = callback
            await asyncio.sleep(0)  # one by one, so that a client in a hurry waits for the rules and the others

    async def _write(self) -> None:
        try:
            await self.ws.send_str(self.server.packer.handshake(self.uid))
            async for frame in self.frames():
                if frame is CLOSE:
                    await self.ws.close(code=1000)
                    return
                self._active = asyncio.get_running_loop().time()
                await self.ws.send_str(frame)
            overflow = self.box.stats().reason == tidings.Reason.OVERFLOW
            await self.ws.close(code=1013 if overflow else 1001)
        except ConnectionError:
            pass
        finally:
            self.box.close()

    def is_idle(self) -> bool:
        """Whether there was nothing to be seen for the whole time; sets the next look."""
        period = self.server.options.keep_alive
        quiet = asyncio.get_running_loop().time() - self._active
        idle = quiet >= period * 0.99
        self._timer(period if idle else period - quiet, Tag.ALIVE)
        return idle


class Poller(Connection):
    """A client that fetches its frames by long polling. It lives from poll to poll, and a time of grace between them."""

    kind = "ajax"

    def __init__(self, server: Server, client_id: str, uid: Any) -> None:
        super().__init__(server, client_id, uid)
        self._frames = self.frames()
        self._next: asyncio.Future[Any] | None = None
        self._polls = 0
        self._expiry: tidings.Timer | None = None

    async def poll(self, timeout: float) -> Any:
        """The next frame, None when none came in time."""
        with self.visit():
            if self._next is None:
                self._next = asyncio.ensure_future(self._frame())
            waiting = self._next
            done, _ = await asyncio.wait([waiting], timeout=timeout)
            if not done or self._next is not waiting:  # another poll has got it
                return None
            self._next = None
            return waiting.result()

    async def _frame(self) -> Any:
        return await anext(self._frames, ENDED)

    def visit(self) -> _Visit:
        """While somebody polls."""
        return _Visit(self)

    def _begin(self) -> None:
        self._polls += 1
        if self._expiry is not None:
            self._expiry.cancel()

    def _end(self) -> None:
        self._polls -= 1
        if not self._polls:
            self._expiry = self.server.forget_after(self)

    @property
    def is_polled(self) -> bool:
        return self._polls > 0


class _Visit:
    """A poll is present by a mailbox of its own, so that presence has its grace from the end of the last poll on."""

    def __init__(self, poller: Poller) -> None:
        self.poller = poller

    def __enter__(self) -> None:
        self.box = self.poller.server.engine.mailbox()
        self.poller.server.enter(self.poller, self.box)
        self.poller._begin()

    def __exit__(self, *error: object) -> None:
        self.box.close()
        self.poller._end()
