"""The services of the demonstration: those of Sente's own example, by route."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from edn_format import Keyword

from .wire import encode, keywords

if TYPE_CHECKING:
    from .rules import Received, Services


def commtest(received: Received) -> dict[Any, Any]:
    """What a service returns goes back to the client, under the event's own id."""
    return keywords(success=True, msg=f"ECHO:{encode(received.event.data)}")


def reply(received: Received) -> None:
    received.reply(keywords(**{"you-sent": received.event.data}))


def noreply(received: Received) -> None:
    pass


def burst(received: Received) -> None:
    for i in range(int(received.event.data)):
        received.server.push(received.event.uid, [Keyword("demo/tick"), keywords(i=i)])


def late_reply(received: Received) -> None:
    """Answers after so many seconds."""
    asyncio.get_running_loop().call_later(float(received.event.data), reply, received)


def burst_later(received: Received) -> None:
    asyncio.get_running_loop().call_later(0.1, burst, received)


def flush(received: Received) -> None:
    for i in range(2):
        received.server.push(received.event.uid, [Keyword("demo/tick"), keywords(i=i)], flush=True)


def close(received: Received) -> None:
    received.server.push(received.event.uid, [Keyword("chsk/close")])


def late(received: Received) -> dict[Any, Any]:
    return keywords(success=True, msg="new route")


def add_route(received: Received) -> None:
    """A new table, in force from the next event on."""
    rules = received.server.rules
    rules.swap({**rules.services, "late.route": late})


def ping(received: Received) -> None:
    received.reply("pong")


SERVICES: Services = {
    "components.commtest": commtest,
    "demo.reply": reply,
    "demo.noreply": noreply,
    "demo.burst": burst,
    "demo.burst-later": burst_later,
    "demo.late-reply": late_reply,
    "demo.flush": flush,
    "demo.close": close,
    "demo.add-route": add_route,
    "chsk.ws-ping": ping,
}
