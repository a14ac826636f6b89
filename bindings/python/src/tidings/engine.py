"""The engine: a world of mailboxes, and what is addressed by name or topic in it.

Guarantees: an engine that this package opened is closed when the interpreter exits, before anything of Python
goes away, so that a process ends with its own status while streams are live. The process-wide default
engine may be shared with C or another language: there only this package's own loops and mailboxes end.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Generic, Iterable, TypeVar
from weakref import WeakSet, WeakValueDictionary

from . import _fast
from ._native import ffi, lib
from .address import Address
from .calls import Replies
from .draining import drain
from .errors import ForkedError, NoProcError, NotFoundError, check
from .groups import Group, Presence
from .handles import Timer
from .looking import snapshot
from .loop import Loop
from .mailbox import BaseMailbox, Mailbox
from .types import DrainReport, EngineStats, OfThisProcess, Policy, Receipt, encode, payload

if TYPE_CHECKING:
    from .address import Item
    from .aio import AsyncEngine
    from .message import Message
    from .types import Buffer

_Box = TypeVar("_Box", bound=BaseMailbox)
_Result = TypeVar("_Result")

_opened: dict[int, Engine] = {}
_opened_lock = threading.Lock()


class BaseEngine(OfThisProcess, Generic[_Box]):
    """What the two faces of an engine share, `Engine` for threads and `AsyncEngine` for asyncio: all that never waits."""

    id: int
    virtual_clock: bool
    host_time: bool
    is_default: bool
    _loops: WeakSet[Loop]
    _mailboxes: WeakValueDictionary[int, BaseMailbox]
    _box: type[_Box]

    def __repr__(self) -> str:
        return f"<tidings.{type(self).__name__} {self.id:#x}{' (default)' if self.is_default else ''}>"

    def close(self) -> None:
        """Ends every mailbox with reason engine_closed. Never waits; closing twice does nothing."""
        with _opened_lock:
            _opened.pop(self.id, None)
        code = lib.td_engine_close((self.id,))
        if code not in (lib.TD_ESTALE, lib.TD_ECLOSED):
            check(code)
        _fast.drain()

    # Mailboxes and loops

    def mailbox(
        self,
        name: str | None = None,
        *,
        max_messages: int = 0,
        max_bytes: int = 0,
        policy: Policy = Policy.FAIL,
        block_timeout: float | None = None,
        handler: Callable[[Message], object] | None = None,
        loop: Loop | None = None,
        thread_bound: bool = False,
        notifiable: bool = False,
        views: bool = False,
    ) -> _Box:
        """Opens a mailbox: to be read with `recv` and iteration, or, with `handler` and `loop`, by that loop.

        Bounds of 0 are the library's defaults (65,536 messages, 64 MiB). `policy` says what a full mailbox
        does; with BLOCK a send waits `block_timeout` seconds. A mailbox that is `thread_bound` ends with the thread
        that opens it, with reason runtime_exit; one that is `notifiable` takes `notify`. With `views`, `view` of what it
        receives shows the payload where it is, without a copy, see `Message`.
        """
        if (handler is None) != (loop is None):
            raise TypeError("handler= and loop= go together: the loop is what runs the handler")
        if block_timeout == 0:
            raise ValueError("block_timeout is more than 0; for a send that never waits use policy FAIL")
        block = 0 if block_timeout is None else _fast.nanoseconds(block_timeout)
        box = self._box(self, Policy(policy), block, name, views)
        options = ffi.new("td_mailbox_options *")
        options.size = ffi.sizeof("td_mailbox_options")
        options.policy = policy
        options.flags = (lib.TD_THREAD_BOUND if thread_bound else 0) | (lib.TD_NOTIFIABLE if notifiable else 0)
        options.max_messages = max_messages
        options.max_bytes = max_bytes
        options.block_timeout = block
        if name is not None:
            text = ffi.from_buffer(encode(name))
            options.name, options.name_size = text, len(text)
        if handler is not None and loop is not None:
            _check_handler(handler, loop)
            run, user, drop = _fast.registration(box, handler, loop.id)
            options.loop.id = loop.id
            options.handler = ffi.cast("td_handler_fn", run)
            options.user = ffi.cast("void *", user)
            options.drop = ffi.cast("td_drop_fn", drop)
        mailbox = ffi.new("td_mailbox *")
        check(lib.td_mailbox_open((self.id,), options, mailbox))
        box._id = mailbox.id
        self._mailboxes[box.id] = box
        return box

    def loop(self, budget: int = 0) -> Loop:
        """Opens a loop for handler mailboxes. `budget` bounds the batches of one `run`; 0: no bound."""
        return Loop(self, budget)

    def group(self, name: str) -> Group:
        """The group of mailboxes with this name."""
        return Group(self, name)

    def presence(self, name: str) -> Presence:
        """Who is present under this name."""
        return Presence(self, name)

    def address(self, id: int) -> Address:
        """The address (or this package's own mailbox) of an id that came from elsewhere, from C for example."""
        return self._mailboxes.get(id) or Address(self, self.id, id)

    # By name and by topic

    def whereis(self, name: str) -> Address | None:
        """Who has a name now, or None."""
        text, mailbox = encode(name), ffi.new("td_mailbox *")
        try:
            check(lib.td_whereis((self.id,), text, len(text), mailbox))
        except NotFoundError:
            return None
        return self.address(mailbox.id)

    def unregister(self, name: str) -> None:
        """Frees a name."""
        text = encode(name)
        check(lib.td_unregister((self.id,), text, len(text)))

    def send(self, name: str, data: Buffer = b"", tag: int = 0, *, sender: Address | None = None) -> None:
        """Sends to whoever has the name now."""
        # Not td_send_name: that cannot be interrupted where the mailbox makes its senders wait.
        self._to_holder(name, lambda holder: holder.send(data, tag, sender=sender))

    def _to_holder(self, name: str, act: Callable[[Address], _Result]) -> _Result:
        target = self.whereis(name)
        while target is not None:
            try:
                return act(target)
            except NoProcError:  # it ended since: its name is free, or another's
                previous, target = target, self.whereis(name)
                if target == previous:
                    raise
        raise NotFoundError(f"no mailbox has the name {name!r}")

    def send_after(self, name: str, delay: float, data: Buffer = b"", tag: int = 0) -> Timer:
        """A TIMER message to whoever has the name when so many seconds have passed."""
        text, timer = encode(name), ffi.new("td_timer *")
        with payload(data) as view:
            check(
                lib.td_send_after_name(
                    (self.id,), text, len(text), _fast.nanoseconds(delay), tag, view, len(view), timer
                )
            )
        self._timer_armed()
        return Timer(timer.id)

    def publish(
        self, topic: str, data: Buffer = b"", tag: int = 0, *, sender: Address | None = None, retain: bool = False
    ) -> Receipt:
        """One message to every subscription that fits the topic. With `retain` it is kept for those that come later, in
        place of the one before; an empty payload keeps none."""
        return Receipt(*_fast.publish(self.id, sender, topic, tag, data, retain))

    def publish_many(self, topic: str, items: Iterable[Item], *, sender: Address | None = None) -> Receipt:
        """Several messages (payloads, or (tag, payload) pairs) in order, each subscriber visited once."""
        return Receipt(*_fast.publish_many(self.id, sender, topic, items))

    # Time and counters

    def now(self) -> float:
        """Seconds on this engine's clock; only differences mean something."""
        now = ffi.new("int64_t *")
        check(lib.td_now((self.id,), now))
        return float(now[0]) / 1e9

    def stats(self) -> EngineStats:
        """Counters of the engine."""
        c = ffi.new("td_engine_counters *")
        c.size = ffi.sizeof("td_engine_counters")
        check(lib.td_engine_stats((self.id,), c))
        return EngineStats(*(getattr(c, name) for name in EngineStats._fields))

    def inspect(self) -> dict[str, Any]:
        """All that the engine has: mailboxes with their queues, names, monitors, topics, timers, counters."""
        return snapshot(self.id)

    def advance(self, seconds: float) -> None:
        """Moves a virtual clock, through every expiry on the way, in order."""
        check(lib.td_clock_advance((self.id,), _fast.nanoseconds(seconds)))

    def _timer_armed(self) -> None:
        if self.host_time:
            for loop in list(self._loops):
                loop._timer_armed()


class Engine(BaseEngine[Mailbox]):
    """An isolated world of mailboxes inside this process. A context manager; leaving it closes the engine.

    `max_bytes` bounds the payloads of all its queues together; 0: 1 GiB. Threads of the engine's own never run Python,
    so there is no option for workers: a handler belongs to a loop, and the thread that runs it.

    >>> with tidings.Engine() as engine, engine.mailbox("greeter") as greeter, engine.mailbox() as me:
    ...     monitor = me.monitor("greeter")
    ...     greeter.send(b"hello", sender=me)
    ...     greeter.recv(timeout=1).data
    ...     greeter.close()
    ...     me.recv(timeout=1).reason.name
    b'hello'
    'normal'

    Under asyncio enter it by `async with`, which gives the face whose waits are awaited: an `AsyncEngine`.
    """

    _box = Mailbox

    def __init__(self, *, virtual_clock: bool = False, time: str = "thread", max_bytes: int = 0) -> None:
        if time not in ("thread", "host"):
            raise ValueError(f'time is "thread" (the library\'s own timer thread) or "host" (Loop.run), not {time!r}')
        options = ffi.new("td_engine_options *")
        options.size = ffi.sizeof("td_engine_options")
        options.flags = lib.TD_ENGINE_VIRTUAL_CLOCK if virtual_clock else 0
        options.time = lib.TD_TIME_HOST if time == "host" else lib.TD_TIME_THREAD
        options.max_bytes = max_bytes
        engine = ffi.new("td_engine *")
        check(lib.td_engine_open(options, engine))
        self._adopt(engine.id, host_time=time == "host", default=False, virtual_clock=virtual_clock)

    def _adopt(self, id: int, host_time: bool, default: bool, virtual_clock: bool = False) -> None:
        self.id = id
        self.virtual_clock = virtual_clock
        self.host_time = host_time
        self.is_default = default
        self._loops: WeakSet[Loop] = WeakSet()
        self._mailboxes: WeakValueDictionary[int, BaseMailbox] = WeakValueDictionary()
        with _opened_lock:
            if not _opened:
                atexit.unregister(_close_all)
                atexit.register(_close_all)
            _opened[id] = self

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ForkedError):  # in a forked child: it is the parent's
            self.close()

    async def __aenter__(self) -> AsyncEngine:
        from .aio import AsyncEngine

        return AsyncEngine(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, trace)

    def drain(self, timeout: float | None = None, *, loop: Loop | None = None) -> DrainReport:
        """Lets the queues empty, at most so many seconds, then closes the engine; what became of the messages.

        Meanwhile sends without a sender and new mailboxes are refused with ClosedError; what mailboxes send, replies and
        armed timers pass. Other threads go on receiving and running loops; give `loop` when its handlers run on the
        calling thread. With timeout=0 it does not wait: AgainError while something is left. Ctrl-C closes at once.
        """
        return drain(self, timeout, loop)

    def call(
        self, name: str, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None, sender: Address | None = None
    ) -> Message:
        """Sends a request to whoever has the name now, and waits for the reply; see `Address.call`."""
        return self._to_holder(name, lambda holder: holder.call(data, tag, timeout=timeout, sender=sender))

    def call_many(
        self, targets: Iterable[Address], data: Buffer = b"", tag: int = 0, *, timeout: float | None = None
    ) -> Replies:
        """Sends a request to each of them (a group, for example); iterating over the result gives (mailbox, reply or
        error) as the answers come, and ends when all have answered or failed.

        >>> with tidings.Engine() as engine, engine.loop().start() as loop:
        ...     echo = engine.mailbox(handler=lambda request: request.reply(request.data), loop=loop)
        ...     silent = engine.mailbox()
        ...     for mailbox, answer in engine.call_many([echo, silent], b"hello", timeout=0.1):
        ...         print(mailbox == echo, getattr(answer, "data", answer))
        True b'hello'
        False ... (TD_ETIMEDOUT)
        """
        return Replies(self, targets, data, tag, timeout)

    def wait_parked(self, count: int, timeout: float | None = None) -> None:
        """Waits (in real time) until so many threads wait on this engine's virtual clock."""
        step = _fast.nanoseconds(0.05)  # this wait is not interruptible: short ones let Ctrl-C in between
        left = _fast.nanoseconds(timeout)
        while True:
            code = lib.td_clock_wait_parked((self.id,), count, min(step, left))
            left -= min(step, left) if timeout is not None else 0
            if code not in (lib.TD_ETIMEDOUT, lib.TD_EAGAIN) or not left:
                check(code)
                return

    def _at_exit(self) -> None:
        if not self.is_default:
            lib.td_engine_close((self.id,))
            return
        for loop in list(self._loops):
            lib.td_loop_close((loop.id,))
        for box in list(self._mailboxes.values()):
            lib.td_mailbox_close((box.id,))


