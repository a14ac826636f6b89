"""Addresses: what can be done with any mailbox whose id is known.

Guarantees: an address is a value (compare it, hash it, keep it); using one whose mailbox is over is an error,
never a crash.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Callable, Iterable, Tuple, Union

from . import _fast
from ._native import ffi, lib
from .calls import Parts
from .errors import DownError, check, make_error
from .handles import Timer
from .types import MailboxStats, Reason, encode, payload

if TYPE_CHECKING:
    from .message import Message
    from .types import Buffer

    Item = Union[Buffer, Tuple[int, Buffer]]


def id_of(mailbox: object) -> int:
    """The id of a mailbox or an address."""
    if isinstance(mailbox, _fast.AddressBase):
        return mailbox.id
    raise TypeError(f"a mailbox or an address is needed here, not {type(mailbox).__name__}")


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

        >>> with tidings.Engine() as engine, engine.loop().start() as loop:
        ...     upper = engine.mailbox(handler=lambda request: request.reply(request.data.upper()), loop=loop)
        ...     upper.call(b"quiet", timeout=5).data
        b'QUIET'
        """
        on_main = threading.get_ident() == threading.main_thread().ident
        code, reply = _fast.call(self, sender, tag, data, timeout, on_main)
        if code == lib.TD_EDOWN:
            raise DownError.of(reply)
        return reply

    def stream(self, data: Buffer = b"", tag: int = 0, *, timeout: float | None = None, max_messages: int = 0) -> Parts:
        """Sends a request whose answer comes in parts; iterating over the result gives one PART message after another.

        They come to a mailbox of their own, bounded at max_messages (0: 65,536); a replier that is faster waits or gets
        FullError. The iteration ends with the answer, which is `reply` of the result then, or with its error.

        >>> def count(request):
        ...     for n in range(int(request.data)):
        ...         request.reply_part(b"%d" % n)
        ...     request.reply_end()
        >>> with tidings.Engine() as engine, engine.loop().start() as loop:
        ...     counter = engine.mailbox(handler=count, loop=loop)
        ...     [part.data for part in counter.stream(b"3", timeout=5)]
        [b'0', b'1', b'2']
        """
        return Parts(self, data, tag, timeout, max_messages)

    def send_after(self, delay: float, data: Buffer = b"", tag: int = 0) -> Timer:
        """A TIMER message to this mailbox after so many seconds.

        >>> with tidings.Engine(virtual_clock=True) as engine, engine.mailbox() as me:  # whose time a test moves
        ...     timer = me.send_after(60, b"time is up")
        ...     engine.advance(59)
        ...     timer.read()
        ...     engine.advance(1)
        ...     me.recv(timeout=0).data
        1.0
        b'time is up'
        """
        return self._timer(lib.td_send_after, delay, data, tag)

    def send_every(self, period: float, data: Buffer = b"", tag: int = 0) -> Timer:
        """A TIMER message every so many seconds; at most one of them waits in the queue."""
        return self._timer(lib.td_send_every, period, data, tag)

    def _timer(self, function: Callable[..., int], delay: float, data: Buffer, tag: int) -> Timer:
        timer = ffi.new("td_timer *")
        with payload(data) as view:
            check(function((self.id,), _fast.nanoseconds(delay), tag, view, len(view), timer))
        self.engine._timer_armed()
        return Timer(timer.id)

    def close(self) -> None:
        """Ends the mailbox with reason normal. Closing what has ended does nothing."""
        self._end(lib.td_mailbox_close((self.id,)))

    def exit(self, reason: int, data: Buffer = b"") -> None:
        """Ends the mailbox with a reason; `data` goes into every DOWN."""
        with payload(data) as view:
            self._end(lib.td_mailbox_exit((self.id,), reason, view, len(view)))

    def kill(self) -> None:
        """Ends the mailbox with reason killed."""
        self._end(lib.td_mailbox_kill((self.id,)))

    def _end(self, code: int) -> None:
        if code != lib.TD_ENOPROC:
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

    def suspend(self) -> None:
        """Lets messages wait: nothing is received or handled until `resume`. Sends go on, up to the bound."""
        check(lib.td_suspend((self.id,)))

    def resume(self) -> None:
        """Ends `suspend`; what has waited comes in its order."""
        check(lib.td_resume((self.id,)))

    def notify(self, bits: int) -> None:
        """Sets bits that the mailbox, opened with notifiable=True, gets soon as one NOTIFY message, together with those
        given meanwhile. Never waits; made for signal handlers."""
        code = lib.td_notify((self.id,), bits)
        if code < 0:
            raise make_error(code, "")  # it leaves no detail, for the sake of signal handlers

    def link(self, other: Address) -> None:
        """Ties two mailboxes together: when one ends for another reason than normal, so does the other, unless it
        traps exits. Linking twice is one link."""
        check(lib.td_link((self.id,), (id_of(other),)))

    def unlink(self, other: Address) -> None:
        """Undoes `link`."""
        check(lib.td_unlink((self.id,), (id_of(other),)))

    def trap_exit(self, on: bool = True) -> None:
        """Whether the end of a linked mailbox comes as an EXIT message here, instead of ending this one."""
        check(lib.td_trap_exit((self.id,), 1 if on else 0))

    def will(self, topic: str, data: Buffer = b"", tag: int = 0, *, retain: bool = False) -> None:
        """What is published when this mailbox ends, before anyone sees its DOWN. A mailbox has one will."""
        text = encode(topic)
        with payload(data) as view:
            flags = lib.TD_RETAIN if retain else 0
            check(lib.td_will_set((self.id,), text, len(text), tag, view, len(view), flags))

    def will_clear(self) -> None:
        """Takes the will back."""
        check(lib.td_will_clear((self.id,)))

    def register(self, name: str) -> None:
        """Gives the mailbox a name. A mailbox can have several."""
        text = encode(name)
        check(lib.td_register((self.id,), text, len(text)))

    def register_replace(self, name: str) -> Address | None:
        """Takes over a name in one step; who had it before."""
        text, previous = encode(name), ffi.new("td_mailbox *")
        check(lib.td_register_replace((self.id,), text, len(text), previous))
        return self.engine.address(previous.id) if previous.id else None
