"""Flask under waitress, a WSGI server with threads, and the engine inside: the stream as server-sent events.

    python flask_server.py [--port N] [--interval MS]
    curl -N http://127.0.0.1:PORT/events      the stream
    curl http://127.0.0.1:PORT/now            what is in the engine
    curl -X POST http://127.0.0.1:PORT/stop   ends the source, and with it the streams

Each response that is a stream keeps a thread of the server, which waits in its client's mailbox without the GIL. The source has
a thread of its own. The same application runs under any WSGI server with threads.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Iterator
from types import FrameType

import waitress
from flask import Flask, Response, jsonify

import tidings
from stream import Source, lines, options

SETTINGS = options("Streams figures of this machine, with Flask.")
THREADS = 32  # so many clients at a time

app = Flask(__name__)
engine = tidings.Engine()
source = Source(SETTINGS.interval / 1000).start(engine, "source")


@app.get("/now")
def now() -> Response:
    try:
        clients = int(engine.call("source", timeout=5).data)
    except tidings.NotFoundError:
        clients = 0
    return jsonify(clients=clients, mailboxes=engine.stats().mailboxes)


@app.get("/events")
def events() -> Response:
    def body() -> Iterator[bytes]:
        for line in lines(engine):
            yield b"data: " + line + b"\n\n"

    return Response(body(), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@app.post("/stop")
def stop() -> str:
    source.stop()
    return "stopped\n"


def leave(number: int, frame: FrameType | None) -> None:
    engine.close()  # ends what the threads wait in, and so the responses
    raise SystemExit


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that a request waits a moment for its thread is no news
    listener = socket.create_server(("127.0.0.1", SETTINGS.port))
    # What a slow client has not taken is to wait in its mailbox, under that one's bound, not in buffers of others.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    waitress.serve(app, sockets=[listener], threads=THREADS, outbuf_high_watermark=16384)
