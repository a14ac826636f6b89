"""Servers: methods that handle a mailbox's messages, and how they end. (rules 9 10 11)"""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Iterator

import pytest
from conftest import CHECKOUT, Script

import tidings
from tidings import Kind, Reason


class Counter(tidings.Server):
    """Adds what is cast, answers with the sum, and notes everything else."""

    def __init__(self, first: int = 0) -> None:
        self.count = first
        self.noted: list[object] = []
        self.threads: set[int] = set()
        self.later: list[tidings.Message] = []

    def init(self) -> None:
        self.noted.append("init")
        self.threads.add(threading.get_ident())

    def handle_call(self, request: tidings.Message) -> bytes | None:
        if request.data == b"fail":
            raise ValueError("no such thing")
        if request.data == b"later":
            self.later.append(request)
            return None
        if request.data == b"last":
            self.stop(1500, b"asked to")
            return b"bye"
        if request.data == b"slow":
            time.sleep(0.2)
        return str(self.count).encode()

    def handle_cast(self, message: tidings.Message) -> None:
        self.threads.add(threading.get_ident())
        self.count += int(message.data)
        for request in self.later:
            request.reply(str(self.count).encode())
        self.later.clear()

    def handle_down(self, message: tidings.Message) -> None:
        self.noted.append(("down", int(message.reason)))

    def handle_info(self, message: tidings.Message) -> None:
        self.noted.append(Kind(message.kind))

    def terminate(self, reason: Reason) -> None:
        self.noted.append(("terminate", int(reason), reason.data))


def last(server: Counter) -> object:
    """What it noted at its end, once."""
    found = [note for note in server.noted if isinstance(note, tuple) and note[0] == "terminate"]
    assert len(found) == 1
    return found[0][1:]


def until(what: object) -> None:
    end = time.monotonic() + 30
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def loops(engine: tidings.Engine) -> Iterator[tidings.Loop]:
    """A loop of the test's own on another thread."""
    loop = engine.loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.close()
    thread.join(30)


def test_calls_and_casts(engine: tidings.Engine) -> None:
    with Counter(1).start(engine, "counter") as counter:
        counter.cast(b"2")
        engine.send("counter", b"3")
        assert counter.call(timeout=30).data == b"6"
        assert engine.call("counter", b"anything", timeout=30).data == b"6"
        assert len(counter.threads) == 1 and threading.get_ident() not in counter.threads
        assert engine.whereis("counter") == counter.mailbox and "Counter 0x" in repr(counter)
    assert last(counter) == (Reason.NORMAL, b"") and counter.noted[0] == "init"
    assert engine.whereis("counter") is None
    with pytest.raises(tidings.NoProcError):
        counter.call(timeout=30)
    with pytest.raises(tidings.NotFoundError):
        engine.call("counter", timeout=30)


def test_on_a_loop_of_the_host(engine: tidings.Engine) -> None:
    loop = engine.loop()
    counter = Counter().start(engine, loop=loop)
    counter.cast(b"7")
    assert counter.count == 0
    while loop.run(0):
        pass
    assert (counter.count, counter.threads) == (7, {threading.get_ident()})
    counter.cast(b"1")
    counter.stop(1500, b"enough")
    assert counter.mailbox.stats().open  # it comes after what is queued
    while loop.run(0):
        pass
    assert counter.count == 8 and last(counter) == (1500, b"enough")
    assert engine.stats().mailboxes == 0


def test_an_answer_can_come_later(engine: tidings.Engine) -> None:
    me = engine.mailbox()
    with Counter().start(engine) as counter:
        call = me.call_start(counter.mailbox, b"later", timeout=30)
        counter.call(timeout=30)
        counter.cast(b"9")
        assert me.recv_match(30, ref=call).data == b"9"


def test_an_answer_that_comes_too_late_harms_nobody(engine: tidings.Engine) -> None:
    with Counter(4).start(engine) as counter:
        with pytest.raises(tidings.TimedOutError):
            counter.call(b"slow", timeout=0.05)
        assert counter.call(timeout=30).data == b"4"


def test_a_generator_answers_in_parts(engine: tidings.Engine) -> None:
    class Counting(tidings.Server):
        ended = 0

        def handle_call(self, request: tidings.Message) -> Iterator[bytes]:
            try:
                for n in range(int(request.data)):
                    yield b"%d" % n
            finally:
                self.ended += 1

    with Counting().start(engine) as server:
        assert [part.data for part in server.mailbox.stream(b"3", timeout=30)] == [b"0", b"1", b"2"]
        with server.mailbox.stream(b"1000000", timeout=30, max_messages=5) as parts:
            next(parts)
        assert [part.data for part in server.mailbox.stream(b"1", timeout=30)] == [b"0"]
        assert server.ended == 3


