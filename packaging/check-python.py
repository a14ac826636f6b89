#!/usr/bin/env python3
"""What `make dist-python` gives works where nothing else is: each wheel in a clean virtual environment of its CPython, with
no compiler and no Rust in reach, where it passes the package's tests; and the sdist, with both.

    check-python.py [VERSION...]      3.9, 3.13 and so on; all that there are wheels for without

Guarantees: the last line says how many were tried, and the status whether all have passed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
TESTS = ROOT / "bindings" / "python" / "tests"
PATIENCE = 900
BUILDS = re.compile(r"^(cc|c\+\+|c\d\d|gcc.*|g\+\+.*|cpp.*|clang.*|.*-(gcc|g\+\+|cpp|clang).*|tcc|cargo.*|rust.*|ld|ld\..*|as)$")
# A hundred exits take long, and are of the library more than of its packing.
NOT_HERE = ["--deselect", f"{TESTS}/test_exit.py::test_a_hundred_exits_with_live_streams"]

sys.path.insert(0, str(ROOT / "bindings" / "python"))
import dist  # noqa: E402


class Failed(Exception):
    pass


def run(command: list[str], environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        command, env=environment, cwd=cwd, text=True, timeout=PATIENCE,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}\n{done.stdout[-6000:]}")
    return done.stdout


def without_compilers(folder: Path) -> dict[str, str]:
    """An environment with every program of this machine but those that build."""
    folder.mkdir()
    for place in ("/usr/bin", "/bin"):
        for program in Path(place).iterdir():
            if not BUILDS.match(program.name) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    for name in ("cc", "gcc", "cargo", "rustc"):
        if shutil.which(name, path=str(folder)):
            raise Failed(f"{name} is still in reach")
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "LC_")) or name == "HOME"}
    return {**kept, "PATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def try_wheel(wheel: Path, python: str, work: Path, environment: dict[str, str]) -> str:
    venv = work / f"venv-{wheel.name}"
    run([python, "-m", "venv", str(venv)], environment, work)
    inside = str(venv / "bin" / "python")
    own = {**environment, "PATH": f"{venv / 'bin'}:{environment['PATH']}", "VIRTUAL_ENV": str(venv)}
    run([inside, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", str(wheel), "pytest"], own, work)
    run([inside, "-m", "pip", "check"], own, work)
    home = run([inside, "-c", "import tidings; print(tidings.library_path)"], own, work)
    if not home.startswith(str(venv)):
        raise Failed(f"{wheel.name} uses {home}")
    tested = run([inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *NOT_HERE, str(TESTS)], own, work)
    return f"{wheel.name}: {tested.strip().splitlines()[-1]}"


def try_sdist(sdist: Path, work: Path) -> str:
    """Installs from the sources, the library among them."""
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    for wanted in ("LICENSE-MIT", "README.md", "header.py", "native/engine.c", "crate/src/lib.rs", "crate/include/tidings.h"):
        if not any(name.endswith(f"/{wanted}") for name in names):
            raise Failed(f"{sdist.name} has no {wanted}")
    if not shutil.which(os.environ.get("CARGO", "cargo")):
        return f"skip: {sdist.name} was not built: no cargo here"
    target = ROOT / "build" / "dist" / "target"
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    for name in ("TIDINGS_LIB_DIR", "TIDINGS_PREFIX", "TIDINGS_LIBRARY", "MAKEFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    run([sys.executable, "-m", "venv", str(work / "venv-sdist")], environment, work)
    inside = str(work / "venv-sdist" / "bin" / "python")
    run([inside, "-m", "pip", "install", "--quiet", str(sdist)], environment, work)
    run([inside, "-c", "import tidings; tidings.Engine().mailbox('x').close()"], environment, work)
    return f"{sdist.name}: builds and installs with Rust and a C compiler"


def main(versions: list[str]) -> int:
    subprocess.run([os.environ.get("MAKE", "make"), "--no-print-directory", "dist-python"], cwd=ROOT, check=True)
    pythons = dist.interpreters()
    failed = tried = 0
    with tempfile.TemporaryDirectory(prefix="tidings-packages-") as name, ThreadPoolExecutor(3) as pool:
        work = Path(name)
        environment = without_compilers(work / "bin")
        runs = [pool.submit(try_sdist, sdist, work) for sdist in dist.sdists(DIST)]
        for version, python in pythons.items():
            tag = "cp" + version.replace(".", "")
            wheels = [*DIST.glob(f"tidings-*-{tag}-{tag}-*.whl")]
            if wheels and (not versions or version in versions):
                runs.append(pool.submit(try_wheel, wheels[0], python, work, environment))
        for done in runs:
            tried += 1
            try:
                print(done.result(), flush=True)
            except (Failed, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAILED {error}", flush=True)
    print(f"Python packages: {tried - failed} of {tried} passed")
    return 1 if failed or tried < 2 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
