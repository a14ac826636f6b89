"""Groups, presence, interest: a snapshot, then every change."""

from __future__ import annotations

import threading
import time

import pytest

import tidings
from tidings import Kind


def changes(box: tidings.Mailbox) -> list[tidings.Message]:
    found = []
    while True:
        try:
            found.append(box.recv(0))
        except tidings.AgainError:
            return found


def test_a_group_counts_each_join(engine: tidings.Engine) -> None:
    group = engine.group("workers")
    one, two = engine.mailbox(), engine.mailbox()
    assert group.members() == [] and "workers" in repr(group)
    group.join(one)
    group.join(one)
    group.join(two)
    assert sorted(box.id for box in group.members()) == sorted([one.id, one.id, two.id])
    assert one in group.members() and any(member is one for member in group)
    group.leave(one)
    assert sorted(box.id for box in group) == sorted([one.id, two.id])
    with pytest.raises(tidings.NotFoundError):
        group.leave(engine.mailbox())
    one.close()
    assert group.members() == [two]
    with pytest.raises(tidings.NoProcError):
        group.join(one)


def test_a_watched_group_tells_every_change_once(engine: tidings.Engine) -> None:
    group, watcher = engine.group("workers"), engine.mailbox()
    one, two = engine.mailbox(), engine.mailbox()
    group.join(one)
    watch = group.watch(watcher, tag=9)
    assert watch.snapshot == [one] and watch.name == "workers"
    group.join(two)
    group.leave(one)
    two.kill()
    edges = changes(watcher)
    assert [(m.kind, m.topic, m.tag, m.ref) for m in edges] == [(Kind.MEMBER, "workers", 9, watch.id)] * 3
    assert [(m.sender, m.joined, m.left) for m in edges] == [
        (two, True, False), (one, False, True), (two, False, True),
    ]
    assert not any(m.started or m.stopped or m.retained for m in edges)
    group.join(engine.mailbox())
    watch.unwatch(flush=True)
    group.join(engine.mailbox())
    assert changes(watcher) == []
    with pytest.raises(tidings.StaleError):
        watch.unwatch()


def test_too_many_changes_become_one_snapshot(engine: tidings.Engine) -> None:
    group, watcher = engine.group("workers"), engine.mailbox(max_messages=4)
    watch = group.watch(watcher)
    boxes = [engine.mailbox() for _ in range(20)]
    for box in boxes:
        group.join(box)
    seen = changes(watcher)
    resyncs = [m for m in seen if m.kind == Kind.RESYNC]
    assert len(resyncs) == 1 and resyncs[0].ref == watch.id
    known = {m.sender for m in seen[: seen.index(resyncs[0])] if m.joined} | set(resyncs[0].members)
    assert known == set(boxes) and resyncs[0].members
    with pytest.raises(ValueError, match="not a RESYNC after changes of kind PRESENCE"):
        resyncs[0].keys
    watcher.send(b"")
    with pytest.raises(ValueError, match="not a RESYNC after changes of kind MEMBER"):
        watcher.recv(0).members


def test_a_group_is_of_one_engine(engine: tidings.Engine) -> None:
    with tidings.Engine() as other:
        with pytest.raises(ValueError, match="another engine"):
            engine.group("g").join(other.mailbox())
    with pytest.raises(TypeError, match="is a str"):
        engine.group(b"bytes")  # type: ignore[arg-type]
    with pytest.raises(tidings.InvalidError):
        engine.group("").join(engine.mailbox())


