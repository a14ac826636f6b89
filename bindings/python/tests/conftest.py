"""What the tests share: an engine, a C producer built from producer.c, and scripts run as processes of their own."""

from __future__ import annotations

import faulthandler
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Callable, Iterator

import pytest

import tidings

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent.parent
DEADLINE = 60.0


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """Ends the run, with what every thread was doing, when one test hangs."""
    faulthandler.dump_traceback_later(300, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def engine() -> Iterator[tidings.Engine]:
    with tidings.Engine() as opened:
        yield opened


@pytest.fixture
def frozen() -> Iterator[tidings.Engine]:
    """An engine whose clock moves by `advance` only."""
    with tidings.Engine(virtual_clock=True) as opened:
        yield opened


Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def script() -> Script:
    """Runs Python text in a fresh interpreter."""

    def run(text: str, *args: str, timeout: float = DEADLINE, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", textwrap.dedent(text), *args]
        environment = {**os.environ, **env}
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)

    return run


def c_compiler() -> list[str]:
    named = os.environ.get("CC", "cc").split()
    if shutil.which(named[0]) is None:
        pytest.skip(f"no C compiler: {named[0]} is not installed")
    return named


def linkable(folder: Path) -> list[str]:
    """Flags that compile and link against an installed prefix, or against the library in use."""
    prefix = os.environ.get("TIDINGS_PREFIX")
    if prefix:
        lib = Path(prefix) / "lib"
        return [f"-I{prefix}/include", f"-L{lib}", "-ltidings", f"-Wl,-rpath,{lib}"]
    copy = folder / "libtidings.so.0"
    if not copy.exists():
        shutil.copyfile(tidings.library_path, copy)
        (folder / "libtidings.so").symlink_to(copy.name)
    return [f"-I{CHECKOUT / 'include'}", f"-L{folder}", "-ltidings", f"-Wl,-rpath,{folder}"]


@pytest.fixture(scope="session")
def producer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared object made of producer.c, which brings the library into the process as a C host does."""
    folder = tmp_path_factory.mktemp("producer")
    out = folder / "libproducer.so"
    command = [*c_compiler(), "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    command += [str(HERE / "producer.c"), "-o", str(out), *linkable(folder)]
    subprocess.run(command, check=True, timeout=DEADLINE)
    return out