def test_all_else_is_info(engine: tidings.Engine) -> None:
    with Counter().start(engine) as counter:
        target = engine.mailbox()
        counter.mailbox.monitor(target)
        counter.mailbox.monitor("nobody", already_down=lambda: counter.noted.append("callback"))
        counter.mailbox.subscribe("news")
        counter.mailbox.send_after(0)
        engine.publish("news", b"x")
        target.exit(1700)
        until(lambda: len(counter.noted) == 5)
    assert set(counter.noted[1:5]) == {("down", 1700), "callback", Kind.TOPIC, Kind.TIMER}


@pytest.mark.parametrize("own_thread", [True, False])
def test_a_method_that_raises_ends_it(
    engine: tidings.Engine, loops: tidings.Loop, own_thread: bool, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = engine.mailbox()
    counter = Counter().start(engine, "counter", loop=None if own_thread else loops)
    watcher.monitor("counter")
    with pytest.raises(tidings.DownError) as down:
        counter.call(b"fail", timeout=30)
    assert (down.value.reason, down.value.reason.data) == (Reason.CALLBACK_FAILED, b"ValueError: no such thing")
    heard = watcher.recv(30)
    assert (heard.reason, heard.reason.data, heard.name) == (Reason.CALLBACK_FAILED, b"ValueError: no such thing", "counter")
    assert last(counter) == (Reason.CALLBACK_FAILED, b"ValueError: no such thing")
    counter.wait(30)
    assert "no such thing" in caplog.text
    until(lambda: engine.stats().mailboxes == 1)
    Counter().start(engine, "counter").stop()  # as a supervisor would


@pytest.mark.parametrize("own_thread", [True, False])
@pytest.mark.parametrize(
    "end, reason",
    [
        (lambda box: box.kill(), (Reason.KILLED, b"")),
        (lambda box: box.exit(1600, b"from outside"), (1600, b"from outside")),
    ],
    ids=["kill", "exit"],
)
def test_an_end_from_outside(
    engine: tidings.Engine, loops: tidings.Loop, own_thread: bool, end: object, reason: tuple[int, bytes]
) -> None:
    counter = Counter().start(engine, loop=None if own_thread else loops)
    end(counter.mailbox)  # type: ignore[operator]
    until(lambda: engine.stats().mailboxes == 0)
    counter.wait(30)
    assert last(counter) == reason
    counter.stop()


def test_an_engine_that_closes_ends_it(engine: tidings.Engine) -> None:
    counter = Counter().start(engine)
    engine.close()
    assert counter._thread
    counter._thread.join(30)
    assert last(counter) == (Reason.ENGINE_CLOSED, b"")


@pytest.mark.parametrize("own_thread", [True, False])
def test_an_engine_that_closes_while_a_method_runs(
    engine: tidings.Engine, own_thread: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What the method meets then is no failure of its own."""
    inside, closed = threading.Event(), threading.Event()

    class Sending(Counter):
        def handle_cast(self, message: tidings.Message) -> None:
            inside.set()
            assert closed.wait(30)
            target.send(sender=self.mailbox)

    target, loop = engine.mailbox(), engine.loop()
    server = Sending().start(engine, loop=None if own_thread else loop)
    thread = server._thread or threading.Thread(target=loop.run_forever)
    if not own_thread:
        thread.start()
    server.cast()
    assert inside.wait(30)
    engine.close()
    closed.set()
    thread.join(30)
    assert not thread.is_alive() and caplog.text == ""
    if own_thread:
        assert last(server) == (Reason.ENGINE_CLOSED, b"")
    server.stop()


def test_it_stops_itself_after_its_answer(engine: tidings.Engine) -> None:
    watcher = engine.mailbox()
    counter = Counter().start(engine)
    watcher.monitor(counter.mailbox)
    assert counter.call(b"last", timeout=30).data == b"bye"
    assert watcher.recv(30).reason.data == b"asked to"
    counter.wait(30)
    assert last(counter) == (1500, b"asked to")


def test_terminate_comes_before_the_news(engine: tidings.Engine) -> None:
    watcher, order = engine.mailbox(), []

    class Slow(Counter):
        def terminate(self, reason: Reason) -> None:
            assert engine.whereis("slow") is not None
            order.append("terminated")

    server = Slow().start(engine, "slow")
    watcher.monitor("slow")
    threading.Thread(target=server.stop).start()
    assert watcher.recv(30).reason == Reason.NORMAL
    order.append("heard")
    assert order == ["terminated", "heard"]


def test_a_terminate_that_raises_is_the_reason(engine: tidings.Engine, caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(tidings.Server):
        def terminate(self, reason: Reason) -> None:
            raise OSError("no space left")

    watcher = engine.mailbox()
    server = Clumsy().start(engine)
    watcher.monitor(server.mailbox)
    server.stop()
    assert watcher.recv(30).reason.data == b"OSError: no space left" and "no space left" in caplog.text


def test_a_start_that_fails_leaves_nothing(engine: tidings.Engine, loops: tidings.Loop) -> None:
    class Never(Counter):
        def init(self) -> None:
            raise LookupError("not today")

    for loop in None, loops:
        server = Never()
        with pytest.raises(LookupError, match="not today"):
            server.start(engine, "never", loop=loop)
        until(lambda: engine.stats().mailboxes == 0)
        assert engine.whereis("never") is None and server.noted == []
    with Counter().start(engine, "taken"):
        with pytest.raises(tidings.ExistsError):
            Counter().start(engine, "taken")
    with pytest.raises(RuntimeError, match="started before"):
        server.start(engine)


def test_nothing_is_handled_before_init_is_over(engine: tidings.Engine, loops: tidings.Loop) -> None:
    class Late(Counter):
        def init(self) -> None:
            engine.send("late", b"5")
            time.sleep(0.05)
            assert self.count == 0

    for loop in None, loops:
        server = Late().start(engine, "late", loop=loop)
        assert server.call(timeout=30).data == b"5"
        server.stop()
        until(lambda: engine.whereis("late") is None)


def test_a_server_without_the_method_says_so(engine: tidings.Engine, caplog: pytest.LogCaptureFixture) -> None:
    class Bare(tidings.Server):
        pass

    server = Bare().start(engine)
    server.mailbox.send_after(0)
    until(lambda: "has no handle_info" in caplog.text)
    with pytest.raises(tidings.DownError, match="Bare has no handle_call"):
        server.call(timeout=30)
    assert "not started" in repr(Bare())
    with caplog.at_level(logging.CRITICAL):
        other = Bare().start(engine)
        other.cast()
        other.wait(30)


def test_coroutines_are_refused_at_once(engine: tidings.Engine) -> None:
    class Awaiting(tidings.Server):
        async def handle_call(self, request: tidings.Message) -> bytes:  # type: ignore[override]
            return b""

    with pytest.raises(TypeError, match="handle_call of Awaiting is a plain method"):
        Awaiting().start(engine)
    assert engine.stats().mailboxes == 0


def test_a_full_one_can_be_stopped(engine: tidings.Engine) -> None:
    loop = engine.loop()
    counter = Counter().start(engine, loop=loop, max_messages=1)
    counter.cast(b"1")
    with pytest.raises(tidings.FullError):
        counter.cast(b"1")
    counter.stop()
    while loop.run(0):
        pass
    assert counter.count == 1 and last(counter) == (Reason.NORMAL, b"")


def test_it_is_stopped_from_where_it_cannot_wait(engine: tidings.Engine) -> None:
    loop, target = engine.loop(), engine.mailbox()
    by_callback, by_other = Counter().start(engine), Counter().start(engine, loop=loop)
    by_callback.mailbox.monitor(target, died=lambda reason: by_callback.stop(1500, b"its target is gone"))
    other = engine.mailbox(handler=lambda message: by_other.stop(1600), loop=loop)
    target.close()
    by_callback.wait(30)
    assert last(by_callback) == (1500, b"its target is gone")
    other.send()
    while loop.run(0):
        pass
    assert last(by_other) == (1600, b"")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_leaving_the_program_from_a_method_ends_the_thread(engine: tidings.Engine) -> None:
    class Leaver(Counter):
        def handle_cast(self, message: tidings.Message) -> None:
            raise SystemExit

    server = Leaver().start(engine)
    server.cast()
    server.wait(30)
    assert last(server) == (Reason.RUNTIME_EXIT, b"")


def test_a_process_ends_while_servers_live(script: Script) -> None:
    text = """
    import tidings
    class Echo(tidings.Server):
        def handle_call(self, request):
            return request.data
        def handle_cast(self, message):
            self.mailbox.send(message.data)
    engine = tidings.Engine()
    servers = [Echo().start(engine) for _ in range(5)]
    for server in servers:
        server.cast(b"round and round")
    print(servers[0].call(b"live", timeout=30).data.decode())
    """
    for _ in range(3):
        done = script(text)
        assert (done.stdout, done.stderr, done.returncode) == ("live\n", "", 0)


def test_its_methods_are_those_of_nodes_server() -> None:
    """In Python's spelling: who knows one knows the other."""
    source = (CHECKOUT / "bindings" / "node" / "lib" / "server.js").read_text()
    nodes = set(re.findall(r"^  (?:async |static )*([a-z]\w*)\(", source, flags=re.M))
    for name in "init", "handle_call", "handle_cast", "handle_info", "handle_down", "terminate", "start", "stop", "call", "cast":
        assert callable(getattr(tidings.Server, name))
        first, *rest = name.split("_")
        assert first + "".join(map(str.title, rest)) in nodes, name
