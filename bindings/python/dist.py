#!/usr/bin/env python3
"""Packs the Python package: an sdist, and from it one wheel for each CPython that is here.

    dist.py OUT [VERSION...]      3.9, 3.13 and so on; all that are found without

Guarantees: a wheel holds the extension and the library, so that installing it needs neither Rust nor a compiler; it is
built from the sdist, which is therefore whole. Its tag is what it needs: the extension is of one version of CPython (it
does not keep to the limited API), and the C library no older than the symbols that both of its binaries ask for.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "dist"
OLDEST, NEWEST = 9, 20  # of Python 3
ABOUT = (
    "import sys, sysconfig; print(sys.implementation.name, *sys.version_info[:2], "
    "int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), sys._base_executable or sys.executable)"
)


def interpreters() -> dict[str, str]:
    """A CPython of each version that works here, without the GIL or with it: "3.9", "3.13t"... and its path."""
    named = [str(path) for path in (Path.home() / ".pyenv" / "versions").glob("*/bin/python")]
    named += [f"python3.{minor}{t}" for minor in range(OLDEST, NEWEST) for t in ("", "t")]
    found: dict[str, str] = {}
    for name in [*named, sys.executable]:
        path = shutil.which(name)
        done = path and subprocess.run([path, "-c", ABOUT], capture_output=True, text=True, timeout=60)
        if not done or done.returncode != 0:
            continue
        implementation, major, minor, free, base = done.stdout.split(maxsplit=4)
        if implementation == "cpython" and (int(major), int(minor)) >= (3, OLDEST):
            found.setdefault(f"{major}.{minor}{'t' if free == '1' else ''}", base.strip())
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in re.findall(r"\d+", item[0])]))


def run(command: list[str], **more: str) -> None:
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def tools() -> str:
    """A Python that has what packs."""
    python = BUILD / "venv" / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(BUILD / "venv")])
        run([str(python), "-m", "pip", "install", "--quiet", "build"])
    return str(python)


def sdists(out: Path) -> list[Path]:
    """Not the archives of other faces, which have a platform in their names."""
    return [path for path in out.glob("tidings-*.tar.gz") if re.fullmatch(r"tidings-[^-]+\.tar\.gz", path.name)]


def strip_library() -> None:
    """Puts the staged library into build/dist/lib, without what only a debugger reads."""
    library = Path(os.environ.get("TIDINGS_PREFIX") or ROOT / "build" / "prefix") / "lib" / "libtidings.so.0"
    folder = BUILD / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / library.name
    shutil.copyfile(library, copy)
    if shutil.which("strip"):
        run(["strip", "--strip-debug", str(copy)])


def binaries(wheel: Path, into: Path) -> Iterator[Path]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if re.search(r"\.so(\.\d+)?$", name):
                yield Path(archive.extract(name, into))


def platform_tag(wheel: Path) -> str:
    """manylinux_X_Y by the newest symbol of glibc that its binaries need; linux where that cannot be told."""
    machine = platform.machine()
    newest = (2, 5)
    if not shutil.which("readelf") or platform.libc_ver()[0] != "glibc":
        return f"linux_{machine}"
    with tempfile.TemporaryDirectory() as work:
        for binary in binaries(wheel, Path(work)):
            text = subprocess.run(["readelf", "-V", str(binary)], capture_output=True, text=True, check=True).stdout
            newest = max([newest, *((int(x), int(y)) for x, y in re.findall(r"GLIBC_(\d+)\.(\d+)", text))])
    return f"manylinux_{newest[0]}_{newest[1]}_{machine}"


def wheel_for(version: str, python: str, sdist: Path, out: Path) -> str:
    """Builds one wheel and gives a line about it."""
    folder = BUILD / version
    builder, raw = folder / "venv" / "bin" / "python", folder / "raw"
    if not builder.exists():
        run([python, "-m", "venv", str(folder / "venv")])
        run([str(builder), "-m", "pip", "install", "--quiet", "setuptools>=77", "wheel", "cffi>=1.16"])
    shutil.rmtree(raw, ignore_errors=True)
    run(
        [str(builder), "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(raw), str(sdist)],
        TIDINGS_LIB_DIR=str(BUILD / "lib"),
    )
    (wheel,) = raw.glob("*.whl")
    run([str(builder), "-m", "wheel", "tags", "--remove", "--platform-tag", platform_tag(wheel), str(wheel)])
    (wheel,) = raw.glob("*.whl")
    shutil.copyfile(wheel, out / wheel.name)
    return f"{wheel.name}: {wheel.stat().st_size // 1024} KiB, for CPython {version}"


def pack(out: Path, pythons: dict[str, str]) -> None:
    packer = tools()
    for old in [*sdists(out), *out.glob("tidings-*.whl")]:
        old.unlink()
    run([packer, "-m", "build", "--sdist", "--outdir", str(out), str(HERE)])
    (sdist,) = sdists(out)
    print(f"{sdist.name}: the sources of the package and of the library")
    strip_library()
    with ThreadPoolExecutor(3) as pool:
        lines = [
            pool.submit(wheel_for, version, python, sdist, out) for version, python in pythons.items() if not version.endswith("t")
        ]
    for line in lines:
        print(line.result())
    for version, python in pythons.items():
        if version.endswith("t"):
            print(f"skip: no wheel for {python}, a free-threaded {version}: see README.md")


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(arguments[0]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    found = interpreters()
    wanted = {version: path for version, path in found.items() if not arguments[1:] or version in arguments[1:]}
    if not wanted:
        print(f"no CPython {' or '.join(arguments[1:])} is here; there are {', '.join(found)}", file=sys.stderr)
        return 1
    pack(out, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
