"""Sending and receiving: order, bounds, selection, batches, errors."""

from __future__ import annotations

import threading
import time
from enum import IntEnum

import pytest

import tidings
from tidings import Kind, Policy


def test_send_and_receive(engine: tidings.Engine) -> None:
    with engine.mailbox("inbox") as inbox, engine.mailbox() as other:
        other.send(b"to the other")
        inbox.send(b"hello", 7, sender=other)
        message = inbox.recv(timeout=1)
        assert (message.kind, message.data, message.tag, message.lost) == (Kind.MESSAGE, b"hello", 7, 0)
        assert message.sender is other and message.topic == "" and message.deadline is None
        assert message.sender_id == other.id and message.mailbox_id == inbox.id and message.engine is engine
        engine.send("inbox", b"by name")
        assert inbox.recv(timeout=1).sender is None


def test_senders_keep_their_order(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(max_messages=10**6)
    count = 20_000

    def send(who: int) -> None:
        for n in range(count):
            inbox.send(b"x", who << 32 | n)

    threads = [threading.Thread(target=send, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    seen = [0, 0, 0]
    for message in inbox:
        who, n = message.tag >> 32, message.tag & 0xFFFFFFFF
        assert seen[who] == n
        seen[who] += 1
        if sum(seen) == 3 * count:
            break
    for thread in threads:
        thread.join()
    assert seen == [count] * 3


def test_polling_and_timeout(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    with pytest.raises(tidings.AgainError):
        inbox.recv(timeout=0)
    start = time.monotonic()
    with pytest.raises(tidings.TimedOutError):
        inbox.recv(timeout=0.05)
    assert 0.05 <= time.monotonic() - start < 5


def test_a_virtual_clock_moves_by_hand(frozen: tidings.Engine) -> None:
    inbox = frozen.mailbox()
    outcome: list[object] = []

    def receive() -> None:
        try:
            inbox.recv(timeout=3600)
        except tidings.TidingsError as error:
            outcome.append(type(error))

    thread = threading.Thread(target=receive)
    thread.start()
    frozen.wait_parked(1, timeout=10)
    frozen.advance(3599)
    assert outcome == []
    frozen.advance(1)
    thread.join(10)
    assert outcome == [tidings.TimedOutError]


def test_closing_wakes_the_receiver(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    threading.Timer(0.05, inbox.close).start()
    with pytest.raises(tidings.ClosedError):
        inbox.recv(timeout=10)
    with pytest.raises(tidings.NoProcError):
        inbox.send(b"too late")
    inbox.close()
    assert list(inbox) == []


def test_selective_receive_leaves_the_rest_in_order(engine: tidings.Engine) -> None:
    inbox, friend = engine.mailbox(), engine.mailbox()
    for n in range(1, 6):
        inbox.send(str(n).encode(), n, sender=friend if n == 3 else None)
    assert inbox.recv_match(1, tag=4).data == b"4"
    assert inbox.recv_match(1, sender=friend).data == b"3"
    assert inbox.recv_match(1, tag=0xFF05, tag_mask=0xF).data == b"5"
    with pytest.raises(tidings.AgainError):
        inbox.recv_match(0, kind=Kind.DOWN)
    assert [inbox.recv(0).data for _ in range(2)] == [b"1", b"2"]
    with pytest.raises(TypeError, match="give tag too"):
        inbox.recv_match(0, tag_mask=1)


def test_receive_by_predicate(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    for n in range(10):
        inbox.send(str(n).encode(), n % 2)
    found = inbox.recv_match(1, predicate=lambda message: message.data > b"4")
    assert found.data == b"5"
    assert inbox.recv_match(1, tag=0, predicate=lambda message: message.data > b"4").data == b"6"
    with pytest.raises(tidings.AgainError):
        inbox.recv_match(0, predicate=lambda message: False)
    with pytest.raises(tidings.TimedOutError):
        inbox.recv_match(0.02, predicate=lambda message: message.data == b"no")
    with pytest.raises(ZeroDivisionError):
        inbox.recv_match(0, predicate=lambda message: 1 // 0)
    assert [inbox.recv(0).data for _ in range(8)] == [b"0", b"1", b"2", b"3", b"4", b"7", b"8", b"9"]


def test_a_mailbox_that_is_suspended_in_a_predicate_keeps_what_fits(engine: tidings.Engine) -> None:
    box = engine.mailbox()
    box.send(b"held")

    def suspends(message: tidings.Message) -> bool:
        box.suspend()
        return True

    with pytest.raises(tidings.AgainError):
        box.recv_match(predicate=suspends, timeout=0)
    box.resume()
    with pytest.raises(tidings.TimedOutError):
        box.recv_match(predicate=suspends, timeout=0.02)
    later = threading.Timer(0.05, box.resume)
    later.start()
    assert box.recv_match(predicate=lambda message: True, timeout=10).data == b"held"
    later.join()


def test_a_predicate_waits_for_what_fits(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    inbox.send(b"no")
    threading.Timer(0.05, inbox.send, (b"yes",)).start()
    assert inbox.recv_match(10, predicate=lambda message: message.data == b"yes").data == b"yes"
    assert inbox.recv(0).data == b"no"


def test_full_mailboxes(engine: tidings.Engine) -> None:
    failing = engine.mailbox(max_messages=10)
    for n in range(10):
        failing.send(b"", n)
    with pytest.raises(tidings.FullError):
        failing.send(b"")
    assert failing.stats().refused == 1

    newest = engine.mailbox(max_messages=10, policy=Policy.DROP_OLD)
    for n in range(15):
        newest.send(b"", n)
    messages = [newest.recv(0) for _ in range(10)]
    assert [message.tag for message in messages] == list(range(5, 15))
    assert [message.lost for message in messages] == [5] + [0] * 9

    waiting = engine.mailbox(max_messages=1, policy=Policy.BLOCK, block_timeout=0.05)
    waiting.send(b"1")
    start = time.monotonic()
    with pytest.raises(tidings.TimedOutError):
        waiting.send(b"2")
    assert time.monotonic() - start >= 0.05
    with pytest.raises(tidings.TidingsError):
        waiting.send(b"2", timeout=0)
    threading.Timer(0.05, waiting.recv, (0,)).start()
    waiting.send(b"3", timeout=10)
    assert waiting.recv(0).data == b"3"

    with pytest.raises(tidings.TooBigError):
        engine.mailbox(max_bytes=100).send(b"x" * 101)


def test_losses_are_told_in_iteration_and_at_the_end(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(max_messages=10, policy=Policy.DROP_NEW)
    for n in range(15):
        inbox.send(b"", n)
    messages = iter(inbox)
    assert [next(messages).tag for _ in range(10)] == list(range(10))
    inbox.close()
    end = next(messages)
    assert (end.kind, end.lost) == (Kind.END, 5)
    assert list(messages) == []

    old = engine.mailbox(max_messages=10, policy=Policy.DROP_OLD)
    for n in range(15):
        old.send(b"", n)
    first = next(iter(old))
    assert (first.tag, first.lost) == (5, 5)


def test_iteration_puts_back_what_it_has_not_passed(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    for n in range(100):
        inbox.send(str(n).encode(), n)
    for message in inbox:
        if message.tag == 9:
            break
    assert inbox.recv(0).tag == 10
    messages = iter(inbox)
    assert next(messages).tag == 11
    messages.close()
    assert [inbox.recv(0).tag for _ in range(88)] == list(range(12, 100))
    stats = inbox.stats()
    assert (stats.sent, stats.delivered, stats.queued, stats.open, stats.reason) == (100, 100, 0, True, None)


def test_bad_arguments_are_named(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    with pytest.raises(ValueError, match="a tag is a number from 0"):
        inbox.send(b"", -1)
    with pytest.raises(ValueError, match="a tag is a number from 0"):
        inbox.send(b"", 2**64)
    with pytest.raises(TypeError, match="unknown or a second argument 'colour'"):
        inbox.send(b"", colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="a second argument 'data'"):
        inbox.send(b"", data=b"")  # type: ignore[misc]
    with pytest.raises(TypeError, match="a mailbox or an address is needed here, not str"):
        inbox.send(b"", sender="me")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seconds, 0 or more, or None"):
        inbox.recv(timeout=-1)
    with pytest.raises(ValueError, match="seconds, 0 or more, or None"):
        inbox.recv(timeout=float("nan"))
    with pytest.raises(ValueError):
        engine.mailbox(policy=77)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="go together"):
        engine.mailbox(handler=print)
    with pytest.raises(TypeError, match="is a str, not bytes"):
        engine.mailbox(b"name")  # type: ignore[arg-type]
    with pytest.raises(tidings.InvalidError):
        engine.mailbox("x" * 256)
    with pytest.raises(ValueError, match="policy FAIL"):
        engine.mailbox(policy=Policy.BLOCK, block_timeout=0)


def test_ids_that_are_none(engine: tidings.Engine) -> None:
    for id in (1, 2**63, 2**64 - 1, 0xDEADBEEF):
        stranger = engine.address(id)
        with pytest.raises(tidings.TidingsError):
            stranger.send(b"")
        with pytest.raises(tidings.TidingsError):
            stranger.stats()


def test_tags_can_be_enums(engine: tidings.Engine) -> None:
    class Tag(IntEnum):
        HELLO = 3

    inbox = engine.mailbox()
    inbox.send(b"", Tag.HELLO)
    assert inbox.recv_match(0, tag=Tag.HELLO).tag == Tag.HELLO


def test_addresses_are_values(engine: tidings.Engine) -> None:
    inbox = engine.mailbox("me")
    found = engine.whereis("me")
    assert found is inbox and engine.address(inbox.id) is inbox
    copy = tidings.Address(engine, engine.id, inbox.id)
    assert copy == inbox and hash(copy) == hash(inbox) and copy != engine.mailbox() and {copy: 1}[inbox] == 1
    copy.send(b"through a copy")
    assert inbox.recv(0).data == b"through a copy"
    assert f"{inbox.id:#x}" in repr(inbox)


def test_how_things_show(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    inbox.send(b"x" * 100, 9, sender=inbox)
    shown = repr(inbox.recv(0))
    assert shown.startswith("<tidings.Message MESSAGE b'xxx") and "tag=9" in shown and "100 bytes" in shown
    assert str(tidings.Reason(0)) == "normal" and str(tidings.Reason(1024 + 5, b"why")) == "user+5: why"
    assert repr(tidings.Reason(3, b"x")) == "Reason(3, b'x')" and tidings.Reason(1) == tidings.Reason.KILLED


def test_exit_reasons_and_waiting_for_the_end(engine: tidings.Engine) -> None:
    box = engine.mailbox()
    threading.Timer(0.05, box.exit, (2000, b"enough")).start()
    box.wait(timeout=10)
    stats = box.stats()
    assert not stats.open and stats.reason == 2000
    with pytest.raises(tidings.TidingsError):
        engine.mailbox().wait(timeout=0.02)


def test_closing_an_engine_ends_everything() -> None:
    with tidings.Engine() as engine:
        inbox = engine.mailbox()
        engine.mailbox()
        assert engine.stats().mailboxes == 2
    with pytest.raises(tidings.TidingsError):
        inbox.recv(1)
    with pytest.raises(tidings.TidingsError):
        inbox.send(b"")
    engine.close()


def test_the_default_engine_is_one() -> None:
    first = tidings.default_engine()
    assert tidings.default_engine() is first
    with first.mailbox() as inbox:
        inbox.send(b"x")
        assert inbox.recv(1).data == b"x"


def test_the_descriptor_tells_what_is_pending(engine: tidings.Engine) -> None:
    import select

    inbox = engine.mailbox()

    def readable() -> bool:
        return bool(select.select([inbox], [], [], 0)[0])

    assert inbox.fileno() == inbox.fileno() and not readable()
    inbox.send(b"1")
    inbox.send(b"2")
    assert readable()
    inbox.recv(0)
    assert readable()
    inbox.recv(0)
    with pytest.raises(tidings.AgainError):
        inbox.recv(0)
    assert not readable()
    inbox.close()
    assert readable()


def test_every_loss_is_told_however_it_is_read(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(max_messages=50)
    inbox.subscribe("topic", max_messages=3)
    dropped = told = 0
    for n in range(3000):
        dropped += engine.publish_many("topic", [b"x"] * (n % 6)).dropped
        if n % 3 == 0:
            first = iter(inbox).poll()
            told += first.lost if first else 0
        elif n % 7 == 0 and inbox.stats().queued:
            told += inbox.recv(1).lost
        elif n % 11 == 0:
            told += sum(message.lost for message in drained(inbox))
    told += sum(message.lost for message in drained(inbox))
    inbox.close()
    told += sum(message.lost for message in inbox)
    assert dropped > 100 and told == dropped


def drained(inbox: tidings.Mailbox) -> list[tidings.Message]:
    batches, found = iter(inbox), []
    while True:
        message = batches.poll()
        if message is None:
            return found
        found.append(message)
