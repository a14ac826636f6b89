"""Monitors, names, calls, timers, topics."""

from __future__ import annotations

import gc
import threading
import time

import pytest

import tidings
from tidings import Kind, Outcome, Policy, Reason


def test_down_comes_once_with_the_reason(engine: tidings.Engine) -> None:
    watcher, target = engine.mailbox(), engine.mailbox("target")
    first, second = watcher.monitor(target, tag=5), watcher.monitor("target")
    target.exit(1500, b"why")
    by_id, by_name = watcher.recv(1), watcher.recv(1)
    assert by_id.kind == by_name.kind == Kind.DOWN
    assert (by_id.ref, by_id.tag, by_id.name, by_id.sender_id) == (first.id, 5, "", target.id)
    assert (by_name.ref, by_name.name) == (second.id, "target")
    assert by_id.reason == 1500 and by_id.reason.data == b"why"
    with pytest.raises(tidings.AgainError):
        watcher.recv(0)


def test_what_is_not_there_is_down_at_once(engine: tidings.Engine) -> None:
    watcher, gone = engine.mailbox(), engine.mailbox()
    gone.close()
    watcher.monitor(gone)
    assert watcher.recv(0).status == Reason.NOPROC
    watcher.monitor("nobody")
    down = watcher.recv(0)
    assert (down.status, down.name) == (Reason.NOPROC, "nobody")


def test_demonitor_says_what_it_found(engine: tidings.Engine) -> None:
    watcher, target = engine.mailbox(), engine.mailbox()
    armed, queued, flushed = (watcher.monitor(target) for _ in range(3))
    assert armed.demonitor() == Outcome.ARMED
    target.close()
    assert queued.demonitor() == Outcome.DELIVERED
    assert flushed.demonitor(flush=True) == Outcome.FLUSHED
    assert watcher.recv(0).ref == queued.id
    with pytest.raises(tidings.AgainError):
        watcher.recv(0)
    assert queued.demonitor(flush=True) == Outcome.DELIVERED


def test_a_flushed_down_is_not_in_a_batch_begun(engine: tidings.Engine) -> None:
    watcher, target = engine.mailbox(), engine.mailbox()
    monitor = watcher.monitor(target)
    watcher.send(b"1")
    target.close()
    watcher.send(b"2")
    messages = iter(watcher)
    assert next(messages).data == b"1"
    monitor.demonitor(flush=True)
    assert next(messages).data == b"2"


def test_names(engine: tidings.Engine) -> None:
    old, new = engine.mailbox("service"), engine.mailbox()
    with pytest.raises(tidings.ExistsError):
        new.register("service")
    with pytest.raises(tidings.ExistsError):
        engine.mailbox("service")
    new.register("other")
    assert engine.whereis("other") == new
    assert new.register_replace("service") == old
    assert new.register_replace("fresh") is None
    engine.send("service", b"x")
    assert new.recv(0).data == b"x"
    engine.unregister("service")
    assert engine.whereis("service") is None
    with pytest.raises(tidings.NotFoundError):
        engine.unregister("service")
    with pytest.raises(tidings.NotFoundError):
        engine.send("service", b"")
    new.close()
    assert engine.whereis("other") is None
    with pytest.raises(tidings.NoProcError):
        new.register("again")


def serve(box: tidings.Mailbox) -> None:
    for request in box:
        if request.data == b"error":
            request.reply_error(42, b"no")
        elif request.data == b"drop":
            request.drop()
        elif request.data == b"forget":
            del request
        elif request.data == b"die":
            box.exit(1999, b"died")
        elif request.data != b"silence":
            request.reply(request.data.upper())


def test_calls(engine: tidings.Engine) -> None:
    server, me = engine.mailbox(), engine.mailbox()
    thread = threading.Thread(target=serve, args=(server,))
    thread.start()
    assert server.call(b"hello", timeout=5).data == b"HELLO"
    assert server.call(b"hello", 9, timeout=5, sender=me).kind == Kind.REPLY
    failed = server.call(b"error", timeout=5)
    assert (failed.status, failed.data) == (42, b"no")
    with pytest.raises(tidings.NoReplyError):
        server.call(b"drop", timeout=5)
    with pytest.raises(tidings.NoReplyError):
        server.call(b"forget", timeout=5)
    with pytest.raises(tidings.DeadlockError):
        me.call(b"", sender=me, timeout=5)
    with pytest.raises(tidings.DownError) as down:
        server.call(b"die", timeout=5)
    assert down.value.reason == 1999 and down.value.reason.data == b"died" and "died" in str(down.value)
    with pytest.raises(tidings.NoProcError):
        server.call(b"hello", timeout=5)
    thread.join(5)
    stuck = engine.mailbox()
    start = time.monotonic()
    with pytest.raises(tidings.TimedOutError):
        stuck.call(b"", timeout=0.05)
    assert time.monotonic() - start >= 0.05


def test_a_request_let_go_tells_its_caller(engine: tidings.Engine) -> None:
    server, me = engine.mailbox(), engine.mailbox()
    call = me.call_start(server, b"q", 3, timeout=60)
    request = server.recv(1)
    assert request.kind == Kind.REQUEST and request.sender is me and request.deadline is not None
    assert abs(request.deadline - engine.now() - 60) < 5
    del request
    gc.collect()
    reply = me.recv_match(1, ref=call)
    assert (reply.kind, reply.tag, reply.status) == (Kind.REPLY, 3, tidings.NoReplyError.code)


