"""The data stream, for servers of every sort: a source that ticks, and its lines as an iterator.

The source keeps, for each client, what to call with a line; it monitors the clients and forgets the dead: nobody has to
sign off. Each client has a mailbox of its own, which is read only as fast as its socket takes lines, so a slow one costs
at most that mailbox's bound, loses its oldest lines and disturbs nobody. It monitors the source by name, and its
iteration ends when the source does.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, AsyncIterator, Callable, Iterator

import tidings

LINES = 64  # that wait for a slow client
LEFT = tidings.Reason.USER  # why the mailbox of a client ends when its connection does


class Source(tidings.Server):
    """Samples this machine at every tick; who casts to it is a client."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.seq = 0
        self.clients: dict[tidings.Address, Callable[[bytes], None]] = {}

    def init(self) -> None:
        self.mailbox.send_every(self.interval)

    def handle_cast(self, message: tidings.Message) -> None:
        """A client joins."""
        client = message.sender
        if client is None or client in self.clients:
            return
        self.clients[client] = lambda line: client.send(line, sender=self.mailbox)
        self.mailbox.monitor(client)
        print("a client joined", flush=True)

    def handle_down(self, message: tidings.Message) -> None:
        if message.sender is not None:
            self.clients.pop(message.sender, None)
        print(f"forgot a client ({message.reason.data.decode() or message.reason.name})", flush=True)

    def handle_call(self, request: tidings.Message) -> bytes:
        """How many there are."""
        return b"%d" % len(self.clients)

    def handle_info(self, message: tidings.Message) -> None:
        """The tick."""
        self.seq += 1
        load = float(Path("/proc/loadavg").read_text().split()[0])
        line = json.dumps({"seq": self.seq, "time_ms": time.time_ns() // 1_000_000, "load1": load}).encode()
        for tell in list(self.clients.values()):
            with suppress(tidings.NoProcError):  # its DOWN is on the way
                tell(line)


def join(engine: tidings.BaseEngine[Any], mailbox: tidings.BaseMailbox) -> None:
    mailbox.monitor("source")  # before joining: an end in between is still noticed
    with suppress(tidings.NotFoundError):  # not there: the DOWN says so
        engine.send("source", sender=mailbox)


def lines(engine: tidings.Engine) -> Iterator[bytes]:
    """For a thread: the lines as they come, until the source is over or the iterator is closed."""
    with engine.mailbox(max_messages=LINES, policy=tidings.Policy.DROP_OLD) as mailbox:
        join(engine, mailbox)
        try:
            for message in mailbox:
                if message.kind == tidings.Kind.DOWN:
                    return
                yield message.data
        finally:
            mailbox.exit(LEFT, b"connection closed")


async def lines_async(engine: tidings.AsyncEngine) -> AsyncIterator[bytes]:
    """For asyncio: the lines as they come, until the source is over, or the task or the iterator is ended."""
    async with engine.mailbox(max_messages=LINES, policy=tidings.Policy.DROP_OLD) as mailbox:
        join(engine, mailbox)
        try:
            async for message in mailbox:
                if message.kind == tidings.Kind.DOWN:
                    return
                yield message.data
        finally:
            mailbox.exit(LEFT, b"connection closed")


def options(about: str) -> argparse.Namespace:
    """--port and --interval."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--interval", type=int, default=1000, metavar="MS", help="between two lines (default 1000)")
    return parser.parse_args()
