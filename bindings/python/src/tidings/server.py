"""A mailbox whose messages go to the methods of an object, as in Erlang's gen_server.

Guarantees: the methods of one server never overlap; an exception in one of them ends it with reason callback_failed and the
text, which its monitors and whoever waits in `call` are told; `terminate` is called once, also when the end came from outside.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ForkedError, NoProcError, StaleError, TidingsError
from .mailbox import failure_text
from .message import Kind
from .types import Policy, Reason

if TYPE_CHECKING:
    from types import TracebackType

    from .address import Address
    from .engine import BaseEngine
    from .loop import Loop
    from .mailbox import BaseMailbox
    from .message import Message
    from .types import Buffer

_Self = TypeVar("_Self", bound="Server")
_METHODS = "init", "handle_call", "handle_cast", "handle_down", "handle_info", "terminate"
#: What an answer meets when the caller no longer waits for it.
_GIVEN_UP = StaleError, NoProcError
_log = logging.getLogger("tidings")


class Server:
    """Derive from this, write what it does with its messages, and start it.

    >>> class Counter(Server):
    ...     def __init__(self) -> None:
    ...         self.count = 0
    ...     def handle_cast(self, message):
    ...         self.count += int(message.data)
    ...     def handle_call(self, request):
    ...         return str(self.count).encode()
    >>> with tidings.Engine() as engine, Counter().start(engine, name="counter") as counter:
    ...     counter.cast(b"2")
    ...     engine.send("counter", b"3")  # by its name, from anywhere: a cast, too
    ...     counter.call(timeout=5).data, engine.call("counter", timeout=5).data
    (b'5', b'5')

    What users of gen_server and of pykka know under other names: `start_link` and `ActorClass.start` are `start`; `ask` is
    `call`; `tell` is `cast`; `on_start` is `init`; `on_stop` and `on_failure` are `terminate`. The state is the object's own.
    """

    #: Its mailbox, from `start` on: to monitor others, set timers, subscribe, and to be monitored by.
    mailbox: BaseMailbox
    _loop: Loop
    _guard: BaseMailbox
    _stopper: BaseMailbox
    _thread: threading.Thread | None = None
    _wanted: Reason | None = None
    _inside = 0  # the thread that is in one of its methods
    _began = _over = False

    # For the one who writes a server

    def init(self) -> None:
        """Called first, when `mailbox` is there and before any message is handled. What it raises comes out of `start`."""

    def handle_call(self, request: Message) -> Buffer | Iterator[Buffer] | None:
        """Called with each request. What it returns is the reply; of an iterator (so, where this is a generator) each item is a
        part of the reply, until the caller has had enough. None: `request.reply` is called here or later."""
        raise NotImplementedError(f"{type(self).__name__} has no handle_call")

    def handle_cast(self, message: Message) -> None:
        """Called with each plain message: those of `cast` and `send`."""
        raise NotImplementedError(f"{type(self).__name__} has no handle_cast")

    def handle_down(self, message: Message) -> None:
        """Called with each DOWN whose monitor has no callbacks of its own. Goes to `handle_info` unless written."""
        self.handle_info(message)

    def handle_info(self, message: Message) -> None:
        """Called with all else: timers, topics, replies, trapped exits, changes that are watched. Logs it unless written."""
        _log.warning("%r has no handle_info for %r", self, message)

    def terminate(self, reason: Reason) -> None:
        """Called last, once. After `stop` and after an exception before anyone hears of the end; after an end from
        outside, for example `kill`, when it has come. Not called where the process ends without `stop`."""

    # For the one who starts it

    def start(
        self: _Self,
        engine: BaseEngine[Any],
        name: str | None = None,
        *,
        loop: Loop | None = None,
        max_messages: int = 0,
        max_bytes: int = 0,
        policy: Policy = Policy.FAIL,
        block_timeout: float | None = None,
    ) -> _Self:
        """Starts it on a thread of its own, or, with `loop`, on the thread that runs that one; gives the server itself.

        With a loop that is attached to asyncio its methods run on the event loop's thread; they are plain methods all the
        same. When this returns `init` is over. The bounds are those of its mailbox, see `Engine.mailbox`. A context manager:
        leaving it stops the server.
        """
        if "mailbox" in vars(self):
            raise RuntimeError(f"{self!r} was started before; make another one")
        for method in _METHODS:
            if inspect.iscoroutinefunction(getattr(self, method)):
                raise TypeError(f"{method} of {type(self).__name__} is a plain method; in a coroutine iterate with `async for` instead")
        self._loop = loop or engine.loop()
        try:
            self.mailbox = engine.mailbox(
                handler=self._handle,
                loop=self._loop,
                max_messages=max_messages,
                max_bytes=max_bytes,
                policy=policy,
                block_timeout=block_timeout,
            )
            self.mailbox.suspend()  # nothing is handled before init is over
            self._guard = engine.mailbox(handler=lambda message: None, loop=self._loop)
            self._stopper = engine.mailbox()
            if loop is None:
                self._start_thread(name)
            else:
                self._begin(name)
        except BaseException:
            self._give_up()
            if loop is None:
                self._loop.close()
            raise
        return self

    def _start_thread(self, name: str | None) -> None:
        ready, failed = threading.Event(), list[BaseException]()

        def run() -> None:
            try:
                self._begin(name)
            except BaseException as error:
                failed.append(error)
                return
            finally:
                ready.set()
            try:
                self._loop.run_forever()
            finally:
                self._loop.close()
                self._end(self.mailbox.stats().reason or Reason(Reason.RUNTIME_EXIT))

        self._thread = threading.Thread(target=run, name=name or type(self).__name__, daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            self._thread.join()
            raise failed[0]

    def _begin(self, name: str | None) -> None:
        if name is not None:
            self.mailbox.register(name)
        # Ends are heard of as any message is, in their order and whatever the bounds: that of the stopper asks for the
        # end, that of the mailbox itself is the guard's to hear.
        self.mailbox.monitor(self._stopper, died=self._finish)
        self._guard.monitor(self.mailbox, died=self._ended, already_down=self._ended)
        self.init()
        self._began = True
        with suppress(TidingsError):  # it has ended in init
            self.mailbox.resume()

    if not TYPE_CHECKING:  # to which it would say that there is any attribute

        def __getattr__(self, name: str) -> Any:
            if name in ("mailbox", "_stopper"):
                raise RuntimeError(f"{self!r}: start it first")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        mailbox = vars(self).get("mailbox")
        return f"<{type(self).__name__} {mailbox.id:#x}>" if mailbox is not None else f"<{type(self).__name__}, not started>"

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ForkedError):  # in a forked child: it is the parent's
            self.stop()

    # For anyone

    def call(
        self, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None, sender: Address | None = None
    ) -> Message:
        """Sends a request and waits for the reply. By name, from anywhere: `Engine.call`."""
        return self.mailbox.call(data, tag, timeout=timeout, sender=sender)

    def cast(self, data: Buffer = b"", tag: int = 0, *, sender: Address | None = None) -> None:
        """Sends a message and goes on. By name, from anywhere: `Engine.send`."""
        self.mailbox.send(data, tag, sender=sender)

    def stop(self, reason: int = Reason.NORMAL, data: Buffer = b"", *, timeout: float | None = None) -> None:
        """Ends it with a reason, after what is queued now; from one of its own methods, when that has returned.

        Waits for the end, at most so many seconds, where the server has a thread of its own.
        """
        if self._inside == threading.get_ident():
            self._wanted = Reason(reason, bytes(data))
            return
        self._stopper.exit(reason, data)
        if self._thread not in (None, threading.current_thread()):
            self.wait(timeout)

    def wait(self, timeout: float | None = None) -> None:
        """Waits until it is over."""
        self.mailbox.wait(timeout)
        if self._thread is not None:
            self._thread.join(timeout)

    # Within

    def _handle(self, message: Message) -> None:
        self._inside = threading.get_ident()
        try:
            self._dispatch(message)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if not self.mailbox._over_meanwhile(error):
                self._end(Reason(Reason.CALLBACK_FAILED, failure_text(error)))
            raise  # which ends the mailbox
        finally:
            self._inside = 0
        if self._wanted is not None:
            self._finish(self._wanted)

    def _dispatch(self, message: Message) -> None:
        if message.kind == Kind.REQUEST:
            self._reply(message, self.handle_call(message))
        elif message.kind == Kind.MESSAGE:
            self.handle_cast(message)
        elif message.kind == Kind.DOWN:
            self.handle_down(message)
        else:
            self.handle_info(message)

    def _reply(self, request: Message, reply: Buffer | Iterator[Buffer] | None) -> None:
        if reply is None:
            return
        if not isinstance(reply, Iterator):
            with suppress(*_GIVEN_UP):
                request.reply(reply)
            return
        for part in reply:
            try:
                request.reply_part(part)
            except _GIVEN_UP:
                return
        with suppress(*_GIVEN_UP):
            request.reply_end()

    def _finish(self, reason: Reason) -> None:
        reason = self._end(reason)
        self.mailbox.exit(reason, reason.data)

    def _ended(self, reason: Reason = Reason(Reason.NOPROC)) -> None:
        """The mailbox is over."""
        self._end(reason)
        self._give_up()
        if self._thread is not None:
            self._loop.stop()

    def _end(self, reason: Reason) -> Reason:
        """Why it ends: a `terminate` that fails is a reason, too."""
        if self._over or not self._began:
            return reason
        self._over = True
        try:
            self.terminate(reason)
        except Exception as error:
            text = failure_text(error)
            _log.error("terminate of %r failed: %s", self, text.decode(), exc_info=error)
            return Reason(Reason.CALLBACK_FAILED, text)
        return reason

    def _give_up(self) -> None:
        for name in "mailbox", "_guard", "_stopper":
            if name in vars(self):
                vars(self)[name].close()
