"""Forks: the parent's ids are refused in the child, the child may open an engine of its own, nobody is harmed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Script

FORKED = """
import gc, os, sys, warnings
warnings.simplefilter("ignore")
import tidings

def forked(body):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            body()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_everything_of_the_parent_is_refused(script: Script) -> None:
    done = script(FORKED + """
engine, default = tidings.Engine(), tidings.default_engine()
box, loop, target = engine.mailbox("box"), engine.loop(), engine.mailbox(notifiable=True)
handled = engine.mailbox(handler=print, loop=loop)
monitor, timer, subscription = box.monitor(target), box.send_after(60), box.subscribe("a")
group, room = engine.group("g"), engine.presence("r")
watch = group.watch(box)
call = box.call_start(target, timeout=60)
request = target.recv(0)
box.send(b"x")

def body():
    tries = [
        lambda: box.send(b""), lambda: box.recv(0), lambda: box.recv(60), lambda: next(iter(box)), box.stats,
        lambda: box.wait(60), box.close, box.kill, lambda: box.exit(1024), lambda: box.register("y"),
        lambda: box.monitor(target), monitor.demonitor, timer.cancel, timer.read, subscription.unsubscribe,
        call.cancel, request.reply, request.reply_part, request.reply_end, lambda: request.forward(target),
        lambda: engine.whereis("box"), lambda: engine.send("box"), lambda: engine.publish("a"), engine.stats,
        engine.now, engine.mailbox, engine.loop, engine.close, engine.inspect, lambda: engine.drain(1),
        lambda: loop.run(0), lambda: loop.run(60), loop.wake, loop.close, lambda: default.stats(),
        lambda: group.join(box), group.members, lambda: group.watch(box), watch.unwatch,
        lambda: room.enter(box, "k"), room.keys, lambda: box.link(target), lambda: box.trap_exit(),
        lambda: box.suspend(), lambda: box.resume(), lambda: target.notify(1), lambda: box.will("t"), box.will_clear,
        lambda: box.monitor(target, receipt=True), lambda: box.monitor_process(os.getpid()),
        lambda: box.watch_interest("a"), lambda: box.call(timeout=60), lambda: box.stream(timeout=60),
        lambda: box.call_many_start([target]), lambda: box.send_many([b"x"]), lambda: box.send_every(1),
    ]
    for n, each in enumerate(tries):
        try:
            each()
        except tidings.ForkedError:
            continue
        raise AssertionError(f"number {n} was accepted")
    with box, loop, engine:
        pass

forked(body)
assert box.recv(0).data == b"x"
request.reply(b"y")
assert box.recv_match(0, ref=call).data == b"y"
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_child_opens_an_engine_of_its_own(script: Script) -> None:
    done = script(FORKED + """
engine, default = tidings.Engine(), tidings.default_engine()
loop = engine.loop()
box = engine.mailbox("box", handler=print, loop=loop)

def body():
    for own in (tidings.Engine(), tidings.default_engine()):
        assert own is not default and own.whereis("box") is None
        seen = []
        inner = own.loop()
        mine = own.mailbox("box", handler=lambda m: seen.append((m.kind, m.data)), loop=inner)
        mine.send(bytes(50_000))
        mine.send_after(0.001, b"tick")
        while len(seen) < 2:
            inner.run(60)
        assert seen == [(tidings.Kind.MESSAGE, bytes(50_000)), (tidings.Kind.TIMER, b"tick")]
        own.close()
    forked(lambda: tidings.Engine().close())

forked(body)
assert default.whereis("box") is None and engine.whereis("box") is box
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_objects_of_the_parent_go_quietly_in_the_child(script: Script) -> None:
    done = script(FORKED + """
engine = tidings.Engine()
box, loop = engine.mailbox(), engine.loop()
box.fileno(), loop.fileno()
handled = engine.mailbox(handler=lambda m: None, loop=loop)
target = engine.mailbox()
box.call_start(target, timeout=60)
request, parts, replies = target.recv(0), target.stream(timeout=60), engine.call_many([target], timeout=60)
messages = iter(box)
box.send(bytes(50_000))
box.send(b"2")
next(messages)

def body():
    global engine, box, loop, handled, target, request, parts, replies, messages
    del request, parts, replies, messages, handled, target, box, loop, engine
    gc.collect()
    tidings.Engine().mailbox().send(b"x")

forked(body)
""")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


WORKER = """
import multiprocessing, sys, tidings

def work(connection, n):
    with tidings.Engine() as engine, engine.mailbox("box") as box:
        engine.send("box", bytes(n * 10_000))
        connection.send(len(box.recv(60).data))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    engine = tidings.Engine()
    box, loop = engine.mailbox(), engine.loop()
    engine.mailbox(handler=print, loop=loop)
    box.send(b"mine")
    box.send_every(0.001)
    processes = []
    for n in range(4):
        here, there = context.Pipe()
        process = context.Process(target=work, args=(there, n))
        process.start()
        processes.append((n, here, process))
    for n, here, process in processes:
        assert here.poll(60) and here.recv() == n * 10_000
        process.join(60)
        assert process.exitcode == 0, process.exitcode
    assert box.recv(0).data == b"mine"
    with context.Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    print("ok")
"""


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_multiprocessing(tmp_path: Path, way: str) -> None:
    file = tmp_path / "worker.py"
    file.write_text(WORKER)
    command = [sys.executable, "-W", "ignore", str(file), way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "ok", "")
