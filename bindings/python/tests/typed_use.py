"""What a program in strict typing writes; mypy reads it (test_types.py), nobody runs it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

import tidings

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Tag(IntEnum):
    JOIN = 1


class Counter(tidings.Server):
    def __init__(self, first: int) -> None:
        self.count = first

    def handle_call(self, request: tidings.Message) -> bytes | Iterator[bytes] | None:
        return b"%d" % self.count

    def handle_down(self, message: tidings.Message) -> None:
        assert_type(message.reason, tidings.Reason)


def threads(engine: tidings.Engine) -> None:
    inbox = engine.mailbox("inbox", views=True)
    assert_type(inbox, tidings.Mailbox)
    for payload in (b"", bytearray(), memoryview(b""), array("I")):
        inbox.send(payload, Tag.JOIN, sender=inbox)
    inbox.send("text")  # type: ignore[arg-type]
    for message in inbox:
        assert_type(message.data, bytes)
        assert_type(message.view, memoryview)
        assert_type(message.sender, "tidings.Address | None")
    assert_type(inbox.recv_match(tag=Tag.JOIN), tidings.Message)
    assert_type(Counter(1).start(engine, "counter"), Counter)
    Counter("one")  # type: ignore[arg-type]
    inbox.monitor("counter", died=lambda reason: reason.data, already_down=lambda: None)
    assert_type([part.data for part in inbox.stream(b"")], list[bytes])


async def asyncio() -> None:
    async with tidings.Engine() as engine:
        assert_type(engine, tidings.AsyncEngine)
        async with engine.mailbox() as inbox:
            assert_type(inbox, tidings.AsyncMailbox)
            assert_type(await inbox.recv(timeout=1), tidings.Message)
            async for message in inbox:
                assert_type(message, tidings.Message)
            for _ in inbox:  # type: ignore[attr-defined]
                pass
        assert_type(await engine.call("counter", b""), tidings.Message)
        assert_type([part.data async for part in engine.stream("counter")], list[bytes])
        async for mailbox, answer in engine.call_many([inbox]):
            assert_type(mailbox, tidings.Address)
            assert_type(answer, "tidings.Message | tidings.TidingsError")
        assert_type(await engine.drain(1), tidings.DrainReport)
