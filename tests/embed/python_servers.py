#!/usr/bin/env python3
"""Drives the servers of examples/embed/python, each as its users start it, with real clients; runs the notebook in a kernel.

    python_servers.py [NAME...]      types, starlette, flask, notebook; all without

Guarantees: as run.py. What the servers are made of is installed into build/embed/python, beside the package tidings of PYTHON."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import run
from run import BUILD, DEADLINE, ROOT, Process, check, hold, until

PROGRAMS = ROOT / "examples" / "embed" / "python"
VENV = BUILD / "python"
INSIDE = str(VENV / "bin" / "python")
# Those of requirements.txt, and what drives them.
TOOLS = ["nbclient", "ipykernel", "types-waitress"]
LINE = re.compile(rb'^data: (\{"seq": \d+, .*\})$')


def install() -> None:
    wanted = (PROGRAMS / "requirements.txt").read_text() + " ".join(TOOLS)
    stamp = VENV / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([run.PYTHON, "-m", "venv", "--clear", str(VENV)], check=True, timeout=300)
        pip = [INSIDE, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(PROGRAMS / "requirements.txt"), *TOOLS], check=True, timeout=600)
        stamp.write_text(wanted)
    # The package tidings, and mypy, are found where PYTHON has them.
    site = run.of_python("import sysconfig; print(sysconfig.get_path('purelib'))")
    here = subprocess.run(
        [INSIDE, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (Path(here) / "of_python.pth").write_text(site + "\n")


class Served(Process):
    def __init__(self, program: str, *options: str) -> None:
        # uvicorn raises the signal once more when all is done.
        self.status = -signal.SIGTERM if program == "starlette_server.py" else 0
        super().__init__([INSIDE, str(PROGRAMS / program), *options])
        found: list[str] = []

        def look() -> bool:
            hold(self.process.poll() is None, f"the server ended: {self.errors}")
            found.extend(line for line in self.lines if line.startswith("listening on "))
            return bool(found)

        until("its address", look)
        self.port = int(found[0].rpartition(":")[2])

    def ask(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        connection.request(method, path)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        hold(answer.status == 200, f"{method} {path}: {answer.status} {data!r}")
        return data

    def now(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.ask("GET", "/now"))
        return found

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE)
        for reader in self.readers:
            reader.join(DEADLINE)
        hold((status, self.errors) == (self.status, []), f"status {status} after SIGTERM: {self.errors}")


def serving(program: str, *options: str) -> AbstractContextManager[Served]:
    return run.ending(Served(program, *options))


class Reader:
    """A client of the stream: its numbers, gathered by a thread."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.ended = False
        self.wrong: list[object] = []
        threading.Thread(target=self.gather, daemon=True).start()

    def gather(self) -> None:
        try:
            self.read()
        except Exception as error:  # the connection went; what it should have been, the test knows
            self.wrong.append(error)
        self.ended = True

    def read(self) -> None:
        raise NotImplementedError


class Events(Reader):
    """Of server-sent events."""

    def __init__(self, server: Served) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
        self.connection.request("GET", "/events")
        self.response = self.connection.getresponse()
        hold(self.response.getheader("Content-Type", "").startswith("text/event-stream"), "the type of the stream")
        super().__init__()

    def read(self) -> None:
        for line in self.response:
            match = LINE.match(line.rstrip(b"\n"))
            if match:
                self.seqs.append(json.loads(match[1])["seq"])
            elif line != b"\n":
                self.wrong.append(line)

    def leave(self) -> None:
        (self.connection.sock or self.response.fp.raw._sock).shutdown(2)  # type: ignore[union-attr]


class Socket(Reader):
    """Of a WebSocket."""

    def __init__(self, server: Served, lazy: bool = False) -> None:
        from websockets.sync.client import connect

        # One that does not read has not much room either.
        self.socket: Any = connect(f"ws://127.0.0.1:{server.port}/stream", open_timeout=DEADLINE, max_queue=1 if lazy else 16)
        self.echoes: list[bytes] = []
        self.go = threading.Event()
        if not lazy:
            self.go.set()
        super().__init__()

    def read(self) -> None:
        self.go.wait()
        for data in self.socket:
            if isinstance(data, bytes):
                self.echoes.append(data)
            else:
                self.seqs.append(json.loads(data)["seq"])

    def leave(self) -> None:
        self.socket.socket.shutdown(2)


def in_order(readers: list[Reader]) -> None:
    for reader in readers:
        first = reader.seqs[0]
        hold(reader.seqs == list(range(first, first + len(reader.seqs))), f"numbers without a gap: {reader.seqs[:20]}...")
        hold(not reader.wrong, f"{reader.wrong}")


