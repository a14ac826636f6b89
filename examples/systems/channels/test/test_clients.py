"""The checks on clients: D14 and D15, and the page in a browser. The clients are the project's own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tidings
from channels.client import Client, Dispatcher, State
from conftest import DEADLINE, HERE, NODE, Lines, Running, Session, Start
from edn_format import Keyword

SECRET = "--secret", "for-the-test"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def restart(server: Running, start: Start) -> Running:
    """Kills the server and starts another one at its port."""
    server.signal(signal.SIGKILL)
    server.process.wait(DEADLINE)
    return start(*SECRET, port=server.port)


def test_D14_the_client_comes_back_after_a_restart(start: Start) -> None:
    server = start(*SECRET)
    session = Session(server)
    states: list[State] = []
    heard: list[tuple[str, Any]] = []

    async def main() -> None:
        async with tidings.Engine() as engine:
            loop = engine.loop()
            loop.attach()
            dispatcher = Dispatcher(engine, loop, lambda id, data: heard.append((id, data)))
            address = server.url("/api/socket", "ws")
            client = Client(address, session.token, session.cookie, dispatcher, client_id="d14", backoff=0.05, ceiling=0.4)
            client.watcher = lambda old, new: states.append(new)
            running = asyncio.ensure_future(client.run())
            await until(lambda: client.state.open)
            assert await client.send("demo/reply", 1, timeout=5) == {Keyword("you-sent"): 1}
            assert await client.send("demo/noreply", 1, timeout=0.2) == Keyword("chsk/timeout")
            unanswered = asyncio.ensure_future(client.send("demo/late-reply", 60, timeout=60))
            await asyncio.sleep(0.2)
            server.signal(signal.SIGKILL)
            assert await unanswered == Keyword("chsk/closed")
            assert await client.send("demo/reply", 1, timeout=5) == Keyword("chsk/closed")
            await until(lambda: len(client.attempts) >= 5)
            for n, wait in enumerate(client.attempts):  # twice as long each time, up to the ceiling
                longest = min(0.4, 0.05 * 2**n)
                assert longest / 2 <= wait <= longest
            again = await asyncio.to_thread(restart, server, start)
            await until(lambda: client.state.open)
            assert not client.attempts
            assert await client.send("demo/reply", 2, timeout=5) == {Keyword("you-sent"): 2}
            await client.send("demo/close")  # a clean close is for good
            await asyncio.wait_for(running, DEADLINE)
            assert again.port == server.port

    async def until(condition: Any) -> None:
        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.01)

        await asyncio.wait_for(wait(), DEADLINE)

    asyncio.run(main())
    assert [(state.open, state.first) for state in states] == [(True, True), (False, False), (True, False), (False, False)]
    handshakes = [data for id, data in heard if id == "chsk/handshake"]
    assert handshakes == [["d14", None, None, True], ["d14", None, None, False]]


def test_D14_in_node(start: Start) -> None:
    server = start(*SECRET)
    session = Session(server)
    command = [NODE, str(HERE / "reconnect.mjs"), server.url("/api/socket", "ws"), session.cookie, session.token, "node"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = Lines(process)

            def heard(count: int) -> list[str]:
                return sorted(lines.next() for _ in range(count))

            expected = [
                "No comms handler for :api/error",
                "components/commtest ECHO:1",
                'reply {"key":"chsk/timeout"}',
                'reply {"you-sent":2}',
            ]
            assert lines.next() == "open false -> true, first true"
            assert heard(4) == expected
            restart(server, start)
            assert [lines.next(), lines.next()] == ["open true -> false, first false", "open false -> true, first false"]
            assert heard(4) == expected
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_page_in_chromium(start: Start) -> None:
    server = start(*SECRET)
    command = [NODE, str(HERE / "page.mjs"), str(CHROMIUM), server.url("/")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = Lines(process)
            assert lines.next(60) == "loaded"

            def order(**what: str) -> None:
                assert process.stdin is not None
                process.stdin.write(json.dumps(what) + "\n")
                process.stdin.flush()
                assert lines.next(40) == "done"

            order(expect="open: false -> true first: true")
            for click, expect in {
                "echo": 'echo: ECHO:{:msg "Hello World!"}',
                "unknown": "error: Service route, 'no.such' not found",
                "reply": 'reply: {"you-sent":1}',
                "noreply": 'reply: {"key":"chsk/timeout"}',
                "burst": "tick 0\ntick 1\ntick 2\n",
            }.items():
                order(click=click)
                order(expect=expect)
            restart(server, start)
            order(expect="open: true -> false first: false")
            order(expect="open: false -> true first: false")
            order(click="burst")
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()


DISPATCHED = """\
components/commtest: hello
No comms handler for :no/such
components/commtest: again
late/route: x
"""


def test_D15_dispatch_in_python() -> None:
    assert run(sys.executable, HERE / "dispatch.py") == DISPATCHED


def test_D15_dispatch_in_node() -> None:
    assert run(NODE, HERE / "dispatch.mjs") == DISPATCHED


def test_D15_dispatch_in_c(tmp_path: Path) -> None:
    prefix = Path(os.environ.get("TIDINGS_PREFIX") or HERE.parents[3] / "build" / "prefix")
    compiler = os.environ.get("CC", "cc").split()
    link = [f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib", "-ltidings", "-lpthread"]
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run(*compiler, *strict, HERE / "dispatch.c", "-o", tmp_path / "dispatch", *link)
    assert run(tmp_path / "dispatch") == DISPATCHED


def run(*command: Any) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
