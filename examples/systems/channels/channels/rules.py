"""The rules: which service takes which event, swapped while it runs.

All events go to the mailbox with the name "rules", which has a bound, a policy and counters. A table of services is
never changed, only replaced; each event meets the one that is in force when its turn comes, whole. So a swap, from
whatever thread, counts from the next event on, and the events of a client stay in their order across it.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import tidings
from edn_format import Keyword

from .wire import encode, keywords

if TYPE_CHECKING:
    from .server import Server

NAME = "rules"
ACTION = Keyword("ws/action")
#: What somebody meets who comes too late: the other one is over, or the whole engine is.
GONE = tidings.ClosedError, tidings.NoProcError, tidings.NotFoundError, tidings.StaleError

log = logging.getLogger("channels")


class Event(NamedTuple):
    """Something that a client, or the server itself (chsk/...), has to say."""

    id: str  # "components/commtest"
    data: Any
    client_id: str
    uid: Any

    @property
    def path(self) -> str:
        """The route: namespace.name."""
        return self.id.replace("/", ".", 1)


class Received:
    """An event in the hands of a service. Keep it to reply later; let go of it, and nobody waits any longer."""

    def __init__(self, server: Server, event: Event, request: tidings.Message | None) -> None:
        self.server = server
        self.event = event
        self._request = request

    @property
    def can_reply(self) -> bool:
        return self._request is not None

    def reply(self, value: Any) -> bool:
        """Answers the client's callback; False where there is none, it is answered, or its time is up."""
        if self._request is None:
            return False
        try:
            self._request.reply(encode(value).encode())
        except GONE:
            return False
        return True


#: A map it returns goes back to the client, under the event's own id or the one that :ws/action names.
Service = Callable[[Received], Optional[Mapping[Any, Any]]]
#: Services by route.
Services = Mapping[str, Service]


class Rules:
    """The table in force, and the mailbox of what waits for it."""

    def __init__(self, server: Server, services: Services) -> None:
        self.server = server
        self.routed = self.lost = self.refused = self.failed = self.swaps = 0
        #: Sees each event before its service does.
        self.observer: Callable[[Event], object] | None = None
        self._services: Services = MappingProxyType(dict(services))
        options = server.options
        self.mailbox = server.engine.mailbox(
            NAME,
            handler=self._handle,
            loop=server.loop,
            max_messages=options.receive_bound,
            policy=options.receive_policy,
        )

    @property
    def services(self) -> Services:
        """Those in force, for a swap that changes a few."""
        return self._services

    def swap(self, services: Services) -> None:
        """Puts a table in force, from any thread."""
        self._services = MappingProxyType(dict(services))
        self.swaps += 1

    def take(self, box: tidings.AsyncMailbox, event: Event, timeout: float | None = None) -> tidings.Call | None:
        """An event for the table in force. With a timeout `box` gets a REPLY."""
        payload = pickle.dumps(tuple(event))  # from this process to itself
        try:
            if timeout is not None:
                return box.call_start(NAME, payload, timeout=timeout)
            self.server.engine.send(NAME, payload, sender=box)
        except tidings.FullError:
            self.refused += 1
        except GONE:
            pass  # the connection or the engine has ended, and the connection will soon know
        return None

    async def ask(self, event: Event, timeout: float) -> bytes | None:
        """The answer of its service, as EDN; None when there is none in time, or never will be one."""
        try:
            return (await self.server.engine.call(NAME, pickle.dumps(tuple(event)), timeout=timeout)).data
        except tidings.TidingsError:
            return None

    def _handle(self, message: tidings.Message) -> None:
        if message.lost:
            self.lost += message.lost
            log.warning("%d events were lost: %d wait already", message.lost, self.server.options.receive_bound)
        self.routed += 1
        event = Event(*pickle.loads(message.data))
        try:
            if self.observer is not None:
                self.observer(event)
            request = message if message.kind == tidings.Kind.REQUEST else None
            self._route(Received(self.server, event, request))
        except Exception:  # the service's own: it ends nothing
            self.failed += 1
            log.exception("the service of %s failed", event.id)

    def _route(self, received: Received) -> None:
        event = received.event
        service = self._services.get(event.path)
        if service is not None:
            result = service(received)
            if result is not None:
                result = dict(result)
                self._answer(event, result.pop(ACTION, Keyword(event.id)), result)
        elif not event.id.startswith("chsk/"):
            error = f"Service route, '{event.path}' not found"
            self._answer(event, Keyword("api/error"), keywords(success=False, msg=error))

    def _answer(self, event: Event, action: Keyword, result: Mapping[Any, Any]) -> None:
        self.server.push_client(event.client_id, [action, result])
