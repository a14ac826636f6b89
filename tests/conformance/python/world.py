"""What a running scenario knows, and how a step's result is judged.

Guarantees: only the first failure of a scenario is kept, and it ends the engine so that no other thread of the
scenario stays blocked; a step without a written outcome must give "ok"; a message's `lost` must be 0 unless the step
says otherwise; a report names every field that was there.
"""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Callable, NoReturn, Optional

import tidings

from .script import Scenario, Step, Want, number, span

REASONS = {
    "normal": 0, "killed": 1, "noproc": 2, "callback_failed": 3, "overflow": 4, "engine_closed": 5, "runtime_exit": 6,
    "os_exit": 7, "joined": 1, "left": 2, "started": 3, "stopped": 4, "retained": 1,
}  # and what the status of an edge or of a retained value says
ERRORS = (
    "TD_EINVAL TD_EBADID TD_ENOPROC TD_ESTALE TD_ECLOSED TD_ENOTFOUND TD_EEXIST TD_EAGAIN TD_ETIMEDOUT TD_EINTR "
    "TD_EFULL TD_ETOOBIG TD_ENOMEM TD_EDOWN TD_ENOREPLY TD_EDEADLK TD_EFORKED TD_EPANIC TD_ESYS TD_EUNSUPPORTED"
).split()
KINDS = {int(kind): kind.name.lower() for kind in tidings.Kind}
OWN_WAIT = 10.0  # seconds: how long the runner itself waits for anything
SLACK = 0.1  # on the real clock: what is due gets so much longer
OBJECTS = ("from", "ref", "mailbox", "for")
_VARIABLE = re.compile(r"\$([a-z]+)")


class Stop(Exception):
    """This thread of the scenario stops here."""


class Slot:
    """A named thing: kind says what, value is the package's object, id its number."""

    def __init__(self, name: str) -> None:
        self.name, self.kind = name, "unset"
        self.value: Any = None
        self.id = 0
        self.rules: list[Step] = []
        self.seen: list[Any] = []
        self.shown = 0


class Result:
    """What a step gave: an outcome word and fields (int, or bytes for text)."""

    def __init__(self, outcome: str = "ok", fields: Optional[dict[str, Any]] = None, message: bool = False) -> None:
        self.outcome, self.fields, self.message = outcome, fields or {}, message

    @classmethod
    def of_message(cls, m: Any, outcome: Optional[str] = None) -> Result:
        topic = m.topic
        fields = {
            "status": m.status, "from": m.sender_id, "tag": m.tag, "ref": m.ref, "lost": m.lost,
            "info": m.info[0], "more": m.info[1], "size": len(m.data), "data": bytes(m.data), "topic": topic.encode() if isinstance(topic, str) else bytes(topic),
        }
        if m.dead is not None:
            fields["for"] = m.dead.id
        if m.kind == tidings.Kind.RESYNC:
            fields["count"] = m.info[1]
            if m.info[0] == tidings.Kind.MEMBER:
                fields["members"] = tuple(box.id for box in m.members)
            if m.info[0] == tidings.Kind.PRESENCE:
                fields["keys"] = " ".join(m.keys).encode()
        return cls(outcome or KINDS.get(int(m.kind), "unknown-kind"), fields, True)

    @classmethod
    def of_error(cls, error: tidings.TidingsError) -> Result:
        result = cls(error.name)
        result.detail = error.detail
        return result

    detail = ""


OK = Result()


