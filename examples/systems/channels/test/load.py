"""The load run: events routed per second while the rules are swapped every 10 ms, and what a callback takes meanwhile.

    load.py [SECONDS]

First over WebSocket, the events of a thousand sorts (those are parsed once, see wire.decode), then each event new, so that every
one is parsed; then from inside, by `Rules.take`, without wire and EDN."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

from conftest import HERE, NODE, Inside, Options

from channels import Received
from channels.rules import Event

PAUSE = 0.01  # from one swap to the next


class Counting:
    """A server whose rules count the events of each client, and are swapped."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.versions: set[int] = set()
        self.inside = Inside(self.table(0), Options(send_bound=100_000))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._swap)

    def table(self, version: int) -> dict[str, Any]:
        def count(received: Received) -> None:
            self.counts[received.event.client_id] += 1
            self.versions.add(version)

        def total(received: Received) -> None:
            received.reply(self.counts[received.event.client_id])

        return {"load.count": count, "load.total": total}

    def _swap(self) -> None:
        version = 0
        while not self._over.wait(PAUSE):
            version += 1
            self.inside.server.rules.swap(self.table(version))

    def __enter__(self) -> Counting:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self.inside.stop()


def by_socket(seconds: float, kinds: int, rate: int = 10_000) -> dict[str, Any]:
    with Counting() as counting:
        server, session = counting.inside, counting.inside.session()
        address = server.url(f"/api/socket?csrf-token={session.token}", "ws")
        command = [NODE, HERE / "load.mjs", address, session.cookie, *map(str, (10, rate, seconds, kinds))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 5 + 60, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        rules = server.server.rules
        return found | {"swaps": rules.swaps, "tables met": len(counting.versions), "queue lost": rules.lost + rules.refused}


def from_inside(seconds: float, rate: int = 10_000) -> dict[str, Any]:
    """`rate` events per second from ten mailboxes, in portions of a hundredth second."""

    async def main(server: Any) -> tuple[int, float]:
        boxes = [server.engine.mailbox() for _ in range(10)]
        begun, sent = time.monotonic(), 0
        while (now := time.monotonic() - begun) < seconds:
            while sent < now * rate:
                server.rules.take(boxes[sent % 10], Event("load/count", sent, f"load{sent % 10}", None))
                sent += 1
                if sent % 100 == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(PAUSE)
        await server.rules.ask(Event("load/total", None, "load0", None), 30)
        took = time.monotonic() - begun
        for box in boxes:
            box.close()
        return sent, took

    with Counting() as counting:
        server = counting.inside.server
        running = asyncio.run_coroutine_threadsafe(main(server), counting.inside._loop)
        sent, took = running.result(seconds * 5 + 60)
        return {
            "sent": sent,
            "lost": sent - counting.counts.total(),
            "seconds": took,
            "perSecond": round(sent / took),
            "swaps": server.rules.swaps,
            "tables met": len(counting.versions),
        }


def figures(seconds: float) -> dict[str, dict[str, Any]]:
    return {
        "by WebSocket, 1000 sorts": by_socket(seconds, 1000),
        "by WebSocket, each new": by_socket(seconds, 1 << 60),
        "from inside": from_inside(seconds),
    }


if __name__ == "__main__":
    for name, found in figures(float(sys.argv[1]) if len(sys.argv) > 1 else 10).items():
        found["seconds"] = round(found["seconds"], 1)
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