def whole_day(program: str, kinds: list[type[Any]]) -> None:
    """Every client has every line; who leaves is forgotten; the end of the source ends the streams, later ones at once."""
    with serving(program, "--interval", "5") as server:
        readers = [kind(server) for kind in kinds for _ in range(4)]
        lazy = run.connect(server.port, 4096)
        lazy.sendall(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")
        until("lines for all", lambda: all(len(reader.seqs) > 100 for reader in readers))
        hold(server.now()["clients"] == len(readers) + 1, f"who is a client: {server.now()}")
        leaving = readers[::4]
        for reader in leaving:
            reader.leave()
        until("who left is forgotten", lambda: server.saw("forgot a client (connection closed)") == len(leaving))
        staying = [reader for reader in readers if reader not in leaving]
        now = server.now()
        hold(now["clients"] == len(staying) + 1, f"who is a client: {now}")
        hold(now["mailboxes"] < len(staying) + 8, f"what is left of those who went: {now}")
        before = [len(reader.seqs) for reader in staying]
        until("more lines", lambda: all(len(reader.seqs) > count + 100 for reader, count in zip(staying, before)))
        in_order(staying)
        sockets = [reader for reader in staying if isinstance(reader, Socket)]
        for n, reader in enumerate(sockets):
            reader.socket.send(b"echo %d" % n)
        until("the echoes", lambda: all(reader.echoes == [b"echo %d" % n] for n, reader in enumerate(sockets)))
        hold(server.ask("POST", "/stop") == b"stopped\n", "the answer to stop")
        until("the ends of the streams", lambda: all(reader.ended for reader in staying))
        in_order(staying)
        for reader in sockets:
            hold(reader.socket.close_code == 1001, f"why the WebSocket ended: {reader.socket.close_code}")
        late = [kind(server) for kind in kinds]
        until("a stream without a source ends", lambda: all(reader.ended for reader in late))
        hold(all(reader.seqs == [] for reader in late), "a stream without a source is empty")
        lazy.close()


def live_end(program: str, kinds: list[type[Any]]) -> None:
    with serving(program, "--interval", "2") as server:
        readers = [kind(server) for kind in kinds for _ in range(3)]
        lazy = run.connect(server.port, 4096)
        lazy.sendall(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")
        until("lines for all", lambda: all(len(reader.seqs) > 5 for reader in readers))
    until("each client sees the end", lambda: all(reader.ended for reader in readers))
    lazy.close()


def slow_reader(program: str) -> None:
    """One who does not read loses lines of its own, and the others none."""
    with serving(program, "--interval", "1") as server:
        quick = Events(server)
        slow = run.connect(server.port, 4096)
        slow.sendall(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")
        until("many lines", lambda: len(quick.seqs) > 5000)
        in_order([quick])
        found: list[int] = []

        def gap() -> bool:
            found.extend(int(number) for number in re.findall(rb'"seq": (\d+),', slow.recv(65536)))
            return any(after - before > 1 for before, after in zip(found, found[1:]))

        until("the slow one sees that lines are missing", gap)
        hold(found == sorted(found), "its lines are in order")
        slow.close()
        until("it is forgotten", lambda: server.saw("forgot a client (connection closed)") == 1)
        in_order([quick])


# ---- the notebook ----

NOTEBOOK = """
import sys, nbformat, nbclient
book = nbformat.read(sys.argv[1], 4)
client = nbclient.NotebookClient(book, timeout=60, kernel_name="python3")
def text():
    return "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []) if output.get("name") == "stdout")
with client.setup_kernel():
    for turn in range(3):  # "Run all" again and again
        for index, cell in enumerate(book.cells):
            client.execute_cell(cell, index)
        print(text(), end="")
    errors = [output for cell in book.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert not errors, errors
    order = [cell for cell in book.cells if cell.cell_type == "code"]
    for cell in order[1], order[1], order[3], order[3], order[0]:  # in any order
        client.execute_cell(cell, 0)
    wait = nbformat.v4.new_code_cell("box = engine.mailbox()\\nengine.loop()\\nbox.recv()")
    import asyncio
    async def interrupted():
        running = asyncio.ensure_future(client.async_execute_cell(wait, 0))
        await asyncio.sleep(1)
        done = client.km.interrupt_kernel()
        if asyncio.iscoroutine(done):
            await done
        try:
            await asyncio.wait_for(running, 30)
        except nbclient.exceptions.CellExecutionError as error:
            print(error.ename)
    client.loop.run_until_complete(interrupted()) if hasattr(client, "loop") else asyncio.run(interrupted())
"""


def notebook() -> None:
    done = subprocess.run(
        [INSIDE, "-c", NOTEBOOK, str(PROGRAMS / "notebook.ipynb")], capture_output=True, text=True, timeout=300, cwd=BUILD,
        env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )
    hold(done.returncode == 0, done.stderr[-3000:])
    once = r"-?\d+\.\d degrees\n5 readings\n\d mailboxes, 0 subscriptions\n0x[0-9a-f]+ is an open mailbox\n"
    hold(re.fullmatch(f"({once}){{3}}KeyboardInterrupt\n", done.stdout), f"it printed {done.stdout!r}")


def types() -> None:
    programs = sorted(path.name for path in PROGRAMS.glob("*.py"))
    command = [INSIDE, "-m", "mypy", "--strict", "--no-incremental", *programs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=PROGRAMS)
    hold(done.returncode == 0, done.stdout + done.stderr)


def main(names: list[str]) -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    install()
    if Path(sys.prefix).resolve() != VENV.resolve():  # the clients are there, too
        os.execv(INSIDE, [INSIDE, __file__, *names])
    if not names or "types" in names:
        check("python: mypy --strict", types)
    if not names or "starlette" in names:
        check("starlette: a day", lambda: whole_day("starlette_server.py", [Events, Socket]))
        check("starlette: who does not read disturbs nobody", lambda: slow_reader("starlette_server.py"))
        check("starlette: SIGTERM while streams are live", lambda: live_end("starlette_server.py", [Events, Socket]))
    if not names or "flask" in names:
        check("flask: a day", lambda: whole_day("flask_server.py", [Events]))
        check("flask: who does not read disturbs nobody", lambda: slow_reader("flask_server.py"))
        check("flask: SIGTERM while streams are live", lambda: live_end("flask_server.py", [Events]))
    if not names or "notebook" in names:
        check("notebook: run, run again, interrupted", notebook)
    print(f"{len(run.passed)} passed, {len(run.failed)} failed, {len(run.skipped)} skipped")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
