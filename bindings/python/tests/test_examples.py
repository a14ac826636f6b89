"""The examples run: the chat room's whole conversation, and the data stream with curl as its clients."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Iterator

import pytest
from conftest import CHECKOUT, DEADLINE

EXAMPLES = CHECKOUT / "examples" / "python"

CONVERSATION = """\
[alice] bob has joined the room
[bob] carol has joined the room
[alice] carol has joined the room
[carol] alice: hello
[bob] alice: hello
[mallory] you are not in the room
[carol] bob has left the room
[alice] bob has left the room
[alice] carol has left the room
the room is empty
"""


def test_the_chat_room() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "chat.py")], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.stdout, done.stderr, done.returncode) == (CONVERSATION, "", 0)


class Server:
    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        self.log = tmp_path / "log"
        command = [sys.executable, str(EXAMPLES / "data_stream.py"), *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True)
        self.url = self.wait_for("listening on ").split()[-1]

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def wait_for(self, start: str, count: int = 1) -> str:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [line for line in self.lines() if line.startswith(start)]
            if len(found) >= count:
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no line {start!r} in {self.lines()}")

    def curl(self, out: Path, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(["curl", "-sN", "--max-time", "60", "-o", str(out), *arguments])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if not Path("/proc/loadavg").exists() or shutil.which("curl") is None:
        pytest.skip("needs /proc and curl")
    running = Server(tmp_path, "--interval", "30")
    yield running
    running.process.kill()
    running.process.wait()
    assert running.process.stderr
    running.process.stderr.close()


def wait_lines(path: Path, count: int) -> list[bytes]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        lines = path.read_bytes().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"fewer than {count} lines in {path}")


def test_the_data_stream(server: Server, tmp_path: Path) -> None:
    stream = server.url + "/stream"
    one, two = tmp_path / "one", tmp_path / "two"
    first, second = server.curl(one, stream), server.curl(two, stream)
    server.wait_for("client ", 2)
    wait_lines(one, 3)
    wait_lines(two, 3)
    first.kill()
    first.wait()
    assert re.fullmatch(r"forgot client [12] \(connection closed\)", server.wait_for("forgot client"))
    so_far = len(two.read_bytes().splitlines())
    wait_lines(two, so_far + 5)
    stopped = subprocess.run(["curl", "-s", "-X", "POST", server.url + "/stop"], capture_output=True, timeout=20)
    assert stopped.stdout == b"stopped\n"
    assert second.wait(20) == 0
    server.wait_for("source stopped")
    lines = two.read_bytes().splitlines()
    figures = [json.loads(line) for line in lines]
    numbers = [figure["seq"] for figure in figures]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert set(figures[0]) == {"seq", "time_ms", "load1", "mem_available_kib", "rx_bytes", "tx_bytes"}
    assert figures[0]["mem_available_kib"] > 0 and abs(figures[0]["time_ms"] / 1000 - time.time()) < 60
    by_number = {json.loads(line)["seq"]: line for line in lines}
    shared = [line for line in one.read_bytes().splitlines()[:-1] if json.loads(line)["seq"] in by_number]
    assert shared and all(by_number[json.loads(line)["seq"]] == line for line in shared)
    empty = tmp_path / "empty"
    start = time.monotonic()
    assert server.curl(empty, stream).wait(20) == 0
    assert time.monotonic() - start < 10 and (not empty.exists() or empty.read_bytes() == b"")
    assert sum(line.startswith("listening") for line in server.lines()) == 1
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert server.process.stderr and server.process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_live_streams(server: Server, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    client = server.curl(out, server.url + "/stream")
    wait_lines(out, 2)
    server.process.send_signal(number)
    assert server.process.wait(20) == 0
    client.wait(20)
    assert server.process.stderr and server.process.stderr.read() == ""


def test_a_slow_reader_disturbs_no_other(server: Server, tmp_path: Path) -> None:
    slow = subprocess.Popen(["curl", "-sN", "--limit-rate", "1", "-o", "/dev/null", server.url + "/stream"])
    fast = tmp_path / "fast"
    client = server.curl(fast, server.url + "/stream")
    lines = wait_lines(fast, 40)
    for process in (slow, client):
        process.kill()
        process.wait()
    numbers = [json.loads(line)["seq"] for line in lines[:40]]
    assert numbers == list(range(numbers[0], numbers[0] + 40))
    server.wait_for("forgot client", 2)


def test_bad_requests_are_answered(server: Server) -> None:
    def ask(*arguments: str) -> str:
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout

    assert ask(server.url + "/other") == "404"
    assert ask("-X", "DELETE", server.url + "/stream") == "405"
    assert ask("--http1.0", server.url + "/stream") == "400"
    assert ask("-H", "X: " + "x" * 100_000, server.url + "/stream") == "431"
    assert ask("-X", "POST", server.url + "/stop") == "200"
    assert ask("-X", "POST", server.url + "/stop") == "200"


def test_a_taken_port_is_named(server: Server) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "data_stream.py"), "--port", port], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1 and f"cannot listen on port {port}" in done.stderr


def test_a_machine_without_proc_is_told_so() -> None:
    text = """
    import builtins, runpy, sys
    real = builtins.open
    def blind(name, *rest, **options):
        if str(name).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", name)
        return real(name, *rest, **options)
    builtins.open = blind
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
    """
    command = [sys.executable, "-c", textwrap.dedent(text), str(EXAMPLES / "data_stream.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert "shows figures of /proc, which this machine has not" in done.stderr and len(done.stderr.splitlines()) == 1
