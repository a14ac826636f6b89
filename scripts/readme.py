#!/usr/bin/env python3
"""Runs the README: what it prints must work exactly as printed.

The blocks are one session of a person whose project folder lies beside the checkout, called `tidings`:
  ```LANGUAGE FILE   is saved as FILE in the project folder
  ```sh              is run there, in one shell from the first such block to the last
  ```text            is what the block before it printed
A block of nothing but `make TARGET` lines is meant for the checkout and only looked up in the Makefile, because
`make test` runs this script. Any other block is an error, and so is a program that is not short or comes late.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = {"c": ".c", "python": ".py", "js": ".mjs"}
LONGEST_PROGRAM = 10
PROGRAMS_END_BY_LINE = 45
PATIENCE = 900  # seconds for the whole session; it installs both packages


class Block(NamedTuple):
    line: int  # of the opening fence
    words: list  # of the opening fence
    text: str

    @property
    def kind(self):
        return self.words[0] if self.words else ""

    @property
    def is_for_the_checkout(self):
        return self.kind == "sh" and all(re.match(r"make [a-z]+", line) for line in self.text.splitlines())


class Wrong(Exception):
    pass


def main():
    blocks = read_blocks((ROOT / "README.md").read_text())
    check_make_targets(blocks)
    programs = check_programs(blocks)
    session = [block for block in blocks if not block.is_for_the_checkout]
    printed = run_session(session)
    compared = compare(session, printed)
    print(f"README: {programs} programs and {len(printed)} shell blocks ran as printed, {compared} outputs compared")


def read_blocks(text):
    blocks, opened, lines = [], None, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if opened is None:
                opened, lines = (number, line[3:].split()), []
            else:
                blocks.append(Block(*opened, "".join(f"{kept}\n" for kept in lines)))
                opened = None
        elif opened is not None:
            lines.append(line)
    if opened is not None:
        raise Wrong(f"README.md:{opened[0]}: the block does not end")
    return blocks


def check_make_targets(blocks):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for block in blocks:
        for target in re.findall(r"^make ([a-z]+)", block.text, re.M) if block.kind == "sh" else ():
            if target not in targets:
                raise Wrong(f"README.md:{block.line}: the Makefile has no target {target}")


def check_programs(blocks):
    """The three faces must be shown early, and in few lines; returns how many programs there are."""
    first = {}
    for block in blocks:
        if block.kind in LANGUAGES:
            if len(block.words) != 2 or Path(block.words[1]).suffix != LANGUAGES[block.kind]:
                raise Wrong(f"README.md:{block.line}: needs a file name, as in ```{block.kind} hello{LANGUAGES[block.kind]}")
            first.setdefault(block.kind, block)
        elif block.kind not in ("sh", "text"):
            raise Wrong(f"README.md:{block.line}: a block is {', '.join(LANGUAGES)}, sh or text, not {block.kind!r}")
    for language in LANGUAGES:
        if language not in first:
            raise Wrong(f"README.md: no program in {language}")
        block, lines = first[language], len(first[language].text.splitlines())
        if lines > LONGEST_PROGRAM:
            raise Wrong(f"README.md:{block.line}: {lines} lines; the first program has at most {LONGEST_PROGRAM}")
        if block.line + lines + 1 > PROGRAMS_END_BY_LINE:
            raise Wrong(f"README.md:{block.line}: ends after line {PROGRAMS_END_BY_LINE}")
    return sum(block.kind in LANGUAGES for block in blocks)


def run_session(blocks):
    """Saves the programs, runs the shell blocks; returns what each printed, by its line."""
    # Not inside the checkout: npm would take the checkout for the project.
    with tempfile.TemporaryDirectory(prefix="tidings-readme-") as work:
        return run_session_in(Path(work), blocks)


def run_session_in(work, blocks):
    project, home = work / "project", work / "home"
    project.mkdir()
    home.mkdir()
    (work / "tidings").symlink_to(ROOT, target_is_directory=True)
    script = ["set -e"]
    for block in blocks:
        if block.kind in LANGUAGES:
            (project / block.words[1]).write_text(block.text)
        elif block.kind == "sh":
            script += [f"echo 'README.md:{block.line}' >&2", "{", block.text, f"}} > {work / str(block.line)}.out"]
    tools = [str(Path(p).parent) for p in (shutil.which(os.environ.get(n, "")) for n in ("PYTHON", "NODE")) if p]
    # Cargo and rustup keep what they have under the real home; everything else happens in one of its own.
    true_home = Path.home()
    environment = {
        **os.environ, "HOME": str(home), "PATH": os.pathsep.join([*tools, os.environ["PATH"]]),
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(true_home / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(true_home / ".rustup")),
    }
    for name in ("LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "PYTHONPATH", "NODE_PATH", "TIDINGS_LIBRARY", "MAKEFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    try:
        done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=project, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Wrong(f"the shell blocks did not end within {PATIENCE} s") from None
    if done.returncode != 0:
        raise Wrong(f"a shell block failed with status {done.returncode}; it is the last one named here:\n{done.stderr}")
    shell = [block for block in blocks if block.kind == "sh"]
    return {block.line: (work / f"{block.line}.out").read_text() for block in shell}


def compare(blocks, printed):
    compared = 0
    for before, block in zip(blocks, blocks[1:]):
        if block.kind != "text":
            continue
        if before.kind != "sh":
            raise Wrong(f"README.md:{block.line}: expected output without a shell block before it")
        if printed[before.line] != block.text:
            raise Wrong(f"README.md:{before.line} prints\n{printed[before.line]}but README.md:{block.line} says\n{block.text}")
        compared += 1
    if compared == 0:
        raise Wrong("README.md: shows no output of its programs")
    return compared


if __name__ == "__main__":
    if shutil.which("pkg-config") is None:
        print("skip: no pkg-config, which the README's C program is compiled with; nothing of the README was run")
        sys.exit(0)
    try:
        main()
    except Wrong as wrong:
        sys.exit(str(wrong))