def default_engine() -> Engine:
    """The engine that the whole process shares, C code included. It opens on first use."""
    out = ffi.new("td_engine *")
    check(lib.td_engine_default(out))
    with _opened_lock:
        known = _opened.get(out.id)
    if known is None:
        known = Engine.__new__(Engine)
        known._adopt(out.id, host_time=False, default=True)
    return known


def _check_handler(handler: Callable[[Message], object], loop: Loop) -> None:
    if not isinstance(loop, Loop):
        raise TypeError(f"a loop is what Engine.loop gives, not {type(loop).__name__}")
    if not callable(handler):
        raise TypeError(f"a handler is a function of one message, not {type(handler).__name__}")
    code = getattr(handler, "__code__", None) or getattr(getattr(handler, "__func__", None), "__code__", None)
    if code is not None and code.co_flags & 0x80:  # CO_COROUTINE
        raise TypeError("a handler is a plain function; for a coroutine iterate with `async for` instead")


def _forget_parent() -> None:
    """In a forked child: the engines are the parent's, and their locks may be held by threads that are not here."""
    global _opened_lock
    _opened_lock = threading.Lock()
    for engine in list(_opened.values()):
        for box in list(engine._mailboxes.values()):
            box._lock = threading.RLock()
    _opened.clear()
    _fast.after_fork()


os.register_at_fork(after_in_child=_forget_parent)


def _close_all() -> None:
    """At exit: from here on no handler enters Python, and other threads that come to this package stop there."""
    _fast.begin_exit()
    with _opened_lock:
        engines = list(_opened.values())
        _opened.clear()
    for engine in engines:
        engine._at_exit()
    _fast.settle()


