"""The verbs that open, fill and read mailboxes, and what all verbs share.

Each makes one call of the package (or, for `collect`, `gather` and `batch`, one kind of call many times) and hands
over what came of it; it judges nothing. The package's seconds are turned into the language's nanoseconds here.
"""

from __future__ import annotations

import json
import select
from typing import Any, Optional

import tidings

from . import flow
from .script import FOREVER, Step, span
from .world import KINDS, OK, OWN_WAIT, Context, Result, status_of

KIND_NUMBERS = {name: number for number, name in KINDS.items()}
POLICIES = {policy.name.lower(): policy for policy in tidings.Policy}


def seconds(ns: int) -> Optional[float]:
    return None if ns == FOREVER else ns / 1e9


def nanoseconds(s: Optional[float]) -> int:
    return FOREVER if s is None else round(s * 1e9)


def policy_of(c: Context, s: Step) -> tidings.Policy:
    word = s.opts.get("policy", "fail")
    if word not in POLICIES:
        c.fail(f"  '{word}' is not a policy")
    return POLICIES[word]


# ---- mailboxes


def open_(c: Context, s: Step) -> Result:
    slot = c.slot(s.args[0])
    options: dict[str, Any] = {
        "policy": policy_of(c, s), "max_messages": c.opt(s, "bound", 0), "max_bytes": c.opt(s, "bytes", 0),
    }
    options.update(notifiable=bool(c.opt(s, "notifiable", 0)), thread_bound="bound-to" in s.opts)
    timeout = c.opt(s, "timeout", FOREVER)
    if timeout != FOREVER:
        options["block_timeout"] = seconds(timeout)
    if "name" in s.opts:
        options["name"] = c.expand(s.opts["name"])
    if "loop" in s.opts:
        slot.rules, slot.seen, slot.shown = [], [], 0
        options.update(loop=c.of(s.opts["loop"], "loop").value, handler=flow.handler_of(c, slot))
    e = c.of(s.opts["engine"], "engine").value if "engine" in s.opts else c.world.engine
    box = e.mailbox(**options)
    c.put(s.args[0], "mailbox", box, box.id)
    return OK


def close(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).close()
    return OK


def exit_(c: Context, s: Step) -> Result:
    reason = status_of(s.opts.get("status", "normal"))
    c.mailbox(s.args[0]).exit(reason, s.opts.get("data", "").encode())
    return OK


def kill(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).kill()
    return OK


def suspend(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).suspend()
    return OK


def resume(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).resume()
    return OK


def wait(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).wait(seconds(c.opt(s, "timeout", 0)))
    return OK


def notify(c: Context, s: Step) -> Result:
    c.mailbox(s.args[0]).notify(c.number(s.args[1]))
    return OK


# ---- send


