"""The checks that look at the server from inside, too: what the rules see, what a push says, what was counted."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import edn_format
import pytest
import tidings
from channels import Options, Received
from channels.web import by_session
from channels.wire import keywords
from conftest import Closed, Inside, NodeSocket, PythonSocket, eventually
from edn_format import Keyword

Begin = Callable[..., Inside]


def events(socket: Any, count: int) -> list[Any]:
    """So many pushed events, each as [id, data]."""
    found: list[Any] = []
    while len(found) < count:
        found += edn_format.loads(socket.recv()[1:])[0]
    assert len(found) == count
    return found


def test_D4_a_thousand_swaps_under_load(inside: Begin) -> None:
    """Each event meets one table whole, and they follow one another as the swaps did."""
    count, swaps, last = 5000, 1000, threading.Event()

    def table(version: int) -> dict[str, Any]:
        def service(received: Received) -> dict[Any, Any]:
            return keywords(version=version, n=received.event.data)

        return {"pair.first": service} | ({"pair.second": service} if version % 10 else {})

    server = inside(table(1))
    socket = server.open(NodeSocket, "d4")

    def swap() -> None:
        for version in range(2, swaps + 2):
            server.server.rules.swap(table(version))
            time.sleep(0.001)
        last.set()

    threading.Thread(target=swap, daemon=True).start()
    for n in range(count):
        socket.send(f"+[[:pair/{'second' if n % 2 else 'first'} {n}]]")
    versions, expected, missing = [], iter(range(count)), 0
    for id, data in events(socket, count):
        n = next(expected)
        if id == Keyword("api/error"):  # from one of the tables without the second route
            assert n % 2 and data[Keyword("msg")] == "Service route, 'pair.second' not found"
            missing += 1
            continue
        assert id == Keyword("pair/second" if n % 2 else "pair/first") and data[Keyword("n")] == n
        versions.append(data[Keyword("version")])
    assert versions == sorted(versions) and len(set(versions)) > 10
    assert last.wait(20) and server.server.rules.swaps == swaps
    socket.send("+[[:pair/first -1]]")
    assert events(socket, 1)[0][1][Keyword("version")] == swaps + 1
    assert missing < count / 2 and server.server.rules.lost == 0


@pytest.mark.parametrize("kind", [PythonSocket, NodeSocket])
def test_D5_only_the_first_reply_counts(inside: Begin, kind: Any) -> None:
    outcomes: list[bool] = []
    kept: list[Received] = []
    services = {
        "twice.reply": lambda received: outcomes.extend([received.reply(1), received.reply(2)]),
        "late.reply": kept.append,
        "no.callback": lambda received: outcomes.append(received.reply(3)),
    }
    server = inside(services, Options(reply_timeout=0.2))
    socket = server.open(kind, "d5")
    socket.send('+[[:late/reply] "aaaaaa"]')
    socket.send('+[[:twice/reply] "bbbbbb"]')
    socket.send("+[[:no/callback]]")
    assert socket.recv() == '+[1 "bbbbbb"]'
    with pytest.raises(TimeoutError):
        socket.recv(0.5)
    assert kept.pop().reply(4) is False  # its time is up
    assert outcomes == [True, False, False]


def test_D8_the_order_of_a_users_events_is_kept_whatever_is_flushed(inside: Begin) -> None:
    server = inside({}, user_id=by_session)
    session = server.session()
    tabs = [server.open(kind, kind.__name__, session) for kind in (PythonSocket, NodeSocket)]
    (uid,) = server.server.connected()["ws"]
    chance, count = random.Random(446), 3000
    for i in range(count):
        size = chance.choice([0, 10, 5000])
        receipt = server.server.push(uid, [Keyword("t/t"), [i, "x" * size]], flush=chance.random() < 0.2)
        assert receipt == (2, 2, 0)
        if chance.random() < 0.02:
            time.sleep(0.02)
    for tab in tabs:
        assert [data[0] for _, data in events(tab, count)] == list(range(count))


def test_D11_who_is_there_by_kind_of_connection(inside: Begin) -> None:
    server = inside({}, Options(grace=0.2))
    session = server.session()
    client = server.open(PythonSocket, "both")
    session.poll("both", handshake=True)
    session.poll("ajax", handshake=True)
    found = {kind: set(uids) for kind, uids in server.server.connected().items()}
    assert found == {"ws": {"both"}, "ajax": {"both", "ajax"}, "any": {"both", "ajax"}}
    client.close()
    assert eventually(lambda: server.server.connected() == {"ws": [], "ajax": [], "any": []})


def test_D12_a_receipt_says_who_got_it(inside: Begin) -> None:
    server = inside({}, user_id=by_session)
    session = server.session()
    for name in ("one", "two"):
        server.open(PythonSocket, name, session)
    (uid,) = server.server.connected()["any"]
    assert server.server.push(uid, [Keyword("a/b")]) == (2, 2, 0)
    assert server.server.push("stranger", [Keyword("a/b")]) == (0, 0, 0)
    assert server.server.push("*.> \N{SNOWMAN}", [Keyword("a/b")]) == (0, 0, 0)


@pytest.mark.parametrize("policy", [tidings.Policy.DROP_OLD, tidings.Policy.DROP_NEW, tidings.Policy.FAIL])
def test_D16_a_full_receive_queue_is_counted(inside: Begin, policy: tidings.Policy) -> None:
    got: list[int] = []
    server = inside({"a.n": lambda received: got.append(received.event.data)}, Options(receive_policy=policy))
    socket = server.open(PythonSocket, "d16")
    rules = server.server.rules
    assert eventually(lambda: rules.routed == 1)  # the user has come
    rules.mailbox.suspend()
    before, routed = rules.mailbox.stats(), rules.routed
    for n in range(1500):
        socket.send(f"+[[:a/n {n}]]")
    stats = eventually(lambda: (s := rules.mailbox.stats()).sent + rules.refused - before.sent >= 1500 and s)
    assert stats.queued == 1000
    rules.mailbox.resume()
    assert eventually(lambda: len(got) >= 1000)
    socket.send("+[[:a/n -1]]")  # whatever was lost after the last one is told with the next
    assert eventually(lambda: got[-1] == -1)
    dropped = policy != tidings.Policy.FAIL
    assert (rules.lost, rules.refused) == ((500, 0) if dropped else (0, 500))
    assert got[:-1] == list(range(500, 1500) if policy == tidings.Policy.DROP_OLD else range(1000))
    assert rules.routed - routed == 1001


def test_a_reader_that_is_too_slow_loses_the_connection(inside: Begin) -> None:
    server = inside({}, Options(send_bound=100, grace=0.1))
    slow, other = server.open(PythonSocket, "slow"), server.open(PythonSocket, "other")
    for i in range(5000):
        if not server.server.push("slow", [Keyword("t/t"), "x" * 20_000], flush=True).queued:
            break
    else:
        pytest.fail("he was never ended")
    assert server.server.push("other", [Keyword("t/t"), 1]).queued == 1
    assert events(other, 1) == [[Keyword("t/t"), 1]]
    with pytest.raises(Closed):
        while True:
            slow.recv()
    assert eventually(lambda: server.server.connected()["ws"] == ["other"])


def test_a_service_that_fails_ends_nothing(inside: Begin) -> None:
    def fail(received: Received) -> None:
        raise RuntimeError("on purpose")

    server = inside({"a.fail": fail, "a.fine": lambda received: keywords(fine=True)})
    socket = server.open(PythonSocket, "fails")
    socket.send('+[[:a/fail] "cccccc"]')
    socket.send("+[[:a/fine]]")
    assert events(socket, 1) == [[Keyword("a/fine"), {Keyword("fine"): True}]]
    assert server.server.rules.failed == 1
