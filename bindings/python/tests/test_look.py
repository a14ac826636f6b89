"""Introspection, the flight recorder, explanations."""

from __future__ import annotations

import json

import pytest

import tidings


def test_an_engine_shows_what_it_has(engine: tidings.Engine) -> None:
    box, other = engine.mailbox("a name"), engine.mailbox(max_messages=7)
    box.monitor(other)
    box.subscribe("some.topic")
    box.send_after(60)
    other.send(b"queued")
    found = engine.inspect()
    text = json.dumps(found)
    assert isinstance(found, dict) and "a name" in text and "some.topic" in text
    assert tidings.inspect(engine).keys() == found.keys()
    assert isinstance(tidings.inspect(), dict)
    engine.close()
    with pytest.raises(tidings.TidingsError):
        engine.inspect()


def test_the_recorder_tells_what_happened_and_no_payloads(engine: tidings.Engine) -> None:
    box = engine.mailbox()
    box.send(b"a secret payload")
    box.recv(0)
    text = tidings.recorder()
    assert isinstance(text, str) and text and "secret" not in text


def test_an_explanation_of_whatever_has_an_id(engine: tidings.Engine) -> None:
    box, watcher = engine.mailbox("explained"), engine.mailbox()
    monitor = watcher.monitor(box)
    box.send(b"x")
    alive = tidings.explain(box)
    assert alive and tidings.explain(box.id) and tidings.explain(monitor)
    box.exit(1500, b"the very reason")
    assert "the very reason" in tidings.explain(box) or "1500" in tidings.explain(box)
    for number in (0, 1, 2**64 - 1):
        assert isinstance(tidings.explain(number), str)
    with pytest.raises((TypeError, AttributeError)):
        tidings.explain("name")  # type: ignore[arg-type]
    with pytest.raises((OverflowError, ValueError)):
        tidings.explain(2**64)
