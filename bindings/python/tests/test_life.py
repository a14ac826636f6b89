"""How mailboxes end, and who is told: links, receipts, processes, overflow, threads."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import tidings
from tidings import Kind, Policy, Reason


def test_a_linked_mailbox_ends_with_the_other(engine: tidings.Engine) -> None:
    chain = [engine.mailbox() for _ in range(5)]
    watcher = engine.mailbox()
    for one, other in zip(chain, chain[1:]):
        one.link(other)
        other.link(one)
    watcher.monitor(chain[-1])
    chain[0].exit(1500, b"why")
    assert watcher.recv(5).reason == 1500
    assert not any(box.stats().open for box in chain)


def test_a_normal_end_and_an_unlinked_one_harm_nobody(engine: tidings.Engine) -> None:
    one, other, third = engine.mailbox(), engine.mailbox(), engine.mailbox()
    one.link(other)
    other.link(third)
    other.unlink(third)
    one.close()
    assert other.stats().open
    other.kill()
    assert third.stats().open


def test_a_trapped_exit_is_a_message(engine: tidings.Engine) -> None:
    one, other = engine.mailbox(), engine.mailbox()
    other.trap_exit()
    one.link(other)
    one.exit(1500, b"why")
    message = other.recv(5)
    assert (message.kind, message.sender, message.reason, message.reason.data) == (Kind.EXIT, one, 1500, b"why")
    assert "EXIT" in repr(message)
    other.link(one)
    assert other.recv(5).reason == Reason.NOPROC
    other.trap_exit(False)
    with pytest.raises(tidings.NoProcError):
        other.link(one)


def test_overflow_kills_where_that_was_chosen(engine: tidings.Engine) -> None:
    watcher, box = engine.mailbox(), engine.mailbox(max_messages=3, policy=Policy.KILL)
    watcher.monitor(box)
    for _ in range(3):
        box.send(b"x")
    with pytest.raises(tidings.TidingsError):
        box.send(b"x")
    assert watcher.recv(5).reason == Reason.OVERFLOW
    subscriber = engine.mailbox()
    subscriber.subscribe("topic", max_messages=2, policy=Policy.KILL)
    watcher.monitor(subscriber)
    for _ in range(3):
        engine.publish("topic", b"x")
    assert watcher.recv(5).reason == Reason.OVERFLOW


def test_conflated_values_say_how_many_they_replaced(engine: tidings.Engine) -> None:
    box = engine.mailbox(max_messages=2, policy=Policy.CONFLATE)
    for n in range(5):
        box.send(str(n).encode(), 1)
    box.send(b"other", 2)
    with pytest.raises(tidings.FullError):
        box.send(b"third", 3)
    first, second = box.recv(0), box.recv(0)
    assert (first.data, first.tag, first.replaced, first.lost) == (b"4", 1, 4, 0)
    assert (second.data, second.replaced) == (b"other", 0)
    stats = box.stats()
    assert (stats.sent, stats.conflated, stats.delivered) == (6, 4, 2)


def test_suspended_mailboxes_keep_their_messages(engine: tidings.Engine) -> None:
    box = engine.mailbox(max_messages=2)
    box.suspend()
    box.suspend()
    box.send(b"1")
    box.send(b"2")
    with pytest.raises(tidings.FullError):
        box.send(b"3")
    with pytest.raises(tidings.AgainError):
        box.recv(0)
    with pytest.raises(tidings.TimedOutError):
        box.recv(0.02)
    assert box.stats().suspended == 1
    threading.Timer(0.05, box.resume).start()
    assert [box.recv(60).data, box.recv(0).data] == [b"1", b"2"]
    loop, seen = engine.loop(), []
    handled = engine.mailbox(handler=lambda message: seen.append(message.data), loop=loop)
    handled.suspend()
    handled.send(b"x")
    assert loop.run(0) == 0 and not seen
    handled.resume()
    while loop.run(0):
        pass
    assert seen == [b"x"]
    handled.close()
    with pytest.raises(tidings.NoProcError):
        handled.suspend()


def test_bits_come_together_in_one_message(engine: tidings.Engine) -> None:
    box = engine.mailbox(notifiable=True, max_messages=1)
    box.send(b"full")
    seen = 0
    for bits in (1, 4, 1):
        box.notify(bits)
    while seen != 5:
        message = box.recv_match(60, kind=Kind.NOTIFY)
        assert message.bits and message.bits & ~5 == 0
        seen |= message.bits
    box.recv_match(0, kind=Kind.MESSAGE)
    box.notify(2**63)
    message = box.recv(60)
    while message.bits != 2**63:  # the last 1 may have come on its own
        assert message.bits == 1
        message = box.recv(60)
    with pytest.raises(tidings.TidingsError):
        engine.send("nobody")
    with pytest.raises(tidings.InvalidError) as refused:
        engine.mailbox().notify(1)
    assert "nobody" not in str(refused.value)
    box.close()
    with pytest.raises(tidings.NoProcError):
        box.notify(1)


def test_a_signal_handler_notifies_the_wait_it_interrupts(engine: tidings.Engine) -> None:
    box = engine.mailbox(notifiable=True)
    old = signal.signal(signal.SIGUSR1, lambda number, frame: box.notify(1 << number))
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert box.recv(60).bits == 1 << signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, old)
