"""The acceptance checks, each by its name: D1 to D13."""

from __future__ import annotations

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import edn_format
import pytest
from conftest import DEADLINE, Closed, Refused, Running, Start, eventually

ECHO = '+[[[:components/commtest {:success true, :msg "ECHO:{:msg \\"Hello World!\\"}"}]]]'


def no_route(path: str) -> str:
    return f"+[[[:api/error {{:success false, :msg \"Service route, '{path}' not found\"}}]]]"


def tick(i: int) -> str:
    return f"[:demo/tick {{:i {i}}}]"


def test_D1_the_first_frame_is_the_handshake(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "b8fd6ac2-0000-4000-8000-000000000001", handshake=False)
    assert client.recv() == '+[[:chsk/handshake ["b8fd6ac2-0000-4000-8000-000000000001" nil]]]'


def test_D1_without_user_ids_everybody_is_nobody(start: Start, kind: Any) -> None:
    client = start("--user-id", "none").open(kind, "one", handshake=False)
    assert client.recv() == "+[[:chsk/handshake [:taoensso.sente/nil-uid nil]]]"


def test_D2_a_routed_event_is_answered(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "d2")
    client.send('+[[:components/commtest {:msg "Hello World!"}]]')
    assert client.recv() == ECHO


def test_D3_an_unknown_route_is_an_error_and_no_more(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "d3")
    client.send("+[[:no/such {:a 1}]]")
    assert client.recv() == no_route("no.such")
    client.send('+[[:components/commtest {:msg "Hello World!"}]]')
    assert client.recv() == ECHO


def test_D4_a_new_table_counts_from_the_next_event_on(start: Start, kind: Any) -> None:
    client = start().open(kind, "d4")
    for text in ("[:late/route nil]", "[:demo/add-route nil]", "[:late.route/x nil]", "[:late/route nil]"):
        client.send(f"+[{text}]")
    expected = [no_route("late.route"), no_route("late.route.x"), '+[[[:late/route {:success true, :msg "new route"}]]]']
    got: list[Any] = []
    while len(got) < 3:
        got += edn_format.loads(client.recv()[1:])[0]
    assert got == [edn_format.loads(text[1:])[0][0] for text in expected]


def test_D5_a_reply_comes_under_its_callback(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "d5")
    client.send('+[[:demo/noreply {:n 1}] "def456"]')
    client.send('+[[:demo/reply {:n 1}] "6c4760"]')
    assert client.recv() == '+[{:you-sent {:n 1}} "6c4760"]'
    with pytest.raises(TimeoutError):
        client.recv(0.3)  # nothing for the one that is not answered: its client has a timeout of its own


def test_D6_who_may_not_connect_is_told_before_the_upgrade(start: Start, kind: Any) -> None:
    server = start("--origin", "http://good.example", "--bearer", "sesame")
    session = server.session()

    def upgrade(address: str) -> tuple[int, str]:
        with pytest.raises(Refused) as refused:
            kind(server.url(address, "ws"), session.cookie).recv()
        return refused.value.args  # type: ignore[return-value]

    right = f"/api/socket?{session.query('one')}"
    blurb = upgrade(f"/api/socket?{session.query(None)}")
    assert blurb[0] == 500 and blurb[1].startswith("Client's Ring request doesn't have a client id.")
    assert upgrade(f"/api/socket?{session.query('one', 'WRONG')}") == (403, "Bad CSRF token")
    assert upgrade(right) == (403, "Unauthorized origin")
    query = {"client-id": "one", "csrf-token": session.token}
    assert session.http(query, Origin="http://good.example") == (401, "Unauthorized request")
    assert session.http(query, Origin="http://bad.example") == (403, "Unauthorized origin")
    handshake = query | {"handshake?": "true"}
    assert session.http(handshake, Origin="http://good.example", Authorization="Bearer sesame")[0] == 200
    session.cookie = "none=at-all"
    assert session.http(query, Origin="http://good.example") == (403, "Bad CSRF token")


def test_D7_an_idle_connection_is_pinged(start: Start, kind: Any) -> None:
    client = start("--keep-alive", "1").open(kind, "d7")
    begun = time.monotonic()
    assert client.recv() == "+[:chsk/ws-ping]"
    assert time.monotonic() - begun > 0.7
    for _ in range(6):  # what the client says counts as life
        client.send("+[[:chsk/ws-ping]]")
        with pytest.raises(TimeoutError):
            client.recv(0.3)
    assert client.recv() == "+[:chsk/ws-ping]"


