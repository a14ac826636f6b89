"""A running server, and clients that this project did not write: `websockets` with edn_format, and `ws` with edn-data.

Every wait has a deadline; every process started here is ended here.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import edn_format
import pytest
import tidings
from aiohttp import web
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

HERE = Path(__file__).resolve().parent
HOME = HERE.parent
NODE = os.environ.get("NODE", "node")
DEADLINE = 20.0
sys.path.insert(0, str(HOME))

from channels import Options, Server  # noqa: E402
from channels.rules import Services  # noqa: E402
from channels.web import Access, Endpoint, by_client  # noqa: E402


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    faulthandler.dump_traceback_later(300, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


class Lines:
    """The lines that a process prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.seen: list[str] = []
        assert process.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def next(self, timeout: float = DEADLINE) -> str:
        line = self._lines.get(timeout=timeout)
        if line is None:
            self._lines.put(None)
            raise EOFError("the process has ended")
        self.seen.append(line)
        return line

    def until(self, pattern: str, timeout: float = DEADLINE) -> str:
        """The next line in which the pattern is found."""
        end = time.monotonic() + timeout
        while True:
            line = self.next(max(0.001, end - time.monotonic()))
            if re.search(pattern, line):
                return line

    def rest(self, seconds: float) -> list[str]:
        """All that comes within some time."""
        end, found = time.monotonic() + seconds, list[str]()
        while (left := end - time.monotonic()) > 0:
            try:
                found.append(self.next(left))
            except (queue.Empty, EOFError):
                break
        return found


class Session:
    """A browser session: a cookie and its CSRF token."""

    def __init__(self, server: Reached) -> None:
        self.server = server
        with urllib.request.urlopen(server.url("/"), timeout=DEADLINE) as response:
            self.cookie = response.headers["Set-Cookie"].split(";")[0]
            found = re.search(r'data-csrf-token="([^"]+)"', response.read().decode())
        assert found
        self.token = found[1]

    def query(self, client_id: str | None, token: str | None = None) -> str:
        fields = {"client-id": client_id, "csrf-token": token or self.token}
        return urllib.parse.urlencode({key: value for key, value in fields.items() if value})

    def http(self, query: dict[str, str] | None = None, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str]:
        """A GET with a query, or a POST with a form: status and body."""
        address = self.server.url("/api/socket" + ("?" + urllib.parse.urlencode(query) if query else ""))
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        named = {"Cookie": self.cookie} | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data, named), timeout=DEADLINE) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def poll(self, client_id: str, handshake: bool = False) -> tuple[int, str]:
        query = {"udt": str(time.time_ns()), "client-id": client_id}
        return self.http(query | ({"handshake?": "true"} if handshake else {}), X_CSRF_Token=self.token)

    def post(self, client_id: str, packed: str, token: str | None = None) -> tuple[int, str]:
        return self.http(form={"csrf-token": token or self.token, "client-id": client_id, "ppstr": packed})


class Closed(Exception):
    """By the server, with this code."""


class Refused(Exception):
    """The upgrade was answered by this status and body."""


class PythonSocket:
    """`websockets`, with edn_format."""

    def __init__(self, address: str, cookie: str) -> None:
        try:
            self._socket = connect(address, additional_headers={"Cookie": cookie}, open_timeout=DEADLINE, proxy=None)
        except InvalidStatus as refused:
            raise Refused(refused.response.status_code, (refused.response.body or b"").decode()) from None

    def send(self, text: str) -> None:
        self._socket.send(text)

    def recv(self, timeout: float = DEADLINE) -> str:
        try:
            text = self._socket.recv(timeout=timeout)
        except ConnectionClosed as closed:
            raise Closed(closed.rcvd.code if closed.rcvd else 1006) from None
        assert isinstance(text, str)
        edn_format.loads(text.lstrip("+-"))
        return text

    def close(self) -> None:
        self._socket.close()


