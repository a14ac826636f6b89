"""Runs scenarios.txt through the Python package `tidings`.

Guarantees: each scenario has an engine of its own; each of its mailboxes must satisfy the equation of rule 4 at the
end; what hangs is ended by the watchdog and counts as failed. Arguments: ids to run (C3 also runs C3.real and
C3.virtual); none: all.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import Any, Callable

import tidings

from python import flow, fuzz, script
from python import verbs_engine as engine
from python import verbs_mailbox as mailbox
from python import verbs_signal as signal
from python import verbs_watch as watch
from python.script import Scenario, Step
from python.world import Context, Result, Stop, World

SCENARIO_SECONDS = 120
MAX_WORDS = 10  # of a step, as in C
MATCH = "kind tag mask from ref timeout"

# verb: words before the options (least, most), options, the function
VERBS: dict[str, tuple[int, int, str, Callable[[Context, Step], Result]]] = {
    "engine": (1, 1, "budget", engine.engine),
    "close-engine": (1, 1, "", engine.close_engine),
    "drain": (1, 1, "timeout", engine.drain),
    "open": (1, 1, "policy bound bytes timeout name loop engine notifiable bound-to", mailbox.open_),
    "close": (1, 1, "", mailbox.close),
    "exit": (1, 1, "status data", mailbox.exit_),
    "kill": (1, 1, "", mailbox.kill),
    "suspend": (1, 1, "", mailbox.suspend),
    "resume": (1, 1, "", mailbox.resume),
    "wait": (1, 1, "timeout", mailbox.wait),
    "notify": (2, 2, "", mailbox.notify),
    "send": (2, 2, "from data size timeout", mailbox.send),
    "send-many": (2, 2, "from", mailbox.send_many),
    "send-name": (2, 2, "from data size", mailbox.send_name),
    "recv": (1, 1, MATCH, mailbox.recv),
    "forward": (2, 2, "from timeout", mailbox.forward),
    "pick": (1, 1, "multiple", mailbox.pick),
    "batch": (1, 1, "take", mailbox.batch),
    "collect": (2, 2, "by " + MATCH, mailbox.collect),
    "gather": (3, 3, "", mailbox.gather),
    "bag": (1, 1, "", mailbox.bag),
    "fd": (1, 1, "", mailbox.fd),
    "stats": (1, 1, "", mailbox.stats),
    "inspect": (1, 1, "", mailbox.inspect),
    "explain": (1, 1, "", mailbox.explain),
    "dump": (0, 0, "", mailbox.dump),
    "monitor": (2, 2, "tag receipt", signal.monitor),
    "process": (1, 1, "", signal.process),
    "monitor-process": (2, 2, "tag", signal.monitor_process),
    "end-process": (1, 1, "code signal", signal.end_process),
    "reap": (1, 1, "", signal.reap),
    "monitor-name": (2, 2, "tag", signal.monitor_name),
    "link": (2, 2, "", signal.link),
    "unlink": (2, 2, "", signal.unlink),
    "trap": (2, 2, "", signal.trap),
    "demonitor": (1, 2, "", signal.demonitor),
    "register": (2, 2, "", signal.register),
    "replace": (2, 2, "", signal.replace),
    "unregister": (1, 1, "", signal.unregister),
    "whereis": (1, 1, "", signal.whereis),
    "after": (3, 3, "data", signal.after),
    "after-name": (3, 3, "data", signal.after_name),
    "every": (3, 3, "data", signal.every),
    "cancel": (1, 1, "", signal.cancel),
    "timer": (1, 1, "", signal.timer),
    "call": (2, 2, "from data timeout", signal.call),
    "ask": (2, 2, "from data timeout", signal.ask),
    "ask-many": (1, MAX_WORDS, "from data timeout", signal.ask_many),
    "give-up": (1, 1, "", signal.give_up),
    "reply": (1, 1, "data status", signal.reply),
    "reply-part": (1, 1, "data size timeout", signal.reply_part),
    "reply-end": (1, 1, "", signal.reply_end),
    "drop": (1, 1, "", signal.drop),
    "subscribe": (2, 2, "policy bound group", signal.subscribe),
    "unsubscribe": (1, 2, "", signal.unsubscribe),
    "publish": (2, 2, "from data size retain", signal.publish),
    "publish-many": (2, 2, "from", signal.publish_many),
    "will": (3, 3, "data retain", watch.will),
    "clear-will": (1, 1, "", watch.clear_will),
    "join": (2, 2, "", watch.join),
    "part": (2, 2, "", watch.part),
    "members": (1, 1, "", watch.members),
    "watch": (2, 2, "tag", watch.watch),
    "enter": (3, 3, "grace", watch.enter),
    "depart": (3, 3, "", watch.depart),
    "keys": (1, 1, "", watch.keys),
    "watch-keys": (2, 2, "tag", watch.watch_keys),
    "interest": (2, 2, "tag", watch.interest),
    "unwatch": (1, 2, "", watch.unwatch),
    "loop": (1, 1, "budget", signal.loop),
    "close-loop": (1, 1, "", signal.close_loop),
    "run": (4, 5, "", flow.run),
    "on": (1, 1, "kind tag", flow.on),
    "throw": (1, 1, "", flow.throw),
    "seen": (1, 1, "", flow.seen),
    "stopwatch": (1, 1, "", signal.stopwatch),
    "elapsed": (1, 1, "", signal.elapsed),
    "advance": (1, 1, "", signal.advance),
    "parked": (1, 1, "", signal.parked),
    "sleep": (1, 1, "", flow.sleep),
    "fuzz-fd": (2, 2, "seed", fuzz.fuzz_fd),
    "fuzz-ids": (1, 1, "seed", fuzz.fuzz_ids),
    "children": (1, 1, "c python node at-once", flow.children),
    "leave": (0, 0, "", flow.leave),
}
BLOCKS: dict[str, tuple[int, int, str, Any]] = {
    "repeat": (1, 1, "", flow.repeat),
    "forever": (0, 0, "", flow.forever),
    "together": (0, 0, "", flow.together),
    "thread": (0, 0, "", None),
    "background": (0, 0, "", flow.background),
    "when": (0, 0, "*", flow.when),
    "until": (0, 0, "*", flow.until),
    "meet": (0, 0, "", flow.meet),
    "fork": (0, 0, "", flow.fork),
}


def _steps(function: Callable[[Context, Step], Result], span: Any) -> Callable[[Context, Step], None]:
    """Runs a verb, once or for each tag of its range, and has the result judged."""

    def once(c: Context, s: Step) -> None:
        try:
            result = function(c, s)
        except tidings.TidingsError as error:
            result = Result.of_error(error)
        except (ValueError, OverflowError) as error:  # refused by the package before the library saw it
            result = Result("TD_EINVAL")
            result.detail = str(error)
        c.check(s, result)

    def each(c: Context, s: Step) -> None:
        for tag in range(span[0], span[1] + 1):
            c.tag = tag
            once(c, s)
            if c.world.failed:
                break
        c.tag = None

    return each if span else once


def vet(steps: list[Step]) -> None:
    """A step that would silently mean less than it says is refused before anything runs."""
    for s in steps:
        entry = VERBS.get(s.verb) or BLOCKS.get(s.verb)
        if entry is None:
            script.refuse(s.line, "no such verb", s.verb)
        least, most, options, function = entry
        if not least <= len(s.args) <= most:
            script.refuse(s.line, "too few or too many words", s.source)
        for key in s.opts:
            if options != "*" and key not in options.split():
                script.refuse(s.line, "no such option of this verb", key)
        s.run = _steps(function, script.span(flow.range_of(s))) if s.verb in VERBS else function
        if s.verb != "together":
            vet(s.child)
        else:
            for t in s.child:
                if t.verb != "thread":
                    script.refuse(t.line, "a 'together' block holds threads only", t.source)
                vet(t.child)


def balance(c: Context) -> None:
    """Rule 4: sent = delivered + lost + conflated + flushed + expired + discarded + queued, for every mailbox of the scenario."""
    for slot in c.world.slots.values():
        if slot.kind != "mailbox":
            continue
        try:
            n = slot.value.stats()
        except tidings.TidingsError:
            continue
        parts = (n.delivered, n.lost, n.conflated, n.flushed, n.expired, n.discarded, n.queued)
        if n.sent != sum(parts):
            c.now = None
            c.fail(
                f"  expected of '{slot.name}': sent = delivered + lost + conflated + flushed + expired + discarded + queued\n"
                f"  got      {n.sent} = {' + '.join(map(str, parts))}"
            )


class Runner:
    def __init__(self, selected: int) -> None:
        self.selected, self.passed = selected, 0
        self.world: World | None = None
        self.until = float("inf")

    def close_line(self) -> str:
        return f"{self.passed} passed, {self.selected - self.passed} failed"

    def watchdog(self) -> None:
        """Ends the program when a scenario is stuck: prints what every thread was doing, and the closing line."""
        while True:
            time.sleep(0.05)
            if time.monotonic() < self.until or self.world is None:
                continue
            print(f"FAIL {self.world.scenario.id}: not over after {SCENARIO_SECONDS} s")
            if self.world.failed:
                print(f"  first failure: {self.world.failure}")
            for c in list(self.world.running.values()):
                if c.now:
                    print(f"  a thread is at scenarios.txt:{c.now.line}: {c.now.source}")
            print(self.close_line(), flush=True)
            os._exit(1)

    def run(self, sc: Scenario) -> bool:
        """Runs one scenario; true when all of it held."""
        world = self.world = World(sc)
        self.until = time.monotonic() + SCENARIO_SECONDS
        world.engine = tidings.Engine(virtual_clock=sc.virtual_clock)
        c = Context(world)
        c.put("engine", "engine", world.engine, world.engine.id)
        world.running[id(c)] = c
        try:
            flow.run_block(c, sc.steps)
            balance(c)
        except Stop:
            pass
        except Exception as error:  # a bug of the runner or of the package: never silent
            world.failed_at(c.now, f"  got      {type(error).__name__}: {error}")
        if world.failed:
            print(f"FAIL {world.failure}")
        if world.leaving:
            return not world.failed  # the streams stay live
        world.engine.close()
        for slot in world.slots.values():
            if slot.kind == "engine":
                slot.value.close()
        return not world.failed


def main(argv: list[str]) -> int:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.getLogger("tidings").setLevel(logging.CRITICAL)  # handlers that throw are part of the scenarios
    sys.setswitchinterval(0.0005)  # races want threads that take turns
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenarios.txt")
    scenarios = script.read(os.environ.get("CONFORMANCE_SCENARIOS", beside))
    for sc in scenarios:
        if sc.not_python is None:
            vet(sc.steps)
    if argv[:1] == ["--child"]:
        named = [sc for sc in scenarios if sc.id == argv[1]]
    else:
        named = [
            sc for sc in scenarios
            if not sc.child_only and (not argv or any(sc.id == a or sc.id.startswith(a + ".") for a in argv))
        ]
    chosen = [sc for sc in named if sc.not_python is None]
    if not named:
        print("conformance: no scenario of that id", file=sys.stderr)
        return 2
    runner = Runner(len(chosen))
    threading.Thread(target=runner.watchdog, daemon=True).start()
    if argv[:1] == ["--child"]:
        return 0 if runner.run(chosen[0]) else 3
    for sc in named:
        if sc.not_python is not None:
            print(f"--   {sc.id:<12}           not in Python: {sc.not_python}")
            continue
        start = time.monotonic()
        if runner.run(sc):
            runner.passed += 1
            print(f"ok   {sc.id:<12} {time.monotonic() - start:5.1f} s  {sc.title}")
    runner.until = float("inf")
    print(runner.close_line())
    return 0 if runner.passed == runner.selected else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
