"""Mailboxes of this process's own.

Guarantees: a mailbox lives until it is closed or ends otherwise; letting go of the object does not end it.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterable, Optional, Tuple, TypeVar

from . import _fast
from ._native import ffi, lib
from ._waiting import Readiness
from .address import Address, id_of
from .errors import ClosedError, ForkedError, StaleError, TidingsError, check
from .handles import Call, Monitor, Subscription, Watch
from .matching import Match
from .types import Outcome, Policy, Reason, encode, payload

if TYPE_CHECKING:
    from .engine import BaseEngine
    from .message import Kind, Message
    from .types import Buffer, Ref

    Callbacks = Tuple[Optional[Callable[[Reason], object]], Optional[Callable[[], object]]]

_log = logging.getLogger("tidings")
_Self = TypeVar("_Self", bound="BaseMailbox")


def failure_text(error: BaseException) -> bytes:
    """What DOWN says of an exception in a handler."""
    text = type(error).__name__
    with suppress(Exception):  # of its own method
        text = f"{text}: {error}"
    return text.encode("utf-8", "replace")


class BaseMailbox(Address):
    """A mailbox of this process's own: what an address can, and monitor, subscribe, call. `Mailbox` and `AsyncMailbox`
    receive, too."""

    __slots__ = ("name", "policy", "_callbacks", "_lock", "_readiness")

    def __init__(
        self, engine: BaseEngine[Any], policy: Policy, block_timeout: int, name: str | None = None, views: bool = False
    ) -> None:
        super().__init__(engine, engine.id, 0, policy == Policy.BLOCK, block_timeout, views)
        #: The name it was opened with, or None.
        self.name = name
        self.policy = policy
        self._callbacks: dict[int, Callbacks] = {}
        self._lock = threading.RLock()
        self._readiness: Readiness | None = None

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name is not None else ""
        state = ""
        with suppress(TidingsError):  # in a forked child, or long over
            stats = self.stats()
            state = f", {stats.queued} queued" if stats.open else f", ended: {stats.reason}"
        return f"<tidings.{type(self).__name__}{name} {self.id:#x}{state}>"

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ForkedError):  # in a forked child: it is the parent's
            self.close()

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

    # Watching, calling, subscribing

    def monitor(
        self,
        target: Address | str,
        died: Callable[[Reason], object] | None = None,
        already_down: Callable[[], object] | None = None,
        *,
        tag: int = 0,
        receipt: bool = False,
    ) -> Monitor:
        """Watches a mailbox, or whoever has a name now; its end comes as one DOWN message.

        `died(reason)` and `already_down()` can take its place: exactly one of them is called, once, where the
        message would have been handled or received; `already_down` when the target was not there to begin with.
        The receive that met it goes on; what a callback raises comes out of it. With `receipt` the DOWN says how many
        of this mailbox's messages the target consumed and how many it discarded.

        >>> with tidings.Engine() as engine, engine.mailbox() as me, engine.mailbox() as worker:
        ...     monitor = me.monitor(worker)
        ...     also = me.monitor("nobody", already_down=lambda: print("nobody is not there"))
        ...     worker.exit(tidings.Reason.USER, b"tired")
        ...     str(me.recv(timeout=1).reason)
        nobody is not there
        'user+0: tired'
        """
        if receipt and isinstance(target, str):
            raise TypeError("a receipt is for a mailbox, not for a name: give engine.whereis(name)")
        for callback in died, already_down:
            if callback is not None and not callable(callback):
                raise TypeError(f"died and already_down are functions, not {type(callback).__name__}")
        wanted = died is not None or already_down is not None
        ref = ffi.new("td_monitor_ref *")
        with self._lock:  # the DOWN may be handled on another thread before this call has returned
            if isinstance(target, str):
                text = encode(target)
                check(lib.td_monitor_name((self.id,), text, len(text), tag, ref))
            else:
                monitor = lib.td_monitor_receipt if receipt else lib.td_monitor
                check(monitor((self.id,), (id_of(target),), tag, ref))
            if wanted:
                self._callbacks[ref.id] = (died, already_down)
        return Monitor(ref.id, self)

    def monitor_process(self, pid: int, *, tag: int = 0) -> Monitor:
        """Watches a process of the operating system; its end comes as one DOWN message with reason os_exit.

        `returncode` of the message is known where the process is a child that nobody has waited for yet; it stays to be
        waited for.
        """
        ref = ffi.new("td_monitor_ref *")
        check(lib.td_monitor_os_process((self.id,), pid, tag, ref))
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
        self, target: Address | str, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None
    ) -> Call:
        """Sends a request to a mailbox, or to whoever has a name now; its answer comes to this mailbox as a REPLY with the
        ref of the call."""
        if isinstance(target, str):
            return self.engine._to_holder(target, lambda holder: self.call_start(holder, data, tag, timeout=timeout))
        ticket = ffi.new("td_ticket *")
        with payload(data) as view:
            check(
                lib.td_call_start(
                    (id_of(target),), (self.id,), tag, view, len(view), _fast.nanoseconds(timeout), ticket
                )
            )
        self.engine._timer_armed()
        return Call(ticket.id)

    def call_many_start(
        self, targets: Iterable[Address], data: Buffer = b"", tag: int = 0, *, timeout: float | None = None
    ) -> Call:
        """Sends a request to each; the answers come here as REPLY messages with the ref of the call, then one REPLIES.

        `sender` of a REPLY says whose it is, `error` why there is none. See also `Engine.call_many`.
        """
        ids = [id_of(target) for target in targets]
        array, gathering = ffi.new("td_mailbox[]", [(id,) for id in ids]), ffi.new("td_ticket *")
        with payload(data) as view:
            check(
                lib.td_call_many(
                    array, len(ids), (self.id,), tag, view, len(view), _fast.nanoseconds(timeout), gathering
                )
            )
        self.engine._timer_armed()
        return Call(gathering.id)

    def watch_interest(self, pattern: str, *, tag: int = 0) -> Watch[int]:
        """Watches whether anyone subscribes to what the pattern fits: the first brings a message that is `started`, the
        end of the last one that is `stopped`. `snapshot` is how many subscriptions there are now."""
        text, watch, count = encode(pattern), ffi.new("td_watch *"), ffi.new("uint64_t *")
        check(lib.td_interest_watch((self.id,), text, len(text), tag, watch, count))
        return Watch(watch.id, pattern, int(count[0]))

    def subscribe(
        self,
        pattern: str,
        *,
        max_messages: int = 0,
        policy: Policy = Policy.DROP_NEW,
        queue_group: str | None = None,
    ) -> Subscription:
        """Delivers what is published on fitting topics here. max_messages bounds what it may have queued.

        Of all fitting subscriptions with one `queue_group`, a message goes to exactly one. The values that fitting topics
        retain come first, marked `retained`, but not to a queue group. The topic "$dead" tells of messages that were lost because
        nobody was there, see `Message.dead`.

        >>> with tidings.Engine() as engine, engine.mailbox() as me:
        ...     subscription = me.subscribe("weather.*")
        ...     engine.publish("weather.berlin", b"rain"), engine.publish("sport", b"0:0")
        ...     message = me.recv(timeout=1)
        ...     message.topic, message.data
        (Receipt(matched=1, queued=1, dropped=0), Receipt(matched=0, queued=0, dropped=0))
        ('weather.berlin', b'rain')
        """
        options = ffi.new("td_subscribe_options *")
        options.size = ffi.sizeof("td_subscribe_options")
        options.policy = Policy(policy)
        options.max_messages = max_messages
        if queue_group is not None:
            group = ffi.from_buffer(encode(queue_group))
            options.queue_group, options.queue_group_size = group, len(group)
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
        if self._over_meanwhile(error):
            return
        text = failure_text(error)
        _log.error("the handler of %r failed: %s; the mailbox ends", self, text.decode(), exc_info=error)
        self.exit(Reason.CALLBACK_FAILED, text)

    def _over_meanwhile(self, error: BaseException) -> bool:
        """Whether a handler has only met the end that someone gave its mailbox, or the engine, while it ran."""
        if not isinstance(error, (ClosedError, StaleError)):
            return False
        try:
            return not self.stats().open
        except TidingsError:
            return True

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        readiness = getattr(self, "_readiness", None)
        if readiness is not None:
            close(readiness.fd)


class Mailbox(BaseMailbox):
    """A mailbox that threads receive from.

    Iterating gives message after message from native batches, until the mailbox has ended. What a loop has not passed
    when it ends sooner goes back to the queue.

    >>> with tidings.Engine() as engine, engine.mailbox("inbox") as inbox:
    ...     engine.send("inbox", b"hello", tag=1)
    ...     engine.send("inbox", b"there", tag=2)
    ...     inbox.recv_match(tag=2).data, inbox.recv(timeout=1).data
    (b'there', b'hello')
    """

    __slots__ = ()

    # For mailboxes without a handler. Each call of C here gives a DOWN to `_down` before it returns it.

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
        return Match(kind, tag, tag_mask, sender, ref, predicate).take(self, timeout)

    def __iter__(self) -> _fast.Batches:
        return _fast.Batches(self)