def test_looking_at_a_request_does_not_drop_it(engine: tidings.Engine) -> None:
    server, me = engine.mailbox(), engine.mailbox()
    call = me.call_start(server, b"q", timeout=60)
    with pytest.raises(tidings.AgainError):
        server.recv_match(0, predicate=lambda message: False)
    server.recv(0).reply(b"a")
    assert me.recv_match(1, ref=call).data == b"a"


def test_open_calls(engine: tidings.Engine) -> None:
    server, me = engine.mailbox(), engine.mailbox()
    first, second = me.call_start(server, b"1", timeout=5), me.call_start(server, b"2", timeout=5)
    one, two = server.recv(1), server.recv(1)
    two.reply(b"two")
    one.reply(b"one")
    with pytest.raises(tidings.StaleError):
        one.reply(b"again")
    assert me.recv_match(1, ref=first).data == b"one"
    assert me.recv_match(1, ref=second).data == b"two"
    third = me.call_start(server, b"3", timeout=5)
    request = server.recv(1)
    third.cancel()
    with pytest.raises(tidings.StaleError):
        request.reply(b"nobody waits")
    with pytest.raises(tidings.AgainError):
        me.recv(0)
    with pytest.raises(ValueError, match="only a request"):
        server.send(b"")
        server.recv(0).reply()
    gone = me.call_start(server, b"4", timeout=5)
    server.kill()
    assert me.recv_match(1, ref=gone).status == tidings.DownError.code


def test_timers_on_a_virtual_clock(frozen: tidings.Engine) -> None:
    inbox = frozen.mailbox("inbox")
    late, soon = inbox.send_after(2, b"late", 2), frozen.send_after("inbox", 1, b"soon", 1)
    never = inbox.send_after(1.5)
    assert late.read() == 2
    frozen.advance(0.5)
    assert never.cancel() == 1 and never.cancel() is None and never.read() is None
    frozen.advance(10)
    first, second = inbox.recv(0), inbox.recv(0)
    assert [(m.kind, m.data, m.tag, m.ref) for m in (first, second)] == [
        (Kind.TIMER, b"soon", 1, soon.id),
        (Kind.TIMER, b"late", 2, late.id),
    ]
    every = inbox.send_every(1, b"tick")
    for _ in range(3):
        frozen.advance(1)
        assert inbox.recv(0).data == b"tick"
    frozen.advance(10)
    inbox.recv(0)
    with pytest.raises(tidings.AgainError):
        inbox.recv(0)
    every.cancel()
    assert inbox.stats().timers == 0


def test_timers_on_the_real_clock(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    start = time.monotonic()
    inbox.send_after(0.05)
    assert inbox.recv(10).kind == Kind.TIMER
    assert time.monotonic() - start >= 0.05


def test_topics(engine: tidings.Engine) -> None:
    one, two = engine.mailbox(), engine.mailbox()
    star, all_below = one.subscribe("a.*"), two.subscribe("a.>")
    assert engine.publish("a", b"0") == (0, 0, 0)
    receipt = engine.publish("a.b", b"1", 4, sender=one)
    assert receipt.matched == 2 and receipt.queued == 2 and receipt.dropped == 0
    engine.publish("a.b.c", b"2")
    message = one.recv(0)
    assert (message.kind, message.topic, message.data, message.tag) == (Kind.TOPIC, "a.b", b"1", 4)
    assert message.ref == star.id and message.sender is one
    assert [two.recv(0).topic for _ in range(2)] == ["a.b", "a.b.c"]
    engine.publish("a.b", b"3")
    star.unsubscribe(flush=True)
    with pytest.raises(tidings.AgainError):
        one.recv(0)
    all_below.unsubscribe()
    assert two.recv(0).data == b"3"
    assert engine.publish("a.b", b"4").matched == 0
    for wrong in ("", "a..b", "a.*", "a b"):
        with pytest.raises(tidings.InvalidError):
            engine.publish(wrong, b"")


def test_publish_many_and_bounds(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    inbox.subscribe("new", max_messages=2)
    inbox.subscribe("old", max_messages=2, policy=Policy.DROP_OLD)
    assert engine.publish_many("new", [b"1", (2, b"2"), b"3"]) == (3, 2, 1)
    assert engine.publish_many("old", [b"1", b"2", b"3"]).matched == 3
    assert [(m.topic, m.data, m.tag) for m in (inbox.recv(0) for _ in range(4))] == [
        ("new", b"1", 0),
        ("new", b"2", 2),
        ("old", b"2", 0),
        ("old", b"3", 0),
    ]


def test_large_published_bytes_are_shared(engine: tidings.Engine) -> None:
    import sys

    boxes = [engine.mailbox() for _ in range(5)]
    for box in boxes:
        box.subscribe("large")
    large = bytes(1 << 20)
    before = sys.getrefcount(large)
    assert engine.publish("large", large).queued == 5
    assert sys.getrefcount(large) == before + 1
    assert all(box.recv(0).data == large for box in boxes)
    assert engine.publish("nobody.there", large).matched == 0
    with pytest.raises(tidings.InvalidError):
        engine.publish("not a topic", large)
    tidings._fast.drain()
    assert sys.getrefcount(large) == before
