#!/usr/bin/env python3
"""Ends processes in every way they end, with live streams: status as expected, no hang, nothing on stderr (rule 32).

    run.py [TIMES]      each way so many times (100), in C, in every Python from 3.9 to 3.13 that is here, in Node
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "exits"
PREFIX = Path(os.environ.get("TIDINGS_PREFIX") or ROOT / "build" / "prefix")
DEADLINE = 120.0
VERSIONS = [(3, minor) for minor in range(9, 14)]

C_WAYS = {
    "return": 0, "exit": 3, "_exit": 4, "quick_exit": 6, "thread": 5, "handler": 5, "worker": 5, "dlclose": 0, "prefork": 0,
}
PYTHON_WAYS = {
    "natural": 0, "sys.exit": 3, "exception": 1, "interrupt": -signal.SIGINT, "_exit": 4, "closed": 0,
    "prefork": 0, "fork": 0, "spawn": 0,
}
NODE_WAYS = {
    "natural": 0, "exit": 3, "throw": 1, "in-handler": 5, "closed": 0, "worker": 7, "worker-exits": 0, "terminate": 0,
}
MEANT = ("RuntimeError: on purpose", "KeyboardInterrupt", "Error: meant to")


def c_programs() -> list[tuple[str, list[str], int]]:
    compiler = [*os.environ.get("CC", "cc").split(), "-std=c11", "-Wall", "-Wextra", "-O2", f"-I{PREFIX}/include"]
    linked = [f"-L{PREFIX}/lib", f"-Wl,-rpath,{PREFIX}/lib", "-ltidings", "-lpthread", "-ldl"]
    leave, unload = str(BUILD / "leave"), str(BUILD / "unload")
    subprocess.run([*compiler, str(HERE / "leave.c"), "-o", leave, *linked], check=True)
    subprocess.run([*compiler, str(HERE / "unload.c"), "-o", unload, "-ldl"], check=True)
    library = next(PREFIX.glob("lib/libtidings.so.*"))
    return [*(("C " + way, [leave, way], status) for way, status in C_WAYS.items()), ("C dlopen, dlclose", [unload, str(library)], 0)]


def version_of(python: str) -> tuple[int, ...] | None:
    try:
        text = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=20)
        return tuple(map(int, text.stdout.split())) if text.returncode == 0 else None
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def pythons() -> dict[tuple[int, ...], str]:
    """An interpreter of each version, with the package installed in an environment of its own."""
    found: dict[tuple[int, ...], str] = {}
    own = os.environ.get("PYTHON", str(ROOT / "build/venv/bin/python"))
    version = version_of(own)
    if version:
        found[version] = own
    for wanted in VERSIONS:
        if wanted in found:
            continue
        name = "python" + ".".join(map(str, wanted))
        places = [shutil.which(name), *glob.glob(os.path.expanduser(f"~/.pyenv/versions/{name[6:]}.*/bin/{name}"))]
        base = next((place for place in places if place and version_of(place) == wanted), None)
        if base is None:
            print(f"skip: no {name} here")
            continue
        folder = BUILD / name
        python = str(folder / "bin" / "python")
        stamp = folder / "installed"
        library = next(PREFIX.glob("lib/libtidings.so.*"))
        if not stamp.exists() or stamp.stat().st_mtime < library.stat().st_mtime:
            environment = {**os.environ, "TIDINGS_LIB_DIR": str(PREFIX / "lib")}
            steps = [[base, "-m", "venv", str(folder)], [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(ROOT / "bindings/python")]]
            done = [subprocess.run(step, capture_output=True, text=True, env=environment) for step in steps if not (folder / "failed").exists()]
            if any(step.returncode for step in done):
                print(f"skip: the package cannot be installed for {name}: {done[-1].stderr.strip().splitlines()[-1:]}")
                continue
            stamp.touch()
        found[wanted] = python
    return found


def node_program() -> list[str]:
    """The program of the Node tests, and the native host it loads."""
    node = os.environ.get("NODE", "node")
    testing = ROOT / "bindings/node/testing"
    script = f'import {{ buildProducer }} from "{(testing / "support.mjs").as_uri()}"; console.log(buildProducer({str(BUILD)!r}))'
    built = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, cwd=testing)
    if built.returncode:
        print(f"skip: Node: {built.stderr.strip().splitlines()[-1:]}")
        return []
    return [node, str(testing / "exit_child.mjs"), built.stdout.strip()]


def programs() -> list[tuple[str, list[str], int]]:
    found = c_programs()
    for version, python in sorted(pythons().items()):
        name = "Python " + ".".join(map(str, version))
        found += [(f"{name} {way}", [python, str(HERE / "leave.py"), way], status) for way, status in PYTHON_WAYS.items()]
    node = node_program()
    if node:
        found += [(f"Node {way}", [*node, way], status) for way, status in NODE_WAYS.items()]
    return found


def run(program: tuple[str, list[str], int]) -> str | None:
    name, command, expected = program
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{name}: no end after {DEADLINE:.0f} s"
    noise = "" if any(meant in done.stderr for meant in MEANT) else done.stderr.strip()
    if done.returncode != expected or noise:
        return f"{name}: status {done.returncode}, not {expected}\n{done.stderr[-1500:]}"
    return None


def main() -> int:
    # A shell leaves SIGINT ignored for what it runs in the background, and children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    BUILD.mkdir(parents=True, exist_ok=True)
    found = programs()
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, found * times))
    wrong = [result for result in results if result]
    for result in wrong[:10]:
        print(f"FAIL {result}")
    print(f"exits: {len(results) - len(wrong)} of {len(results)} ended as they should: {len(found)} ways, {times} times each")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
