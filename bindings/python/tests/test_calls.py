"""Answers in parts, calls to many, requests given on."""

from __future__ import annotations

import threading
import time
from typing import Callable

import pytest

import tidings
from tidings import Kind


def served(engine: tidings.Engine, answer: Callable[[tidings.Message], object]) -> tidings.Mailbox:
    """A mailbox whose requests a thread answers."""
    box = engine.mailbox()

    def serve() -> None:
        for request in box:
            try:
                answer(request)
            except (tidings.StaleError, tidings.NoProcError):
                pass
            del request  # the loop would keep it until the next one

    threading.Thread(target=serve, daemon=True).start()
    return box


def test_a_stream_of_parts_in_order_then_the_end(engine: tidings.Engine) -> None:
    count = 100_000

    def answer(request: tidings.Message) -> None:
        for n in range(count):
            request.reply_part(n.to_bytes(4, "little"))
        request.reply_end()

    parts = served(engine, answer).stream(b"all", timeout=120)
    for n, part in enumerate(parts):
        assert part.kind == Kind.PART and part.data == n.to_bytes(4, "little")
    assert n == count - 1 and parts.reply is not None and parts.reply.error is None
    assert list(parts) == []


def test_a_stream_may_end_in_a_reply_or_an_error(engine: tidings.Engine) -> None:
    def answer(request: tidings.Message) -> None:
        request.reply_part(b"1")
        request.reply_part(b"2")
        if request.data == b"reply":
            request.reply(b"done")
        elif request.data == b"error":
            request.reply_error(5, b"no")
        elif request.data == b"die":
            box.exit(1700, b"enough")

    box = served(engine, answer)
    parts = box.stream(b"reply", timeout=60)
    assert [part.data for part in parts] == [b"1", b"2"] and parts.reply is not None and parts.reply.data == b"done"
    parts = box.stream(b"error", timeout=60)
    assert len(list(parts)) == 2 and parts.reply is not None and (parts.reply.status, parts.reply.data) == (5, b"no")
    seen = []
    with pytest.raises(tidings.NoReplyError):
        for part in box.stream(b"forget", timeout=60):
            seen.append(part.data)
    assert seen == [b"1", b"2"]
    with pytest.raises(tidings.DownError) as down:
        list(box.stream(b"die", timeout=60))
    assert down.value.reason == 1700 and down.value.reason.data == b"enough"
    with pytest.raises(tidings.NoProcError):
        box.stream(b"")


def test_a_stream_has_a_deadline(engine: tidings.Engine) -> None:
    stuck = engine.mailbox()
    start = time.monotonic()
    with pytest.raises(tidings.TimedOutError):
        list(stuck.stream(b"", timeout=0.05))
    assert time.monotonic() - start >= 0.05


def test_a_replier_waits_for_a_slow_reader_or_is_told(engine: tidings.Engine) -> None:
    stuck = engine.mailbox()
    parts = stuck.stream(timeout=60, max_messages=2)
    request = stuck.recv(5)
    request.reply_part(b"1")
    request.reply_part(b"2", timeout=0)
    with pytest.raises(tidings.FullError):
        request.reply_part(b"3", timeout=0)
    with pytest.raises(tidings.TidingsError):
        request.reply_part(b"3", timeout=0.02)
    threading.Timer(0.05, next, (parts,)).start()
    request.reply_part(b"3", timeout=60)
    request.reply_end()
    assert [part.data for part in parts] == [b"2", b"3"]
    with pytest.raises(tidings.StaleError):
        request.reply_part(b"4")
    with pytest.raises(tidings.StaleError):
        request.reply_end()
    stuck.send(b"")
    message = stuck.recv(0)
    with pytest.raises(ValueError, match="only a request"):
        message.reply_part(b"")
    with pytest.raises(ValueError, match="only a request"):
        message.reply_end()


def test_a_stream_given_up_stops_its_replier(engine: tidings.Engine) -> None:
    told = threading.Event()

    def answer(request: tidings.Message) -> None:
        try:
            while True:
                request.reply_part(bytes(1000))
        except (tidings.StaleError, tidings.NoProcError, tidings.ClosedError):
            told.set()

    box = served(engine, answer)
    with box.stream(timeout=60, max_messages=10) as parts:
        next(parts)
    assert told.wait(60)
    told.clear()
    for part in box.stream(timeout=60, max_messages=10):
        break
    assert told.wait(60)


def test_parts_come_to_a_handler_too(engine: tidings.Engine) -> None:
    loop, seen = engine.loop(), []
    box = engine.mailbox(handler=lambda m: seen.append((m.kind, m.data, m.ref)), loop=loop)
    server = engine.mailbox()
    call = box.call_start(server, b"", timeout=60)
    request = server.recv(0)
    request.reply_part(b"1")
    request.reply_part(b"2")
    request.reply_end()
    while loop.run(0):
        pass
    assert seen == [(Kind.PART, b"1", call.id), (Kind.PART, b"2", call.id), (Kind.REPLY, b"", call.id)]


