"""The verbs for monitors, names, timers, calls, topics, loops and the clock.

Each makes one call of the package and hands over what came of it; it judges nothing.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import Optional

import tidings

from . import flow
from .script import FOREVER, Step, number
from .verbs_mailbox import items_of, nanoseconds, payload, policy_of, seconds, tag_of
from .world import OK, Context, Result


# ---- monitors and names


def monitor(c: Context, s: Step) -> Result:
    watcher, target = c.mailbox(s.args[0]), c.mailbox(s.args[1])
    d = watcher.monitor(target, tag=c.opt(s, "tag", 0), receipt="receipt" in s.opts)
    c.put(s.name, "monitor", d, d.id)
    return OK


def process(c: Context, s: Step) -> Result:
    """process P: a child that waits to be told how to end."""
    child = subprocess.Popen(["sh", "-c", "read code; exit $code"], stdin=subprocess.PIPE, text=True)
    c.put(s.args[0], "process", child, child.pid)
    return OK


def monitor_process(c: Context, s: Step) -> Result:
    pid = number(s.args[1])
    d = c.mailbox(s.args[0]).monitor_process(
        c.of(s.args[1], "process").id if pid is None else pid, tag=c.opt(s, "tag", 0)
    )
    c.put(s.name, "monitor", d, d.id)
    return OK


def end_process(c: Context, s: Step) -> Result:
    """end-process P code=N or signal=N"""
    child = c.of(s.args[0], "process").value
    if "signal" in s.opts:
        os.kill(child.pid, c.opt(s, "signal", 9))
    else:
        child.stdin.write(f"{c.opt(s, 'code', 0)}\n")
        child.stdin.flush()
    return OK


def reap(c: Context, s: Step) -> Result:
    os.waitpid(c.of(s.args[0], "process").id, 0)
    return OK


def link(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).link(c.mailbox(s.args[1]))
    return OK


def unlink(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).unlink(c.mailbox(s.args[1]))
    return OK


def trap(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).trap_exit(s.args[1] == "on")
    return OK


def text_of(c: Context, word: str) -> str:
    """repeat:300 is a text of 300 letters."""
    text = c.expand(word)
    return "x" * int(text[7:]) if text.startswith("repeat:") else text


def monitor_name(c: Context, s: Step) -> Result:
    d = c.mailbox(s.args[0]).monitor(text_of(c, s.args[1]), tag=c.opt(s, "tag", 0))
    c.put(s.name, "monitor", d, d.id)
    return OK


def demonitor(c: Context, s: Step) -> Result:
    return Result(c.of(s.args[0], "monitor").value.demonitor(flush=s.args[1:] == ["flush"]).name.lower())


def register(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).register(text_of(c, s.args[1]))
    return OK


def replace(c: Context, s: Step) -> Result:
    previous = c.mailbox(s.args[0]).register_replace(text_of(c, s.args[1]))
    return Result("ok", {"mailbox": previous.id if previous else 0})


def unregister(c: Context, s: Step) -> Result:
    c.world.engine.unregister(text_of(c, s.args[0]))
    return OK


def whereis(c: Context, s: Step) -> Result:
    found = c.world.engine.whereis(text_of(c, s.args[0]))
    return Result("ok", {"mailbox": found.id}) if found is not None else Result("TD_ENOTFOUND")


# ---- timers


def _armed(c: Context, s: Step, timer: tidings.Timer) -> Result:
    c.put(s.name, "timer", timer, timer.id)
    return OK


def after(c: Context, s: Step) -> Result:
    delay, tag = c.number(s.args[1]) / 1e9, c.number(s.args[2])
    return _armed(c, s, c.mailbox(s.args[0]).send_after(delay, payload(c, s), tag))


def after_name(c: Context, s: Step) -> Result:
    delay, tag = c.number(s.args[1]) / 1e9, c.number(s.args[2])
    return _armed(c, s, c.world.engine.send_after(text_of(c, s.args[0]), delay, payload(c, s), tag))


def every(c: Context, s: Step) -> Result:
    period, tag = c.number(s.args[1]) / 1e9, c.number(s.args[2])
    return _armed(c, s, c.mailbox(s.args[0]).send_every(period, payload(c, s), tag))


def _remaining(left: Optional[float]) -> Result:
    return Result("TD_ESTALE") if left is None else Result("ok", {"remaining": nanoseconds(left)})


def cancel(c: Context, s: Step) -> Result:
    return _remaining(c.of(s.args[0], "timer").value.cancel())


def timer(c: Context, s: Step) -> Result:
    return _remaining(c.of(s.args[0], "timer").value.read())


# ---- calls


def call(c: Context, s: Step) -> Result:
    to, sender, timeout = c.mailbox(s.args[0]), c.mailbox(s.opts.get("from")), seconds(c.opt(s, "timeout", FOREVER))
    try:
        return Result.of_message(to.call(payload(c, s), c.number(s.args[1]), timeout=timeout, sender=sender))
    except tidings.DownError as error:
        return Result(error.name, {"status": int(error.reason), "data": error.reason.data})


def ask(c: Context, s: Step) -> Result:
    me, timeout = c.mailbox(s.opts["from"]), seconds(c.opt(s, "timeout", FOREVER))
    ticket = me.call_start(c.mailbox(s.args[0]), payload(c, s), c.number(s.args[1]), timeout=timeout)
    c.put(s.name, "call", ticket, ticket.id)
    return OK


def ask_many(c: Context, s: Step) -> Result:
    """ask-many TAG M...: one call of all of them; any may be listed twice."""
    me, timeout = c.mailbox(s.opts["from"]), seconds(c.opt(s, "timeout", FOREVER))
    targets = [c.mailbox(name) for name in s.args[1:]]
    ticket = me.call_many_start(targets, payload(c, s), c.number(s.args[0]), timeout=timeout)
    c.put(s.name, "call", ticket, ticket.id)
    return OK


def give_up(c: Context, s: Step) -> Result:
    c.of(s.args[0], "call").value.cancel()
    return OK


def reply(c: Context, s: Step) -> Result:
    request = c.of(s.args[0], "ticket").value
    if "status" in s.opts:
        request.reply_error(c.opt(s, "status", 0), payload(c, s))
    else:
        request.reply(payload(c, s))
    return OK


def reply_part(c: Context, s: Step) -> Result:
    c.of(s.args[0], "ticket").value.reply_part(payload(c, s), timeout=seconds(c.opt(s, "timeout", 0)))
    return OK


def reply_end(c: Context, s: Step) -> Result:
    c.of(s.args[0], "ticket").value.reply_end()
    return OK


def drop(c: Context, s: Step) -> Result:
    c.of(s.args[0], "ticket").value.drop()
    return OK


# ---- topics


def subscribe(c: Context, s: Step) -> Result:
    box, bound = c.mailbox(s.args[0]), c.opt(s, "bound", 0)
    group = text_of(c, s.opts["group"]) if "group" in s.opts else None
    sub = box.subscribe(text_of(c, s.args[1]), max_messages=bound, policy=policy_of(c, s), queue_group=group)
    c.put(s.name, "subscription", sub, sub.id)
    return OK


def unsubscribe(c: Context, s: Step) -> Result:
    c.of(s.args[0], "subscription").value.unsubscribe(flush=s.args[1:] == ["flush"])
    return OK


def publish(c: Context, s: Step) -> Result:
    sender = c.mailbox(s.opts.get("from"))
    topic, data, retain = text_of(c, s.args[0]), payload(c, s), "retain" in s.opts
    return Result("ok", c.world.engine.publish(topic, data, tag_of(c, s), sender=sender, retain=retain)._asdict())


def publish_many(c: Context, s: Step) -> Result:
    sender = c.mailbox(s.opts.get("from"))
    return Result("ok", c.world.engine.publish_many(text_of(c, s.args[0]), items_of(c, s), sender=sender)._asdict())


# ---- loops and time


def loop(c: Context, s: Step) -> Result:
    made = c.world.engine.loop(c.opt(s, "budget", 0))
    c.put(s.args[0], "loop", made, made.id)
    return OK


def close_loop(c: Context, s: Step) -> Result:
    c.of(s.args[0], "loop").value.close()
    return OK


def stopwatch(c: Context, s: Step) -> Result:
    c.put(s.args[0], "stopwatch", nanoseconds(c.world.engine.now()))
    return OK


def elapsed(c: Context, s: Step) -> Result:
    return Result("ok", {"time": nanoseconds(c.world.engine.now()) - c.of(s.args[0], "stopwatch").value})


def advance(c: Context, s: Step) -> Result:
    if c.world.scenario.by_real:
        time.sleep(c.number(s.args[0]) / 1e9 + flow.SLACK)
    else:
        c.world.engine.advance(c.number(s.args[0]) / 1e9)
    return OK


def parked(c: Context, s: Step) -> Result:
    if c.world.scenario.by_real:
        return flow.at_waits(c, c.number(s.args[0]))
    c.world.engine.wait_parked(c.number(s.args[0]), flow.OWN_WAIT)
    return OK
