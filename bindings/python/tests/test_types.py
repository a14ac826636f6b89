"""The package and the examples that need nothing else are clean under mypy --strict, and the stubs are those of the extension."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT, HERE

import tidings

pytest.importorskip("mypy")


def test_strict() -> None:
    assert (Path(tidings.__file__).parent / "py.typed").is_file()
    examples = sorted(str(path) for path in (CHECKOUT / "examples" / "python").glob("*.py"))
    assert len(examples) >= 2
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "-p", "tidings"]
    for arguments in (command, [*command[:-2], *examples, str(HERE / "typed_use.py")]):
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=300, cwd=CHECKOUT / "examples", env={**os.environ, "MYPYPATH": ""}
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_of_the_extension(tmp_path: Path) -> None:
    """Not where a class fixes its layout, which older Pythons cannot say."""
    command = [sys.executable, "-m", "mypy.stubtest", "--ignore-disjoint-bases", "tidings._fast", "tidings._cffi"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
