"""Payloads: what may be given, and the large ones that travel by reference and come back."""

from __future__ import annotations

import array
import sys
import threading

import pytest

import tidings
from tidings import Policy, _fast


def test_payloads_are_anything_with_a_buffer(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    large = bytes(range(256)) * 400
    numbers = array.array("I", [1, 2, 3])
    given = [b"", b"bytes", bytearray(b"array"), memoryview(b"view")[1:3], numbers, large, bytearray(large)]
    for payload in given:
        inbox.send(payload)
    assert [inbox.recv(0).data for _ in given] == [bytes(payload) for payload in given]
    with pytest.raises(TypeError, match="encode the str first"):
        inbox.send("text")  # type: ignore[arg-type]
    with pytest.raises((BufferError, ValueError)):
        inbox.send(memoryview(b"abcd")[::2])
    assert inbox.stats().sent == len(given)


def test_send_many(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(max_messages=5)
    assert inbox.send_many([b"a", (7, b"b"), bytearray(b"c")], sender=inbox) == 3
    assert [(m.data, m.tag, m.sender) for m in (inbox.recv(0) for _ in range(3))] == [
        (b"a", 0, inbox),
        (b"b", 7, inbox),
        (b"c", 0, inbox),
    ]
    assert inbox.send_many([b"x"] * 8) == 5
    with pytest.raises(tidings.FullError):
        inbox.send_many([b"x"])
    with pytest.raises(TypeError, match="a tuple"):
        inbox.send_many([(1, b"a", 2)])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        inbox.send_many([b"a", 5])  # type: ignore[list-item]
    assert inbox.send_many([]) == 0


def test_large_bytes_travel_by_reference_and_come_back(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(max_bytes=1 << 30)
    large = bytes(1 << 20)
    before = sys.getrefcount(large)
    for _ in range(10):
        inbox.send(large)
    assert sys.getrefcount(large) == before + 10
    assert inbox.recv(0).data == large
    _fast.drain()
    assert sys.getrefcount(large) == before + 9
    with pytest.raises(tidings.TooBigError):
        engine.mailbox(max_bytes=10).send(large)
    assert sys.getrefcount(large) == before + 9
    inbox.close()
    _fast.drain()
    assert sys.getrefcount(large) == before


def test_dropping_the_oldest_gives_python_its_buffers_back(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(max_messages=8, policy=Policy.DROP_OLD)
    large = [bytes([n]) * 50_000 for n in range(4)]
    before = [sys.getrefcount(payload) for payload in large]

    def flood() -> None:
        for n in range(20_000):
            inbox.send(large[n % 4], n % 4)

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        try:
            message = inbox.recv(0.01)
        except tidings.TimedOutError:
            continue
        assert message.data == large[message.tag]
    for thread in threads:
        thread.join()
    inbox.close()
    _fast.drain()
    assert [sys.getrefcount(payload) for payload in large] == before
