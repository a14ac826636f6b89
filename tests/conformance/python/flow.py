"""Blocks, threads, handlers and time: what runs steps, and when.

Guarantees: a step that fails stops its thread at once and the scenario soon; threads of a `together` block are joined
before it ends; a wait of the runner's own has a deadline of ten seconds, and the watchdog of runner.py ends what is
stuck inside the library.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import Any, Callable

import tidings

from .script import Step
from .world import KINDS, OK, OWN_WAIT, SLACK, Context, Result, Slot, Stop


def range_of(s: Step) -> str:
    """The tags a step is written for: of what it sends, or of what it expects. -many takes the range whole."""
    if s.verb in ("send", "send-name", "publish"):
        return s.args[1]
    if len(s.wants) == 1:
        return next((value for key, value, _ in s.wants[0].fields if key == "tag"), "")
    return ""


def run_block(c: Context, steps: list[Step]) -> None:
    """Raises Stop when this thread is over: a failure here or elsewhere, or `leave`."""
    world = c.world
    for s in steps:
        c.now = s
        s.run(c, s)  # type: ignore[operator]
        if world.failed or world.leaving:
            raise Stop


# ---- blocks


def repeat(c: Context, s: Step) -> None:
    for i in range(1, c.number(s.args[0]) + 1):
        if s.name:
            c.vars[s.name] = i
        run_block(c, s.child)


def forever(c: Context, s: Step) -> None:
    while True:
        run_block(c, s.child)


def _thread(c: Context, s: Step, daemon: bool, meet: Any = None) -> threading.Thread:
    mine = Context(c.world, c.vars)
    mine.meet = meet

    def body() -> None:
        c.world.running[id(mine)] = mine
        try:
            run_block(mine, s.child)
        except Stop:
            pass
        except BaseException as error:  # a bug of the runner or of the package: never silent
            c.world.failed_at(mine.now, f"  got      {type(error).__name__}: {error}")
        finally:
            del c.world.running[id(mine)]
            if meet is not None:
                with meet.lock:
                    meet.over += 1

    thread = threading.Thread(target=body, daemon=daemon)
    thread.start()
    return thread


class Meeting:
    """Where the threads of a `together` block wait for one another; gives way instead of sleeping, so that what follows
    really races."""

    def __init__(self, world: Any, members: int) -> None:
        self.world, self.members, self.arrived, self.round = world, members, 0, 0
        self.over = 0  # threads that have ended
        self.lock = threading.Lock()

    def __call__(self) -> None:
        with self.lock:
            mine = self.round
            self.arrived += 1
            if self.arrived == self.members:
                self.arrived = 0
                self.round += 1
                return
        spins = 0
        while self.round == mine:
            if self.world.failed:
                raise Stop
            time.sleep(0 if spins < 1000 else 0.0001)
            spins += 1


def together(c: Context, s: Step) -> None:
    meet = Meeting(c.world, len(s.child))
    for thread in [_thread(c, t, True, meet) for t in s.child]:
        thread.join()


def background(c: Context, s: Step) -> None:
    _thread(c, s, daemon=True)


def _gave(c: Context, s: Step) -> bool:
    """Whether the steps of these names gave these words."""
    return all(c.of(name, "outcome").value == word for name, word in s.opts.items())


def when(c: Context, s: Step) -> None:
    """when X=WORD: the block runs if the step before, named X, gave WORD."""
    if _gave(c, s):
        run_block(c, s.child)


def until(c: Context, s: Step) -> None:
    """until X=WORD: the block runs again and again, until its step named X has given WORD."""
    deadline = time.monotonic() + OWN_WAIT
    while True:
        run_block(c, s.child)
        if _gave(c, s):
            return
        c.now = s
        if time.monotonic() > deadline:
            c.fail("  it did not come to that in time")
        time.sleep(0.001)


def meet(c: Context, s: Step) -> None:
    if c.meet is None:
        c.fail("  meet stands inside a 'together' block only")
    c.meet()


_WAITS = ("recv", "collect", "gather", "wait", "send", "call", "publish", "forward", "reply-part")


def at_waits(c: Context, want: int) -> Result:
    """Until so many other threads of the scenario are at a step that may wait in the library, or have ended; then a little longer."""
    until = time.monotonic() + OWN_WAIT
    over = lambda: c.meet.over if c.meet is not None else 0  # a short wait may be over by now
    while over() + sum(o is not c and o.now is not None and o.now.verb in _WAITS for o in list(c.world.running.values())) < want:
        if time.monotonic() > until or c.world.failed:
            return Result("TD_ETIMEDOUT")
        time.sleep(0.001)
    time.sleep(SLACK)
    return OK


# ---- handlers


class Thrown(Exception):
    """What `throw` throws."""


def handler_of(c: Context, slot: Slot) -> Callable[[Any], None]:
    """The handler of every `open ... loop=`: notes each message, runs the first `on` block that fits it."""

    def handle(m: Any) -> None:
        slot.seen.append(Result.of_message(m))
        mine = Context(c.world, {"tag": m.tag})
        mine.handling = slot
        for rule in slot.rules:
            if rule.opts.get("kind", KINDS.get(int(m.kind))) != KINDS.get(int(m.kind)):
                continue
            if "tag" in rule.opts and mine.number(rule.opts["tag"]) != m.tag:
                continue
            if int(m.kind) == tidings.Kind.REQUEST:
                c.world.kept.append(m)
                mine.put(rule.name, "ticket", m, m.ref)
            c.world.running[id(mine)] = mine
            try:
                run_block(mine, rule.child)
            except Stop:
                pass
            finally:
                del c.world.running[id(mine)]
            return
        if int(m.kind) == tidings.Kind.REQUEST:
            c.world.kept.append(m)

    return handle


def on(c: Context, s: Step) -> Result:
    c.of(s.args[0], "mailbox").rules.append(s)
    return OK


def throw(c: Context, s: Step) -> Result:
    if c.handling is None:
        c.fail("  throw stands inside an 'on' block only")
    raise Thrown(s.args[0])


def seen(c: Context, s: Step) -> Result:
    """The oldest message the handler was given and no `seen` has shown yet."""
    slot = c.of(s.args[0], "mailbox")
    if slot.shown == len(slot.seen):
        return Result("nothing")
    slot.shown += 1
    return slot.seen[slot.shown - 1]


def run(c: Context, s: Step) -> Result:
    """run L until seen H N | run L until ended H"""
    loop, h = c.of(s.args[0], "loop").value, c.of(s.args[3], "mailbox")
    want, until = c.number(s.args[4]) if len(s.args) > 4 else 0, time.monotonic() + OWN_WAIT

    def done() -> bool:
        return len(h.seen) >= want if s.args[2] == "seen" else not h.value.stats().open

    while not done() and not c.world.failed:
        if loop.run(0) == 0:
            if time.monotonic() > until:
                return Result("waited-in-vain", {"seen": len(h.seen)})
            time.sleep(0.0001)
    return OK


# ---- time


def sleep(c: Context, s: Step) -> Result:
    time.sleep(c.number(s.args[0]) / 1e9)
    return OK


# ---- other processes


def leave(c: Context, s: Step) -> Result:
    c.world.leaving = True
    return OK


def fork(c: Context, s: Step) -> None:
    """A block that a forked process runs; this one waits for it. Its first failure is the scenario's."""
    sys.stdout.flush()
    with warnings.catch_warnings(), c.world.lock:  # so that no thread that is gone in the child holds it there
        warnings.simplefilter("ignore")  # that there are threads is what is tried
        pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # the watchdog is a thread of the parent's
        try:
            run_block(c, s.child)
        except Stop:
            pass
        except BaseException as error:
            c.world.failed_at(c.now, f"  got      {type(error).__name__}: {error}")
        if c.world.failed:
            print(f"in the forked process: {c.world.failure}", flush=True)
        os._exit(3 if c.world.failed else 0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        c.fail(f"  the forked process ended with status {status}")


def children(c: Context, s: Step) -> Result:
    """children ID python=N at-once=K: this program runs scenario ID in N processes, K at a time. status: the first
    that is not 0; 124 for one that had to be ended."""
    count, at_once = c.opt(s, "python", 1), c.opt(s, "at-once", 1)
    command = [sys.executable, os.path.abspath(sys.argv[0]), "--child", s.args[0]]
    running: list[tuple[subprocess.Popen[bytes], float]] = []
    started = clean = worst = 0
    while started < count or running:
        if started < count and len(running) < at_once:
            running.append((subprocess.Popen(command), time.monotonic() + 2 * OWN_WAIT))
            started += 1
            continue
        for entry in list(running):
            child, until = entry
            status = child.poll()
            if status is None and time.monotonic() > until:
                child.kill()
                child.wait()
                status = 124
            if status is not None:
                running.remove(entry)
                clean += status == 0
                worst = worst or (128 - status if status < 0 else status)
        time.sleep(0.001)
    return Result("ok", {"status": worst, "clean": clean, "started": started})