def test_D8_a_burst_is_one_frame_and_flushed_events_are_their_own(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "d8")
    client.send("+[[:demo/burst 3]]")
    assert client.recv() == f"+[[{tick(0)} {tick(1)} {tick(2)}]]"
    client.send("+[[:demo/flush 1]]")
    assert [client.recv(), client.recv()] == [f"+[[{tick(0)}]]", f"+[[{tick(1)}]]"]


def test_D9_every_prefix_is_read_and_plus_is_written(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "d9")
    event = '[:components/commtest {:msg "Hello World!"}]'
    for packed in (f"+[{event}]", f"[{event}]", f"[{event} nil]", f"-{event}"):
        client.send(packed)
        assert client.recv() == ECHO


def test_D9_later_versions_write_no_prefix(start: Start, kind: Any) -> None:
    client = start("--v2").open(kind, "d9", handshake=False)
    assert client.recv() == '[[:chsk/handshake ["d9" nil]]]'
    client.send('+[[:components/commtest {:msg "Hello World!"}]]')
    assert client.recv() == ECHO[1:]


def test_D10_bad_packages_are_events_and_harm_nobody(start: Start, kind: Any) -> None:
    server = start()
    bad, other = server.open(kind, "bad"), server.open(kind, "other")
    for package in ("+[not valid edn", "garbage", "", "+[1 2 3]", "+[:a] 1", '+[[:a/b "x]]', "+" + "[" * 5000, "#foo/bar 1"):
        bad.send(package)
        if package:
            assert server.event("chsk/bad-package").startswith(f"event :chsk/bad-package {edn_format.dumps(package)} ")
        else:
            assert server.event("chsk/bad-package").startswith('event :chsk/bad-package "" ')
    for event in ("[:unnamespaced 1]", '["x" 1]', "[:a/b 1 2]", "[]", "1", "[:chsk/uidport-close 1]"):
        bad.send(f"+[{event}]")
        assert server.event("chsk/bad-event").startswith(f"event :chsk/bad-event {event} of ")
    for client in (bad, other):
        client.send('+[[:components/commtest {:msg "Hello World!"}]]')
        assert client.recv() == ECHO
    assert server.figures()["counted"]["failed"] == 0


def test_D11_a_user_comes_once_and_goes_after_the_grace(start: Start, kind: Any) -> None:
    server = start("--user-id", "session", "--grace", "1.5")
    session = server.session()
    first, second = server.open(kind, "tab1", session), server.open(kind, "tab2", session)
    opened = server.event("chsk/uidport-open")
    first.close()
    second.close()
    third = server.open(kind, "tab1", session)
    assert not [line for line in server.lines.rest(2.5) if "uidport" in line]  # he was back in time
    begun = time.monotonic()
    third.close()
    closed = server.event("chsk/uidport-close")
    assert 1.3 < time.monotonic() - begun < 1.5 + DEADLINE
    assert closed == opened.replace("open", "close", 1)
    assert sum("uidport-open" in line for line in server.lines.seen) == 1


def test_D12_a_push_reaches_every_tab_and_nobody_is_no_error(start: Start, kind: Any) -> None:
    server = start("--user-id", "session")
    session = server.session()
    tabs = [server.open(kind, f"tab{i}", session) for i in range(2)]
    tabs[0].send("+[[:demo/burst 2]]")
    for tab in tabs:
        assert tab.recv() == f"+[[{tick(0)} {tick(1)}]]"
    gone = server.open(kind, "gone")
    gone.send("+[[:demo/burst-later 2]]")  # it is answered when he has left
    gone.close()
    tabs[1].send("+[[:demo/burst 1]]")
    assert tabs[0].recv() == f"+[[{tick(0)}]]"
    assert server.figures()["counted"]["failed"] == 0


