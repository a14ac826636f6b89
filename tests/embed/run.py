#!/usr/bin/env python3
"""The engine inside servers that exist: builds the adapters and examples/embed/c, and drives each by real clients.

    run.py [NAME...]      epoll, libuv, glib, python, rust; all without

Guarantees: every wait has a deadline; no process is left behind; the last line is "N passed, N failed, N skipped", and
the status says the same. A host library or tool that is not here is a skip."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "embed"
README = ROOT / "examples" / "embed" / "README.md"
EXAMPLES = ROOT / "examples" / "embed" / "c"
PREFIX = Path(os.environ.get("TIDINGS_PREFIX") or ROOT / "build" / "prefix")
CC = os.environ.get("CC", "cc").split()
PYTHON = os.environ.get("PYTHON") or str(ROOT / "build" / "venv" / "bin" / "python")
DEADLINE = 60.0  # seconds, for what takes milliseconds on a machine that has nothing else to do
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
STRICT = [*WARNINGS, "-Wconversion", "-Wshadow"]
# The host library of each server, as pkg-config calls it, and the Debian package with its header.
HOSTS = {"epoll": None, "libuv": ("libuv", "libuv1-dev"), "glib": ("glib-2.0", "libglib2.0-dev")}
COMPILERS = {"gcc": "c99", "clang": "c99", "clang++": "c++11", "g++": "c++11"}
LINK = [f"-L{PREFIX}/lib", f"-Wl,-rpath,{PREFIX}/lib", "-ltidings", "-pthread"]
MEMCHECK = ["valgrind", "--quiet", "--fair-sched=try", "--error-exitcode=9", "--leak-check=full",
            "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]
SEQ = re.compile(rb'^\{"seq":(\d+),.*\}$')

passed: list[str] = []
failed: list[str] = []
skipped: list[str] = []


class NotHeld(Exception):
    pass


def hold(condition: object, what: str) -> None:
    if not condition:
        raise NotHeld(what)


def skip(what: str) -> None:
    print(f"skip: {what}", flush=True)
    skipped.append(what)


def check(name: str, run: Callable[[], object]) -> None:
    try:
        run()
    except (NotHeld, OSError, subprocess.SubprocessError) as error:
        print(f"FAILED {name}: {error!r}", flush=True)
        failed.append(name)
    else:
        print(f"ok {name}", flush=True)
        passed.append(name)


def until(what: str, condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        hold(time.monotonic() < end, f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


# ---- building ----


def flags_of(host: str) -> list[str] | None:
    """The compiler's flags for a host library; None, and a skip, when it is not here."""
    library = HOSTS[host]
    if library is None:
        return []
    found = None
    if shutil.which("pkg-config"):
        found = subprocess.run(["pkg-config", "--cflags", "--libs", library[0]], capture_output=True, text=True)
    if found is None or found.returncode != 0:
        skip(f"{host}: no {library[0]} here for pkg-config to find (Debian: {library[1]})")
        return None
    return found.stdout.split()


