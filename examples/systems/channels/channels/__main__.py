"""python -m channels: the server of the demonstration. See --help."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from typing import Any

import tidings
from aiohttp import web

from .demo import SERVICES
from .server import Options, Server
from .web import Access, Endpoint, by_client, by_session, nobody
from .wire import encode

USERS = {"client": by_client, "session": by_session, "none": nobody}
POLICIES = {"drop-old": tidings.Policy.DROP_OLD, "drop-new": tidings.Policy.DROP_NEW, "fail": tidings.Policy.FAIL}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("channels", description="Sente's channel sockets over tidings.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0: a free one, which is printed")
    parser.add_argument("--user-id", choices=USERS, default="client", help="whom a connection belongs to")
    parser.add_argument("--origin", action="append", help="an allowed origin; all, unless given")
    parser.add_argument("--bearer", help="what the header Authorization has to bring")
    parser.add_argument("--secret", help="keeps CSRF tokens valid across restarts")
    parser.add_argument("--v2", action="store_true", help="write packages without their plus, as Sente 1.18 does")
    parser.add_argument("--keep-alive", type=float, default=25, metavar="S", help="ping after so long without traffic")
    parser.add_argument("--grace", type=float, default=5, metavar="S", help="who is back within it was never gone")
    parser.add_argument("--poll-timeout", type=float, default=20, metavar="S")
    parser.add_argument("--receive-bound", type=int, default=1000, metavar="N", help="events that wait for the rules")
    parser.add_argument("--receive-policy", choices=POLICIES, default="drop-old", help="for one too many; it is counted")
    parser.add_argument("--figures", action="store_true", help="serve counters at /figures")
    parser.add_argument("--quiet", action="store_true", help="do not print what happens")
    return parser.parse_args(given)


def endpoint(engine: tidings.AsyncEngine, args: argparse.Namespace) -> Endpoint:
    options = Options(
        keep_alive=args.keep_alive,
        grace=args.grace,
        poll_timeout=args.poll_timeout,
        receive_bound=args.receive_bound,
        receive_policy=POLICIES[args.receive_policy],
        prefix="" if args.v2 else "+",
    )
    access = Access(user_id=USERS[args.user_id], origins=args.origin)
    if args.secret:
        access.secret = args.secret.encode()
    if args.bearer:
        access.authorized = lambda request: request.headers.get("Authorization") == f"Bearer {args.bearer}"
    server = Server(engine, SERVICES, options)
    if not args.quiet:
        server.rules.observer = lambda event: print(f"event :{event.id} {encode(event.data)} of {encode(event.uid)}", flush=True)
    return Endpoint(server, access)


async def serve(args: argparse.Namespace) -> None:
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    async with tidings.Engine() as engine:
        point = endpoint(engine, args)
        app = point.application()
        if args.figures:

            async def figures(request: web.Request) -> web.Response:
                return web.json_response(point.server.figures())

            app.router.add_get("/figures", figures)
        runner = point.runner(app)
        await runner.setup()
        site = web.TCPSite(runner, args.host, args.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        print(f"listening on http://{host}:{port}", flush=True)
        await done.wait()
        await site.stop()
        report = await engine.drain(2)  # what is queued goes out; then each connection ends with its mailbox
        print(f"drained: {report.delivered} delivered, {report.undelivered} not", flush=True)
        await runner.cleanup()


def main() -> int:
    logging.basicConfig(format="%(levelname)s %(message)s")
    asyncio.run(serve(arguments()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
