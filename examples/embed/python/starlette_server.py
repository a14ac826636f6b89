"""Starlette under uvicorn, and the engine inside: the stream over WebSockets and as server-sent events.

    python starlette_server.py [--port N] [--interval MS]
    curl -N http://127.0.0.1:PORT/events      the stream; ws://127.0.0.1:PORT/stream is the same for a WebSocket
    curl http://127.0.0.1:PORT/now            what is in the engine
    curl -X POST http://127.0.0.1:PORT/stop   ends the source, and with it the streams

All of it runs on the one thread of the event loop: the source's methods, because its loop is attached to it; the
clients, because they await their mailboxes.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import tidings
from stream import Source, lines_async, options

SETTINGS = options("Streams figures of this machine, with Starlette.")
source = Source(SETTINGS.interval / 1000)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with tidings.Engine() as engine:
        app.state.engine = engine
        loop = engine.loop()
        loop.attach()
        source.start(engine, "source", loop=loop)
        yield


async def now(request: Request) -> JSONResponse:
    engine: tidings.AsyncEngine = request.app.state.engine
    try:
        clients = int((await engine.call("source", timeout=5)).data)
    except tidings.NotFoundError:
        clients = 0
    return JSONResponse({"clients": clients, "mailboxes": engine.stats().mailboxes})


async def events(request: Request) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        async for line in lines_async(request.app.state.engine):
            yield b"data: " + line + b"\n\n"

    return StreamingResponse(body(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def stop(request: Request) -> PlainTextResponse:
    source.stop()
    return PlainTextResponse("stopped\n")


async def stream(client: WebSocket) -> None:
    """The lines, beside an echo of what the client says."""

    async def tell() -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # the client has gone
            async for line in lines_async(client.app.state.engine):
                await client.send_text(line.decode())  # as fast as its socket takes them
            await client.close(1001, "the source is over")

    await client.accept()
    telling = asyncio.ensure_future(tell())
    try:
        async for data in client.iter_bytes():
            await client.send_bytes(data)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        telling.cancel()
        await asyncio.wait([telling])


class Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """uvicorn waits for the responses that are under way: these end with the source."""
        source.stop()
        super().handle_exit(sig, frame)


routes = [Route("/now", now), Route("/events", events), Route("/stop", stop, methods=["POST"]), WebSocketRoute("/stream", stream)]
app = Starlette(routes=routes, lifespan=lifespan)

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", SETTINGS.port))
    # What a slow client has not taken is to wait in its mailbox, under that one's bound, not in buffers of others.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    # Who does not read is cut off after two seconds.
    Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2)).run([listener])