def payload(c: Context, s: Step) -> bytes:
    """data=TEXT, or size=N bytes counting up."""
    if "size" in s.opts:
        n = c.opt(s, "size", 0)
        return (bytes(range(256)) * (n // 256 + 1))[:n]
    return c.expand(s.opts["data"]).encode() if "data" in s.opts else b""


def tag_of(c: Context, s: Step) -> int:
    return c.tag if c.tag is not None else c.number(s.args[1])


def send(c: Context, s: Step) -> Result:
    to, sender = c.mailbox(s.args[0]), c.mailbox(s.opts.get("from"))
    if "timeout" in s.opts:
        to.send(payload(c, s), tag_of(c, s), sender=sender, timeout=seconds(c.opt(s, "timeout", 0)))
    else:
        to.send(payload(c, s), tag_of(c, s), sender=sender)
    return OK


def items_of(c: Context, s: Step) -> list[tuple[int, bytes]]:
    low, high = span(s.args[1]) or (0, -1)
    return [(tag, b"") for tag in range(low, high + 1)]


def send_many(c: Context, s: Step) -> Result:
    n = c.mailbox(s.args[0]).send_many(items_of(c, s), sender=c.mailbox(s.opts.get("from")))
    return Result("ok", {"count": n})


def send_name(c: Context, s: Step) -> Result:
    c.world.engine.send(c.expand(s.args[0]), payload(c, s), tag_of(c, s), sender=c.mailbox(s.opts.get("from")))
    return OK


# ---- receive


def match_of(c: Context, s: Step) -> dict[str, Any]:
    match: dict[str, Any] = {}
    if "kind" in s.opts:
        match["kind"] = KIND_NUMBERS[s.opts["kind"]]
    if "tag" in s.opts:
        match.update(tag=c.opt(s, "tag", 0), tag_mask=c.opt(s, "mask", 0))
    if "from" in s.opts:
        match["sender"] = c.mailbox(s.opts["from"])
    if "ref" in s.opts:
        match["ref"] = c.slot(s.opts["ref"]).id
    return match


def took(c: Context, s: Step, m: tidings.Message) -> Result:
    if int(m.kind) == tidings.Kind.REQUEST:
        c.world.kept.append(m)
        c.put(s.name, "ticket", m, m.ref)
    return Result.of_message(m)


def recv(c: Context, s: Step) -> Result:
    # What the virtual clock brings in the same instant, the real one brings a little later: a message that must come is waited for.
    must_come = c.world.scenario.by_real and c.handling is None and s.wants and not any((w.outcome or "").startswith("TD_") for w in s.wants)
    otherwise = int(OWN_WAIT * 1e9) if must_come else 0
    box, match, timeout = c.mailbox(s.args[0]), match_of(c, s), seconds(c.opt(s, "timeout", otherwise))
    return took(c, s, box.recv_match(timeout, **match) if match else box.recv(timeout))


def forward(c: Context, s: Step) -> Result:
    """forward A B: takes A's oldest message and sends it on to B."""
    m = c.mailbox(s.args[0]).recv(seconds(c.opt(s, "timeout", 0)))
    took(c, s, m)
    m.forward(c.mailbox(s.args[1]), sender=c.mailbox(s.opts.get("from")))
    return OK


def pick(c: Context, s: Step) -> Result:
    n = c.opt(s, "multiple", 1)
    return took(c, s, c.mailbox(s.args[0]).recv_match(0, predicate=lambda m: m.tag % n == 0))


def batch(c: Context, s: Step) -> Result:
    """Reads by native batches until `take` messages are read or nothing is left; the rest goes back."""
    take, lost = c.opt(s, "take", FOREVER), 0
    tags: list[int] = []
    batches = iter(c.mailbox(s.args[0]))
    try:
        while len(tags) < take:
            m = batches.poll()
            if m is None:
                break
            tags.append(m.tag)
            lost += m.lost
    finally:
        batches.close()
    if not tags:
        return Result("TD_EAGAIN")
    kept = all(b == a + 1 for a, b in zip(tags, tags[1:]))
    order = b"kept" if kept else b"broken"
    return Result("ok", {"count": len(tags), "first": tags[0], "last": tags[-1], "lost": lost, "order": order})


def collect(c: Context, s: Step) -> Result:
    """collect M N: takes N messages, waiting for each; says whether each sender's tags counted up by one ("kept"), up
    ("rising") or not ("broken"), how many were lost, whether any ref came twice. by=fd waits on the fd."""
    box, want, match = c.mailbox(s.args[0]), c.number(s.args[1]), match_of(c, s)
    timeout = 0.0 if "by" in s.opts else seconds(c.opt(s, "timeout", FOREVER))
    last: dict[tuple[int, int], int] = {}
    refs: set[int] = set()
    got = lost = 0
    kept = rising = True
    outcome = "ok"
    while got < want:
        try:
            m = box.recv_match(timeout, **match) if match else box.recv(timeout)
        except tidings.AgainError:
            if "by" not in s.opts:
                raise
            if not select.select([box.fileno()], [], [], flow.OWN_WAIT)[0]:
                outcome = "fd-stayed-quiet"
                break
            continue
        tag = m.tag
        stream = (m.sender_id, tag // 1_000_000)
        before = last.get(stream, stream[1] * 1_000_000)
        kept = kept and tag == before + 1
        rising = rising and tag > before
        last[stream] = tag
        refs.add(m.ref)
        lost += m.lost
        got += 1
    order = b"kept" if kept else b"rising" if rising else b"broken"
    unique = b"distinct" if len(refs) == got else b"repeated"
    return Result(outcome, {"count": got, "lost": lost, "order": order, "refs": unique})


def gather(c: Context, s: Step) -> Result:
    """gather M BAG N: several threads take from M into one bag until N are in it, or M ends."""
    box, bag, want = c.mailbox(s.args[0]), c.slot(s.args[1]), c.number(s.args[2])
    with c.world.lock:
        if bag.kind != "bag":
            bag.kind, bag.value = "bag", []
    while len(bag.value) < want:
        try:
            bag.value.append(box.recv(0.02).tag)
        except tidings.TimedOutError:
            pass
    return OK


def bag(c: Context, s: Step) -> Result:
    tags = c.of(s.args[0], "bag").value
    if not tags:
        return Result("empty")
    each = b"once" if len(set(tags)) == len(tags) else b"repeated"
    return Result("ok", {"count": len(tags), "first": min(tags), "last": max(tags), "each": each})


def readable(box: tidings.Mailbox) -> bool:
    return bool(select.select([box.fileno()], [], [], 0)[0])


def fd(c: Context, s: Step) -> Result:
    return Result("readable" if readable(c.mailbox(s.args[0])) else "quiet")


def _look(text: str) -> Result:
    data = text.encode()
    return Result("ok", {"size": len(data), "data": data})


def inspect(c: Context, s: Step) -> Result:
    return _look(json.dumps(c.slot(s.args[0]).value.inspect(), separators=(",", ":")))


def explain(c: Context, s: Step) -> Result:
    return _look(tidings.explain(c.slot(s.args[0]).id)["text"])


def dump(c: Context, s: Step) -> Result:
    return _look(tidings.recorder()["text"])


def stats(c: Context, s: Step) -> Result:
    slot = c.slot(s.args[0])
    if slot.kind == "engine":
        fields = {key.replace("_", "-"): value for key, value in slot.value.stats()._asdict().items()}
        return Result("ok", fields)
    n = c.mailbox(s.args[0]).stats()
    fields = {key.replace("_", "-"): value for key, value in n._asdict().items() if key not in ("open", "reason")}
    fields.update(state=b"open" if n.open else b"ended", status=int(n.reason) if n.reason is not None else 0)
    return Result("ok", fields)
