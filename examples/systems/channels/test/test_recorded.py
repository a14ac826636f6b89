"""What Sente's own server and its JVM client said to each other, said again to this server: it answers the same, text for text.

The recordings are of Sente 1.17.0 with http-kit. A recorded client says its part again at once; only where its server was idle
is there a wait, for the ping."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import DEADLINE, HERE, Closed, Start

RECORDINGS = HERE / "recordings"


def connections(path: Path) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """The WebSocket connections of a recording whose upgrade was accepted: its name, client id, and frames."""
    frames = [json.loads(line) for line in path.read_text().splitlines()]
    found = []
    for opened in (frame for frame in frames if frame["op"] == "open"):
        its = [frame for frame in frames if frame["conn"] == opened["conn"] and frame is not opened]
        if its[0]["op"] == "accepted" or its[1]["op"] == "accepted":
            client_id = dict(parse_qsl(urlsplit(opened["url"]).query))["client-id"]
            found.append((f"{path.stem}-{opened['conn']}", client_id, its))
    return found


CONNECTIONS = [each for path in sorted(RECORDINGS.glob("*.jsonl")) for each in connections(path)]


@pytest.mark.parametrize("client_id, frames", [each[1:] for each in CONNECTIONS], ids=[each[0] for each in CONNECTIONS])
def test_D1_to_D9_as_recorded(start: Start, kind: Any, client_id: str, frames: list[dict[str, Any]]) -> None:
    server = start("--keep-alive", "1")
    socket = server.open(kind, client_id, handshake=False)
    heard = 0
    for frame in frames:
        if frame["op"] == "text" and frame["dir"] == "C>S":
            socket.send(frame["data"])
        elif frame["op"] == "text":
            assert socket.recv() == frame["data"]
            heard += 1
        elif frame["op"] == "close" and frame["dir"] == "S>C":
            with pytest.raises(Closed) as closed:
                socket.recv()
            assert closed.value.args == (frame["code"],)
            break
        elif frame["op"] == "close":
            break
    assert heard >= 2


def test_D13_as_recorded(start: Start) -> None:
    """Every HTTP exchange; a poll waits meanwhile."""
    server = start("--poll-timeout", "2")
    session = server.session()
    frames = [json.loads(line) for line in (RECORDINGS / "sente-1.17.0.raw-probes.jsonl").read_text().splitlines()]
    said = [frame for frame in frames if frame["conn"] == "http" and frame.get("url") != "/"]
    answers = [frame for frame in frames if frame["op"] == "response" and "sente-csrf-token" not in frame["body"]]
    compared = 0
    with ThreadPoolExecutor() as pool:
        polling: Future[tuple[int, str]] | None = None
        for request in (frame for frame in said if frame["op"] == "request"):
            query, form = (dict(parse_qsl(text, keep_blank_values=True)) for text in (urlsplit(request["url"]).query, request["body"]))
            for fields in (query, form):
                if len(fields.get("csrf-token", "")) > 10:
                    fields["csrf-token"] = session.token
            token = session.token if len(request["headers"].get("x-csrf-token", "")) > 10 else request["headers"].get("x-csrf-token")
            headers = {"X_CSRF_Token": token} if token else {}
            if request["method"] == "POST":
                answer: Any = session.http(form=form, **headers)
            elif polling is None and "udt" in query and "handshake?" not in query:
                polling = pool.submit(session.http, query, **headers)
                continue
            else:
                answer = session.http(query, **headers)
            expected = answers.pop(0)
            assert answer == (expected["status"], expected["body"])
            compared += 1
            if polling is not None and answers and answers[0]["body"].startswith("+[[[:components/commtest"):
                assert polling.result(DEADLINE) == (200, answers.pop(0)["body"])
                compared += 1
    assert compared >= 8 and not answers
