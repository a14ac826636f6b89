"""The two steps that are a million small steps: the fd against a plain model (C9), and random ids into everything that
takes one (C10).

Guarantees: the seed alone decides what is done; the numbers that come out are counts of what was wrong, so 0 is the
only good one.
"""

from __future__ import annotations

import random
from typing import Any, Callable

import tidings

from .script import Step
from .verbs_mailbox import readable
from .world import Context, Result


def _take(m: tidings.Mailbox, way: int, n: int) -> int:
    """Takes up to n messages by the way the dice chose; how many came."""
    taken = 0
    try:
        if way == 0:  # the oldest, n times
            while taken < n:
                m.recv(0)
                taken += 1
        elif way == 1:  # one from the middle
            m.recv_match(0, tag=1, tag_mask=1)
            taken = 1
        elif way == 2:  # part of a batch, the rest goes back
            batches = iter(m)
            try:
                while taken < n and batches.poll() is not None:
                    taken += 1
            finally:
                batches.close()
        else:  # a look, then perhaps a take
            m.recv_match(0, predicate=lambda _: n > 1)
            taken = 1
    except tidings.AgainError:
        pass
    return taken


def fuzz_fd(c: Context, s: Step) -> Result:
    """fuzz-fd M N seed=S. missed: pending and not readable. extra: readable with nothing pending, also after the one
    receive that rule 8 allows it to need. miscounted: the engine's count of the queue differs from the model's."""
    m, dice = c.mailbox(s.args[0]), random.Random(c.opt(s, "seed", 1))
    pending = missed = extra = miscounted = 0
    for i in range(1, c.number(s.args[1]) + 1):
        x = dice.getrandbits(32)
        n = 1 + (x >> 8) % 4
        if x & 7 < 3 and pending < 200:
            for _ in range(n):
                m.send(b"", dice.getrandbits(63))
            pending += n
        else:
            pending -= _take(m, (x >> 16) % 4, 1000 if x & 7 == 7 else n)
        if pending and not readable(m):
            missed += 1
        if not pending and readable(m):
            miscounted += _take(m, 0, 1)
            extra += readable(m)
        if i % 1024 == 0:
            miscounted += m.stats().queued != pending
        if missed or extra or miscounted:
            break
    return Result("ok", {"missed": missed, "extra": extra, "miscounted": miscounted, "rounds": i})


