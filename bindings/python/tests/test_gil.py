"""Nothing of the engine's waits for the GIL: what it lets go of comes back by itself, on whatever thread, also at exit."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import weakref

import pytest
from conftest import Script

import tidings
from tidings import _fast


class Handler:
    """Something that can be watched as it goes."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, message: tidings.Message) -> None:
        self.seen += 1


def gone(reference: "weakref.ref[Handler]") -> bool:
    _fast.drain()
    gc.collect()
    return reference() is None


def library() -> ctypes.PyDLL:
    """The library's functions, called without giving the GIL away: a release or drop that waited for it would hang."""
    return ctypes.PyDLL(tidings.library_path)


def test_a_payload_is_given_back_while_the_gil_is_held(engine: tidings.Engine) -> None:
    held, box, data = library(), engine.mailbox(), bytes(1 << 20)
    before = sys.getrefcount(data)
    box.send(data)
    assert sys.getrefcount(data) == before + 1
    assert held.td_mailbox_close(ctypes.c_uint64(box.id)) == 0
    _fast.drain()
    assert sys.getrefcount(data) == before


def test_a_handler_is_given_back_while_another_thread_holds_the_gil(engine: tidings.Engine) -> None:
    held, loop, handler = library(), engine.loop(), Handler()
    reference = weakref.ref(handler)
    box = engine.mailbox(handler=handler, loop=loop)
    del handler
    thread = threading.Thread(target=lambda: held.td_loop_close(ctypes.c_uint64(loop.id)))
    thread.start()
    thread.join(30)
    assert not thread.is_alive() and not box.stats().open
    assert gone(reference)


def test_a_loop_that_is_never_run_gives_its_handlers_back_when_it_ends() -> None:
    for end in ("loop.close", "engine.close"):
        engine = tidings.Engine()
        loop, handler = engine.loop(), Handler()
        reference = weakref.ref(handler)
        box = engine.mailbox(handler=handler, loop=loop)
        del handler
        box.send(b"never handled")
        box.close()
        loop.close() if end == "loop.close" else engine.close()
        assert gone(reference), end
        engine.close()


def test_a_loop_closed_by_another_thread_while_it_runs(engine: tidings.Engine) -> None:
    for _ in range(50):
        loop, handler = engine.loop(), Handler()
        reference = weakref.ref(handler)
        box = engine.mailbox(handler=handler, loop=loop)
        runner = threading.Thread(target=loop.run_forever)
        runner.start()
        for _ in range(20):
            box.send(b"x")
        loop.close()
        runner.join(30)
        assert not runner.is_alive()
        del handler
        assert gone(reference)


def test_a_mailbox_closed_by_another_thread_inside_its_handler(engine: tidings.Engine) -> None:
    loop, inside, go_on = engine.loop(), threading.Event(), threading.Event()

    def handle(message: tidings.Message) -> None:
        inside.set()
        assert go_on.wait(30)

    box = engine.mailbox(handler=handle, loop=loop)
    box.send(b"x")
    runner = threading.Thread(target=loop.run, args=(10,))
    runner.start()
    assert inside.wait(30)
    box.close()
    go_on.set()
    runner.join(30)
    assert not runner.is_alive()
    box.wait(10)


def test_a_handler_runs_another_loop(engine: tidings.Engine) -> None:
    outer, inner = engine.loop(), engine.loop()
    seen: list[object] = []
    deep = engine.mailbox(handler=lambda message: seen.append(message.data), loop=inner)

    def handle(message: tidings.Message) -> None:
        deep.send(b"deep")
        seen.append(inner.run(5))

    box = engine.mailbox(handler=handle, loop=outer)
    box.send(b"x")
    box.send(b"x")
    while outer.run(0):
        pass
    assert seen == [b"deep", 1, b"deep", 1]


def test_c_runs_the_loop_of_python(engine: tidings.Engine) -> None:
    """ctypes gives the GIL away; the handler finds its way back, from a Python thread and from one of C's own."""
    native = ctypes.CDLL(tidings.library_path)
    native.td_loop_run.argtypes = [ctypes.c_uint64, ctypes.c_int64, ctypes.c_uint32]
    loop, seen = engine.loop(), []
    box = engine.mailbox(handler=lambda message: seen.append(threading.get_ident()), loop=loop)
    box.send(b"x")
    assert native.td_loop_run(loop.id, 0, 0) == 1
    other = engine.loop()

    def handle(message: tidings.Message) -> None:
        box.send(b"inner")
        assert native.td_loop_run(loop.id, 0, 0) == 1

    engine.mailbox("outer", handler=handle, loop=other)
    engine.send("outer")
    assert other.run(10) == 1
    assert seen == [threading.get_ident()] * 2


def test_finalisers_that_send_and_close_while_threads_flood(engine: tidings.Engine) -> None:
    box = engine.mailbox(policy=tidings.Policy.DROP_OLD, max_messages=10)
    loops = [engine.loop() for _ in range(2)]
    stop = threading.Event()

    class Closing:
        def __init__(self, loop: tidings.Loop) -> None:
            self.own = engine.mailbox(handler=self.handle, loop=loop)

        def handle(self, message: tidings.Message) -> None:
            self.own.close()

        def __del__(self) -> None:
            box.send(bytes(20_000))

    def churn(loop: tidings.Loop) -> None:
        while not stop.is_set():
            Closing(loop).own.send(b"x")
            loop.run(0)

    threads = [threading.Thread(target=churn, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for _ in range(500):
        box.send(bytes(20_000))
        gc.collect(0)
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_subinterpreter_is_refused(script: Script) -> None:
    names = ("_interpreters", "_xxsubinterpreters")
    text = f"""
    import tidings
    for name in {names!r}:
        try:
            subinterpreters = __import__(name)
        except ImportError:
            continue
        try:
            inner = subinterpreters.create("legacy")
        except TypeError:
            inner = subinterpreters.create(isolated=False) if tidings.sys_version < (3, 12) else subinterpreters.create()
        problem = None
        try:
            problem = subinterpreters.run_string(inner, "import tidings")
        except Exception as error:
            problem = error
        assert problem is not None
        print(str(getattr(problem, "msg", problem)))
        break
    else:
        print("none here")
    """.replace("tidings.sys_version", "__import__('sys').version_info[:2]")
    done = script(text)
    assert done.returncode == 0, done.stderr
    if done.stdout.strip() == "none here":
        pytest.skip("this Python has no subinterpreters")
    assert "ImportError" in done.stdout or "subinterpreter" in done.stdout, done.stdout


@pytest.mark.parametrize("how", ["natural", "closed before", "loop dropped"])
def test_an_exit_with_handlers_and_payloads_held(script: Script, how: str) -> None:
    text = """
    import sys, tidings
    engine = tidings.Engine()
    loop = engine.loop()
    boxes = [engine.mailbox(handler=lambda m: None, loop=loop) for _ in range(100)]
    pull = engine.mailbox()
    for box in boxes:
        box.send(bytes(50_000))
        pull.send(bytes(50_000))
    if sys.argv[1] == "closed before":
        engine.close()
    if sys.argv[1] == "loop dropped":
        del loop, boxes
    """
    done = script(text, how)
    assert (done.returncode, done.stderr) == (0, "")
