"""The end of an engine in good order.

Guarantees: the caller's thread is never stuck in the library, so signals, a loop it runs and an event loop go on; an
exception on the way, Ctrl-C for example, closes the engine at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Iterator

from . import _fast
from ._native import ffi, lib
from .errors import check
from .types import DrainReport

if TYPE_CHECKING:
    from .engine import BaseEngine
    from .loop import Loop

_STEP = 0.002  # seconds from one look to the next
_NAMED = 1024  # of the suspended mailboxes, as many are named


def _look(engine: BaseEngine[Any], timeout: int) -> tuple[int, DrainReport]:
    """td_engine_drain: 0, TD_ETIMEDOUT when it is closed with something left, or TD_EAGAIN."""
    report, suspended = ffi.new("td_drain_report *"), ffi.new("td_mailbox[]", _NAMED)
    report.size = ffi.sizeof("td_drain_report")
    code = lib.td_engine_drain((engine.id,), timeout, report, suspended, _NAMED)
    if code not in (lib.TD_ETIMEDOUT, lib.TD_EAGAIN):
        check(code)
    addresses = [engine.address(suspended[n].id) for n in range(min(report.suspended, _NAMED))]
    return code, DrainReport(report.delivered, report.undelivered, addresses, code == lib.TD_OK)


def _now(engine: BaseEngine[Any]) -> int:
    now = ffi.new("int64_t *")
    check(lib.td_now((engine.id,), now))
    return int(now[0])


def _steps(engine: BaseEngine[Any], timeout: float | None) -> Iterator[float | DrainReport]:
    """How long to wait until the next look, again and again; then the report."""
    left = _fast.nanoseconds(timeout)
    if left == 0 or _fast.in_handler():  # the library refuses what would wait for the handler itself
        code, report = _look(engine, left)
        if code == lib.TD_EAGAIN:
            check(code)
        yield report
        return
    deadline = None if timeout is None else _now(engine) + left
    while True:
        code, report = _look(engine, 0)
        if code == lib.TD_EAGAIN and deadline is not None and _now(engine) >= deadline:
            if engine.virtual_clock:  # whose next nanosecond may never come
                engine.close()
            else:
                code, report = _look(engine, 1)
        elif code == lib.TD_EAGAIN:
            yield _STEP
            continue
        yield report
        return


def drain(engine: BaseEngine[Any], timeout: float | None, loop: Loop | None) -> DrainReport:
    """See Engine.drain."""
    pause: Callable[[float], object] = time.sleep if loop is None else loop.run
    try:
        for step in _steps(engine, timeout):
            if isinstance(step, DrainReport):
                return step
            pause(step)
    except (KeyboardInterrupt, SystemExit):
        engine.close()
        raise
    raise AssertionError


async def drain_async(engine: BaseEngine[Any], timeout: float | None) -> DrainReport:
    """See AsyncEngine.drain."""
    from asyncio import CancelledError, sleep  # whoever comes here has imported it

    try:
        for step in _steps(engine, timeout):
            if isinstance(step, DrainReport):
                return step
            await sleep(step)
    except (CancelledError, KeyboardInterrupt, SystemExit):
        engine.close()
        raise
    raise AssertionError
