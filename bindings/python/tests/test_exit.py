"""A process ends with its own status while streams are live: no hang, no crash, nothing on stderr."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Script

STREAMS = """
    import ctypes, sys, threading, time
    if sys.argv[1] != "-":
        native = ctypes.CDLL(sys.argv[1])
        native.producer_engine.restype = ctypes.c_uint64
        native.producer_engine()
    import tidings
    engine = tidings.default_engine() if sys.argv[1] != "-" else tidings.Engine()
    loop = engine.loop()
    DROP = tidings.Policy.DROP_OLD
    seen = [0] * 4
    large = b"x" * 20000

    def handle(message):
        seen[0] += 1

    def iterate(box):
        for message in box:
            seen[1] += 1

    def flood(box):
        try:
            while True:
                box.send(large if seen[3] % 10 == 0 else b"small")
                seen[3] += 1
        except tidings.NoProcError:
            if sys.argv[2] not in ("closed", "in a handler"):
                raise

    def receive(box):
        try:
            while True:
                box.recv()
                seen[2] += 1
        except tidings.ClosedError:
            if sys.argv[2] != "closed":
                raise

    def publish():
        try:
            while True:
                engine.publish("flood", large)
        except tidings.TidingsError:
            if sys.argv[2] != "closed":
                raise

    sink = engine.mailbox("sink", handler=handle, loop=loop, policy=DROP, max_messages=1000)
    sink.subscribe("flood", policy=DROP, max_messages=100)
    boxes = [engine.mailbox(policy=DROP, max_messages=1000) for _ in range(2)]
    for box in boxes:
        box.subscribe("flood", policy=DROP, max_messages=100)
    sink.send_every(0.001, b"tick")
    def start(target, *args):
        threading.Thread(target=target, args=args, daemon=True).start()
    start(loop.run_forever)
    start(iterate, boxes[0])
    start(receive, boxes[1])
    for box in (*boxes, sink):
        start(flood, box)
    start(publish)
    if sys.argv[1] != "-":
        native.producer_flood()
    deadline = time.monotonic() + 30
    while not all(seen[:3]) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert all(seen[:3]), seen
    how = sys.argv[2]
    if how == "sys.exit":
        sys.exit(3)
    if how == "exception":
        raise RuntimeError("on purpose")
    if how == "closed":
        engine.close()
    if how == "in a handler":
        loop.close()
        loop = engine.loop()
        engine.mailbox("last", handler=lambda message: sys.exit(4), loop=loop)
        engine.send("last")
        loop.run_forever()
"""

STATUS = {"natural": 0, "sys.exit": 3, "exception": 1, "closed": 0, "in a handler": 4}


def leave(how: str, native: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", textwrap.dedent(STREAMS), native, how]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.native
def test_a_hundred_exits_with_live_streams(producer: Path) -> None:
    runs = [(how, native) for how in STATUS for native in ("-", str(producer))] * 10
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda run: leave(*run), runs))
    wrong = []
    for (how, native), done in zip(runs, results):
        noise = done.stderr
        if how == "exception" and noise.rstrip().endswith("RuntimeError: on purpose"):
            noise = ""
        if done.returncode != STATUS[how] or noise:
            wrong.append((how, native != "-", done.returncode, noise[-1000:]))
    assert len(results) == 100 and wrong == []


def test_a_thread_stuck_in_a_handler_does_not_hold_the_exit(script: Script) -> None:
    text = """
    import threading, time, tidings
    engine = tidings.Engine()
    loop = engine.loop()
    inside = threading.Event()
    def handle(message):
        inside.set()
        while True:
            time.sleep(0.0005 if message.data == b"often" else 1000)
    engine.mailbox("box", handler=handle, loop=loop)
    other = engine.loop()
    engine.mailbox("other", handler=handle, loop=other)
    for each in (loop, other):
        threading.Thread(target=each.run_forever, daemon=True).start()
    engine.send("box", b"once")
    engine.send("other", b"often")
    inside.wait()
    time.sleep(0.02)
    """
    for _ in range(5):
        done = script(text)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_ends_well_and_harms_nobody(script: Script) -> None:
    text = """
    import os, sys, threading, tidings
    engine = tidings.Engine()
    box = engine.mailbox(policy=tidings.Policy.DROP_OLD, max_messages=100)
    stop = threading.Event()
    def flood():
        while not stop.is_set():
            box.send(b"x" * 100000)
            box.recv(0)
    flooder = threading.Thread(target=flood)
    flooder.start()
    for n in range(20):
        child = os.fork()
        if child == 0:
            sys.exit(n)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == n
    stop.set()
    flooder.join()
    box.send(b"last")
    assert box.recv(1).data
    """
    done = script("import warnings; warnings.simplefilter('ignore')\n" + textwrap.dedent(text), timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exit_while_daemon_threads_wait_for_answers_and_room(script: Script) -> None:
    text = """
    import threading, time, tidings
    engine = tidings.Engine()
    silent, asked = engine.mailbox(), engine.mailbox(thread_bound=True)
    full = asked.stream(max_messages=1)
    request = asked.recv(5)
    request.reply_part(b"1")
    def bound():
        for message in engine.mailbox(thread_bound=True):
            pass
    waits = [
        lambda: request.reply_part(b"2"), lambda: list(silent.stream()), lambda: list(engine.call_many([silent, silent])),
        lambda: silent.wait(), lambda: engine.mailbox(notifiable=True).recv(), bound,
        lambda: engine.drain(),
    ]
    for wait in waits:
        threading.Thread(target=wait, daemon=True).start()
        time.sleep(0.01)
    time.sleep(0.05)
    """
    for _ in range(10):
        done = script(text)
        assert (done.returncode, done.stderr) == (0, "")
