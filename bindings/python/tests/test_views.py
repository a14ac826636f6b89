"""Views: payloads that are seen where the engine has them, without a copy. (rule 10)"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from enum import IntEnum, IntFlag

import pytest

import tidings
from tidings import Kind, _fast


def same(view: memoryview, data: bytes) -> bool:
    return view.readonly and view.format == "B" and bytes(view) == data


def test_every_message_has_a_view(engine: tidings.Engine) -> None:
    for views in False, True:
        inbox = engine.mailbox(views=views)
        inbox.send(b"hello", 5)
        inbox.send()
        message, empty = inbox.recv(0), inbox.recv(0)
        assert same(message.view, b"hello") and message.data == b"hello" and message.tag == 5
        assert same(empty.view, b"") and empty.data == b""
        assert isinstance(message, tidings.Message) and "hello" in repr(message)


def test_a_large_payload_is_the_object_that_was_sent(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(views=True)
    large = bytes(1 << 20)
    before = sys.getrefcount(large)
    for _ in range(3):
        inbox.send(large)
    address = _address_of(memoryview(large))
    views = [inbox.recv(0).view, next(iter(inbox)).view, inbox.recv_match(0, kind=Kind.MESSAGE).view]
    assert [_address_of(view) for view in views] == [address] * 3
    engine.close()
    assert all(len(view) == 1 << 20 for view in views) and sys.getrefcount(large) == before + 3
    views.clear()
    gc.collect()
    _fast.drain()
    assert sys.getrefcount(large) == before


def _address_of(view: memoryview) -> int:
    import ctypes

    pointer = ctypes.c_void_p()
    buffer = (ctypes.c_ssize_t * 32)()  # large enough for a Py_buffer, whose first field is the address
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0)
    pointer.value = buffer[0]
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    assert pointer.value is not None
    return pointer.value


def test_the_views_of_a_batch_are_neighbours(engine: tidings.Engine) -> None:
    """They are in the frames themselves: what a copy made would lie anywhere."""
    inbox = engine.mailbox(views=True)
    for n in range(40):
        inbox.send(bytes([n]) * 64)
    places = [_address_of(message.view) for _, message in zip(range(40), inbox)]
    steps = [after - before for before, after in zip(places, places[1:])]
    assert steps.count(32 + 64) > 30  # all but where a segment ends


def test_views_outlive_batch_mailbox_and_engine() -> None:
    with tidings.Engine() as engine:
        inbox = engine.mailbox(views=True)
        for n in range(1000):
            inbox.send(n.to_bytes(4, "little") * 25, n)
        views = []
        for message in inbox:
            views.append(message.view)
            if message.tag == 499:
                break
        del message
        assert inbox.recv(0).tag == 500  # the rest went back
        inbox.close()
    gc.collect()
    with tidings.Engine() as other:  # takes what memory there is
        noise = other.mailbox()
        for n in range(1000):
            noise.send(b"\xff" * 100)
    assert all(same(view, n.to_bytes(4, "little") * 25) for n, view in enumerate(views))


def test_handlers_and_asyncio_have_views_too(engine: tidings.Engine) -> None:
    loop, views = engine.loop(), []
    box = engine.mailbox(handler=lambda message: views.append(message.view), loop=loop, views=True)
    inbox = tidings.AsyncEngine(engine).mailbox(views=True)
    for n in range(10):
        box.send(b"handled %d" % n)
        inbox.send(b"awaited %d" % n)
    while loop.run(0):
        pass

    async def main() -> None:
        async for message in inbox:
            views.append(message.view)
            if message.data == b"awaited 9":
                return

    asyncio.run(main())
    loop.close()
    engine.close()
    assert [bytes(view) for view in views] == [b"handled %d" % n for n in range(10)] + [b"awaited %d" % n for n in range(10)]


def test_requests_signals_and_topics_have_views(engine: tidings.Engine) -> None:
    inbox, me, target = engine.mailbox(views=True), engine.mailbox(), engine.mailbox()
    inbox.monitor(target)
    target.exit(1500, b"why")
    down = inbox.recv(5)
    assert down.reason.data == b"why" and same(down.view, b"why")
    inbox.subscribe("news")
    engine.publish("news", b"fresh")
    news = inbox.recv(0)
    assert (news.topic, bytes(news.view)) == ("news", b"fresh")
    back = engine.mailbox()
    call = me.call_start(inbox, b"question", timeout=30)
    request = inbox.recv(0)
    request.forward(back)
    back.recv(0).reply(request.view)
    assert me.recv_match(5, ref=call).data == b"question"
    inbox.send(b"plain")
    inbox.recv(0).forward(back)
    assert back.recv(0).data == b"plain"
    found = engine.mailbox(views=True)
    found.send(b"no")
    found.send(b"yes")
    assert bytes(found.recv_match(0, predicate=lambda message: message.view == b"yes").view) == b"yes"


def test_a_producer_does_not_disturb_views(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(views=True, policy=tidings.Policy.BLOCK, max_messages=100)

    def send() -> None:
        for n in range(20_000):
            inbox.send(n.to_bytes(4, "little") * 8, n)

    thread = threading.Thread(target=send)
    thread.start()
    held: list[tuple[int, memoryview]] = []
    for message in inbox:
        if message.tag % 7 == 0:
            held.append((message.tag, message.view))
        if message.tag == 19_999:
            break
    thread.join()
    assert all(same(view, n.to_bytes(4, "little") * 8) for n, view in held)


class Tag(IntEnum):
    HELLO = 7


class Bits(IntFlag):
    HIGH = 1 << 63
    LOW = 1


def test_tags_are_ints_or_enums(engine: tidings.Engine) -> None:
    inbox, target = engine.mailbox(notifiable=True), engine.mailbox()
    target.close()
    inbox.send(b"", Tag.HELLO)
    inbox.send_many([(Tag.HELLO, b"")])
    inbox.send_after(0, tag=Tag.HELLO)
    inbox.monitor(target, tag=Tag.HELLO)
    inbox.subscribe("topic")
    engine.publish("topic", b"", Tag.HELLO)
    engine.publish_many("topic", [(Tag.HELLO, b"")])
    call = engine.mailbox().call_start(inbox, tag=Tag.HELLO)
    for _ in range(7):
        message = inbox.recv_match(5, tag=Tag.HELLO)
        assert message.tag == Tag.HELLO and Tag(message.tag) is Tag.HELLO
    assert message.kind in (Kind.REQUEST, Kind.TIMER) and call.id
    inbox.send(b"", Bits.HIGH | Bits.LOW)
    assert inbox.recv_match(0, tag=Bits.LOW, tag_mask=Bits.LOW).tag == Bits.HIGH | Bits.LOW
    with pytest.raises(ValueError, match="a tag is a number"):
        inbox.send(b"", -1)


def test_what_things_are_called(engine: tidings.Engine) -> None:
    box = engine.mailbox("inbox")
    box.send(b"x", 5)
    assert repr(box) == f"<tidings.Mailbox 'inbox' {box.id:#x}, 1 queued>" and box.name == "inbox"
    assert "'news.*'" in repr(box.subscribe("news.*")) and "'jobs'" in repr(box.watch_interest("jobs"))
    call = engine.mailbox().call_start(box, b"?", 6)
    box.recv(0)
    request = box.recv(0)
    assert repr(request) == f"<tidings.Message REQUEST b'?' (1 bytes) tag=6 ref={call.id:#x} sender={request.sender_id:#x}>"
    box.exit(1500, b"why")
    assert repr(box) == f"<tidings.Mailbox 'inbox' {box.id:#x}, ended: user+476>"
    with pytest.raises(tidings.NoProcError) as error:
        box.send()
    assert repr(error.value) == f"NoProcError({error.value.detail!r}, code=TD_ENOPROC)"
