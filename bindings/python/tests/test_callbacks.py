"""The two callbacks of a monitor in a mailbox that is read: one of them, once, where the DOWN would have come out."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import tidings
from tidings import Kind, Policy


class Heard:
    """Notes what the callbacks of a monitor were told, and on which thread."""

    def __init__(self, watcher: tidings.Mailbox, target: tidings.Address | str) -> None:
        self.calls: list[object] = []
        self.thread = 0
        self.monitor = watcher.monitor(target, died=self.died, already_down=self.down)

    def died(self, reason: tidings.Reason) -> None:
        self.thread = threading.get_ident()
        self.calls.append((int(reason), reason.data))

    def down(self) -> None:
        self.thread = threading.get_ident()
        self.calls.append("already down")


def test_a_receive_that_meets_the_down_goes_on(engine: tidings.Engine) -> None:
    box, target = engine.mailbox(), engine.mailbox()
    died, never = Heard(box, target), Heard(box, "nobody")
    box.send(b"1")
    target.exit(1500, b"why")
    box.send(b"2")
    assert died.calls == [] and box.recv(0).data == b"1"
    assert never.calls == ["already down"] and died.calls == []
    assert box.recv(0).data == b"2"
    assert died.calls == [(1500, b"why")] and died.thread == threading.get_ident()
    with pytest.raises(tidings.AgainError):
        box.recv(0)
    assert box._callbacks == {}


def test_a_wait_for_a_message_keeps_its_time(engine: tidings.Engine) -> None:
    box, target = engine.mailbox(), engine.mailbox()
    heard = Heard(box, target)
    threading.Timer(0.05, target.close).start()
    start = time.monotonic()
    with pytest.raises(tidings.TimedOutError):
        box.recv(0.2)
    assert 0.2 <= time.monotonic() - start < 20 and heard.calls == [(0, b"")]
    other = engine.mailbox()
    heard = Heard(box, other)
    threading.Timer(0.05, other.close).start()
    threading.Timer(0.1, box.send, (b"x",)).start()
    assert box.recv(30).data == b"x" and heard.calls == [(0, b"")]


def test_every_way_to_read_calls_them(engine: tidings.Engine) -> None:
    def by_match(box: tidings.Mailbox) -> bytes:
        with pytest.raises(tidings.AgainError):
            box.recv_match(0, kind=Kind.DOWN)
        return box.recv_match(0).data

    def by_predicate(box: tidings.Mailbox) -> bytes:
        with pytest.raises(tidings.AgainError):
            box.recv_match(0, predicate=lambda message: message.kind == Kind.DOWN)
        return box.recv(0).data

    def by_asyncio(box: tidings.AsyncMailbox) -> bytes:
        return asyncio.run(box.recv(5)).data

    def by_async_for(box: tidings.AsyncMailbox) -> bytes:
        async def first() -> bytes:
            async for message in box:
                return message.data
            return b"nothing"

        return asyncio.run(first())

    ways = [lambda box: box.recv(0).data, lambda box: next(iter(box)).data, lambda box: iter(box).poll().data]
    awaited = [by_asyncio, by_async_for]
    for way in [*ways, by_match, by_predicate, *awaited]:
        box, target = (tidings.AsyncEngine(engine) if way in awaited else engine).mailbox(), engine.mailbox()
        heard = Heard(box, target)
        target.close()
        box.send(b"next")
        assert way(box) == b"next" and heard.calls == [(0, b"")], way
        box.close()


def test_a_selective_receive_leaves_it_to_a_later_one(engine: tidings.Engine) -> None:
    box, target = engine.mailbox(), engine.mailbox()
    heard = Heard(box, target)
    target.close()
    box.send(b"", 7)
    assert box.recv_match(0, tag=7).tag == 7 and heard.calls == []
    with pytest.raises(tidings.AgainError):
        box.recv(0)
    assert heard.calls == [(0, b"")]


def test_what_a_callback_raises_comes_out_of_the_receive(engine: tidings.Engine) -> None:
    def fail() -> None:
        raise ValueError("no such thing")

    box = engine.mailbox()
    for read in (lambda: box.recv(0), lambda: next(iter(box)), lambda: box.recv_match(0, kind=Kind.DOWN)):
        box.monitor("nobody", already_down=fail)
        box.send(b"after")
        with pytest.raises(ValueError, match="no such thing"):
            read()
        assert box.recv(0).data == b"after"


def test_losses_before_a_down_are_told_by_the_next_message(engine: tidings.Engine) -> None:
    box, target = engine.mailbox(max_messages=2, policy=Policy.DROP_OLD), engine.mailbox()
    heard = Heard(box, target)
    for n in range(5):
        box.send(b"", n)
    target.close()
    told = [box.recv(0).lost for _ in range(2)]
    with pytest.raises(tidings.AgainError):
        box.recv(0)
    box.send(b"last")
    told.append(box.recv(0).lost)
    assert sum(told) == 3 == box.stats().lost and heard.calls


def test_demonitor_takes_the_callbacks_away(engine: tidings.Engine) -> None:
    box, target = engine.mailbox(), engine.mailbox()
    armed, queued = Heard(box, target), Heard(box, target)
    assert armed.monitor.demonitor() == tidings.Outcome.ARMED
    target.close()
    assert queued.monitor.demonitor(flush=True) == tidings.Outcome.FLUSHED
    with pytest.raises(tidings.AgainError):
        box.recv(0)
    assert armed.calls == queued.calls == [] and box._callbacks == {}


def test_a_callback_may_monitor_and_receive(engine: tidings.Engine) -> None:
    box = engine.mailbox()
    seen: list[object] = []

    def again() -> None:
        seen.append(box.recv(0).data)
        box.monitor("nobody", already_down=lambda: seen.append("second"))

    box.monitor("nobody", already_down=again)
    box.send(b"inner")
    box.send(b"outer")
    assert box.recv(0).data == b"outer"
    with pytest.raises(tidings.AgainError):
        box.recv(0)
    assert seen == [b"inner", "second"]


def test_raced_with_deaths_exactly_one_of_them(engine: tidings.Engine) -> None:
    box = engine.mailbox()
    rounds, count = 2000, 0
    heard: list[Heard] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set() or box.stats().queued:
            try:
                box.recv(0.01)
            except tidings.TimedOutError:
                pass

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(rounds):
        target = engine.mailbox()
        killer = threading.Thread(target=target.close) if n % 40 == 0 else None
        if killer:
            killer.start()
        elif n % 2:
            target.close()
        heard.append(Heard(box, target))
        target.close()
        if killer:
            killer.join()
    stop.set()
    for reader in readers:
        reader.join(60)
        assert not reader.is_alive()
    for each in heard:
        count += len(each.calls)
        assert len(each.calls) == 1 and each.calls[0] in ("already down", (0, b""))
    assert count == rounds and box._callbacks == {}