def test_presence_with_grace(frozen: tidings.Engine) -> None:
    room, watcher = frozen.presence("room"), frozen.mailbox()
    alice, bob = frozen.mailbox(), frozen.mailbox()
    room.enter(alice, "alice", grace=5)
    watch = room.watch(watcher, tag=3)
    assert watch.snapshot == ["alice"] == room.keys()
    room.enter(bob, "böb")
    assert sorted(room.keys()) == ["alice", "böb"]
    alice.kill()
    bob.kill()
    assert room.keys() == ["alice"]
    frozen.advance(4)
    again = frozen.mailbox()
    room.enter(again, "alice", grace=5)
    frozen.advance(60)
    edges = changes(watcher)
    assert [(m.kind, m.key, m.joined, m.left, m.topic, m.tag) for m in edges] == [
        (Kind.PRESENCE, "böb", True, False, "room", 3),
        (Kind.PRESENCE, "böb", False, True, "room", 3),
    ]
    again.close()
    frozen.advance(6)
    gone = changes(watcher)
    assert [(m.key, m.left) for m in gone] == [("alice", True)] and room.keys() == []
    third = frozen.mailbox()
    room.enter(third, "carol", grace=100)
    room.leave(third, "carol")
    assert [(m.key, m.joined) for m in changes(watcher)] == [("carol", True), ("carol", False)]
    with pytest.raises(tidings.NotFoundError):
        room.leave(third, "carol")


def test_presence_on_the_real_clock(engine: tidings.Engine) -> None:
    room, watcher, alice = engine.presence("room"), engine.mailbox(), engine.mailbox()
    room.watch(watcher)
    room.enter(alice, "alice", grace=0.05)
    assert watcher.recv(60).joined
    start = time.monotonic()
    alice.close()
    assert watcher.recv(60).left and time.monotonic() - start >= 0.05
    with pytest.raises(ValueError):
        room.enter(engine.mailbox(), "x", grace=-1)


def test_too_many_keys_become_one_snapshot(engine: tidings.Engine) -> None:
    room, watcher = engine.presence("room"), engine.mailbox(max_messages=2)
    room.watch(watcher)
    boxes = [engine.mailbox() for _ in range(9)]
    for n, box in enumerate(boxes):
        room.enter(box, f"key {n}")
    resync = next(m for m in changes(watcher) if m.kind == Kind.RESYNC)
    assert set(resync.keys) <= {f"key {n}" for n in range(9)} and resync.keys


def test_too_many_starts_and_stops_become_one_number(engine: tidings.Engine) -> None:
    publisher, reader = engine.mailbox(max_messages=2), engine.mailbox()
    publisher.watch_interest("a.>")
    for _ in range(5):
        reader.subscribe("a.b").unsubscribe()
    reader.subscribe("a.b")
    resync = next(m for m in changes(publisher) if m.kind == Kind.RESYNC)
    assert resync.subscriptions == 1


def test_interest_starts_and_stops(engine: tidings.Engine) -> None:
    publisher, reader, other = engine.mailbox(), engine.mailbox(), engine.mailbox()
    early = other.subscribe("feed.>")
    watch = publisher.watch_interest("feed.x", tag=4)
    assert watch.snapshot == 1
    early.unsubscribe()
    assert changes(publisher)[-1].stopped
    reader.subscribe("feed.*")
    other.subscribe("feed.x")
    reader.subscribe("unrelated")
    started = changes(publisher)
    assert [(m.kind, m.started, m.topic, m.tag, m.ref) for m in started] == [
        (Kind.INTEREST, True, "feed.x", 4, watch.id),
    ]
    reader.kill()
    assert changes(publisher) == []
    other.kill()
    assert [m.stopped for m in changes(publisher)] == [True]


def test_watches_while_others_come_and_go(engine: tidings.Engine) -> None:
    group = engine.group("busy")

    def churn() -> None:
        for _ in range(300):
            with engine.mailbox() as box:
                group.join(box)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        watcher = engine.mailbox()
        watch = group.watch(watcher)
        here = [box.id for box in watch.snapshot]
        while any(thread.is_alive() for thread in threads) and len(here) < 1000:
            try:
                message = watcher.recv(0.01)
            except tidings.TimedOutError:
                break
            if message.joined:
                here.append(message.sender_id)
            else:
                here.remove(message.sender_id)
        watcher.close()
    for thread in threads:
        thread.join(60)
    assert group.members() == []
