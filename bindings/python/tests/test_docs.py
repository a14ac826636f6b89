"""The docstrings: everything public has one, and the examples in them run and print what they say."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tidings

MODULES = [importlib.import_module(f"tidings.{module.name}") for module in pkgutil.iter_modules(tidings.__path__)]


@pytest.mark.parametrize("module", [tidings, *MODULES], ids=lambda module: str(module.__name__))
def test_the_examples_run(module: ModuleType) -> None:
    found = doctest.testmod(module, extraglobs={"tidings": tidings, "asyncio": asyncio}, optionflags=doctest.ELLIPSIS)
    assert found.failed == 0


def test_what_a_newcomer_meets_first_has_an_example() -> None:
    for thing in (
        tidings.Engine, tidings.Mailbox, tidings.AsyncEngine, tidings.AsyncMailbox, tidings.Server, tidings.Loop.start,
        tidings.Mailbox.monitor, tidings.Mailbox.subscribe, tidings.Address.call, tidings.Address.stream, tidings.Address.send_after,
        tidings.Group, tidings.Presence, tidings.Message, tidings.TidingsError, tidings.explain, tidings.Engine.call_many,
    ):  # fmt: skip
        assert ">>> " in (thing.__doc__ or ""), thing


def public(name: str, thing: object) -> list[tuple[str, object]]:
    """A class with its public members, or a function."""
    if not inspect.isclass(thing):
        return [(name, thing)] if callable(thing) else []
    members = [
        (f"{name}.{key}", value)
        for key, value in vars(thing).items()
        if not key.startswith("_") and (callable(value) or isinstance(value, property))
    ]
    return [(name, thing), *members]


def test_everything_public_is_documented() -> None:
    things = [pair for name in tidings.__all__ for pair in public(name, getattr(tidings, name))]
    assert len(things) > 150
    assert [name for name, thing in things if not (inspect.getdoc(thing) or "").strip()] == []


def test_the_pages_are_built_from_them(tmp_path: Path) -> None:
    pytest.importorskip("pdoc")
    command = [sys.executable, "-W", "ignore", "-m", "pdoc", "--output-directory", str(tmp_path), "tidings"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "tidings.html").read_text()
    assert [name for name in tidings.__all__ if f'id="{name}"' not in page] == []
