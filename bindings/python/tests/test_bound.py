"""Every function of the header is bound, or it is said here why Python has no use for it."""

from __future__ import annotations

import re

from conftest import CHECKOUT, HERE

NOT_FOR_PYTHON = {
    "td_version_number": "tidings.__version__ is the text of the same",
    "td_log_set": "its sink would run on threads that are not Python's; errors are exceptions here",
    "td_mailbox_user": "a handler is a Python function, which keeps what it needs",
    "td_send_name": "cannot be interrupted where the mailbox makes its senders wait; Engine.send looks the name up",
    "td_batch_next": "the extension reads the frame itself, with td_batch_claim",
}


def functions_of_the_header() -> set[str]:
    text = re.sub(r"/\*.*?\*/", "", (CHECKOUT / "include" / "tidings.h").read_text(), flags=re.S)
    return {name for name in re.findall(r"\b(td_\w+)\s*\((?!\*)", text) if not name.endswith("_fn")}


def functions_used() -> set[str]:
    used: set[str] = set()
    for path in [*(HERE.parent / "src" / "tidings").glob("*.py"), *(HERE.parent / "native").glob("*.c")]:
        text = re.sub(r"/\*.*?\*/|\"\"\".*?\"\"\"", "", path.read_text(), flags=re.S)
        pattern = r"\blib\.(td_\w+)" if path.suffix == ".py" else r"\b(td_\w+)(?=\(|\")"
        used.update(re.findall(pattern, text))
    return used


def test_each_function_is_bound_or_has_a_reason() -> None:
    header, used = functions_of_the_header(), functions_used()
    assert len(header) > 60 and "td_send" in used and "td_register" in used
    assert sorted(header - used - set(NOT_FOR_PYTHON)) == []
    assert sorted(set(NOT_FOR_PYTHON) & used) == [], "bound after all: take it off the list"
    assert sorted(set(NOT_FOR_PYTHON) - header) == []
