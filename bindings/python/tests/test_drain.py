"""Ending an engine in good order."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import tidings


def test_what_is_queued_is_received_before_the_end() -> None:
    engine = tidings.Engine()
    box, seen = engine.mailbox(), []
    for n in range(1000):
        box.send(b"", n)
    thread = threading.Thread(target=lambda: [seen.append(m.tag) for m in box])
    thread.start()
    report = engine.drain(60)
    thread.join(60)
    assert seen == list(range(1000)) and report[1:] == (0, [], True)
    assert not thread.is_alive()
    with pytest.raises(tidings.TidingsError):
        box.send(b"")
    with pytest.raises(tidings.TidingsError):
        engine.drain(1)
    engine.close()


def test_the_deadline_ends_it_and_the_report_says_what_was_left() -> None:
    engine = tidings.Engine()
    box, held = engine.mailbox(), engine.mailbox()
    for _ in range(3):
        box.send(b"x")
    held.send(b"y")
    held.suspend()
    start = time.monotonic()
    report = engine.drain(0.1)
    assert time.monotonic() - start >= 0.1
    assert report.undelivered == 4 and [each.id for each in report.suspended] == [held.id] and not report.complete
    with pytest.raises(ValueError):
        tidings.Engine().drain(-1)


def test_its_time_is_that_of_the_engines_clock() -> None:
    engine = tidings.Engine(virtual_clock=True)
    box, reports = engine.mailbox(), []
    box.send(b"never received")
    thread = threading.Thread(target=lambda: reports.append(engine.drain(0.05)))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        with pytest.raises(tidings.ClosedError):
            while time.monotonic() < deadline:
                engine.publish("nobody.listens")
        engine.advance(0.049)
        thread.join(0.1)
        assert thread.is_alive() and box.stats().open
        engine.advance(0.001)
        thread.join(60)
        assert not thread.is_alive() and (reports[0].undelivered, reports[0].complete) == (1, False)
    finally:
        engine.close()


def test_looking_without_waiting_between_turns_of_ones_own_loop() -> None:
    engine = tidings.Engine()
    loop, seen = engine.loop(), []
    box = engine.mailbox(handler=lambda message: seen.append(message.tag), loop=loop)
    for n in range(10):
        box.send(b"", n)
    with pytest.raises(tidings.AgainError):
        engine.drain(0)
    with pytest.raises(tidings.ClosedError):
        box.send(b"from outside")
    with pytest.raises(tidings.ClosedError):
        engine.mailbox()
    while True:
        loop.run(0)
        try:
            report = engine.drain(0)
            break
        except tidings.AgainError:
            pass
    assert seen == list(range(10)) and report.undelivered == 0


def test_handlers_on_the_calling_thread() -> None:
    engine = tidings.Engine()
    loop, seen = engine.loop(), []

    def handle(message: tidings.Message) -> None:
        seen.append((message.tag, threading.get_ident()))
        if message.tag < 100:
            other.send(b"", message.tag + 1, sender=box)

    box = engine.mailbox(handler=handle, loop=loop)
    other = engine.mailbox(handler=lambda message: box.send(b"", message.tag, sender=other), loop=loop)
    box.send(b"", 0)
    report = engine.drain(60, loop=loop)
    assert seen == [(n, threading.get_ident()) for n in range(101)] and report.undelivered == 0


def test_under_asyncio() -> None:
    async def main() -> None:
        engine = tidings.AsyncEngine(tidings.Engine())
        loop, seen = engine.loop(), []
        box = engine.mailbox(handler=lambda message: seen.append(message.tag), loop=loop)
        loop.attach()
        for n in range(100):
            box.send(b"", n)
        report = await engine.drain(60)
        assert seen == list(range(100)) and report.undelivered == 0

    asyncio.run(asyncio.wait_for(main(), 60))


def test_inside_a_handler_it_would_wait_for_itself() -> None:
    with tidings.Engine() as engine:
        loop, errors = engine.loop(), []

        def handle(message: tidings.Message) -> None:
            try:
                engine.drain(5)
            except tidings.TidingsError as error:
                errors.append(type(error))

        engine.mailbox("box", handler=handle, loop=loop)
        engine.send("box")
        loop.run(10)
        assert errors == [tidings.DeadlockError]


@pytest.mark.parametrize("how", ["engine.drain()", "engine.drain(600)", "engine.drain(600, loop=loop)"])
def test_ctrl_c_closes_at_once(how: str) -> None:
    text = f"""
    import tidings
    engine = tidings.Engine()
    box, loop = engine.mailbox(), engine.loop()
    box.send(b"never received")
    print("ready", flush=True)
    try:
        {how}
    except KeyboardInterrupt:
        print("interrupted", box.stats().open)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (out, process.returncode) == ("interrupted False\n", 0)