def _calls(e: tidings.Engine, live: tidings.Mailbox) -> dict[str, Callable[[int], Any]]:
    """Everything of the package that takes an id, as a function of the id."""

    def box(id: int) -> tidings.Mailbox:
        made = tidings.Mailbox(e, tidings.Policy.FAIL, 0)
        made._id = id
        return made

    def with_id(cls: Any, id: int) -> Any:
        made = cls.__new__(cls)
        made.id = id
        made.host_time = False
        return made

    def foreign(id: int) -> tidings.Engine:
        return with_id(tidings.Engine, id)

    def foreign_loop(id: int) -> tidings.Loop:
        made = with_id(tidings.Loop, id)
        made.engine, made._fd, made._attached = e, None, None
        return made

    def take_one(id: int) -> None:
        batches = iter(box(id))
        try:
            batches.poll()
        finally:
            batches.close()

    return {
        "address.send": lambda id: e.address(id).send(b"x", 1),
        "address.send sender=": lambda id: e.address(id).send(b"x", 1, sender=live),
        "send(sender=garbage)": lambda id: live.send(b"x", 1, sender=e.address(id)),
        "address.send_many": lambda id: e.address(id).send_many([b"x"]),
        "address.call": lambda id: e.address(id).call(b"x", 1, timeout=0),
        "address.send_after": lambda id: e.address(id).send_after(0.001),
        "address.send_every": lambda id: e.address(id).send_every(0.001),
        "address.register": lambda id: e.address(id).register("x"),
        "address.register_replace": lambda id: e.address(id).register_replace("x"),
        "address.stats": lambda id: e.address(id).stats(),
        "address.wait": lambda id: e.address(id).wait(0),
        "address.close": lambda id: e.address(id).close(),
        "address.exit": lambda id: e.address(id).exit(1024, b"x"),
        "address.kill": lambda id: e.address(id).kill(),
        "recv": lambda id: box(id).recv(0),
        "recv_match": lambda id: box(id).recv_match(0, tag=1),
        "recv_match predicate=": lambda id: box(id).recv_match(0, predicate=lambda m: True),
        "iter": take_one,
        "fileno": lambda id: box(id).fileno(),
        "monitor(garbage)": lambda id: live.monitor(e.address(id)),
        "garbage.monitor": lambda id: box(id).monitor(live),
        "garbage.monitor name": lambda id: box(id).monitor("x"),
        "monitor(garbage, receipt)": lambda id: live.monitor(e.address(id), receipt=True),
        "garbage.monitor_process": lambda id: box(id).monitor_process(1),
        "garbage.call_many_start": lambda id: box(id).call_many_start([live]),
        "call_many_start(garbage)": lambda id: live.call_many_start([e.address(id)]),
        "address.stream": lambda id: e.address(id).stream(),
        "engine.drain": lambda id: foreign(id).drain(0),
        "engine.inspect": lambda id: foreign(id).inspect(),
        "garbage.link": lambda id: e.address(id).link(live),
        "link(garbage)": lambda id: live.link(e.address(id)),
        "garbage.unlink": lambda id: e.address(id).unlink(live),
        "garbage.trap_exit": lambda id: e.address(id).trap_exit(),
        "garbage.suspend": lambda id: e.address(id).suspend(),
        "garbage.resume": lambda id: e.address(id).resume(),
        "garbage.notify": lambda id: e.address(id).notify(1),
        "garbage.will": lambda id: e.address(id).will("x"),
        "garbage.will_clear": lambda id: e.address(id).will_clear(),
        "group.join": lambda id: e.group("x").join(e.address(id)),
        "group.leave": lambda id: e.group("x").leave(e.address(id)),
        "group.members": lambda id: foreign(id).group("x").members(),
        "group.watch": lambda id: e.group("x").watch(box(id)),
        "presence.enter": lambda id: e.presence("x").enter(e.address(id), "k"),
        "presence.leave": lambda id: e.presence("x").leave(e.address(id), "k"),
        "presence.keys": lambda id: foreign(id).presence("x").keys(),
        "presence.watch": lambda id: e.presence("x").watch(box(id)),
        "garbage.watch_interest": lambda id: box(id).watch_interest("x"),
        "watch.unwatch": lambda id: tidings.Watch(id, "x", 0).unwatch(),
        "call_start(garbage)": lambda id: live.call_start(e.address(id)),
        "garbage.call_start": lambda id: box(id).call_start(live),
        "garbage.subscribe": lambda id: box(id).subscribe("x"),
        "subscription.unsubscribe": lambda id: tidings.Subscription(id, "x").unsubscribe(),
        "call.cancel": lambda id: tidings.Call(id).cancel(),
        "engine.mailbox": lambda id: foreign(id).mailbox(),
        "engine.whereis": lambda id: foreign(id).whereis("x"),
        "engine.unregister": lambda id: foreign(id).unregister("x"),
        "engine.send": lambda id: foreign(id).send("x"),
        "engine.send_after": lambda id: foreign(id).send_after("x", 0.001),
        "engine.publish": lambda id: foreign(id).publish("x"),
        "engine.publish_many": lambda id: foreign(id).publish_many("x", [b"x"]),
        "engine.now": lambda id: foreign(id).now(),
        "engine.stats": lambda id: foreign(id).stats(),
        "engine.advance": lambda id: foreign(id).advance(0.001),
        "loop.run": lambda id: foreign_loop(id).run(0),
        "loop.wake": lambda id: foreign_loop(id).wake(),
        "loop.deadline": lambda id: foreign_loop(id).deadline(),
        "loop.fileno": lambda id: foreign_loop(id).fileno(),
    }


def fuzz_ids(c: Context, s: Step) -> Result:
    """fuzz-ids N seed=S. accepted: calls that did not answer with an error; the first one is named."""
    dice, live_ids = random.Random(c.opt(s, "seed", 1)), [o.id for o in c.world.slots.values() if o.id]
    box = next(o.value for o in c.world.slots.values() if o.kind == "mailbox" and o.value.stats().open)
    calls = list(_calls(c.world.engine, box).items())
    accepted, first = 0, b""
    for i in range(c.number(s.args[0])):
        x, shape = dice.getrandbits(64), dice.getrandbits(64)
        bits = (shape >> 8) & 63
        id = (x, x >> bits, x << bits & 2**64 - 1, dice.choice(live_ids) ^ x)[shape % 4]
        if id == 0 or id in live_ids:
            continue
        name, call = calls[i % len(calls)]
        try:
            call(id)
        except tidings.PanicError:
            pass
        except tidings.TidingsError:
            continue
        accepted += 1
        first = first or f"{name} {id:#x}".encode()
    fields: dict[str, Any] = {"accepted": accepted}
    if first:
        fields["first"] = first
    return Result("ok", fields)
