"""How mailboxes end, and who is told: links, receipts, processes, overflow, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


def test_a_receipt_counts_what_was_consumed(engine: tidings.Engine) -> None:
    watcher, target = engine.mailbox(), engine.mailbox()
    target.send(b"before", sender=watcher)
    watcher.monitor(target, receipt=True)
    for _ in range(5):
        target.send(b"x", sender=watcher)
    for _ in range(3):
        target.recv(0)
    target.close()
    down = watcher.recv(5)
    assert (down.kind, down.consumed, down.discarded) == (Kind.DOWN, 2, 3)
    plain = engine.mailbox()
    watcher.monitor(plain)
    plain.close()
    assert (watcher.recv(5).consumed, down.returncode) == (0, None)
    with pytest.raises(TypeError, match="not for a name"):
        watcher.monitor("name", receipt=True)


def test_a_process_that_ends(engine: tidings.Engine) -> None:
    watcher = engine.mailbox()
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(7)"], stdin=subprocess.PIPE)
    monitor = watcher.monitor_process(child.pid, tag=5)
    with pytest.raises(tidings.TimedOutError):
        watcher.recv(0.02)
    assert child.stdin
    child.stdin.close()
    down = watcher.recv(60)
    assert (down.kind, down.ref, down.tag, down.reason) == (Kind.DOWN, monitor.id, 5, Reason.OS_EXIT)
    assert down.reason.name == "os_exit" and down.returncode == 7 and (down.consumed, down.discarded) == (0, 0)
    assert child.wait(60) == 7
    killed = subprocess.Popen(["sleep", "600"])
    watcher.monitor_process(killed.pid)
    killed.kill()
    assert watcher.recv(60).returncode == -signal.SIGKILL
    killed.wait(60)
    watcher.monitor_process(killed.pid)
    assert watcher.recv(60).reason == Reason.NOPROC
    stopped = watcher.monitor_process(os.getpid())
    assert stopped.demonitor() == tidings.Outcome.ARMED
    with pytest.raises(tidings.TidingsError):
        watcher.monitor_process(-1)


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


def test_a_mailbox_bound_to_a_thread_ends_with_it(engine: tidings.Engine) -> None:
    watcher, loop = engine.mailbox(), engine.loop()
    opened: list[tidings.Mailbox] = []

    def work(ready: threading.Event, go_on: threading.Event) -> None:
        opened.append(engine.mailbox("pull", thread_bound=True))
        opened.append(engine.mailbox("handled", thread_bound=True, handler=lambda message: None, loop=loop))
        opened.append(engine.mailbox("free"))
        ready.set()
        assert go_on.wait(60)

    for _ in range(3):
        ready, go_on = threading.Event(), threading.Event()
        thread = threading.Thread(target=work, args=(ready, go_on))
        thread.start()
        assert ready.wait(60)
        pull, handled, free = opened
        pull.send(bytes(50_000))
        monitors = {watcher.monitor(pull).id, watcher.monitor(handled).id}
        assert pull.stats().open
        go_on.set()
        thread.join(60)
        downs = [watcher.recv(60) for _ in range(2)]
        assert {down.ref for down in downs} == monitors
        assert all(down.reason == Reason.RUNTIME_EXIT for down in downs)
        assert engine.whereis("pull") is None and free.stats().open
        free.close()
        opened.clear()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_raises_takes_its_mailbox_along(engine: tidings.Engine) -> None:
    watcher, ready = engine.mailbox(), threading.Event()

    def work() -> None:
        box = engine.mailbox("worker", thread_bound=True)
        ready.set()
        box.recv(60)
        raise SystemExit

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    watcher.monitor("worker")
    engine.send("worker", b"go")
    assert watcher.recv(60).reason == Reason.RUNTIME_EXIT
    thread.join(60)


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
