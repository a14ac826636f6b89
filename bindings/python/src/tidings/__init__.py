"""tidings: Erlang-style mailboxes, monitors, names, timers and topics, over the tidings C library.

    import tidings

    with tidings.Engine() as engine, engine.mailbox("inbox") as inbox:
        engine.send("inbox", b"hello")
        print(inbox.recv(timeout=1).data)
"""

from ._native import _fast as _fast
from ._native import ffi, lib, library_path
from .address import Address
from .aio import AsyncEngine, AsyncMailbox, AsyncParts, AsyncReplies
from .calls import Parts, Replies
from .engine import BaseEngine, Engine, default_engine
from .errors import (
    AgainError,
    BadIdError,
    ClosedError,
    DeadlockError,
    DownError,
    ExistsError,
    ForkedError,
    FullError,
    InterruptError,
    InvalidError,
    NoMemoryError,
    NoProcError,
    NoReplyError,
    NotFoundError,
    PanicError,
    StaleError,
    SystemCallError,
    TidingsError,
    TimedOutError,
    TooBigError,
    UnsupportedError,
    make_error,
)
from .groups import Group, Presence
from .handles import Call, Monitor, Subscription, Timer, Watch
from .looking import explain, inspect, recorder
from .loop import Loop
from .mailbox import BaseMailbox, Mailbox
from .message import Kind, Message, ViewMessage
from .server import Server
from .types import DeadLetter, DrainReport, EngineStats, MailboxStats, Outcome, Policy, Reason, Receipt

_fast.setup(make_error, Message, ViewMessage)

#: Version of the shared library in use.
__version__: str = ffi.string(lib.td_version()).decode()

__all__ = [
    "Address",
    "AgainError",
    "AsyncEngine",
    "AsyncMailbox",
    "AsyncParts",
    "AsyncReplies",
    "BadIdError",
    "BaseEngine",
    "BaseMailbox",
    "Call",
    "ClosedError",
    "DeadLetter",
    "DeadlockError",
    "DownError",
    "DrainReport",
    "Engine",
    "EngineStats",
    "ExistsError",
    "ForkedError",
    "FullError",
    "Group",
    "InterruptError",
    "InvalidError",
    "Kind",
    "Loop",
    "Mailbox",
    "MailboxStats",
    "Message",
    "Monitor",
    "NoMemoryError",
    "NoProcError",
    "NoReplyError",
    "NotFoundError",
    "Outcome",
    "PanicError",
    "Parts",
    "Policy",
    "Presence",
    "Reason",
    "Receipt",
    "Replies",
    "Server",
    "StaleError",
    "Subscription",
    "SystemCallError",
    "TidingsError",
    "TimedOutError",
    "Timer",
    "TooBigError",
    "UnsupportedError",
    "Watch",
    "default_engine",
    "explain",
    "inspect",
    "library_path",
    "recorder",
]
