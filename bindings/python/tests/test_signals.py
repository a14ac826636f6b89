"""Waits leave the interpreter to others, and Ctrl-C reaches them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import tidings

WAITS = {
    "recv": "box.recv()",
    "recv with a timeout": "box.recv(60)",
    "recv_match": "box.recv_match(60, tag=5)",
    "predicate": "box.recv_match(60, predicate=lambda message: False)",
    "iteration": "[message for message in box]",
    "run": "loop.run(60)",
    "run_forever": "loop.run_forever()",
    "wait": "box.wait(60)",
    "call": "box.call(b'', timeout=60)",
    "blocked send": "full.send(b'1'), full.send(b'2')",
    "blocked send with a timeout": "full.send(b'1'), full.send(b'2', timeout=60)",
    "a monitor's callbacks": "box.monitor('nobody', already_down=lambda: None), box.recv(60)",
    "stream": "list(box.stream(timeout=60))",
    "call_many": "list(engine.call_many([box, box], timeout=60))",
    "blocked part": "parts = box.stream(max_messages=1); request = box.recv(); request.reply_part(), request.reply_part()",
    "drain": "box.send(b''), engine.drain()",
    "wait_parked": "engine.wait_parked(5)",
}


@pytest.mark.parametrize("name", WAITS)
def test_ctrl_c_ends_a_wait(name: str) -> None:
    text = f"""
    import tidings
    engine = tidings.Engine(virtual_clock={name == "wait_parked"})
    box, loop = engine.mailbox(), engine.loop()
    full = engine.mailbox(max_messages=1, policy=tidings.Policy.BLOCK)
    print("ready", flush=True)
    try:
        {WAITS[name]}
    except KeyboardInterrupt:
        print("interrupted")
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (out, process.returncode) == ("interrupted\n", 0)


def test_other_signals_do_not_end_a_wait(engine: tidings.Engine) -> None:
    inbox, loop = engine.mailbox(), engine.loop()
    heard: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    stop = threading.Event()

    def ring() -> None:
        while not stop.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    ringer = threading.Thread(target=ring)
    ringer.start()
    try:
        start = time.monotonic()
        with pytest.raises(tidings.TimedOutError):
            inbox.recv(0.3)
        assert 0.3 <= time.monotonic() - start < 5 and heard
        start = time.monotonic()
        assert loop.run(0.3) == 0
        assert 0.3 <= time.monotonic() - start < 5
        start = time.monotonic()
        with pytest.raises(tidings.TimedOutError):
            inbox.wait(0.3)
        assert 0.3 <= time.monotonic() - start < 5
    finally:
        stop.set()
        ringer.join()
        signal.signal(signal.SIGUSR1, old)


@pytest.mark.parametrize("wait", ["recv", "iterate", "run", "call", "send", "box.wait"])
def test_other_threads_run_while_one_waits(engine: tidings.Engine, wait: str) -> None:
    box, loop = engine.mailbox(), engine.loop()
    full = engine.mailbox(max_messages=1, policy=tidings.Policy.BLOCK)
    full.send(b"")
    waits = {
        "recv": lambda: box.recv(30),
        "iterate": lambda: next(iter(box)),
        "run": lambda: loop.run(30),
        "call": lambda: box.call(timeout=30),
        "send": lambda: full.send(b"", timeout=30),
        "box.wait": lambda: box.wait(30),
    }

    def waiting() -> None:
        try:
            waits[wait]()
        except (tidings.TidingsError, StopIteration):
            pass

    thread = threading.Thread(target=waiting)
    thread.start()
    start = time.monotonic()
    for _ in range(20):
        time.sleep(0.005)
    assert thread.is_alive() and time.monotonic() - start < 5
    engine.close()
    thread.join(10)
    assert not thread.is_alive()
