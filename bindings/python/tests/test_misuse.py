"""What users do by mistake is answered by an error that says what would be right, at once, and never by a message that is
lost, or matched by something else."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import Any, Callable

import pytest

import tidings

# Deliberately wrong: the types are what is tried.
Wrong = Any


@pytest.mark.parametrize("wrong", [b"ticks", None, 3, ["ticks"]])
def test_a_topic_or_a_name_is_a_str(engine: tidings.Engine, wrong: Wrong) -> None:
    inbox = engine.mailbox()
    for run in (
        lambda: engine.publish(wrong, b"x"),
        lambda: engine.publish_many(wrong, [b"x"]),
        lambda: inbox.subscribe(wrong),
        lambda: inbox.register(wrong),
        lambda: engine.whereis(wrong),
        lambda: engine.send(wrong, b"x"),
    ):
        with pytest.raises(TypeError, match="a name or a topic is a str, not "):
            run()


def test_numbers_do_not_wrap_around(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    inbox.send(b"zero", 0)
    inbox.send(b"most", 2**64 - 1)
    for wrong in (2**64, -1):
        for run in (
            lambda: inbox.recv_match(timeout=0, tag=wrong),
            lambda: inbox.recv_match(timeout=0, kind=wrong),
            lambda: inbox.recv_match(timeout=0, tag=1, tag_mask=wrong),
            lambda: inbox.recv_match(timeout=0, ref=wrong),
            lambda: engine.address(wrong),
            lambda: inbox.send(b"", wrong),
        ):
            with pytest.raises(ValueError, match="from 0 to"):
                run()
    assert inbox.stats().queued == 2
    assert inbox.recv_match(timeout=0, tag=2**64 - 1).data == b"most"


def test_a_handler_that_gives_a_coroutine_has_failed(engine: tidings.Engine, recwarn: pytest.WarningsRecorder) -> None:
    async def handle(message: tidings.Message) -> None:
        raise AssertionError("never run")

    class Handler:
        async def __call__(self, message: tidings.Message) -> None:
            raise AssertionError("never run")

    watcher = engine.mailbox()
    handlers: list[Callable[[tidings.Message], object]] = [functools.partial(handle), Handler(), lambda message: handle(message)]
    for handler in handlers:
        loop = engine.loop()
        box = engine.mailbox(handler=handler, loop=loop)
        watcher.monitor(box)
        box.send(b"x")
        loop.run(timeout=1)
        reason = watcher.recv(timeout=1).reason
        assert reason == tidings.Reason.CALLBACK_FAILED and b"coroutine" in reason.data
    assert [str(warning.message) for warning in recwarn] == []


def test_callbacks_of_a_monitor_are_callable(engine: tidings.Engine) -> None:
    inbox, other = engine.mailbox(), engine.mailbox()
    wrong: Wrong = "died"
    with pytest.raises(TypeError, match="died and already_down are functions, not str"):
        inbox.monitor(other, died=wrong)
    with pytest.raises(TypeError, match="died and already_down are functions, not str"):
        inbox.monitor(other, already_down=wrong)
    assert other.stats().monitored_by == 0


def test_a_str_is_no_payload_anywhere(engine: tidings.Engine) -> None:
    inbox, other = engine.mailbox("inbox"), engine.mailbox()
    text: Wrong = "text"
    for run in (
        lambda: inbox.send(text),
        lambda: inbox.send_many([text]),
        lambda: engine.publish("t", text),
        lambda: engine.send("inbox", text),
        lambda: inbox.call(text, timeout=1),
        lambda: inbox.call_start(other, text),
        lambda: inbox.call_many_start([other], text),
        lambda: inbox.send_after(1, text),
        lambda: inbox.send_every(1, text),
        lambda: engine.send_after("nobody", 1, text),
        lambda: inbox.will("t", text),
        lambda: inbox.exit(tidings.Reason.USER, text),
    ):
        with pytest.raises(TypeError, match="a payload is bytes; encode the str first"):
            run()
    assert inbox.stats().open and other.stats().queued == 0


@pytest.mark.parametrize("wrong", [None, 5, "name"])
def test_what_is_no_mailbox_is_named(engine: tidings.Engine, wrong: Wrong) -> None:
    inbox = engine.mailbox()
    runs: list[Callable[[], object]] = [
        lambda: inbox.link(wrong),
        lambda: inbox.unlink(wrong),
        lambda: inbox.call_many_start([wrong]),
        lambda: engine.group("g").join(wrong),
    ]
    if wrong is not None:
        runs += [lambda: inbox.recv_match(timeout=0, sender=wrong), lambda: inbox.send(b"", sender=wrong)]
    if wrong != "name":
        runs += [lambda: inbox.monitor(wrong), lambda: inbox.call_start(wrong)]
    for run in runs:
        with pytest.raises(TypeError, match="a mailbox or an address is needed here, not "):
            run()
    with pytest.raises(TypeError, match="a loop is what Engine.loop gives, not "):
        engine.mailbox(handler=print, loop=wrong or 0)


def test_a_policy_is_one_of_policy(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    wrong: Wrong = "drop_old"
    for run in (lambda: engine.mailbox(policy=wrong), lambda: inbox.subscribe("t", policy=wrong)):
        with pytest.raises(ValueError, match="'drop_old' is not a valid Policy"):
            run()


def test_what_is_of_this_process_cannot_be_pickled(engine: tidings.Engine) -> None:
    inbox = engine.mailbox()
    inbox.send(b"x")
    for thing in (engine, tidings.AsyncEngine(engine), engine.loop()):
        for run in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="is of its process: it can be neither pickled nor copied"):
                run(thing)
    for thing in (inbox, inbox.recv()):
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(thing)
    error = pickle.loads(pickle.dumps(tidings.FullError("it is full")))
    assert (type(error), error.detail, error.code) == (tidings.FullError, "it is full", tidings.FullError.code)


def test_servers_that_ask_each_other_are_told(engine: tidings.Engine) -> None:  # rule 22
    class Asker(tidings.Server):
        def __init__(self, other: str) -> None:
            self.other = other

        def handle_call(self, request: tidings.Message) -> bytes:
            try:
                return b"I have asked: " + engine.call(self.other).data
            except tidings.DeadlockError:
                return b"a circle"

    with Asker("b").start(engine, "a") as a, Asker("c").start(engine, "b"), Asker("a").start(engine, "c"):
        assert a.call(timeout=20).data == b"I have asked: I have asked: a circle"


def test_a_server_that_was_not_started_says_so() -> None:
    server = tidings.Server()
    for run in (server.call, server.cast, server.stop, server.wait, lambda: server.mailbox):
        with pytest.raises(RuntimeError, match="<Server, not started>: start it first"):
            run()
    with pytest.raises(AttributeError, match="'Server' object has no attribute 'nothing'"):
        server.nothing  # type: ignore[attr-defined]
