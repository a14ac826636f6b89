"""Under asyncio: the mailbox's descriptor wakes tasks, the loop's runs handlers."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Coroutine

import pytest

import tidings


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_recv_async(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()

    async def main() -> None:
        threading.Timer(0.05, inbox.send, (b"hello",)).start()
        assert (await inbox.recv_async()).data == b"hello"
        inbox.send(b"there")
        assert (await inbox.recv_async(timeout=0)).data == b"there"
        with pytest.raises(tidings.AgainError):
            await inbox.recv_async(timeout=0)
        start = time.monotonic()
        with pytest.raises(tidings.TimedOutError):
            await inbox.recv_async(timeout=0.05)
        assert time.monotonic() - start >= 0.045
        threading.Timer(0.05, inbox.close).start()
        with pytest.raises(tidings.ClosedError):
            await inbox.recv_async()

    run(main())


def test_cancelling_loses_no_message(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    count = 3000

    room = threading.Semaphore(5)

    def send() -> None:
        for n in range(count):
            assert room.acquire(timeout=20)
            inbox.send(b"", n)

    async def main() -> list[int]:
        early = asyncio.ensure_future(inbox.recv_async())
        await asyncio.sleep(0)
        early.cancel()
        with pytest.raises(asyncio.CancelledError):
            await early
        sender = threading.Thread(target=send)
        sender.start()
        seen: list[int] = []
        turn = 0
        while len(seen) < count:
            task = asyncio.ensure_future(inbox.recv_async())
            turn += 1
            for _ in range(turn % 4):
                await asyncio.sleep(0)
            if turn % 2:
                task.cancel()
            try:
                seen.append((await task).tag)
                room.release()
            except asyncio.CancelledError:
                pass
        sender.join()
        return seen

    assert run(main()) == list(range(count))


def test_several_tasks_share_a_mailbox(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()

    async def reader() -> list[int]:
        return [message.tag async for message in inbox]

    async def main() -> None:
        readers = [asyncio.ensure_future(reader()) for _ in range(3)]
        for n in range(300):
            inbox.send(b"", n)
            if n % 7 == 0:
                await asyncio.sleep(0)
        while inbox.stats().queued:
            await asyncio.sleep(0.01)
        inbox.close()
        parts = await asyncio.gather(*readers)
        assert sorted(tag for part in parts for tag in part) == list(range(300))
        assert all(part == sorted(part) for part in parts)

    run(main())


def test_async_iteration_lets_others_run(engine: tidings.Engine) -> None:
    inbox = engine.mailbox(policy=tidings.Policy.DROP_OLD, max_messages=500)
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            inbox.send(b"x" * 64)

    async def main() -> None:
        turns = seen = 0

        async def other() -> None:
            nonlocal turns
            while not stop.is_set():
                turns += 1
                await asyncio.sleep(0.001)

        task = asyncio.ensure_future(other())
        thread = threading.Thread(target=flood)
        thread.start()
        end = time.monotonic() + 1
        async for _ in inbox:
            seen += 1
            if time.monotonic() > end:
                break
        stop.set()
        thread.join()
        await task
        assert seen > 1000 and turns > 10

    run(main())


def test_breaking_out_puts_the_rest_back(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    for n in range(10):
        inbox.send(b"", n)

    async def main() -> None:
        async for message in inbox:
            if message.tag == 3:
                break
        assert (await inbox.recv_async(0)).tag == 4

    run(main())


def test_a_step_that_is_not_taken_loses_no_message(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    for n in range(4):
        inbox.send(b"", n)

    async def main() -> list[int]:
        messages = inbox.__aiter__()
        seen = [(await messages.__anext__()).tag]
        messages.__anext__()  # nobody awaits it
        early = asyncio.ensure_future(messages.__anext__())
        early.cancel()
        with pytest.raises(asyncio.CancelledError):
            await early
        seen.append((await asyncio.wait_for(messages.__anext__(), 30)).tag)
        return [*seen, (await messages.__anext__()).tag, (await messages.__anext__()).tag]

    assert run(main()) == [0, 1, 2, 3]


def test_a_step_waits_when_the_rest_of_its_batch_was_withdrawn(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    subscription = inbox.subscribe("news")
    for n in range(3):
        engine.publish("news", b"", n)

    async def main() -> None:
        messages = inbox.__aiter__()
        assert (await messages.__anext__()).tag == 0
        subscription.unsubscribe(flush=True)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(messages.__anext__(), 0.05)
        asyncio.get_running_loop().call_later(0.05, inbox.send, b"", 7)
        assert (await messages.__anext__()).tag == 7
        inbox.close()
        with pytest.raises(StopAsyncIteration):
            await messages.__anext__()

    run(main())


def test_a_loop_attached_to_asyncio(engine: tidings.Engine) -> None:
    async def main() -> None:
        loop = engine.loop()
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        seen: list[int] = []

        def handle(message: tidings.Message) -> None:
            assert threading.get_ident() == owner
            seen.append(message.tag)
            if message.tag == 1999:
                done.set_result(1)

        owner = threading.get_ident()
        box = engine.mailbox(handler=handle, loop=loop)
        loop.attach()
        with pytest.raises(RuntimeError, match="attached already"):
            loop.attach()
        thread = threading.Thread(target=lambda: [box.send(b"", n) for n in range(2000)])
        thread.start()
        await done
        thread.join()
        assert seen == list(range(2000))
        loop.detach()
        box.send(b"", 5)
        await asyncio.sleep(0.05)
        assert len(seen) == 2000
        loop.attach()
        await asyncio.sleep(0.05)
        assert seen[-1] == 5
        loop.close()

    run(main())


def test_timers_of_a_host_driven_engine_under_asyncio() -> None:
    async def main() -> None:
        with tidings.Engine(time="host") as engine, engine.loop() as loop:
            fired = asyncio.Event()
            box = engine.mailbox(handler=lambda message: fired.set(), loop=loop)
            loop.attach()
            box.send_after(0.05)
            await fired.wait()
            fired.clear()
            box.send_every(0.02)
            for _ in range(3):
                await fired.wait()
                fired.clear()

    run(main())


def test_an_interrupt_in_a_handler_ends_the_event_loop(engine: tidings.Engine) -> None:
    def handle(message: tidings.Message) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        loop = engine.loop()
        engine.mailbox("box", handler=handle, loop=loop)
        loop.attach()
        engine.send("box")
        await asyncio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


def test_one_event_loop_at_a_time(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()

    async def main() -> None:
        waiting = asyncio.ensure_future(inbox.recv_async())
        await asyncio.sleep(0)
        errors: list[BaseException] = []

        def elsewhere() -> None:
            try:
                asyncio.run(inbox.recv_async())
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(10)
        assert "another event loop" in str(errors[0])
        inbox.send(b"x")
        assert (await waiting).data == b"x"

    run(main())
