"""A client: events by id to their handlers, callbacks with a deadline, and a connection that comes back.

The handlers are mailboxes that have the event's id as their name in an engine of the client's own; an event that nobody
has a name for goes to the one called "default", with its id. So a handler may live on any loop, or be replaced while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import random
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp
import tidings
from edn_format import ImmutableList, Keyword

from .wire import Packer, event_of, unpack

DEFAULT = "default"
Handler = Callable[[str, Any], object]


class State(NamedTuple):
    """How a client stands. The first time it is open `first` is true, after that never again."""

    open: bool
    first: bool
    uid: Any = None


def unknown(id: str, data: Any) -> None:
    print(f"No comms handler for :{id}")


class Dispatcher:
    """Handlers by event id."""

    def __init__(
        self, engine: tidings.Engine | tidings.AsyncEngine, loop: tidings.Loop, default: Handler = unknown
    ) -> None:
        self.engine = engine
        self.loop = loop
        self.on(DEFAULT, default)

    def on(self, id: str, handler: Handler) -> tidings.BaseMailbox:
        """Whoever had the id before has it no longer."""
        box = self.engine.mailbox(handler=lambda message: handler(*pickle.loads(message.data)), loop=self.loop)
        box.register_replace(id)
        return box

    def dispatch(self, id: str, data: Any) -> None:
        payload = pickle.dumps((id, data))
        try:
            self.engine.send(id, payload)
        except tidings.NotFoundError:
            self.engine.send(DEFAULT, payload)


class Client:
    """Connects, and connects again: after `backoff` seconds, twice that, four times, up to `ceiling`."""

    def __init__(
        self,
        address: str,
        csrf_token: str,
        cookie: str,
        dispatcher: Dispatcher,
        *,
        client_id: str | None = None,
        backoff: float = 0.2,
        ceiling: float = 10.0,
    ) -> None:
        self.client_id = client_id or str(uuid.uuid4())
        self.dispatcher = dispatcher
        self.state = State(False, True)
        #: Called with the old state and the new one.
        self.watcher: Callable[[State, State], object] = lambda old, new: None
        self.attempts: list[float] = []  # how long it waited before each, since it was open last
        self._address = address
        self._query = {"client-id": self.client_id, "csrf-token": csrf_token}
        self._headers = {"Cookie": cookie}
        self._backoff, self._ceiling = backoff, ceiling
        self._packer = Packer()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._calls: dict[str, asyncio.Future[Any]] = {}

    async def run(self) -> None:
        """Until the server closes for good (1000), or this is cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.ws_connect(self._address, params=self._query, headers=self._headers) as socket:
                        try:
                            await self._receive(socket)
                        finally:
                            self._lost()
                        if socket.close_code == 1000:
                            return
                wait = min(self._ceiling, self._backoff * 2 ** len(self.attempts)) * random.uniform(0.5, 1)
                self.attempts.append(wait)
                await asyncio.sleep(wait)

    async def send(self, id: str, data: Any = None, timeout: float | None = None) -> Any:
        """Sends an event; with a timeout gives its reply, :chsk/timeout, or :chsk/closed."""
        if self._socket is None or not self.state.open:
            return Keyword("chsk/closed")
        event = [Keyword(id), data]
        if timeout is None:
            await self._socket.send_str(self._packer.value(event))
            return None
        callback = uuid.uuid4().hex[:6]
        reply = self._calls[callback] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_str(self._packer.value(event, callback))
            return await asyncio.wait_for(reply, timeout)
        except asyncio.TimeoutError:
            return Keyword("chsk/timeout")
        finally:
            self._calls.pop(callback, None)

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        async for frame in socket:
            value, callback = unpack(frame.data)
            if callback is not None:
                if callback in self._calls and not self._calls[callback].done():
                    self._calls[callback].set_result(value)
            elif event_of(value) is not None:
                self._own(value)
            elif isinstance(value, ImmutableList):
                for event in value:
                    self.dispatcher.dispatch(event[0].name, event[1] if len(event) == 2 else None)

    def _own(self, event: Any) -> None:
        """Of the protocol itself."""
        if event[0] == Keyword("chsk/handshake"):
            self.attempts.clear()
            first = self.state.first
            self._change(State(True, first, event[1][0]))
            self.dispatcher.dispatch("chsk/handshake", [*event[1], None, first])

    def _lost(self) -> None:
        self._socket = None
        for reply in self._calls.values():
            if not reply.done():
                reply.set_result(Keyword("chsk/closed"))
        if self.state.open:
            self._change(State(False, False, self.state.uid))

    def _change(self, state: State) -> None:
        old, self.state = self.state, state
        self.watcher(old, state)
