"""Under asyncio: the mailbox's descriptor wakes tasks, the loop's runs handlers."""

from __future__ import annotations

import asyncio
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


def test_recv(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox()

    async def main() -> None:
        threading.Timer(0.05, inbox.send, (b"hello",)).start()
        assert (await inbox.recv()).data == b"hello"
        inbox.send(b"there")
        assert (await inbox.recv(timeout=0)).data == b"there"
        with pytest.raises(tidings.AgainError):
            await inbox.recv(timeout=0)
        start = time.monotonic()
        with pytest.raises(tidings.TimedOutError):
            await inbox.recv(timeout=0.05)
        assert time.monotonic() - start >= 0.045
        threading.Timer(0.05, inbox.close).start()
        with pytest.raises(tidings.ClosedError):
            await inbox.recv()

    run(main())


def test_cancelling_loses_no_message(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox()
    count = 3000

    room = threading.Semaphore(5)

    def send() -> None:
        for n in range(count):
            assert room.acquire(timeout=20)
            inbox.send(b"", n)

    async def main() -> list[int]:
        early = asyncio.ensure_future(inbox.recv())
        await asyncio.sleep(0)
        early.cancel()
        with pytest.raises(asyncio.CancelledError):
            await early
        sender = threading.Thread(target=send)
        sender.start()
        seen: list[int] = []
        turn = 0
        while len(seen) < count:
            task = asyncio.ensure_future(inbox.recv())
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


def test_several_tasks_share_a_mailbox(engine: tidings.AsyncEngine) -> None:
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


def test_async_iteration_lets_others_run(engine: tidings.AsyncEngine) -> None:
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


def test_breaking_out_puts_the_rest_back(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox()
    for n in range(10):
        inbox.send(b"", n)

    async def main() -> None:
        async for message in inbox:
            if message.tag == 3:
                break
        assert (await inbox.recv(0)).tag == 4

    run(main())


def test_a_step_that_is_not_taken_loses_no_message(engine: tidings.AsyncEngine) -> None:
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


def test_a_step_waits_when_the_rest_of_its_batch_was_withdrawn(engine: tidings.AsyncEngine) -> None:
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


def test_a_loop_attached_to_asyncio(engine: tidings.AsyncEngine) -> None:
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


def test_an_interrupt_in_a_handler_ends_the_event_loop(engine: tidings.AsyncEngine) -> None:
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


def test_one_event_loop_at_a_time(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox()

    async def main() -> None:
        waiting = asyncio.ensure_future(inbox.recv())
        await asyncio.sleep(0)
        errors: list[BaseException] = []

        def elsewhere() -> None:
            try:
                asyncio.run(inbox.recv())
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(10)
        assert "another event loop" in str(errors[0])
        inbox.send(b"x")
        assert (await waiting).data == b"x"

    run(main())


def test_async_with_gives_the_face_for_asyncio() -> None:
    async def main() -> None:
        async with tidings.Engine() as engine:
            assert isinstance(engine, tidings.AsyncEngine) and engine.blocking.id == engine.id
            async with engine.mailbox("inbox") as inbox:
                engine.send("inbox", b"hello")
                assert (await inbox.recv(30)).data == b"hello"
                plain = engine.blocking.mailbox()
                plain.send(sender=inbox)
                assert plain.recv(30).sender is inbox
            assert engine.whereis("inbox") is None
        with pytest.raises(tidings.TidingsError):
            engine.mailbox()

    run(main())


class Answering(tidings.Server):
    """In parts, late, or not at all."""

    def handle_call(self, request: tidings.Message) -> bytes | Iterator[bytes] | None:
        if request.data == b"parts":
            return (n.to_bytes(2, "little") for n in range(1000))
        if request.data == b"error":
            request.reply_error(5, b"no")
        elif request.data == b"fail":
            raise ValueError("no such thing")
        elif request.data == b"late":
            request.engine.mailbox(handler=lambda message: request.reply(b"late"), loop=self._loop).send_after(0.1)
        return None if request.data in (b"error", b"late", b"drop") else b"echo " + request.data


@pytest.fixture
def answering(engine: tidings.AsyncEngine) -> Iterator[Answering]:
    with Answering().start(engine, "answering") as server:
        yield server


def test_calls_are_awaited(engine: tidings.AsyncEngine, answering: Answering) -> None:
    async def main() -> None:
        assert (await engine.call("answering", b"hi", timeout=30)).data == b"echo hi"
        assert (await engine.call(answering.mailbox, b"late")).data == b"late"
        error = await engine.call("answering", b"error", timeout=30)
        assert (error.status, error.data) == (5, b"no")
        with pytest.raises(tidings.NoReplyError):
            await engine.call("answering", b"drop", timeout=30)
        start = time.monotonic()
        with pytest.raises(tidings.TimedOutError):
            await engine.call(engine.mailbox(), timeout=0.05)
        assert time.monotonic() - start >= 0.05
        with pytest.raises(tidings.NotFoundError):
            await engine.call("nobody")
        both = await asyncio.gather(engine.call("answering", b"late"), engine.call("answering", b"1"))
        assert [reply.data for reply in both] == [b"late", b"echo 1"]
        with pytest.raises(tidings.DownError, match="no such thing"):
            await engine.call("answering", b"fail", timeout=30)

    before = engine.stats().mailboxes
    run(main())
    assert before == 3 and engine.whereis("answering") is None


def test_a_cancelled_call_leaves_nothing(engine: tidings.AsyncEngine) -> None:
    silent = engine.blocking.mailbox()

    async def main() -> None:
        call = asyncio.ensure_future(engine.call(silent, b"?"))
        await asyncio.sleep(0.02)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert engine.stats().mailboxes == 1
        with pytest.raises(tidings.AgainError):  # the request was withdrawn
            silent.recv(0)

    run(main())


def test_streamed_replies_are_async_iterators(engine: tidings.AsyncEngine, answering: Answering) -> None:
    async def main() -> None:
        parts = engine.stream("answering", b"parts", timeout=30)
        seen = [int.from_bytes(part.data, "little") async for part in parts]
        assert seen == list(range(1000)) and parts.reply is not None and parts.reply.error is None
        assert [part async for part in parts] == []
        async with engine.stream(answering.mailbox, b"parts", timeout=30, max_messages=10) as some:
            async for part in some:
                break
        with pytest.raises(tidings.NoReplyError):
            async for _ in engine.stream("answering", b"drop", timeout=30):
                pass

    run(main())


def test_replies_of_many_are_an_async_iterator(engine: tidings.AsyncEngine, answering: Answering) -> None:
    gone = engine.mailbox()
    gone.close()

    async def main() -> None:
        found = {who: answer async for who, answer in engine.call_many([answering.mailbox, gone], b"x", timeout=30)}
        answer = found[answering.mailbox]
        assert isinstance(answer, tidings.Message) and answer.data == b"echo x"
        assert isinstance(found[gone], tidings.TidingsError)
        assert [pair async for pair in engine.call_many([])] == []
        waiting = asyncio.ensure_future(engine.call_many([engine.mailbox()]).__anext__())
        await asyncio.sleep(0.02)
        engine.close()
        with pytest.raises(tidings.TidingsError):
            await waiting

    run(main())


def test_cancelling_an_iteration_loses_no_message(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox()
    count = 2000

    async def main() -> list[int]:
        sender = threading.Thread(target=lambda: [inbox.send(b"", n) for n in range(count)])
        seen: list[int] = []

        async def read() -> None:
            async for message in inbox:
                seen.append(message.tag)
                if message.tag % 3 == 0:
                    await asyncio.sleep(0)

        sender.start()
        while len(seen) < count:
            task = asyncio.ensure_future(read())
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        sender.join()
        return seen

    assert run(main()) == list(range(count))


def test_a_send_that_waits_is_awaited_in_a_thread(engine: tidings.AsyncEngine) -> None:
    inbox = engine.mailbox(policy=tidings.Policy.BLOCK, max_messages=1)

    async def main() -> None:
        inbox.send(b"1")
        sending = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(None, inbox.send, b"2"))
        await asyncio.sleep(0.05)
        assert not sending.done()
        assert (await inbox.recv(30)).data == b"1"
        await asyncio.wait_for(sending, 30)
        assert (await inbox.recv(30)).data == b"2"

    run(main())
