"""One exception class per error code of the library.

Guarantees: every negative result becomes the class of its code, with the library's own detail as text; an
unknown code (a newer library) becomes plain TidingsError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._native import _fast, ffi, lib

if TYPE_CHECKING:
    from .message import Message
    from .types import Reason


class TidingsError(Exception):
    """Base of all errors of this package. `code` is the negative TD_E... number, `name` its name.

    >>> with tidings.Engine() as engine:
    ...     try:
    ...         engine.send("nobody", b"hello")
    ...     except tidings.TidingsError as error:
    ...         print(type(error).__name__, error.name, error.code == tidings.NotFoundError.code)
    NotFoundError TD_ENOTFOUND True
    """

    code: int = 0

    def __init__(self, detail: str = "", code: int | None = None) -> None:
        if code is not None:
            self.code = code
        super().__init__(detail or text_of(self.code))

    @property
    def name(self) -> str:
        """The name of `code` in the C header: "TD_EFULL" and so on."""
        return name_of(self.code)

    @property
    def detail(self) -> str:
        """What the library says of this very case."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.detail} ({self.name})" if self.code else self.detail

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.detail!r}, code={self.name if self.code else 0})"


class InvalidError(TidingsError, ValueError):
    """An argument is wrong."""

    code = lib.TD_EINVAL


class BadIdError(TidingsError):
    """An id never was one of this kind, or is of another engine."""

    code = lib.TD_EBADID


class NoProcError(TidingsError):
    """The mailbox addressed is over."""

    code = lib.TD_ENOPROC


class StaleError(TidingsError):
    """A ticket, timer, monitor or other one-shot object is finished already."""

    code = lib.TD_ESTALE


class ClosedError(TidingsError):
    """What you were waiting on, or your own mailbox, loop or engine, has ended."""

    code = lib.TD_ECLOSED


class NotFoundError(TidingsError, LookupError):
    """No such name."""

    code = lib.TD_ENOTFOUND


class ExistsError(TidingsError):
    """The name is taken."""

    code = lib.TD_EEXIST


class AgainError(TidingsError):
    """There is nothing now (an answer to timeout=0 only)."""

    code = lib.TD_EAGAIN


class TimedOutError(TidingsError, TimeoutError):
    """The time is up."""

    code = lib.TD_ETIMEDOUT


class InterruptError(TidingsError):
    """A signal ended a wait that could not go on."""

    code = lib.TD_EINTR


class FullError(TidingsError):
    """The mailbox is at its bound."""

    code = lib.TD_EFULL


class TooBigError(TidingsError):
    """The message is larger than the mailbox's bound in bytes; it can never fit."""

    code = lib.TD_ETOOBIG


class NoMemoryError(TidingsError, MemoryError):
    """No memory."""

    code = lib.TD_ENOMEM


class DownError(TidingsError):
    """The mailbox that was called ended before it answered; `reason` says why."""

    code = lib.TD_EDOWN
    reason: Reason

    @classmethod
    def of(cls, message: Message) -> DownError:
        """From the DOWN that td_call gives, or from a REPLY."""
        reason = message.reason
        error = cls(f"the mailbox that was called ended before it answered: {reason}")
        error.reason = reason
        return error


class NoReplyError(TidingsError):
    """The request was dropped unanswered."""

    code = lib.TD_ENOREPLY


class DeadlockError(TidingsError):
    """The wait could never end."""

    code = lib.TD_EDEADLK


class ForkedError(TidingsError):
    """The engine belongs to the parent of this forked process; open a new one here."""

    code = lib.TD_EFORKED


class PanicError(TidingsError):
    """A bug in the library was caught; please report it."""

    code = lib.TD_EPANIC


class SystemCallError(TidingsError):
    """A system call failed."""

    code = lib.TD_ESYS


class UnsupportedError(TidingsError):
    """Not on this platform or in this build."""

    code = lib.TD_EUNSUPPORTED


_BY_CODE = {cls.code: cls for cls in TidingsError.__subclasses__()}


def name_of(code: int) -> str:
    """TD_EFULL and so on."""
    return str(ffi.string(lib.td_err_name(code)).decode())


def text_of(code: int) -> str:
    """What a code means, in words."""
    return str(ffi.string(lib.td_strerror(code)).decode())


def make_error(code: int, detail: str) -> TidingsError:
    """The exception of a negative result."""
    cls = _BY_CODE.get(code)
    return cls(detail) if cls else TidingsError(detail, code)


def check(code: int) -> int:
    """A result that is not negative, or its exception."""
    if code < 0:
        _fast.fail(code)
    return code
