"""Queue groups, retained values, wills and dead letters."""

from __future__ import annotations

import pytest

import tidings
from tidings import Kind, Policy


def test_a_queue_group_shares_the_messages(engine: tidings.Engine) -> None:
    members, outside = [engine.mailbox() for _ in range(3)], engine.mailbox()
    for box in members:
        box.subscribe("jobs.*", queue_group="workers")
    outside.subscribe("jobs.*")
    for n in range(300):
        receipt = engine.publish("jobs.new", b"", n)
        assert receipt.matched == 2 and receipt.queued == 2
    tags = [[box.recv(0).tag for _ in range(box.stats().queued)] for box in members]
    assert sorted(tag for part in tags for tag in part) == list(range(300))
    assert all(len(part) > 30 for part in tags) and outside.stats().queued == 300
    members[0].kill()
    members[1].kill()
    for n in range(10):
        engine.publish("jobs.new", b"", n)
    assert [members[2].recv(0).tag for _ in range(10)] == list(range(10))
    with pytest.raises(TypeError, match="is a str"):
        outside.subscribe("a", queue_group=b"bytes")  # type: ignore[arg-type]


def test_a_retained_value_comes_first_and_is_marked(engine: tidings.Engine) -> None:
    engine.publish("state.a", b"old", retain=True)
    engine.publish("state.a", b"new", 5, retain=True)
    engine.publish("state.b", bytes(50_000), retain=True)
    engine.publish("state.a", b"passing")
    box = engine.mailbox()
    box.subscribe("state.*")
    engine.publish("state.a", b"later")
    found = {m.topic: m for m in (box.recv(0), box.recv(0))}
    assert found["state.a"].data == b"new" and found["state.a"].tag == 5 and found["state.a"].retained
    assert found["state.b"].data == bytes(50_000) and found["state.b"].retained
    later = box.recv(0)
    assert later.data == b"later" and not later.retained
    engine.publish("state.a", b"", retain=True)
    engine.publish("state.b", retain=True)
    other = engine.mailbox()
    other.subscribe("state.*")
    with pytest.raises(tidings.AgainError):
        other.recv(0)


def test_a_will_is_published_before_the_down(engine: tidings.Engine) -> None:
    box, watcher = engine.mailbox(), engine.mailbox()
    watcher.subscribe("gone.*")
    watcher.monitor(box)
    box.will("gone.early", b"first")
    box.will("gone.box", b"last words", 7)
    box.kill()
    will, down = watcher.recv(5), watcher.recv(5)
    assert (will.kind, will.topic, will.data, will.tag, will.sender) == (Kind.TOPIC, "gone.box", b"last words", 7, box)
    assert down.kind == Kind.DOWN
    kept, silent = engine.mailbox(), engine.mailbox()
    kept.will("gone.kept", b"x", retain=True)
    silent.will("gone.silent", b"x")
    silent.will_clear()
    kept.close()
    silent.close()
    late = engine.mailbox()
    late.subscribe("gone.*")
    assert late.recv(0).retained
    assert watcher.recv(5).topic == "gone.kept"
    with pytest.raises(tidings.AgainError):
        watcher.recv(0)
    with pytest.raises(tidings.NoProcError):
        silent.will("gone.x")
    with pytest.raises(tidings.InvalidError):
        late.will("not a topic", b"")


def test_a_retained_conflated_value_counts(engine: tidings.Engine) -> None:
    box = engine.mailbox()
    box.subscribe("price", policy=Policy.CONFLATE, max_messages=10)
    for n in range(4):
        engine.publish("price", str(n).encode(), 1)
    message = box.recv(0)
    assert (message.data, message.replaced, message.retained) == (b"3", 3, False)


def test_dead_letters_tell_who_lost_what(engine: tidings.Engine) -> None:
    morgue, me, gone = engine.mailbox(), engine.mailbox(), engine.mailbox()
    morgue.subscribe("$dead")
    gone.close()
    with pytest.raises(tidings.NoProcError):
        gone.send(b"too late", 42, sender=me)
    letter = morgue.recv(5)
    assert (letter.kind, letter.topic, letter.data, letter.tag, letter.sender) == (Kind.TOPIC, "$dead", b"too late", 42, me)
    dead = letter.dead
    assert dead is not None and dead.id == gone.id and dead.kind == Kind.MESSAGE
    assert isinstance(dead.error, tidings.NoProcError)
    assert not letter.retained
    engine.mailbox().subscribe("x")
    engine.publish("x", b"")
    assert me.stats().queued == 0


def test_an_engine_has_a_budget_of_bytes() -> None:
    with tidings.Engine(max_bytes=100_000) as engine:
        boxes = [engine.mailbox() for _ in range(4)]
        with pytest.raises((tidings.FullError, tidings.NoMemoryError)):
            for _ in range(100):
                for box in boxes:
                    box.send(bytes(3000))
        queued = sum(box.stats().queued_bytes for box in boxes)
        assert 50_000 <= queued <= 100_000
        assert (engine.stats().queued_bytes, engine.stats().max_bytes) == (queued, 100_000)
        while boxes[0].stats().queued:
            boxes[0].recv(0)
        boxes[1].send(b"room again")