class NodeSocket:
    """`ws` in Node, with edn-data."""

    def __init__(self, address: str, cookie: str) -> None:
        self._process = subprocess.Popen(
            [NODE, str(HERE / "socket.mjs"), address, cookie], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines = Lines(self._process)

    def _line(self, value: str | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def send(self, text: str) -> None:
        self._line(text)

    def recv(self, timeout: float = DEADLINE) -> str:
        try:
            said = json.loads(self._lines.next(timeout))
        except queue.Empty:
            raise TimeoutError from None
        if "status" in said:
            self._process.wait(DEADLINE)
            raise Refused(said["status"], said["body"])
        if "close" in said:
            raise Closed(said["close"])
        assert "text" in said, said
        return str(said["text"])

    def close(self) -> None:
        if self._process.poll() is None:
            self._line(None)
            self._process.wait(DEADLINE)
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):  # what it did not read before it ended
                if stream is not None:
                    stream.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(DEADLINE)


class Reached:
    """A server that clients reach at a port of this machine."""

    port: int

    def __init__(self) -> None:
        self._sockets: list[Any] = []

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def session(self) -> Session:
        return Session(self)

    def open(
        self, kind: Any, client_id: str, session: Session | None = None, handshake: bool = True, **more: str
    ) -> Any:
        """A client after its handshake."""
        session = session or self.session()
        address = self.url("/api/socket?" + session.query(client_id, more.get("token")), "ws")
        socket = kind(address, session.cookie)
        self._sockets.append(socket)
        if handshake:
            assert ":chsk/handshake" in socket.recv()
        return socket

    def close_sockets(self) -> None:
        for socket in self._sockets:
            socket.close()


class Running(Reached):
    """A server process."""

    def __init__(self, *arguments: str, port: int = 0) -> None:
        super().__init__()
        self._signalled = False
        command = [sys.executable, "-m", "channels", "--figures", "--port", str(port), *arguments]
        self._errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        self.lines = Lines(self.process)
        self.port = int(self.lines.until("listening on").rsplit(":", 1)[1])

    def figures(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url("/figures"), timeout=DEADLINE) as response:
            found: dict[str, Any] = json.load(response)
            return found

    def event(self, id: str, timeout: float = DEADLINE) -> str:
        """The next event of this id that the server's rules have met."""
        return self.lines.until(f"^event :{id} ", timeout)

    def signal(self, number: int) -> None:
        """Once is enough: a second SIGTERM would meet the process while it ends."""
        if not self._signalled:
            self._signalled = True
            self.process.send_signal(number)

    def stop(self) -> int:
        self.close_sockets()
        self.signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE)
        self._errors.seek(0)
        said = self._errors.read()
        assert "Traceback" not in said, said
        return status


class Inside(Reached):
    """A server on a thread of this process, with services of the test's own."""

    server: Server

    def __init__(self, services: Services, options: Options | None = None, user_id: Any = by_client) -> None:
        super().__init__()
        self._given = services, options, user_id
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(DEADLINE)

    async def _serve(self) -> None:
        services, options, user_id = self._given
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        async with tidings.Engine() as engine:
            self.server = Server(engine, services, options)
            endpoint = Endpoint(self.server, Access(user_id=user_id))
            runner = endpoint.runner(endpoint.application())
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._done.wait()
            await runner.cleanup()

    def stop(self) -> None:
        self.close_sockets()
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


def eventually(condition: Callable[[], Any], timeout: float = DEADLINE) -> Any:
    """What a condition gives, once it is true; or at last."""
    end = time.monotonic() + timeout
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server with some options."""
    running: list[Running] = []

    def begin(*arguments: str, port: int = 0) -> Running:
        running.append(Running(*arguments, port=port))
        return running[-1]

    yield begin
    for server in running:
        try:
            assert server.stop() == 0 or server.process.returncode == -9
        finally:
            server.process.kill()


@pytest.fixture(scope="session")
def shared() -> Iterator[Running]:
    """One server for the checks that leave nothing behind."""
    server = Running("--poll-timeout", "2")
    yield server
    assert server.stop() == 0


@pytest.fixture(params=[PythonSocket, NodeSocket], ids=["P", "N"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Each client in turn."""
    return request.param


@pytest.fixture
def inside() -> Iterator[Callable[..., Inside]]:
    """Starts a server inside this process."""
    running: list[Inside] = []

    def begin(services: Services, options: Options | None = None, user_id: Any = by_client) -> Inside:
        running.append(Inside(services, options, user_id))
        return running[-1]

    yield begin
    for server in running:
        server.stop()


CHECKS = 16
_outcomes: dict[str, set[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    found = re.search(r"::test_(D\d+)_", report.nodeid)
    if found and (report.when == "call" or report.outcome != "passed"):
        _outcomes.setdefault(found[1], set()).add(report.outcome)


def pytest_unconfigure() -> None:
    passed = sum(outcomes == {"passed"} for outcomes in _outcomes.values())
    print(f"{passed} of {CHECKS} checks")