class Context:
    """One thread of a scenario, or one run of a handler."""

    def __init__(self, world: World, variables: Optional[dict[str, int]] = None) -> None:
        self.world = world
        self.now: Optional[Step] = None
        self.vars: dict[str, int] = dict(variables or {})
        self.tag: Optional[int] = None  # the tag at hand of a step written for a range of tags
        self.meet: Optional[Callable[[], None]] = None
        self.handling: Optional[Slot] = None

    def expand(self, text: str) -> str:
        if "$" not in text:
            return text
        return _VARIABLE.sub(lambda m: str(self.vars.get(m[1], m[0])), text)

    def number(self, text: str) -> int:
        n = number(self.expand(text))
        if n is None:
            self.fail(f"  '{text}' is not a number or a time")
        return n

    def opt(self, s: Step, key: str, otherwise: int) -> int:
        return self.number(s.opts[key]) if key in s.opts else otherwise

    def slot(self, name: str) -> Slot:
        return self.world.slot(self.expand(name))

    def of(self, name: str, kind: str) -> Slot:
        slot = self.slot(name)
        if slot.kind != kind and slot.name != "nobody":
            self.fail(f"  '{slot.name}' is {slot.kind} here, {kind} is wanted")
        return slot

    def mailbox(self, name: Optional[str]) -> Any:
        """The package's mailbox object; None for nobody."""
        return self.of(name, "mailbox").value if name else None

    def put(self, name: Optional[str], kind: str, value: Any, id: int = 0) -> Optional[Slot]:
        if name is None:
            return None
        slot = self.slot(name)
        slot.kind, slot.value, slot.id = kind, value, id
        return slot

    def fail(self, text: str) -> NoReturn:
        self.world.failed_at(self.now, text)
        raise Stop

    def check(self, s: Step, result: Result) -> None:
        if not s.wants:
            if result is OK or self._holds(Want(), result):
                return
        elif any(self._holds(want, result) for want in s.wants):
            if s.name is not None and not self.slot(s.name).id:  # not an object: the word itself, for `when`
                self.put(s.name, "outcome", result.outcome)
            return
        wanted = s.source.split("=> ", 1)[1] if s.wants else "ok"
        at = f"   (at tag {self.tag})" if self.tag is not None else ""
        self.fail(f"  expected {wanted}{at}\n  got      {self.describe(result)}")

    def _holds(self, want: Want, result: Result) -> bool:
        if (want.outcome or "ok") != result.outcome:
            return False
        lost_named = not result.message
        for key, value, contains in want.fields:
            if key not in result.fields or not self._field(key, value, contains, result.fields[key]):
                return False
            lost_named = lost_named or key == "lost"
        return lost_named or result.fields["lost"] == 0

    def _field(self, key: str, value: str, contains: bool, got: Any) -> bool:
        text = self.expand(value)
        if isinstance(got, tuple):  # ids, told by their names
            got = self.world.names_of(got)
        if isinstance(got, bytes):
            return text.encode() in got if contains else text.encode() == got
        if key in OBJECTS:
            return got == 0 if text == "nobody" else self.slot(text).id not in (0, None) and got == self.slot(text).id
        if key == "status":
            return got == status_of(text)
        if key == "tag" and self.tag is not None:
            return got == self.tag
        limits = span(text)
        if self.world.scenario.by_real and key in ("time", "remaining"):
            low, high = limits or (number(text), number(text))
            return 0 <= got <= high if key == "remaining" else low <= got <= high + OWN_WAIT * 1e9
        return limits[0] <= got <= limits[1] if limits else got == number(text)

    def describe(self, result: Result) -> str:
        parts = [result.outcome]
        for key, got in result.fields.items():
            if isinstance(got, tuple):
                got = self.world.names_of(got)
            if isinstance(got, bytes):
                parts.append(f'{key}="{got[:80].decode("utf-8", "replace")}"')
            else:
                parts.append(f"{key}={self.world.name_of(got) if key in OBJECTS else got}")
        return " ".join(parts) + (f" ({result.detail})" if result.detail else "")


def status_of(text: str) -> Optional[int]:
    """A reason by its word, an error by its name, or a number."""
    if text in REASONS:
        return REASONS[text]
    return -1 - ERRORS.index(text) if text in ERRORS else number(text)


class World:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.lock = threading.Lock()
        self.slots: dict[str, Slot] = {}
        self.running: dict[int, Context] = {}
        self.kept: list[Any] = []  # requests: letting one go would answer it
        self.failed = False
        self.failure = ""
        self.leaving = False
        self.engine: Any = None

    def slot(self, name: str) -> Slot:
        found = self.slots.get(name)
        if found is None:
            with self.lock:
                found = self.slots.setdefault(name, Slot(name))
        return found

    def name_of(self, id: int) -> str:
        if id == 0:
            return "nobody"
        return next((s.name for s in list(self.slots.values()) if s.id == id), "(unknown)")

    def names_of(self, ids: tuple[int, ...]) -> bytes:
        return " ".join(map(self.name_of, ids)).encode()

    def failed_at(self, step: Optional[Step], text: str) -> None:
        with self.lock:
            first, self.failed = not self.failed, True
        if first:
            where = f"{step.line}: {step.source}" if step else "0:"
            self.failure = f"{self.scenario.id} scenarios.txt:{where}\n{text}"
            try:
                self.engine.close()
            except tidings.TidingsError:
                pass


def now() -> float:
    return time.monotonic()