class Test_D13_ajax:
    def test_D13_handshake_push_and_timeout(self, shared: Running) -> None:
        session = shared.session()
        assert session.poll("ajax", handshake=True) == (200, '+[[:chsk/handshake ["ajax" nil]]]')
        with ThreadPoolExecutor() as pool:
            polling = pool.submit(session.poll, "ajax")
            time.sleep(0.1)
            assert session.post("ajax", '+[[:components/commtest {:msg "Hello World!"}]]') == (200, "+[:chsk/dummy-cb-200]")
            assert polling.result(DEADLINE) == (200, ECHO)
        begun = time.monotonic()
        assert session.poll("ajax") == (200, "+[:chsk/timeout]")
        assert time.monotonic() - begun > 1.8

    def test_D13_what_comes_between_two_polls_is_not_lost(self, shared: Running) -> None:
        session = shared.session()
        session.poll("between", handshake=True)
        for _ in range(2):
            session.post("between", '+[[:components/commtest {:msg "Hello World!"}]]')
            time.sleep(0.2)
        event = ECHO.removeprefix("+[[").removesuffix("]]")
        assert session.poll("between") == (200, f"+[[{event} {event}]]")

    def test_D13_of_two_polls_one_gets_it(self, shared: Running) -> None:
        session = shared.session()
        session.poll("two", handshake=True)
        with ThreadPoolExecutor() as pool:
            polling = [pool.submit(session.poll, "two") for _ in range(2)]
            time.sleep(0.2)
            session.post("two", '+[[:components/commtest {:msg "Hello World!"}]]')
            answers = {poll.result(DEADLINE)[1] for poll in polling}
        assert answers == {ECHO, "+[:chsk/timeout]"}

    def test_D13_a_poll_that_was_broken_off_takes_nothing(self, shared: Running) -> None:
        session = shared.session()
        session.poll("broken", handshake=True)
        request = f"GET /api/socket?{session.query('broken')} HTTP/1.1\r\nHost: localhost\r\nCookie: {session.cookie}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", shared.port), timeout=DEADLINE) as bare:
            bare.sendall(request.encode())
            time.sleep(0.3)
        session.post("broken", '+[[:components/commtest {:msg "Hello World!"}]]')
        time.sleep(0.2)
        assert session.poll("broken") == (200, ECHO)

    def test_D13_callbacks(self, shared: Running) -> None:
        session = shared.session()
        assert session.post("ajax", "+[[:demo/reply {:n 2}] 0]") == (200, "+[{:you-sent {:n 2}}]")
        assert session.post("ajax", "+[[:demo/noreply {:n 2}] 0]") == (200, "+[:chsk/timeout]")
        assert session.post("ajax", "+[[:demo/late-reply 4] 0]") == (200, "+[:chsk/timeout]")
        refused = session.post("ajax", "+[[:a/b]]", token="bad")
        assert refused == (403, "<h1>Invalid anti-forgery token</h1>")

    def test_D13_by_curl(self, shared: Running) -> None:
        session = shared.session()
        curl = ["curl", "-s", "--max-time", "20", "-H", f"Cookie: {session.cookie}", "-H", f"X-CSRF-Token: {session.token}"]

        def run(*more: str) -> str:
            return subprocess.run([*curl, *more], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout

        address = shared.url("/api/socket")
        assert run(f"{address}?udt=1&client-id=curl&handshake?=true") == '+[[:chsk/handshake ["curl" nil]]]'
        form = ["--data-urlencode", "client-id=curl", "--data-urlencode"]
        assert run(address, *form, 'ppstr=+[[:components/commtest {:msg "Hello World!"}]]') == "+[:chsk/dummy-cb-200]"
        assert run(f"{address}?udt=1&client-id=curl") == ECHO
        assert run(address, *form, "ppstr=+[[:demo/reply {:n 2}] 0]") == "+[{:you-sent {:n 2}}]"
        assert run(f"{address}?udt=1&client-id=curl") == "+[:chsk/timeout]"

    def test_D13_a_client_that_polls_no_more_is_forgotten(self, start: Start) -> None:
        server = start("--grace", "0.3")
        before = server.figures()["there"]
        server.session().poll("one", handshake=True)
        server.event("chsk/uidport-close")
        assert eventually(lambda: server.figures()["there"] == before), server.figures()


def test_the_server_closes_a_connection_when_asked_to(shared: Running, kind: Any) -> None:
    client = shared.open(kind, "close")
    client.send("+[[:demo/burst 1]]")
    client.send("+[[:demo/close nil]]")
    assert client.recv() == f"+[[{tick(0)}]]"
    with pytest.raises(Closed) as closed:
        client.recv()
    assert closed.value.args == (1000,)
