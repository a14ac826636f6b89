"""The load run, in short, and the fault run: after each nothing is left of those who came and went."""

from __future__ import annotations

import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import load
import pytest
from conftest import DEADLINE, Closed, NodeSocket, PythonSocket, Running, Session, Start, eventually
from websockets.exceptions import ConnectionClosed

OPTIONS = "--grace", "0.5", "--keep-alive", "1", "--poll-timeout", "1"


def test_the_load_run_loses_nothing() -> None:
    for name, found in load.figures(2).items():
        print(name, found)
        assert found["lost"] == 0 and found["swaps"] > 50 and found["tables met"] > 10, (name, found)


def upgrade(server: Running, session: Session, client_id: str) -> socket.socket:
    """A bare connection after its upgrade, to send anything by."""
    bare = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
    lines = [
        f"GET /api/socket?{session.query(client_id)} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Cookie: {session.cookie}",
    ]
    bare.sendall("\r\n".join([*lines, "", ""]).encode())
    assert bare.recv(12) == b"HTTP/1.1 101"
    return bare


def masked(payload: bytes, opcode: int = 1, announced: int | None = None) -> bytes:
    """A frame of a client, that announces its size or another one."""
    size = len(payload) if announced is None else announced
    return bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", size) + bytes(4) + payload


def killed_clients(server: Running, session: Session) -> None:
    """Clients that are killed in the middle of what they say, with answers outstanding."""
    clients = [server.open(NodeSocket, f"killed{i}", session) for i in range(8)]
    for client in clients:
        client.send('+[[:demo/late-reply 1] "aaaaaa"]')
        client.send("+[[:demo/burst 50]]")
    for client in clients:
        client.kill()


def reset_clients(server: Running, session: Session) -> None:
    """Clients that go by a reset, in the middle of a frame."""
    for i in range(20):
        bare = upgrade(server, session, f"reset{i}")
        bare.sendall(masked(b"+[[:demo/burst 10", announced=5000))
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        bare.close()


def half_frames(server: Running, session: Session) -> None:
    """Clients that stop in the middle of a frame and stay: the server ends them."""
    staying = [upgrade(server, session, f"half{i}") for i in range(5)]
    for bare in staying:
        bare.sendall(masked(b"+[[:demo", announced=100))
    for bare in staying:
        assert ended(bare)
        bare.close()


def garbage(server: Running, session: Session) -> None:
    """What is no WebSocket, no HTTP, no EDN."""
    for frame in (b"\xff" * 100, masked(b"\xff\xfe"), masked(b"x", opcode=7), masked(b"", announced=1 << 62), bytes(50)):
        bare = upgrade(server, session, "garbage")
        bare.sendall(frame)
        assert ended(bare)
        bare.close()
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as bare:
        bare.sendall(bytes(range(256)) * 10 + b"\r\n\r\n")
        assert ended(bare)
    client = server.open(PythonSocket, "edn", session)
    for text in ("[" * 1000, "#_" * 500, '"', "\\", "{" * 300, "^^^^", "\0", "+[[:a/b #inst \"x\"]]", "+[[:a/b 1e999999999999]]"):
        client.send(text)
        server.event("chsk/bad-package")


def huge_frames(server: Running, session: Session) -> None:
    for kind in (PythonSocket, NodeSocket):
        client = server.open(kind, "huge", session)
        client.send("+[[:demo/reply \"" + "x" * (300 << 10) + '"] "aaaaaa"]')
        with pytest.raises(Closed) as closed:
            client.recv()
        assert closed.value.args == (1009,)


def slow_readers(server: Running, session: Session) -> None:
    """Clients that ask for much and read nothing."""
    staying = [upgrade(server, session, f"slow{i}") for i in range(3)]
    for _ in range(6):
        for bare in staying:
            bare.sendall(masked(b"+[[:demo/burst 3000]]"))
    client = server.open(PythonSocket, "quick", session)
    client.send('+[[:demo/reply 1] "aaaaaa"]')
    assert client.recv() == '+[{:you-sent 1} "aaaaaa"]'
    for bare in staying:
        bare.close()


