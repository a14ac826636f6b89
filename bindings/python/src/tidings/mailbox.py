"""Addresses and mailboxes.

Guarantees: an address is a value (compare it, hash it, keep it); using one whose mailbox is over is an error,
never a crash. A mailbox lives until it is closed or ends otherwise; letting go of the object does not end it.
"""

from __future__ import annotations

import logging
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Iterable, Optional, Tuple, Union

from . import _fast
from ._native import ffi, lib
from ._waiting import AsyncMessages, Readiness
from .errors import DownError, StaleError, check
from .handles import Call, Monitor, Subscription, Timer
from .types import MailboxStats, Outcome, Policy, Reason

if TYPE_CHECKING:
    from .engine import Engine
    from .message import Kind, Message
    from .types import Buffer, Ref

    Item = Union[Buffer, Tuple[int, Buffer]]
    Callbacks = Tuple[Optional[Callable[[Reason], object]], Optional[Callable[[], object]]]

_log = logging.getLogger("tidings")
_CURSOR_SIZE = ffi.sizeof("td_cursor")


def encode(name: str) -> bytes:
    """A name or a topic as the library takes it."""
    if not isinstance(name, str):
        raise TypeError(f"a name or a topic is a str, not {type(name).__name__}")
    return name.encode()


class Address(_fast.AddressBase):
    """Where messages can be sent: the id of a mailbox."""

    __slots__ = ("__weakref__",)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<tidings.{type(self).__name__} {self.id:#x}>"

    def send_many(self, items: Iterable[Item], *, sender: Address | None = None) -> int:
        """Sends payloads, or (tag, payload) pairs, in order; how many were accepted."""
        return self._send_many(items, sender)

    def call(
        self, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None, sender: Address | None = None
    ) -> Message:
        """Sends a request and waits for its reply. `status` of the reply is what `reply_error` gave, else 0.

        On the main thread a signal ends the wait: Ctrl-C with KeyboardInterrupt, one whose handler returns with
        InterruptError, since the request may have been received and is not sent twice.
        """
        on_main = threading.get_ident() == threading.main_thread().ident
        code, reply = _fast.call(self, sender, tag, data, timeout, on_main)
        if code == lib.TD_EDOWN:
            raise DownError.of(reply)
        return reply

    def send_after(self, delay: float, data: Buffer = b"", tag: int = 0) -> Timer:
        """A TIMER message to this mailbox after so many seconds."""
        return self._timer(lib.td_send_after, delay, data, tag)

    def send_every(self, period: float, data: Buffer = b"", tag: int = 0) -> Timer:
        """A TIMER message every so many seconds; at most one of them waits in the queue."""
        return self._timer(lib.td_send_every, period, data, tag)

    def _timer(self, function: Callable[..., int], delay: float, data: Buffer, tag: int) -> Timer:
        timer = ffi.new("td_timer *")
        with ffi.from_buffer(data) as view:
            check(function((self.id,), _fast.nanoseconds(delay), tag, view, len(view), timer))
        self.engine._timer_armed()
        return Timer(timer.id)

    def close(self) -> None:
        """Ends the mailbox with reason normal. Closing what has ended, or is of a forked parent, does nothing."""
        self._end(lib.td_mailbox_close((self.id,)))

    def exit(self, reason: int, data: Buffer = b"") -> None:
        """Ends the mailbox with a reason; `data` goes into every DOWN."""
        with ffi.from_buffer(data) as view:
            self._end(lib.td_mailbox_exit((self.id,), reason, view, len(view)))

    def kill(self) -> None:
        """Ends the mailbox with reason killed."""
        self._end(lib.td_mailbox_kill((self.id,)))

    def _end(self, code: int) -> None:
        if code not in (lib.TD_ENOPROC, lib.TD_EFORKED):
            check(code)

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the mailbox is over and its handler is not running."""
        _fast.wait(self, timeout)

    def stats(self) -> MailboxStats:
        """Its counters; also for a while after its end."""
        c = ffi.new("td_mailbox_counters *")
        c.size = ffi.sizeof("td_mailbox_counters")
        check(lib.td_mailbox_stats((self.id,), c))
        is_open = c.state == lib.TD_STATE_OPEN
        rest = (getattr(c, name) for name in MailboxStats._fields[2:])
        return MailboxStats(is_open, None if is_open else Reason(c.reason), *rest)

    def register(self, name: str) -> None:
        """Gives the mailbox a name. A mailbox can have several."""
        text = encode(name)
        check(lib.td_register((self.id,), text, len(text)))

    def register_replace(self, name: str) -> Address | None:
        """Takes over a name in one step; who had it before."""
        text, previous = encode(name), ffi.new("td_mailbox *")
        check(lib.td_register_replace((self.id,), text, len(text), previous))
        return self.engine.address(previous.id) if previous.id else None


class Mailbox(Address):
    """A mailbox of this process's own: what an address can, and receive, monitor, subscribe.

    Iterating gives message after message from native batches, until the mailbox has ended.
    """

    __slots__ = ("policy", "_callbacks", "_lock", "_readiness")

    def __init__(self, engine: Engine, policy: Policy, block_timeout: int) -> None:
        super().__init__(engine, engine.id, 0, policy == Policy.BLOCK, block_timeout)
        self.policy = policy
        self._callbacks: dict[int, Callbacks] = {}
        self._lock = threading.RLock()
        self._readiness: Readiness | None = None

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Receiving (mailboxes without a handler). Each call of C here gives a DOWN to `_down` before it returns it.

    def recv(self, timeout: float | None = None) -> Message:
        """The oldest message. timeout=0 does not wait: AgainError when there is none."""
        return _fast.recv(self, timeout)

    def recv_match(
        self,
        timeout: float | None = None,
        *,
        kind: Kind | int | None = None,
        tag: int | None = None,
        tag_mask: int = 0,
        sender: Address | None = None,
        ref: Ref | None = None,
        predicate: Callable[[Message], object] | None = None,
    ) -> Message:
        """The oldest message that fits all that is given; the others stay in their order.

        A tag fits when it is equal in the bits of `tag_mask` (0: all bits). `predicate` is called with a copy
        of each message that fits the rest, until it returns something true.
        """
        if tag_mask and tag is None:
            raise TypeError("tag_mask says which bits of tag must fit: give tag too")
        number = None if ref is None else ref.__index__()
        if predicate is not None:
            return self._recv_predicate(timeout, kind, tag, tag_mask or -1, sender, number, predicate)
        fields = (
            (lib.TD_MATCH_KIND if kind is not None else 0)
            | (lib.TD_MATCH_TAG if tag is not None else 0)
            | (lib.TD_MATCH_FROM if sender is not None else 0)
            | (lib.TD_MATCH_REF if number is not None else 0)
        )
        sender_id = sender.id if sender is not None else 0
        return _fast.recv_match(self, timeout, fields, kind or 0, tag or 0, tag_mask, sender_id, number or 0)

    def _recv_predicate(
        self,
        timeout: float | None,
        kind: int | None,
        tag: int | None,
        mask: int,
        sender: Address | None,
        ref: int | None,
        predicate: Callable[[Message], object],
    ) -> Message:
        cursor = bytearray(_CURSOR_SIZE)
        deadline = None if not timeout else self.engine.now() + timeout
        while True:
            left = timeout if deadline is None else max(deadline - self.engine.now(), 1e-9)
            message = _fast.peek(self, cursor, left)
            fits = (
                (kind is None or message.kind == kind)
                and (tag is None or (message.tag ^ tag) & mask == 0)
                and (sender is None or message.sender_id == sender.id)
                and (ref is None or message.ref == ref)
                and predicate(message)
            )
            taken = _fast.take(self, cursor, None) if fits else None
            if taken is not None:
                return taken

    def __iter__(self) -> _fast.Batches:
        return _fast.Batches(self)

    def fileno(self) -> int:
        """A descriptor that is readable while something is pending. It belongs to this object."""
        return self._ready().fd

    def _ready(self) -> Readiness:
        with self._lock:
            if self._readiness is None:
                fd = ffi.new("td_fd *")
                check(lib.td_mailbox_fd((self.id,), fd))
                self._readiness = Readiness(int(fd[0]))
            return self._readiness

    async def recv_async(self, timeout: float | None = None) -> Message:
        """`recv` for asyncio. Cancelling it loses no message; the timeout is on the event loop's clock."""
        return await self._ready().recv(self, timeout)

    def __aiter__(self) -> AsyncMessages:
        return AsyncMessages(self, self._ready())

    # Watching, calling, subscribing

    def monitor(
        self,
        target: Address | str,
        died: Callable[[Reason], object] | None = None,
        already_down: Callable[[], object] | None = None,
        *,
        tag: int = 0,
    ) -> Monitor:
        """Watches a mailbox, or whoever has a name now; its end comes as one DOWN message.

        `died(reason)` and `already_down()` can take its place: exactly one of them is called, once, where the
        message would have been handled or received; `already_down` when the target was not there to begin with.
        The receive that met it goes on; what a callback raises comes out of it.
        """
        wanted = died is not None or already_down is not None
        ref = ffi.new("td_monitor_ref *")
        with self._lock:  # the DOWN may be handled on another thread before this call has returned
            if isinstance(target, str):
                text = encode(target)
                check(lib.td_monitor_name((self.id,), text, len(text), tag, ref))
            else:
                check(lib.td_monitor((self.id,), (target.id,), tag, ref))
            if wanted:
                self._callbacks[ref.id] = (died, already_down)
        return Monitor(ref.id, self)

    def demonitor(self, monitor: Monitor, flush: bool = False) -> Outcome:
        """Stops watching; what was found. With flush, no DOWN of it will be seen, also not from a batch begun."""
        found = ffi.new("uint32_t *")
        code = lib.td_demonitor((monitor.id,), lib.TD_FLUSH if flush else 0, found)
        if code == StaleError.code:
            return Outcome.DELIVERED
        check(code)
        outcome = Outcome(found[0])
        if self._callbacks and (flush or outcome != Outcome.DELIVERED):
            with self._lock:
                self._callbacks.pop(monitor.id, None)
        return outcome

    def call_start(
        self, target: Address, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None
    ) -> Call:
        """Sends a request; its answer comes to this mailbox as a REPLY with the ref of the call."""
        ticket = ffi.new("td_ticket *")
        with ffi.from_buffer(data) as view:
            check(
                lib.td_call_start(
                    (target.id,), (self.id,), tag, view, len(view), _fast.nanoseconds(timeout), ticket
                )
            )
        self.engine._timer_armed()
        return Call(ticket.id)

    def subscribe(self, pattern: str, *, max_messages: int = 0, policy: Policy = Policy.DROP_NEW) -> Subscription:
        """Delivers what is published on fitting topics here. max_messages bounds what it may have queued."""
        options = ffi.new("td_subscribe_options *")
        options.size = ffi.sizeof("td_subscribe_options")
        options.policy = policy
        options.max_messages = max_messages
        text, subscription = encode(pattern), ffi.new("td_subscription *")
        check(lib.td_subscribe((self.id,), text, len(text), options, subscription))
        return Subscription(subscription.id, pattern)

    # Called from native/loop.c and receive.c

    def _down(self, message: Message) -> bool:
        """Gives a DOWN to its monitor's callbacks; whether there were any."""
        if not self._callbacks:
            with self._lock:  # an entry may be on its way in
                if not self._callbacks:
                    return False
        with self._lock:
            callbacks = self._callbacks.pop(message.ref, None)
        if callbacks is None:
            return False
        died, already_down = callbacks
        if message.status == Reason.NOPROC:
            if already_down is not None:
                already_down()
        elif died is not None:
            died(message.reason)
        return True

    def _handler_failed(self, error: BaseException) -> None:
        """Ends the mailbox whose handler raised, and says so where a developer looks."""
        text = f"{type(error).__name__}: {error}"
        _log.error("the handler of %r failed: %s; the mailbox ends", self, text, exc_info=error)
        self.exit(Reason.CALLBACK_FAILED, text.encode("utf-8", "replace"))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        readiness = getattr(self, "_readiness", None)
        if readiness is not None:
            close(readiness.fd)
