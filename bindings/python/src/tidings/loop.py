"""The loop: the set of handler mailboxes that one Python thread runs.

Guarantees: handlers run only inside `run` (or under the asyncio loop it is attached to), one at a time.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable

from . import _fast
from ._native import ffi, lib
from .errors import ClosedError, ForkedError, StaleError, check
from .types import OfThisProcess

if TYPE_CHECKING:
    import asyncio

    from .engine import BaseEngine


class Loop(OfThisProcess):
    """Runs the handlers of its mailboxes on the thread that calls `run` or `run_forever`."""

    def __init__(self, engine: BaseEngine[Any], budget: int = 0) -> None:
        options = ffi.new("td_loop_options *")
        options.size = ffi.sizeof("td_loop_options")
        options.budget = budget
        loop = ffi.new("td_loop *")
        check(lib.td_loop_open((engine.id,), options, loop))
        self.engine = engine
        self.id: int = loop.id
        self._fd: int | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._attached: asyncio.AbstractEventLoop | None = None
        self._alarm: asyncio.TimerHandle | None = None
        engine._loops.add(self)

    def __repr__(self) -> str:
        return f"<tidings.Loop {self.id:#x}>"

    def __enter__(self) -> Loop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ForkedError):  # in a forked child: it is the parent's
            self.close()

    def run(self, timeout: float | None = None) -> int:
        """Waits for work at most so many seconds and does it; how many batches were handled.

        Returns early, with 0, after `wake`. A KeyboardInterrupt or SystemExit of a handler comes out here; any
        other exception ends the mailbox of that handler, and the rest goes on.
        """
        return _fast.loop_run(self.id, self.engine.id, timeout)

    def run_forever(self) -> None:
        """Runs until `stop`, or until the loop or its engine is closed."""
        self._stopping = False
        self._go_on()

    def _go_on(self) -> None:
        with suppress(ClosedError, StaleError):
            while not self._stopping:
                _fast.loop_run(self.id, self.engine.id, None)

    def start(self, name: str = "tidings loop") -> Loop:
        """Runs it on a thread of its own, until `stop` or `close`; gives the loop itself.

        >>> with tidings.Engine() as engine, engine.loop().start() as loop:
        ...     echo = engine.mailbox(handler=lambda request: request.reply(request.data), loop=loop)
        ...     echo.call(b"hello", timeout=5).data
        b'hello'
        """
        if self._thread is not None and self._thread.is_alive():
            raise RuntimeError("this loop has a thread already; stop it first")
        self._stopping = False
        self._thread = threading.Thread(target=self._go_on, name=name, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Makes `run_forever` return, from any thread or handler. Waits for the thread of `start`."""
        self._stopping = True
        with suppress(ClosedError, StaleError):
            self.wake()
        self._join()

    def _join(self) -> None:
        if self._thread not in (None, threading.current_thread()) and not _fast.in_handler():
            self._thread.join()

    def wake(self) -> None:
        """Makes `run` return, from any thread."""
        check(lib.td_loop_wake((self.id,)))

    def deadline(self) -> float | None:
        """Seconds until the next timer of an engine with time="host"; None: there is none."""
        delay = ffi.new("int64_t *")
        check(lib.td_loop_deadline((self.id,), delay))
        return None if delay[0] == lib.TD_FOREVER else max(0.0, float(delay[0]) / 1e9)

    def fileno(self) -> int:
        """A descriptor that is readable while `run` has something to do. It belongs to this object."""
        if self._fd is None:
            fd = ffi.new("td_fd *")
            check(lib.td_loop_fd((self.id,), fd))
            self._fd = int(fd[0])
        return self._fd

    def attach(self, event_loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Lets an asyncio event loop (the running one by default) run the handlers, on its thread."""
        if self._attached is not None:
            raise RuntimeError("this loop is attached already; detach it first")
        if event_loop is None:
            from asyncio import get_running_loop  # whoever comes here has imported it

            event_loop = get_running_loop()
        self._attached = event_loop
        self._attached.add_reader(self.fileno(), self._run_ready)
        self._schedule()

    def detach(self) -> None:
        """Undoes `attach`."""
        if self._attached is None:
            return
        self._attached.remove_reader(self.fileno())
        if self._alarm is not None:
            self._alarm.cancel()
        self._attached = self._alarm = None

    def _run_ready(self) -> None:
        try:
            _fast.loop_run(self.id, self.engine.id, 0)
        except ClosedError:
            self.detach()
            return
        self._schedule()

    def _schedule(self) -> None:
        """Sets the alarm for the next timer, where the host drives time. On the event loop's thread."""
        if self._attached is None or not self.engine.host_time:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        delay = self.deadline()
        if delay is not None:
            self._alarm = self._attached.call_later(delay, self._run_ready)

    def _timer_armed(self) -> None:
        attached = self._attached
        if attached is not None:
            attached.call_soon_threadsafe(self._schedule)

    def close(self) -> None:
        """Ends the mailboxes of this loop with reason runtime_exit, and its thread, if it has one, for which it waits.
        Closing twice does nothing."""
        if self._attached is not None and not self._attached.is_closed():
            self.detach()
        code = lib.td_loop_close((self.id,))
        if code not in (lib.TD_ESTALE, lib.TD_ECLOSED):
            check(code)
        self._join()
        _fast.drain()

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        fd = getattr(self, "_fd", None)
        if fd is not None:
            close(fd)