def lost_pollers(server: Running, session: Session) -> None:
    """Ajax clients that go while they poll, or never come for what waits for them."""
    for i in range(5):
        session.poll(f"lost{i}", handshake=True)
        session.post(f"lost{i}", "+[[:demo/burst 100]]")
        bare = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
        query = session.query(f"gone{i}")
        bare.sendall(f"GET /api/socket?{query} HTTP/1.1\r\nHost: localhost\r\nCookie: {session.cookie}\r\n\r\n".encode())
        bare.close()


def ended(bare: socket.socket) -> bool:
    """Whether the server ends a connection, whatever it says first."""
    try:
        while bare.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


FAULTS: list[Callable[[Running, Session], Any]] = [
    killed_clients,
    reset_clients,
    half_frames,
    garbage,
    huge_frames,
    slow_readers,
    lost_pollers,
]


def test_nothing_leaks(start: Start) -> None:
    """Each fault alone, then all at once; mailboxes, names, subscriptions, timers, calls and descriptors are as before."""
    server = start(*OPTIONS)
    session = server.session()
    before = eventually(lambda: (found := server.figures()["there"])["queued"] == 0 and found)
    print("before:", before)

    def settled() -> bool:
        server.close_sockets()
        return bool(eventually(lambda: server.figures()["there"] == before))

    for fault in FAULTS:
        fault(server, session)
        assert settled(), (fault.__name__, before, server.figures())
    threads = [threading.Thread(target=fault, args=(server, session)) for fault in FAULTS if fault is not garbage]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert settled(), (before, server.figures())
    print("after: ", server.figures())
    assert server.figures()["counted"]["failed"] == 0


@pytest.mark.parametrize("kind", [PythonSocket, NodeSocket])
def test_a_server_that_is_killed_or_stopped(start: Start, kind: Any) -> None:
    """Killed, its clients see a broken connection; stopped, it delivers what is queued and says that it goes."""
    for number, code, status in ((signal.SIGKILL, 1006, -9), (signal.SIGTERM, 1001, 0)):
        server = start()
        clients = [server.open(kind, f"client{i}") for i in range(3)]
        clients[0].send("+[[:demo/burst 5]]")
        if number == signal.SIGTERM:
            server.event("demo/burst")
        begun = time.monotonic()
        server.signal(number)
        for client in clients:
            frames: list[str] = []
            with pytest.raises(Closed) as closed:
                while True:
                    frames.append(client.recv())
            assert closed.value.args == (code,)
            if client is clients[0] and number == signal.SIGTERM:
                assert frames == ["+[[" + " ".join(f"[:demo/tick {{:i {i}}}]" for i in range(5)) + "]]"]
        assert server.process.wait(DEADLINE) == status
        assert time.monotonic() - begun < 10


def test_a_server_that_is_stopped_under_load(start: Start) -> None:
    """It drains while clients go on, by WebSocket and Ajax, and fails at nothing."""
    server = start("--grace", "0.5")
    session = server.session()
    clients = [server.open(kind, f"busy{i}", session) for i, kind in enumerate([PythonSocket, NodeSocket] * 2)]
    over = threading.Event()

    def talk(client: Any) -> None:
        try:
            while not over.is_set():
                client.send("+[[:demo/burst 5]]")
                client.send('+[[:demo/reply 1] "aaaaaa"]')
                time.sleep(0.002)
        except (OSError, ConnectionClosed):
            pass

    def poll(name: str) -> None:
        try:
            while True:
                session.post(name, "+[[:demo/burst 5]]")
                session.poll(name)
        except (OSError, HTTPException):
            pass

    threads = [threading.Thread(target=talk, args=(client,)) for client in clients]
    threads += [threading.Thread(target=poll, args=(f"poller{i}",)) for i in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    server.signal(signal.SIGTERM)
    assert server.process.wait(DEADLINE) == 0
    over.set()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert "drained" in server.lines.until("drained")
