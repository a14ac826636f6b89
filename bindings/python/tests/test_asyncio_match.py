"""Selective receive under asyncio: as that for threads, awaited; and waits that were left by an event loop."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any, Coroutine, Iterator

import pytest

import tidings


@pytest.fixture
def engine() -> Iterator[tidings.AsyncEngine]:
    with tidings.Engine() as opened:
        yield tidings.AsyncEngine(opened)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def tags(mailbox: tidings.AsyncMailbox) -> list[int]:
    async def rest() -> list[int]:
        found = []
        while mailbox.stats().queued:
            found.append((await mailbox.recv(timeout=0)).tag)
        return found

    return run(rest())  # type: ignore[no-any-return]


def test_the_oldest_that_fits_and_the_rest_in_order(engine: tidings.AsyncEngine) -> None:  # rule 6
    inbox, sender = engine.mailbox(), engine.mailbox()
    for tag in (1, 2, 3, 0x14, 5):
        inbox.send(b"%d" % tag, tag, sender=sender if tag == 3 else None)
    monitor = inbox.monitor("nobody")

    async def main() -> list[Any]:
        return [
            (await inbox.recv_match(tag=0x14)).data,
            (await inbox.recv_match(tag=0x05, tag_mask=0x0F)).tag,
            (await inbox.recv_match(sender=sender)).tag,
            (await inbox.recv_match(ref=monitor)).kind,
            (await inbox.recv_match(predicate=lambda message: message.data == b"2")).tag,
        ]

    assert run(main()) == [b"20", 5, 3, tidings.Kind.DOWN, 2]
    assert tags(inbox) == [1]


@pytest.mark.parametrize("backlog", [0, 3])
@pytest.mark.parametrize("how", [{"tag": 7}, {"predicate": lambda message: message.tag == 7}])
def test_it_waits_for_it_behind_others_too(engine: tidings.AsyncEngine, how: Any, backlog: int) -> None:
    inbox = engine.mailbox()
    inbox.send_many([b""] * backlog)

    async def main() -> float:
        threading.Timer(0.1, lambda: (inbox.send(b"no", 6), inbox.send(b"yes", 7))).start()
        before = time.process_time()
        assert (await inbox.recv_match(**how)).data == b"yes"
        return time.process_time() - before

    assert run(main()) < 0.09  # it sleeps meanwhile
    assert tags(inbox) == [0] * backlog + [6]


def test_a_predicate_sees_each_message_once(engine: tidings.AsyncEngine) -> None:
    inbox, seen = engine.mailbox(), []

    def look(message: tidings.Message) -> bool:
        seen.append(message.tag)
        return message.tag == 9

    async def main() -> None:
        inbox.send_many([(1, b""), (2, b"")])
        waiting = asyncio.ensure_future(inbox.recv_match(predicate=look))
        await asyncio.sleep(0.05)
        inbox.send_many([(3, b""), (9, b"")])
        await waiting

    run(main())
    assert seen == [1, 2, 3, 9] and tags(inbox) == [1, 2, 3]


@pytest.mark.parametrize("backlog", [0, 2])
def test_its_time_is_kept_and_nothing_is_taken(engine: tidings.AsyncEngine, backlog: int) -> None:
    inbox = engine.mailbox()
    inbox.send_many([b""] * backlog)

    async def main() -> None:
        with pytest.raises(tidings.AgainError):
            await inbox.recv_match(timeout=0, tag=7)
        start = time.monotonic()
        with pytest.raises(tidings.TimedOutError):
            await inbox.recv_match(timeout=0.05, tag=7)
        assert time.monotonic() - start >= 0.045
        with pytest.raises(TypeError, match="tag_mask"):
            await inbox.recv_match(tag_mask=1)

    run(main())
    assert inbox.stats().queued == backlog


@pytest.mark.parametrize("backlog", [0, 2])
def test_the_end_of_the_mailbox_ends_it(engine: tidings.AsyncEngine, backlog: int) -> None:
    inbox = engine.mailbox()
    inbox.send_many([b""] * backlog)

    async def main() -> None:
        threading.Timer(0.05, inbox.close).start()
        with pytest.raises(tidings.ClosedError):
            await inbox.recv_match(tag=7)

    run(main())


def test_cancelling_it_loses_no_message(engine: tidings.AsyncEngine) -> None:
    inbox, count, dice = engine.mailbox(), 4000, random.Random(5)

    def send() -> None:
        for n in range(count):
            inbox.send(b"", 2 * n)  # those wanted are even
            if n % 50 == 0:
                inbox.send(b"", 2 * n + 1)
                time.sleep(0.0005)

    async def main() -> list[int]:
        sender = threading.Thread(target=send)
        sender.start()
        seen: list[int] = []
        while len(seen) < count:
            how: dict[str, Any] = {"predicate": lambda message: message.tag % 2 == 0} if dice.random() < 0.1 else {"tag": 0, "tag_mask": 1}
            task = asyncio.ensure_future(inbox.recv_match(**how))
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            if dice.random() < 0.4:
                task.cancel()
            try:
                seen.append((await task).tag)
            except asyncio.CancelledError:
                pass
        sender.join()
        return seen

    assert run(main()) == [2 * n for n in range(count)]
    assert tags(inbox) == [2 * n + 1 for n in range(0, count, 50)]


def test_a_wait_that_its_event_loop_left_behind_is_no_obstacle(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox()
    left = asyncio.new_event_loop()
    task = left.create_task(inbox.recv())
    left.run_until_complete(asyncio.sleep(0.01))

    async def while_it_is_open() -> None:
        with pytest.raises(RuntimeError, match="awaited in another event loop"):
            await inbox.recv(timeout=1)

    run(while_it_is_open())
    left.close()

    async def main() -> bytes:
        threading.Timer(0.05, inbox.send, (b"hello",)).start()
        return (await inbox.recv()).data

    assert run(main()) == b"hello"
    task.get_coro().close()
    assert run(main()) == b"hello"
    task._log_destroy_pending = False  # type: ignore[attr-defined]
