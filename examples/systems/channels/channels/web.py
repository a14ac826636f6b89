"""The protocol: who may connect, the handshake, WebSocket and Ajax, on one path of an aiohttp application."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from .connection import CLOSE, ENDED, Socket
from .rules import GONE
from .server import Server
from .wire import NIL_UID, Packer

COOKIE = "ring-session"
PAGE = Path(__file__).parent / "page"
NO_CLIENT_ID = (
    "Client's Ring request doesn't have a client id. Does your server have the necessary keyword Ring middleware "
    "(`wrap-params` & `wrap-keyword-params`)?"
)


def by_client(request: web.Request, client_id: str) -> Any:
    return client_id


def by_session(request: web.Request, client_id: str) -> Any:
    """All tabs of a browser are one user."""
    session = request.cookies[COOKIE]
    return hashlib.sha256(session.encode()).hexdigest()[:16]


def nobody(request: web.Request, client_id: str) -> Any:
    return NIL_UID


@dataclasses.dataclass
class Access:
    """Who may connect, and as whom."""

    secret: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(32))
    user_id: Callable[[web.Request, str], Any] = by_client
    origins: Collection[str] | None = None  # None: all
    authorized: Callable[[web.Request], bool] = lambda request: True

    def csrf_token(self, session: str) -> str:
        return hmac.new(self.secret, session.encode(), hashlib.sha256).hexdigest()

    def has_csrf_token(self, request: web.Request, given: str | None) -> bool:
        session = request.cookies.get(COOKIE)
        given = given or request.headers.get("X-CSRF-Token") or request.headers.get("X-XSRF-Token") or ""
        return session is not None and hmac.compare_digest(self.csrf_token(session).encode(), given.encode())

    def is_origin(self, request: web.Request) -> bool:
        if self.origins is None or request.headers.get("Origin") in self.origins:
            return True
        referer = request.headers.get("Referer", "")
        return any(referer.startswith(f"{origin}/") for origin in self.origins)

    def refusal(self, request: web.Request) -> web.Response | None:
        """Of a request whose CSRF token is right."""
        if not self.is_origin(request):
            return web.Response(status=403, text="Unauthorized origin")
        if not self.authorized(request):
            return web.Response(status=401, text="Unauthorized request")
        return None


@web.middleware
async def unavailable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An engine that is drained takes nobody new."""
    try:
        return await handler(request)
    except GONE:
        raise web.HTTPServiceUnavailable from None


class Endpoint:
    """The path of the channel sockets, and the page that uses them."""

    def __init__(self, server: Server, access: Access) -> None:
        self.server = server
        self.access = access

    @property
    def packer(self) -> Packer:
        return self.server.packer

    def application(self, path: str = "/api/socket") -> web.Application:
        app = web.Application(client_max_size=self.server.options.max_frame, middlewares=[unavailable])
        app.router.add_get(path, self.get)
        app.router.add_post(path, self.post)
        app.router.add_get("/", self.page)
        app.router.add_static("/page", PAGE)
        return app

    def runner(self, application: web.Application) -> web.AppRunner:
        """A poll whose client goes away is over; what it waited for is for the next one."""
        return web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=2)

    async def page(self, request: web.Request) -> web.Response:
        session = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        text = (PAGE / "index.html").read_text().replace("{csrf-token}", self.access.csrf_token(session))
        response = web.Response(text=text, content_type="text/html")
        if COOKIE not in request.cookies:
            response.set_cookie(COOKIE, session, httponly=True, samesite="Lax")
        return response

    async def get(self, request: web.Request) -> web.StreamResponse:
        client_id = request.query.get("client-id")
        if not client_id:
            return web.Response(status=500, text=NO_CLIENT_ID)
        if not self.access.has_csrf_token(request, request.query.get("csrf-token")):
            return web.Response(status=403, text="Bad CSRF token")
        refusal = self.access.refusal(request)
        if refusal is not None:
            return refusal
        uid = self.access.user_id(request, client_id)
        options = self.server.options
        # Sente's ping has no answer, WebSocket's has: it finds out who went without a word.
        ws = web.WebSocketResponse(max_msg_size=options.max_frame, timeout=2, heartbeat=2 * options.keep_alive, compress=False)
        if ws.can_prepare(request):
            return await self.socket(request, ws, client_id, uid)
        return await self.poll(request, client_id, uid)

    async def socket(
        self, request: web.Request, ws: web.WebSocketResponse, client_id: str, uid: Any
    ) -> web.StreamResponse:
        connection = Socket(self.server, client_id, uid, ws)
        with connection.box:
            await ws.prepare(request)
            with contextlib.suppress(*GONE):  # the server stops
                await connection.run()
        return ws

    async def poll(self, request: web.Request, client_id: str, uid: Any) -> web.Response:
        poller = self.server.poller(client_id, uid)
        if "handshake?" in request.query:
            with poller.visit():
                return self.answer(self.packer.handshake(uid))
        frame = await poller.poll(self.server.options.poll_timeout)
        if frame is None:
            return self.answer(self.packer.word("timeout"))
        if frame is CLOSE or frame is ENDED:
            self.server.forget(poller)
        if frame is ENDED:
            raise web.HTTPServiceUnavailable  # he may come again
        return self.answer(self.packer.word("close") if frame is CLOSE else frame)

    async def post(self, request: web.Request) -> web.Response:
        form = await request.post()
        if not self.access.has_csrf_token(request, _text(form.get("csrf-token"))):
            return web.Response(status=403, text="<h1>Invalid anti-forgery token</h1>", content_type="text/html")
        client_id = _text(form.get("client-id"))
        if not client_id:
            return web.Response(status=500, text=NO_CLIENT_ID)
        refusal = self.access.refusal(request)
        if refusal is not None:
            return refusal
        return self.answer(await self.said(request, client_id, _text(form.get("ppstr")) or ""))

    async def said(self, request: web.Request, client_id: str, text: str) -> str:
        """What a client has posted, and the answer to it."""
        server = self.server
        poller = server.poller(client_id, self.access.user_id(request, client_id))
        with poller.visit():
            event, callback = await poller.understand(text)
            if callback is None:
                server.rules.take(server.box, event)  # his own may have ended, for he polls too seldom
                return self.packer.word("dummy-cb-200")
            reply = await server.rules.ask(event, server.options.poll_timeout)
            return self.packer.word("timeout") if reply is None else self.packer.printed(reply)

    def answer(self, text: str) -> web.Response:
        return web.Response(text=text, content_type="text/html")


def _text(field: Any) -> str | None:
    return field if isinstance(field, str) else None