def test_a_call_is_started_by_name(engine: tidings.Engine) -> None:
    served(engine, lambda request: request.reply(request.data + b"!")).register("shouter")
    with engine.mailbox() as me:
        call = me.call_start("shouter", b"hello", timeout=60)
        assert me.recv_match(60, ref=call).data == b"hello!"
        with pytest.raises(tidings.NotFoundError):
            me.call_start("nobody")


def test_replies_of_many_as_they_come(engine: tidings.Engine) -> None:
    def slow(request: tidings.Message) -> None:
        time.sleep(0.1)
        request.reply(b"slow")

    quick = served(engine, lambda request: request.reply(b"quick " + request.data))
    late = served(engine, slow)
    silent, failing = engine.mailbox(), served(engine, lambda request: request.reply_error(9, b"no"))
    dropping = served(engine, lambda request: request.drop())
    gone = engine.mailbox()
    gone.close()
    found = {}
    order = []
    for mailbox, answer in engine.call_many([late, silent, gone, quick, failing, dropping], b"?", timeout=1.0):
        found[mailbox] = answer
        order.append(mailbox)
    assert len(found) == 6 and order.index(quick) < order.index(late) < order.index(silent)
    answer = found[quick]
    assert isinstance(answer, tidings.Message) and answer.data == b"quick ?" and answer.sender == quick
    answer = found[failing]
    assert isinstance(answer, tidings.Message) and answer.status == 9
    assert isinstance(found[silent], tidings.TimedOutError)
    assert isinstance(found[dropping], tidings.NoReplyError)
    assert isinstance(found[gone], (tidings.NoProcError, tidings.DownError))
    assert list(engine.call_many([], b"")) == []


def test_a_group_is_called_and_a_handler_gets_the_replies(engine: tidings.Engine) -> None:
    group = engine.group("servers")
    for _ in range(3):
        group.join(served(engine, lambda request: request.reply(b"here")))
    assert [answer.data for _, answer in engine.call_many(group, timeout=60)] == [b"here"] * 3  # type: ignore[union-attr]
    loop, seen = engine.loop(), []
    box = engine.mailbox(handler=seen.append, loop=loop)
    call = box.call_many_start(group, b"", 5, timeout=60)
    deadline = time.monotonic() + 60
    while len(seen) < 4 and time.monotonic() < deadline:
        loop.run(0.1)
    assert [m.kind for m in seen] == [Kind.REPLY] * 3 + [Kind.REPLIES]
    assert {m.ref for m in seen} == {call.id} and {m.tag for m in seen} == {5}
    assert (seen[-1].answered, seen[-1].failed) == (3, 0)


def test_giving_up_on_many(engine: tidings.Engine) -> None:
    boxes = [engine.mailbox() for _ in range(3)]
    replies = engine.call_many(boxes, timeout=60)
    requests = [box.recv(5) for box in boxes]
    requests[0].reply(b"first")
    assert next(replies)[0] == boxes[0]
    replies.close()
    with pytest.raises(tidings.StaleError):
        requests[1].reply(b"late")
    assert list(replies) == []


def test_a_request_given_on_is_answered_by_the_other(engine: tidings.Engine) -> None:
    front, back, me = engine.mailbox(), engine.mailbox(), engine.mailbox()
    call = me.call_start(front, b"question", 7, timeout=60)
    request = front.recv(0)
    request.forward(back)
    del request
    taken = back.recv(0)
    assert (taken.kind, taken.data, taken.tag) == (Kind.REQUEST, b"question", 7)
    taken.reply(b"answer")
    assert me.recv_match(5, ref=call).data == b"answer"
    front.send(b"plain", 3, sender=me)
    front.recv(0).forward(back, sender=front)
    plain = back.recv(0)
    assert (plain.data, plain.tag) == (b"plain", 3)
    engine.mailbox().subscribe("x")
    back.close()
    front.send(b"x")
    message = front.recv(0)
    with pytest.raises(tidings.NoProcError):
        message.forward(back)
    call = me.call_start(front, timeout=60)
    request = front.recv(5)
    with pytest.raises(TypeError):
        request.forward("name")  # type: ignore[arg-type]
    with pytest.raises(tidings.NoProcError):
        request.forward(back)
    request.reply(b"still here")
    assert me.recv_match(5, ref=call).data == b"still here"


def test_an_engine_that_closes_ends_the_iteration(engine: tidings.Engine) -> None:
    parts = engine.mailbox().stream(timeout=60)
    replies = engine.call_many([engine.mailbox()], timeout=60)
    threading.Timer(0.05, engine.close).start()
    with pytest.raises(tidings.TidingsError):
        list(parts)
    with pytest.raises(tidings.TidingsError):
        list(replies)
