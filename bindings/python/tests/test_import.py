"""Which copy of the library the package uses, and which it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import DEADLINE, Script, c_compiler

import tidings
from tidings import _cffi

SHOW = "import tidings; print(tidings.library_path)"


def test_the_bundled_copy_is_used_by_default(script: Script) -> None:
    done = script("import os; os.environ.pop('TIDINGS_LIBRARY', None)\n" + SHOW)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).samefile(Path(tidings.__file__).parent / "libtidings.so.0")


def test_the_bundled_copy_has_its_soname() -> None:
    bundled = Path(tidings.__file__).parent / "libtidings.so.0"
    dynamic = subprocess.run(["readelf", "-d", str(bundled)], capture_output=True, text=True, check=True).stdout
    assert "Library soname: [libtidings.so.0]" in dynamic


def test_the_extension_does_not_link_the_library() -> None:
    dynamic = subprocess.run(["readelf", "-d", _cffi.__file__], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" in dynamic and "tidings" not in dynamic.replace(os.path.basename(_cffi.__file__), "")


def test_the_environment_names_another_copy(script: Script, tmp_path: Path) -> None:
    copy = tmp_path / "libtidings.so.0"
    shutil.copyfile(tidings.library_path, copy)
    done = script(SHOW, TIDINGS_LIBRARY=str(copy))
    assert done.stdout.strip() == str(copy), done.stderr


def test_a_copy_in_the_process_comes_first(script: Script, tmp_path: Path) -> None:
    copy, other = tmp_path / "first.so", tmp_path / "other.so"
    shutil.copyfile(tidings.library_path, copy)
    shutil.copyfile(tidings.library_path, other)
    done = script("import ctypes, sys; ctypes.CDLL(sys.argv[1])\n" + SHOW, str(copy), TIDINGS_LIBRARY=str(other))
    assert done.stdout.strip() == str(copy), done.stderr


def build(folder: Path, text: str) -> Path:
    source, out = folder / "other.c", folder / "libother.so"
    source.write_text(text)
    subprocess.run([*c_compiler(), "-shared", "-fPIC", str(source), "-o", str(out)], check=True, timeout=DEADLINE)
    return out


@pytest.mark.native
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unsigned td_abi_version(void) { return 7; }", "has ABI version 7, this package needs 0"),
        ("unsigned td_abi_version(void) { return 0; }", "has no function td_"),
        ("int something(void) { return 0; }", "is not a tidings library: it has no td_abi_version"),
    ],
)
def test_another_library_is_refused(script: Script, tmp_path: Path, text: str, message: str) -> None:
    other = build(tmp_path, text)
    done = script(SHOW, TIDINGS_LIBRARY=str(other))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and message in last, done.stderr


def test_a_missing_library_is_named(script: Script) -> None:
    done = script(SHOW, TIDINGS_LIBRARY="/nowhere/libtidings.so.0")
    assert "ImportError" in done.stderr and "/nowhere/libtidings.so.0" in done.stderr


def test_importing_has_no_side_effects(script: Script) -> None:
    """No thread, no descriptor, no signal handler, nothing at exit, nothing said; the library sees no engine."""
    done = script(
        """
        import atexit, asyncio, cffi, logging, os, signal, socket, sys, threading, warnings  # what others bring is not ours
        def world():
            return {
                "threads": os.listdir("/proc/self/task"),
                "descriptors": [os.readlink(f"/proc/self/fd/{fd}") for fd in sorted(os.listdir("/proc/self/fd"))[:-1]],
                "signals": [signal.getsignal(number) for number in signal.valid_signals()],
                "masked": signal.pthread_sigmask(signal.SIG_BLOCK, []),
                "at exit": atexit._ncallbacks(),
                "environment": dict(os.environ),
                "path": (list(sys.path), os.getcwd()),
                "hooks": (sys.excepthook, threading.excepthook, sys.getprofile(), sys.gettrace(), sys.getswitchinterval()),
                "logging": (logging.root.handlers[:], logging.root.level, logging.getLogger("tidings").handlers),
                "warnings": warnings.filters[:],
                "loops": asyncio.events._get_running_loop(),
            }
        before = world()
        import tidings
        after = world()
        assert before == after, [(name, before[name], after[name]) for name in before if before[name] != after[name]]
        from tidings import engine
        assert engine._opened == {}
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_python_that_keeps_its_gil_off_is_refused(script: Script) -> None:
    done = script("import sys; sys._is_gil_enabled = lambda: False\nimport tidings")
    assert done.returncode == 1 and "ImportError: tidings needs the GIL" in done.stderr


def test_asyncio_comes_with_its_first_use(script: Script) -> None:
    """It takes longer to import than all the rest."""
    done = script(
        """
        import sys
        import tidings
        with tidings.Engine() as engine, engine.mailbox() as inbox, engine.loop() as loop:
            inbox.send(b"x")
            inbox.recv(timeout=1), inbox.fileno(), loop.run(0), engine.drain(timeout=1)
        assert "asyncio" not in sys.modules
        import asyncio
        async def main():
            async with tidings.Engine() as engine, engine.mailbox() as inbox:
                inbox.send(b"hello")
                print((await inbox.recv(timeout=1)).data)
        asyncio.run(main())
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("b'hello'\n", "", 0)