def compile_with(compiler: list[str], sources: list[str], flags: list[str]) -> None:
    command = [*compiler, *sources, f"-I{PREFIX}/include", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    hold(done.returncode == 0, f"{' '.join(command)}\n{done.stderr}")


def edges(host: str, flags: list[str]) -> None:
    """edges_HOST.c, which also shows the header clean in each language."""
    program = str(BUILD / f"edges_{host}")
    source = str(HERE / f"edges_{host}.c")
    for compiler, language in COMPILERS.items():
        if not shutil.which(compiler):
            skip(f"{host}.h with {compiler}: not here")
            continue
        # uv.h wants more of the system's headers than strict C99 shows.
        strict = [f"-std={language}", "-D_GNU_SOURCE", "-g", *STRICT, "-x", "c++" if "++" in compiler else "c"]
        compile_with([compiler, *strict], [source], ["-x", "none", *flags, *LINK, "-o", program])
        done = subprocess.run([program], timeout=DEADLINE, capture_output=True, text=True)
        hold(done.returncode == 0, f"{program} built by {compiler}: {done.returncode} {done.stderr}")
    if shutil.which("valgrind"):
        done = subprocess.run([*MEMCHECK, program], timeout=DEADLINE, capture_output=True, text=True)
        hold(done.returncode == 0, f"{program} under valgrind: {done.returncode} {done.stderr}")


def build_server(host: str, flags: list[str]) -> None:
    source = str(EXAMPLES / f"{host}_server.c")
    compile_with([*CC, "-std=c99", "-O2", "-g", *WARNINGS], [source], [*flags, *LINK, "-o", str(BUILD / f"{host}_server")])


# ---- a server, and its clients ----


class Process:
    """A program whose lines are gathered."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.readers = [
            threading.Thread(target=gather, args=(self.process.stdout, self.lines)),
            threading.Thread(target=gather, args=(self.process.stderr, self.errors)),
        ]
        for reader in self.readers:
            reader.start()

    def saw(self, text: str) -> int:
        return sum(text in line for line in self.lines)


class Server(Process):
    def __init__(self, command: list[str]) -> None:
        super().__init__(command)
        self.streams = 0  # clients of the stream that there have been
        self.echo = self.port("echo")
        self.stream = self.port("stream")

    def port(self, of: str) -> int:
        found: list[int] = []

        def look() -> bool:
            hold(self.process.poll() is None, f"the server ended: {self.errors}")
            found.extend(int(line.rpartition(":")[2]) for line in self.lines if line.startswith(f"{of} on "))
            return bool(found)

        until(f"the {of} port", look)
        return found[0]

    def now(self) -> dict[str, int]:
        """What SIGUSR1 makes it say."""
        seen = sum(line.startswith("now: ") for line in self.lines)
        self.process.send_signal(signal.SIGUSR1)
        until("an answer to SIGUSR1", lambda: sum(line.startswith("now: ") for line in self.lines) > seen)
        last = [line for line in self.lines if line.startswith("now: ")][-1]
        return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", last)}

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE)
        for reader in self.readers:
            reader.join(DEADLINE)
        hold(status == 0, f"status {status} after SIGTERM: {self.errors}")
        hold(not self.errors, f"on stderr: {self.errors}")
        hold(self.lines[-1].startswith("told "), f"the last line is {self.lines[-1]}")


def gather(pipe: Iterable[str], into: list[str]) -> None:
    for line in pipe:
        into.append(line.rstrip("\n"))


@contextmanager
def ending(server: Any) -> Iterator[Any]:
    """A server that has to end as it should when the block is left, and ends in any case."""
    try:
        yield server
        server.end()
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def serving(command: list[str]) -> AbstractContextManager[Server]:
    return ending(Server(command))


def connect(port: int, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    client.settimeout(DEADLINE)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", port))
    return client


def reset(client: socket.socket) -> None:
    """The end that a killed process gives its connections with input unread."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class Stream:
    """A client of the stream: whole lines, with numbers that grow."""

    def __init__(self, server: Server, receive_buffer: int = 0) -> None:
        self.socket = connect(server.stream, receive_buffer)
        server.streams += 1
        self.rest = b""
        self.lines = self.last = self.missed = 0
        self.ended = False

    def read(self) -> None:
        data = self.socket.recv(65536)
        self.ended = not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            match = SEQ.match(line)
            hold(match, f"not a line of the stream: {line!r}")
            assert match
            number = int(match.group(1))
            hold(number > self.last, f"{number} came after {self.last}")
            self.missed += number - self.last - 1 if self.last else 0
            self.last = number
            self.lines += 1


def read_all(streams: list[Stream], done: Callable[[], bool], what: str) -> None:
    """Reads whatever comes to any of them until it is done."""
    end = time.monotonic() + DEADLINE
    while not done():
        hold(time.monotonic() < end, f"not within {DEADLINE:.0f} s: {what}")
        open_ones = {stream.socket: stream for stream in streams if not stream.ended}
        for ready in select.select(list(open_ones), [], [], 0.1)[0]:
            open_ones[ready].read()


def echo_back(client: socket.socket, data: bytes) -> None:
    """Sends and receives at the same time: more than all buffers hold may be on its way."""
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    got = bytearray()
    while len(got) < len(data):
        part = client.recv(65536)
        hold(part, f"the echo ended after {len(got)} of {len(data)} bytes")
        got += part
    sender.join(DEADLINE)
    hold(got == data, f"an echo of {len(data)} bytes is not what was sent")


# ---- what is held ----


def all_gone(server: Server) -> None:
    """Each client of the stream has joined, the source forgets them all, and the engine has nothing of theirs."""

    def gone() -> bool:
        now = server.now()
        joined = sum(line.endswith(" joined") for line in server.lines)
        forgotten = sum(line.startswith("forgot client ") for line in server.lines)
        return joined == forgotten == server.streams and now["mailboxes"] == 1 and now["watched"] == 0

    until("each that joined is forgotten, and the source alone is left", gone)
    hold(server.now()["names"] == 1, f"the name of the source: {server.now()}")


def echo_beside_stream(server: Server, lines: int) -> None:
    """The echo answers, small and large, while many clients take the stream."""
    streams = [Stream(server) for _ in range(10)]
    echo = connect(server.echo)
    for size in (1, 2, 100, 5_000):
        echo_back(echo, os.urandom(size))
    large = threading.Thread(target=echo_back, args=(connect(server.echo), os.urandom(2_000_000)))
    large.start()
    read_all(streams, lambda: all(stream.lines >= lines for stream in streams), f"{lines} lines for each of ten")
    large.join(DEADLINE)
    hold(not large.is_alive(), "two megabytes come back while the stream runs")
    for i in range(200):
        echo_back(echo, b"ping %d" % i)
    # Half of them leave, the other half is cut off.
    for i, stream in enumerate(streams):
        reset(stream.socket) if i % 2 else stream.socket.close()
    reset(echo)
    all_gone(server)


def slow_reader(server: Server, lines: int) -> None:
    """One who does not read loses lines of its own, and nobody else waits for it."""
    slow, quick = Stream(server, 4096), Stream(server)
    stalled = connect(server.echo, 4096)
    stalled.setblocking(False)
    try:  # An echo client that never reads what comes back.
        while True:
            stalled.send(bytes(65536))
    except BlockingIOError:
        pass
    lost = False
    while not lost:
        aim = quick.lines + lines
        read_all([quick], lambda: quick.lines >= aim, "the quick one reads on")
        lost = server.now()["lost"] > 0
    echo_back(connect(server.echo), b"still here")
    read_all([slow, quick], lambda: slow.missed > 0, "the slow one sees that lines are missing")
    aim = slow.lines + lines
    read_all([slow, quick], lambda: slow.lines >= aim, "the slow one has caught up")
    for client in (slow.socket, quick.socket, stalled):
        client.close()
    all_gone(server)


def come_and_go(server: Server) -> None:
    """Clients that are cut off as they come."""
    for i in range(200):
        client = Stream(server).socket if i % 4 else connect(server.echo)
        reset(client) if i % 2 else client.close()
    all_gone(server)


def source_dies(server: Server) -> None:
    """Streams end with their source; later ones end at once; the echo goes on."""
    streams = [Stream(server) for _ in range(3)]
    read_all(streams, lambda: all(stream.lines for stream in streams), "a line for each")
    server.process.send_signal(signal.SIGUSR2)
    read_all(streams, lambda: all(stream.ended for stream in streams), "the end of each stream")
    late = Stream(server)
    read_all([late], lambda: late.ended, "the end of a stream that has no source")
    hold(late.lines == 0, "a stream without a source is empty")
    echo_back(connect(server.echo), b"still here")
    until("no mailbox is left", lambda: server.now()["mailboxes"] == 0)


def whole_day(host: str, *options: str) -> None:
    """Everything, one after the other, in one process, which ends in the middle of it."""
    with serving([str(BUILD / f"{host}_server"), *options]) as server:
        echo_beside_stream(server, 1000)
        slow_reader(server, 200)
        come_and_go(server)
        threads = server.now()["threads"]
        hold(threads == (0 if "--host-time" in options else 1), f"{threads} threads of the engine")
        streams = [Stream(server) for _ in range(3)]
        read_all(streams, lambda: all(stream.lines for stream in streams), "a line for each")
        connect(server.echo).sendall(b"and the end comes with live clients")
    with serving([str(BUILD / f"{host}_server"), *options]) as server:
        source_dies(server)


def under_valgrind(host: str) -> None:
    with serving([*MEMCHECK, str(BUILD / f"{host}_server"), "--interval", "5000"]) as server:
        echo_beside_stream(server, 20)
        come_and_go(server)
        streams = [Stream(server) for _ in range(3)]
        read_all(streams, lambda: all(stream.lines for stream in streams), "a line for each")
        server.process.send_signal(signal.SIGUSR2)
        connect(server.echo).sendall(b"and the end comes with live clients")


def by_readme(program: str, path: str = "") -> Path:
    """Builds a program by its line of examples/embed/README.md, in a copy of the folder."""
    copy = BUILD / "readme" / "embed" / "c"
    shutil.copytree(ROOT / "examples" / "c", BUILD / "readme" / "c", dirs_exist_ok=True)
    shutil.copytree(EXAMPLES, copy, dirs_exist_ok=True)
    lines = [line for line in README.read_text().splitlines() if line.startswith(f"cc {program}.c ")]
    hold(len(lines) == 1, f"one line of {README} that builds {program}")
    environment = {
        **os.environ,
        "PKG_CONFIG_PATH": f"{PREFIX}/lib/pkgconfig:{os.environ.get('PKG_CONFIG_PATH', '')}",
        "PATH": f"{path}{os.environ['PATH']}",
    }
    done = subprocess.run(lines[0], shell=True, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)
    hold(done.returncode == 0, f"{lines[0]}: {done.stderr}")
    return copy / program


def readme_builds(host: str) -> None:
    with serving([str(by_readme(f"{host}_server")), "--interval", "1000"]) as server:
        echo_back(connect(server.echo), b"hello")


def try_host(host: str) -> None:
    flags = flags_of(host)
    if flags is None:
        return
    check(f"{host}: the adapter at its edges, in C99 and C++11", lambda: edges(host, flags))
    before = len(failed)
    check(f"{host}: the server builds", lambda: build_server(host, flags))
    if len(failed) > before:
        return
    if shutil.which("pkg-config"):
        check(f"{host}: the README's line builds it, too", lambda: readme_builds(host))
    else:
        skip(f"{host}: no pkg-config for the README's line")
    check(f"{host}: echo and stream, five thousand ticks a second", lambda: whole_day(host, "--interval", "200"))
    check(f"{host}: echo and stream, timers by the host's loop", lambda: whole_day(host, "--interval", "1000", "--host-time"))
    if shutil.which("valgrind"):
        check(f"{host}: under valgrind", lambda: under_valgrind(host))
    else:
        skip(f"{host}: no valgrind here")


# ---- CPython in a C host ----

PYTHON_SAYS = """\
script: welcome
script: seen 10000 of 10000
host: the script's mailbox has ended: has seen enough
host: published 10000
"""


def of_python(code: str) -> str:
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout.strip()


def run_python_host(program: Path, script: Path) -> subprocess.CompletedProcess[str]:
    """As in an active virtual environment: its python3 is the first of the path."""
    path = {"PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}"}
    return subprocess.run([str(program), str(script)], env={**os.environ, **path}, capture_output=True, text=True, timeout=DEADLINE)


def python_host(program: Path) -> None:
    for _ in range(5):
        done = run_python_host(program, EXAMPLES / "python_host.py")
        hold((done.returncode, done.stdout, done.stderr) == (0, PYTHON_SAYS, ""), f"{program}: {done}")


def failing_script(program: Path) -> None:
    """A script that fails is heard of, and the host lives on."""
    script = BUILD / "fails.py"
    script.write_text("import tidings\nassert tidings.default_engine().address(HOST).stats().open\nraise RuntimeError('no')\n")
    done = run_python_host(program, script)
    hold(done.returncode == 1 and "RuntimeError: no" in done.stderr and done.stdout == "host: published 0\n", f"{done}")


def try_python() -> None:
    headers = of_python("import sysconfig; print(sysconfig.get_path('include'))")
    config = Path(of_python("import sysconfig; print(sysconfig.get_config_var('BINDIR'))")) / "python3-config"
    if not (Path(headers) / "Python.h").exists() or not config.exists():
        return skip(f"python: no Python.h in {headers}, or no {config} (Debian: python3-dev)")
    if subprocess.run([PYTHON, "-c", "import tidings"], capture_output=True).returncode != 0:
        return skip(f"python: {PYTHON} has no package tidings")
    if not shutil.which("pkg-config"):
        return skip("python: no pkg-config for the README's line")
    linked = subprocess.run([str(config), "--embed", "--ldflags"], capture_output=True, text=True, check=True).stdout.split()
    source, program = str(EXAMPLES / "python_host.c"), BUILD / "python_host"
    # Of the host's header no warnings are wanted.
    strict = [*CC, "-std=c99", "-O2", "-g", *WARNINGS, "-isystem", headers]
    check("python: the host builds", lambda: compile_with(strict, [source], [*LINK, *linked, "-o", str(program)]))
    if program.exists():
        check("python: host and script share one engine and each other's ids", lambda: python_host(program))
        check("python: a script that fails", lambda: failing_script(program))
    check("python: the README's line builds it, too", lambda: python_host(by_readme("python_host", f"{config.parent}:")))


# ---- the Rust API ----


def rust_stream(program: str) -> None:
    """Lines for all; the one that is cut off is forgotten; the end of the source is told to the others."""
    run = Process([program, "0", "1"])
    try:
        until("the port", lambda: run.saw("listening on ") or run.process.poll() is not None)
        hold(run.saw("listening on "), f"the program ended: {run.errors}")
        port = int(run.lines[0].rpartition(":")[2])
        clients = [connect(port) for _ in range(3)]
        files = [client.makefile("rb") for client in clients]
        for file in files:
            numbers = [int(SEQ.match(file.readline().rstrip()).group(1)) for _ in range(200)]  # type: ignore[union-attr]
            hold(numbers == sorted(set(numbers)), f"numbers grow: {numbers}")
        files[0].close()
        reset(clients[0])
        until("who was cut off is forgotten", lambda: run.saw("forgot a client"))
        clients[1].sendall(b"stop\n")
        for file in files[1:]:
            hold(file.read().endswith(b"\ndied\n"), "a stream ends with the news")
        status = run.process.wait(DEADLINE)
        for reader in run.readers:
            reader.join(DEADLINE)
        hold((status, run.lines[-1], run.errors) == (0, "mailboxes left: 0", []), f"{status} {run.lines[-1:]} {run.errors}")
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def try_rust() -> None:
    cargo = os.environ.get("CARGO", "cargo")
    if not shutil.which(cargo):
        return skip("rust: no cargo here")
    build = [cargo, "build", "--locked", "--quiet", "--example", "data_stream"]
    check("rust: the example builds", lambda: subprocess.run(build, cwd=ROOT, check=True, timeout=900))
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    check("rust: the data stream", lambda: rust_stream(str(target / "debug" / "examples" / "data_stream")))


def main(names: list[str]) -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    for host in HOSTS:
        if not names or host in names:
            try_host(host)
    if not names or "python" in names:
        try_python()
    if not names or "rust" in names:
        try_rust()
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
