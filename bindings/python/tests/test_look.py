"""Introspection, the flight recorder, explanations."""

from __future__ import annotations

import json
import threading

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
    box.send_many([b"1", b"2", b"3"])
    told = tidings.recorder()
    assert told["text"] and "secret" not in told["text"]
    mine = [event for event in told["events"] if event["id"] == box.id]
    assert [event["event"] for event in mine] == ["opened", "send", "receive", "send many"]
    opened, sent, _, many = mine
    assert opened["thread"] == threading.get_native_id() and opened["other"] is not None
    assert sent["amount"] == "16 bytes" and sent["times"] == 1 and sent["other"] is None
    assert many["amount"] == "3 messages" and 0 <= many["age"] <= sent["age"] <= opened["age"]
    assert all(event["about"] in (True, False) and event["name"] is not None for event in mine)


def test_each_line_of_the_recorder_is_an_event(engine: tidings.Engine) -> None:
    box, full = engine.mailbox(), engine.mailbox(max_messages=1)
    for _ in range(3):
        box.send(b"xy")
    full.send(b"")
    for _ in range(2):
        with pytest.raises(tidings.FullError):
            full.send(b"")
    box.exit(1500)
    told = tidings.recorder()
    assert len(told["events"]) == len(told["text"].splitlines()) - 1
    sends = [event for event in told["events"] if (event["event"], event["id"]) == ("send", box.id)]
    assert sum(event["times"] for event in sends) == 3
    assert sum(int(event["amount"].split()[0]) for event in sends) == 6
    refused = [event for event in told["events"] if (event["event"], event["id"]) == ("refused", full.id)]
    assert sum(event["times"] for event in refused) == 2 and refused[0]["amount"] == "TD_EFULL"
    assert [event["amount"] for event in told["events"] if event["event"] == "ended"][-1] == "reason 1500"


def test_an_explanation_of_whatever_has_an_id(engine: tidings.Engine) -> None:
    box, watcher = engine.mailbox("explained"), engine.mailbox()
    monitor = watcher.monitor(box)
    box.send(b"x")
    alive = tidings.explain(box)
    assert alive["what"] == f"{box.id:#018x} is an open mailbox" and alive["id"] == box.id
    details = alive["details"]
    assert details["names"] == ['"explained"'] and details["queue"].startswith("1 of at most ")
    assert details["oldest"].startswith("of the messages, tag 0x0, 1 bytes, from nobody, sent 0.")
    assert len(details["monitors that watch it"]) == 1 and f"{monitor.id:#018x}" in details["monitors that watch it"][0]
    assert "read by receive calls" in details["reader"]
    assert [event["event"] for event in alive["lately"]][-1] == "send" and alive["lately"][-1]["id"] == box.id
    assert tidings.explain(box.id)["details"].keys() == details.keys()
    assert "is a monitor of mailbox" in tidings.explain(monitor)["what"]
    box.exit(1500, b"the very reason")
    over = tidings.explain(box)
    assert "has ended: reason 1500" in over["what"] and over["details"]["it said"] == '"the very reason"'
    assert ", by thread " in over["details"]["when"] and over["details"]["discarded at its end"].startswith("1 messages")
    for number in (0, 1, 2**64 - 1):
        assert tidings.explain(number)["what"]
    with pytest.raises((TypeError, AttributeError)):
        tidings.explain("name")  # type: ignore[arg-type]
    with pytest.raises((OverflowError, ValueError)):
        tidings.explain(2**64)
