"""The server, without its protocol: an engine, the rules, who is there, and ways to reach them."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import tidings
from edn_format import Keyword

from .rules import GONE, Event, Rules, Services
from .wire import Packer, decode, encode

if TYPE_CHECKING:
    from .connection import Connection, Poller

log = logging.getLogger("channels")
KINDS = "ws", "ajax", "any"


@dataclasses.dataclass
class Options:
    """Times in seconds; bounds in messages and bytes."""

    window: float = 0.03  # events within it go out in one frame
    keep_alive: float = 25.0  # a ping after so long without traffic
    grace: float = 5.0  # a user who is back within it was never gone
    poll_timeout: float = 20.0  # of a long poll, and of a callback by Ajax
    reply_timeout: float = 60.0  # of a callback by WebSocket
    receive_bound: int = 1000  # events that wait for the rules,
    receive_policy: tidings.Policy = tidings.Policy.DROP_OLD  # and what happens to one too many; it is counted
    send_bound: int = 10_000  # events that wait for one connection; one too many ends it
    send_bytes: int = 8 << 20
    max_frame: int = 256 << 10
    prefix: str = "+"


def token(text: str) -> str:
    """Any text as one token of a topic."""
    return quote(text, safe="").replace(".", "%2E")


class Server:
    """Embeds the engine; everything here runs on the event loop, `push` and `rules.swap` on any thread."""

    def __init__(self, engine: tidings.AsyncEngine, services: Services, options: Options | None = None) -> None:
        self.engine = engine
        self.options = options or Options()
        self.packer = Packer(self.options.prefix)
        self.pollers: dict[tuple[str, str], Poller] = {}
        self.loop = engine.loop()
        self.rules = Rules(self, services)
        self._presence = {kind: engine.presence(kind) for kind in KINDS}
        self.box = engine.mailbox("server", handler=self._handle, loop=self.loop)
        self._users = set(self._presence["any"].watch(self.box).snapshot)
        self.loop.attach()

    # To users and clients

    def topics(self, client_id: str, uid: Any) -> tuple[str, str]:
        """What a connection subscribes to."""
        return f"user.{token(encode(uid))}", f"client.{token(client_id)}"

    def push(self, uid: Any, event: Any, flush: bool = False) -> tidings.Receipt:
        """To every connection of a user; nobody there is no error, the receipt says so. An event [:chsk/close] ends them."""
        return self._publish(self.topics("", uid)[0], event, flush)

    def push_client(self, client_id: str, event: Any, flush: bool = False) -> tidings.Receipt:
        """To every connection with this client id."""
        return self._publish(self.topics(client_id, "")[1], event, flush)

    def _publish(self, topic: str, event: Any, flush: bool) -> tidings.Receipt:
        from .connection import Tag

        closing = event[0] == Keyword("chsk/close")
        tag = Tag.CLOSE if closing else Tag.FLUSHED if flush else Tag.EVENT
        # From a mailbox: so it keeps its order, whatever the thread, and passes while the engine is drained.
        with contextlib.suppress(*GONE):
            return self.engine.publish(topic, encode(event).encode(), tag, sender=self.box)
        return tidings.Receipt(0, 0, 0)  # the server has stopped

    # Who is there

    def enter(self, connection: Connection, box: tidings.AsyncMailbox | None = None) -> None:
        """Makes its user present for as long as a mailbox lives, by default its own."""
        for kind in (connection.kind, "any"):
            self._presence[kind].enter(box or connection.box, encode(connection.uid), grace=self.options.grace)

    def connected(self) -> dict[str, list[Any]]:
        """The users who are there, by kind of connection."""
        return {kind: [decode(key) for key in presence.keys()] for kind, presence in self._presence.items()}

    def poller(self, client_id: str, uid: Any) -> Poller:
        """The connection of a client that polls."""
        from .connection import Poller

        key = client_id, encode(uid)
        if key not in self.pollers:
            self.pollers[key] = Poller(self, client_id, uid)
        return self.pollers[key]

    def forget(self, poller: Poller) -> None:
        """Ends a connection; the client's next poll begins another one."""
        poller.close()
        self.pollers.pop((poller.client_id, encode(poller.uid)), None)

    def forget_after(self, poller: Poller) -> tidings.Timer | None:
        """Ends a connection that nobody polls any longer."""
        key = encode([poller.client_id, encode(poller.uid)])
        with contextlib.suppress(*GONE):
            return self.box.send_after(self.options.grace, key.encode())
        return None

    def _handle(self, message: tidings.Message) -> None:
        if message.kind == tidings.Kind.PRESENCE:
            self._changed({message.key}, message.joined)
        elif message.kind == tidings.Kind.RESYNC:
            present = set(message.keys)
            self._changed(present - self._users, True)
            self._changed(self._users - present, False)
        elif message.kind == tidings.Kind.TIMER:
            poller = self.pollers.get(tuple(decode(message.data.decode())))
            if poller is not None and not poller.is_polled:
                self.forget(poller)

    def _changed(self, keys: set[str], joined: bool) -> None:
        self._users = self._users | keys if joined else self._users - keys
        for key in keys:
            uid = decode(key)
            name = "chsk/uidport-open" if joined else "chsk/uidport-close"
            self.rules.take(self.box, Event(name, uid, "" if isinstance(uid, Keyword) else str(uid), uid))

    # Figures

    def figures(self) -> dict[str, Any]:
        """What was counted, and how much there is of everything that connections leave behind unless it is cleared."""
        found, rules = self.engine.inspect(), self.rules
        mailboxes = found["mailboxes"]
        return {
            "counted": {name: getattr(rules, name) for name in ("routed", "swaps", "failed", "refused", "lost")},
            "there": {
                "mailboxes": len(mailboxes),
                "names": len(found["names"]),
                "subscriptions": sum(len(box["subscriptions"]) for box in mailboxes),
                "monitors, timers, calls": sum(len(box["owns"]) for box in mailboxes) + found["counters"]["timers"],
                "present": sum(len(box["presence"]) for box in mailboxes) + sum(map(len, self.connected().values())),
                "queued": sum(box["queued"] for box in mailboxes),
                "pollers": len(self.pollers),
                "descriptors": len(os.listdir("/proc/self/fd")),
            },
        }
