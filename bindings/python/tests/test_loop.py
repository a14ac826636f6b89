"""Handlers: one by one, on the thread that runs the loop, and contained when they fail."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import weakref

import pytest

import tidings
from tidings import Kind, Reason


def drive(loop: tidings.Loop) -> None:
    while loop.run(0):
        pass


def test_handlers_run_on_the_thread_that_runs_the_loop(engine: tidings.Engine) -> None:
    loop = engine.loop()
    seen: list[tuple[bytes, int]] = []
    box = engine.mailbox(handler=lambda m: seen.append((m.data, threading.get_ident())), loop=loop)
    thread = threading.Thread(target=lambda: [box.send(str(n).encode()) for n in range(5000)])
    thread.start()
    deadline = time.monotonic() + 30
    while len(seen) < 5000 and time.monotonic() < deadline:
        loop.run(0.1)
    thread.join()
    assert seen == [(str(n).encode(), threading.get_ident()) for n in range(5000)]
    with pytest.raises(tidings.InvalidError):
        box.recv(0)


def test_run_gives_up_after_its_time_and_wakes(engine: tidings.Engine) -> None:
    loop = engine.loop()
    start = time.monotonic()
    assert loop.run(0.05) == 0 and time.monotonic() - start >= 0.05
    threading.Timer(0.05, loop.wake).start()
    assert loop.run(30) == 0
    threading.Timer(0.05, loop.stop).start()
    loop.run_forever()
    threading.Timer(0.05, loop.close).start()
    loop.run_forever()
    with pytest.raises(tidings.TidingsError):
        loop.run(0)
    loop.close()
    assert time.monotonic() - start < 20


def test_an_exception_ends_its_mailbox_and_nothing_else(
    engine: tidings.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    loop, watcher = engine.loop(), engine.mailbox()
    seen: list[bytes] = []

    def fail(message: tidings.Message) -> None:
        seen.append(b"failing")
        raise ValueError("no such thing")

    bad = engine.mailbox(handler=fail, loop=loop)
    good = engine.mailbox(handler=lambda m: seen.append(m.data), loop=loop)
    watcher.monitor(bad)
    for _ in range(3):
        bad.send(b"")
    good.send(b"good")
    with caplog.at_level(logging.ERROR, "tidings"):
        drive(loop)
    assert sorted(seen) == [b"failing", b"good"]
    down = watcher.recv(1)
    assert down.reason == Reason.CALLBACK_FAILED
    assert down.reason.data == b"ValueError: no such thing"
    assert "no such thing" in caplog.text and "ValueError" in caplog.text
    good.send(b"more")
    drive(loop)
    assert seen[-1] == b"more"
    stats = bad.stats()
    assert (stats.sent, stats.delivered, stats.discarded) == (3, 1, 2)


class WithoutText(Exception):
    def __str__(self) -> str:
        raise ValueError("it cannot be said")


# (rule 9)
@pytest.mark.parametrize(
    "error, text",
    [
        (asyncio.CancelledError("cancelled"), b"CancelledError: cancelled"),
        (GeneratorExit(), b"GeneratorExit: "),
        (WithoutText(), b"WithoutText"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_of_any_sort_ends_its_mailbox(engine: tidings.Engine, error: BaseException, text: bytes) -> None:
    loop, watcher = engine.loop(), engine.mailbox()

    def fail(message: tidings.Message) -> None:
        raise error

    bad = engine.mailbox(handler=fail, loop=loop)
    watcher.monitor(bad)
    bad.send(b"")
    bad.send(b"")
    drive(loop)
    down = watcher.recv(1)
    assert (down.reason, down.reason.data) == (Reason.CALLBACK_FAILED, text)
    assert bad.stats().delivered == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_leaving_the_program_comes_out_of_run(engine: tidings.Engine, kind: type[BaseException]) -> None:
    loop = engine.loop()
    seen: list[bytes] = []

    def handle(message: tidings.Message) -> None:
        if message.data == b"leave":
            raise kind("now")
        seen.append(message.data)

    box = engine.mailbox(handler=handle, loop=loop)
    other = engine.mailbox(handler=handle, loop=loop)
    for data in (b"1", b"leave", b"2"):
        box.send(data)
    other.send(b"3")
    with pytest.raises(kind, match="now"):
        for _ in range(10):
            loop.run(1)
    assert box.stats().open
    drive(loop)
    assert sorted(seen) == [b"1", b"2", b"3"]


def test_what_a_handler_does_to_its_mailbox_holds_for_the_batch(engine: tidings.Engine) -> None:
    loop = engine.loop()
    seen: list[object] = []
    target = engine.mailbox()

    def handle(message: tidings.Message) -> None:
        seen.append(message.data if message.kind == Kind.MESSAGE else message.kind)
        if message.data == b"stop watching":
            monitor.demonitor(flush=True)
            call.cancel()
        if message.data == b"close":
            box.close()

    box = engine.mailbox(handler=handle, loop=loop)
    server = engine.mailbox()
    monitor = box.monitor(target)
    call = box.call_start(server, timeout=60)
    box.send(b"stop watching")
    target.close()
    server.recv(1).reply()
    for data in (b"1", b"close", b"2", b"3"):
        box.send(data)
    drive(loop)
    assert seen == [b"stop watching", b"1", b"close"]


def test_two_callbacks_exactly_one_of_them_once(engine: tidings.Engine) -> None:
    loop = engine.loop()
    seen: list[object] = []
    box = engine.mailbox(handler=lambda m: seen.append(m.kind), loop=loop)
    target, gone = engine.mailbox("target"), engine.mailbox()
    gone.close()
    box.monitor(target, lambda reason: seen.append(("died", int(reason), reason.data)), lambda: seen.append("down"))
    box.monitor("target", died=lambda reason: seen.append("by name"))
    box.monitor(gone, lambda reason: seen.append("died"), lambda: seen.append("already down"))
    box.monitor("nobody", already_down=lambda: seen.append("nobody"))
    box.monitor("nobody", died=lambda reason: seen.append("never"))
    cancelled = box.monitor(target, died=lambda reason: seen.append("cancelled"))
    drive(loop)
    assert seen == ["already down", "nobody"]
    cancelled.demonitor()
    target.exit(1300, b"x")
    drive(loop)
    assert seen[2:] == [("died", 1300, b"x"), "by name"]
    box.monitor(gone)
    drive(loop)
    assert seen[4:] == [Kind.DOWN]
    assert box._callbacks == {}


def test_a_monitor_raced_with_the_death_it_watches(engine: tidings.Engine) -> None:
    loop = engine.loop()
    count: list[str] = []
    box = engine.mailbox(handler=lambda m: count.append("message"), loop=loop)
    runner = threading.Thread(target=loop.run_forever)
    runner.start()
    rounds = 2000
    for n in range(rounds):
        target = engine.mailbox()
        killer = threading.Thread(target=target.close) if n % 50 == 0 else None
        if killer:
            killer.start()
        elif n % 2:
            target.close()
        box.monitor(target, lambda reason: count.append("died"), lambda: count.append("already"))
        target.close()
        if killer:
            killer.join()
    deadline = time.monotonic() + 20
    while len(count) < rounds and time.monotonic() < deadline:
        time.sleep(0.01)
    loop.close()
    runner.join(10)
    assert len(count) == rounds and set(count) == {"died", "already"}


def test_an_unanswered_request_in_a_handler_is_dropped(engine: tidings.Engine) -> None:
    loop = engine.loop()
    kept: list[tidings.Message] = []
    box = engine.mailbox(handler=lambda m: kept.append(m) if m.data == b"keep" else None, loop=loop)
    me = engine.mailbox()
    forgotten, later = me.call_start(box, b"x", timeout=60), me.call_start(box, b"keep", timeout=60)
    drive(loop)
    assert me.recv_match(1, ref=forgotten).status == tidings.NoReplyError.code
    kept.pop().reply(b"late")
    assert me.recv_match(1, ref=later).data == b"late"


def test_calling_ones_own_loop_is_a_deadlock(engine: tidings.Engine) -> None:
    loop = engine.loop()
    errors: list[BaseException] = []
    other = engine.mailbox(handler=lambda m: m.reply(), loop=loop)

    def handle(message: tidings.Message) -> None:
        try:
            other.call(b"", sender=box, timeout=10)
        except tidings.TidingsError as error:
            errors.append(error)

    box = engine.mailbox(handler=handle, loop=loop)
    box.send(b"")
    drive(loop)
    assert [type(error) for error in errors] == [tidings.DeadlockError]


def test_a_handler_and_its_mailbox_go_when_the_mailbox_ends(engine: tidings.Engine) -> None:
    class Thing:
        def handle(self, message: tidings.Message) -> None:
            self.last = message

    loop, thing = engine.loop(), Thing()
    gone = weakref.ref(thing)
    box = engine.mailbox(handler=thing.handle, loop=loop)
    box.send(b"x")
    drive(loop)
    assert thing.last.data == b"x"
    del thing
    assert gone() is not None
    box.close()
    drive(loop)
    tidings._fast.drain()
    gc.collect()
    assert gone() is None


def test_a_failed_open_gives_the_handler_back(engine: tidings.Engine) -> None:
    class Handler:
        def __call__(self, message: tidings.Message) -> None: ...

    engine.mailbox("taken")
    loop, handler = engine.loop(), Handler()
    gone = weakref.ref(handler)
    with pytest.raises(tidings.ExistsError):
        engine.mailbox("taken", handler=handler, loop=loop)
    del handler
    drive(loop)
    gc.collect()
    assert gone() is None


def test_coroutine_functions_are_refused(engine: tidings.Engine) -> None:
    async def handle(message: tidings.Message) -> None: ...

    with pytest.raises(TypeError, match="async for"):
        engine.mailbox(handler=handle, loop=engine.loop())
    with pytest.raises(TypeError, match="a function of one message"):
        engine.mailbox(handler=5, loop=engine.loop())  # type: ignore[arg-type]


def test_losses_are_told_to_handlers(engine: tidings.Engine) -> None:
    loop = engine.loop()
    seen: list[tuple[int, int]] = []
    box = engine.mailbox(
        handler=lambda m: seen.append((m.tag, m.lost)), loop=loop, max_messages=3, policy=tidings.Policy.DROP_OLD
    )
    for n in range(5):
        box.send(b"", n)
    drive(loop)
    assert seen == [(2, 2), (3, 0), (4, 0)]


def test_time_driven_by_the_host() -> None:
    with tidings.Engine(time="host") as engine, engine.loop() as loop:
        seen: list[int] = []
        box = engine.mailbox(handler=lambda m: seen.append(m.kind), loop=loop)
        assert loop.deadline() is None
        box.send_after(0.05)
        assert 0 < (loop.deadline() or 0) <= 0.05
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            loop.run(loop.deadline())
        assert seen == [Kind.TIMER]
        assert engine.stats().threads == 0


def test_a_budget_bounds_one_run(engine: tidings.Engine) -> None:
    loop = engine.loop(budget=1)
    seen: list[int] = []
    boxes = [engine.mailbox(handler=lambda m: seen.append(m.tag), loop=loop) for _ in range(3)]
    for n, box in enumerate(boxes):
        box.send(b"", n)
    assert loop.run(1) == 1 and len(seen) == 1
    drive(loop)
    assert sorted(seen) == [0, 1, 2]


def test_a_loop_on_a_thread_of_its_own(engine: tidings.Engine) -> None:
    threads: list[int] = []

    def handle(message: tidings.Message) -> None:
        threads.append(threading.get_ident())
        if message.kind == Kind.REQUEST:
            message.reply()

    with engine.loop().start("mine") as loop:
        box = engine.mailbox(handler=handle, loop=loop)
        box.call(timeout=30)
        assert loop._thread and loop._thread.name == "mine" and threads == [loop._thread.ident]
        with pytest.raises(RuntimeError, match="a thread already"):
            loop.start()
        loop.stop()
        assert not loop._thread.is_alive()
        box.send()
        time.sleep(0.02)
        assert len(threads) == 1 and box.stats().queued == 1
        loop.start()
        box.call(timeout=30)
        thread = loop._thread
    assert thread and not thread.is_alive()
    with pytest.raises(tidings.NoProcError):
        box.send()


def test_a_loop_closes_itself_from_its_thread(engine: tidings.Engine) -> None:
    for end in "stop", "close":
        loop = engine.loop().start()
        box = engine.mailbox(handler=lambda message: getattr(loop, end)(), loop=loop)
        box.send()
        assert loop._thread
        loop._thread.join(30)
        assert not loop._thread.is_alive()
