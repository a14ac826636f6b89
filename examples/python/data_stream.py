"""Streams figures of this machine to HTTP clients; an asyncio server with tidings embedded.

    python data_stream.py [--port N] [--interval MS]
    curl -N http://127.0.0.1:PORT/stream      one JSON line per tick
    curl -X POST http://127.0.0.1:PORT/stop   ends the source; the streams end cleanly

The source is a mailbox named "source". It samples /proc on a timer, keeps client -> callback, monitors each
client and forgets it when it is DOWN. Each client is a mailbox of its own, bounded and dropping the oldest
when its reader is slow, and monitors the source by name: it ends its response when the source dies, and at
once, with no data, when the source is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import socket
import sys
import time
from typing import Callable

import tidings

JOIN = 1  # to the source: the sender wants the data; its payload is the number that people know it by
TICK = 2  # to the source: time to sample
DATA = 3  # to a client: one line
GONE = tidings.Reason.USER  # why a client's mailbox ends when its connection does

ALLOWED = {"/stream": "GET", "/stop": "POST"}
REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n(?:[!-9;-~]+:[^\r\n]*\r\n)*\r\n")

Deliver = Callable[[bytes], None]


def say(text: str) -> None:
    print(text, flush=True)


class Figures:
    """Samples of /proc."""

    def __init__(self) -> None:
        self.seq = 0

    def sample(self) -> bytes:
        """One JSON line: load, memory, network counters."""
        self.seq += 1
        received, sent = self.network()
        figures = {
            "seq": self.seq,
            "time_ms": time.time_ns() // 1_000_000,
            "load1": self.load(),
            "mem_available_kib": self.memory(),
            "rx_bytes": received,
            "tx_bytes": sent,
        }
        return json.dumps(figures).encode() + b"\n"

    def load(self) -> float:
        with open("/proc/loadavg") as file:
            return float(file.read().split()[0])

    def memory(self) -> int:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1])
        raise ValueError("/proc/meminfo has no line MemAvailable")

    def network(self) -> tuple[int, int]:
        received = sent = 0
        with open("/proc/net/dev") as file:
            for line in file.readlines()[2:]:
                fields = line.split(":", 1)[1].split()
                received += int(fields[0])
                sent += int(fields[8])
        return received, sent


class Source:
    """The data source: a handler mailbox that knows its clients."""

    def __init__(self, engine: tidings.AsyncEngine, loop: tidings.Loop, interval: float) -> None:
        self.figures = Figures()
        self.clients: dict[tidings.Address, Deliver] = {}
        self.mailbox = engine.mailbox("source", handler=self.handle, loop=loop)
        self.mailbox.send_every(interval, tag=TICK)

    def handle(self, message: tidings.Message) -> None:
        if message.kind == tidings.Kind.TIMER:
            self.tick()
        elif message.tag == JOIN and message.sender is not None:
            self.join(message.sender, message.data.decode())

    def join(self, client: tidings.Address, number: str) -> None:
        if client in self.clients:
            return

        def deliver(line: bytes) -> None:
            client.send(line, DATA, sender=self.mailbox)

        def forget(reason: tidings.Reason) -> None:
            del self.clients[client]
            say(f"forgot client {number} ({reason.data.decode() or reason.name})")

        self.clients[client] = deliver
        self.mailbox.monitor(client, died=forget, already_down=lambda: forget(tidings.Reason(tidings.Reason.NOPROC)))
        say(f"client {number} joined")

    def tick(self) -> None:
        line = self.figures.sample()  # encoded once: every client gets the same bytes
        for deliver in list(self.clients.values()):
            try:
                deliver(line)
            except tidings.NoProcError:
                pass  # its DOWN is on the way

    def stop(self) -> None:
        self.mailbox.close()
        self.clients.clear()


class Server:
    """The HTTP side: GET /stream and POST /stop."""

    def __init__(self, engine: tidings.AsyncEngine, source: Source) -> None:
        self.engine = engine
        self.source = source
        self.stopped = False
        self.clients = 0
        self.connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections[task] = writer
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=10)
            await self.respond(head, reader, writer)
        except asyncio.LimitOverrunError:
            await self.answer(writer, "431 Request Header Fields Too Large", "the header is too large\n")
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass  # the client went away, or never asked
        finally:
            writer.close()
            del self.connections[task]

    async def end(self) -> None:
        """Ends the source, and with it every response; a reader that is too slow for that is cut off."""
        self.source.stop()
        if self.connections:
            await asyncio.wait(list(self.connections), timeout=0.5)
        for writer in self.connections.values():
            writer.transport.abort()
        if self.connections:
            await asyncio.wait(list(self.connections))

    async def respond(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = REQUEST.fullmatch(head)
        if request is None:
            return await self.answer(writer, "400 Bad Request", "this is not an HTTP/1.1 request\n")
        method, path = request[1].decode(), request[2].decode("latin-1")
        allowed = ALLOWED.get(path)
        if allowed is None:
            return await self.answer(writer, "404 Not Found", "GET /stream or POST /stop\n")
        if method != allowed:
            return await self.answer(writer, "405 Method Not Allowed", "see Allow\n", f"Allow: {allowed}\r\n")
        if path == "/stream":
            return await self.stream(reader, writer)
        self.stop()
        await self.answer(writer, "200 OK", "stopped\n")

    async def answer(self, writer: asyncio.StreamWriter, status: str, body: str, extra: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{extra}"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.source.stop()
            say("source stopped")

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: its mailbox feeds its response until the source, or the connection, ends."""
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-store\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        # What a slow reader has not taken waits in its mailbox, under that one's bound, not in other buffers.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        writer.transport.set_write_buffer_limits(0)
        self.clients += 1
        with self.engine.mailbox(max_messages=64, policy=tidings.Policy.DROP_OLD) as mailbox:
            watch = asyncio.ensure_future(self.hang_up(reader, mailbox))
            try:
                mailbox.monitor("source")
                try:
                    self.engine.send("source", str(self.clients).encode(), JOIN, sender=mailbox)
                except tidings.NotFoundError:
                    pass  # not there: the monitor's DOWN says so
                async for message in mailbox:
                    if message.kind == tidings.Kind.DOWN:  # died, or already down: the end of the response
                        writer.write(b"0\r\n\r\n")
                        break
                    writer.write(b"%x\r\n%b\r\n" % (len(message.data), message.data))
                    await writer.drain()  # a slow reader waits here, and its mailbox drops the oldest
                await writer.drain()
            except ConnectionError:
                mailbox.exit(GONE, b"connection closed")
            finally:
                watch.cancel()

    async def hang_up(self, reader: asyncio.StreamReader, mailbox: tidings.AsyncMailbox) -> None:
        """Ends the client's mailbox when its connection ends, also between two ticks."""
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        mailbox.exit(GONE, b"connection closed")


async def serve(port: int, interval: float) -> None:
    async with tidings.Engine() as engine:
        loop = engine.loop()
        source = Source(engine, loop, interval)
        server = Server(engine, source)
        listener = await asyncio.start_server(server.connection, "127.0.0.1", port)
        loop.attach()
        done = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, done.set)
        say(f"listening on http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        await done.wait()
        listener.close()
        await server.end()


def main() -> int:
    parser = argparse.ArgumentParser(description="Streams figures of this machine to HTTP clients.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--interval", type=int, default=1000, metavar="MS", help="between two lines (default 1000)")
    options = parser.parse_args()
    if options.interval < 1:
        parser.error("--interval is at least 1 ms")
    try:
        Figures().sample()
    except (OSError, ValueError) as error:
        print(f"data_stream: this example shows figures of /proc, which this machine has not: {error}", file=sys.stderr)
        return 1
    try:
        asyncio.run(serve(options.port, options.interval / 1000))
    except OSError as error:
        print(f"data_stream: cannot listen on port {options.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
