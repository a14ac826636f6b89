#!/usr/bin/env python3
"""Runs README.md, the pages of docs/ and the READMEs of bindings/ and examples/: what they print must work exactly as printed.

    scripts/readme.py [PAGE...]     all of them without an argument

README.md is one session of a person whose project folder lies beside the checkout, called `tidings`:
  ```LANGUAGE FILE   is saved as FILE in the project folder
  ```sh              is run there, in one shell from the first such block to the last
  ```text            is what the block before it printed
A block of nothing but `make TARGET` lines is meant for the checkout and only looked up in the Makefile, because
`make test` runs this script. A program that is not short or comes late is an error.

Any other page uses what `make prepare` has built, in a folder beside a checkout called `tidings`, in the same way:
  ```LANGUAGE FILE   is saved as FILE, and run if no shell block of the page does so, that is, names the file: C is compiled
                     against build/prefix, Rust against the checkout
  ```sh              is run, in a shell of its own, in the folder where the programs of the page are saved
  ```text            is what each block printed that has run since the last ```text, or since the heading
A comment in the line before a block, which readers do not see, says that it is treated differently:
  <!-- shown: WHY -->   a ```sh or ```text that is not run; its shell syntax and make targets are looked at
  <!-- with: FILES -->  a ```sh that installs: it is run as by somebody who has only these files, patterns in the checkout, in an
                        empty folder, with a clean environment of Python. What it exports, and where it ends, holds for
                        the rest of its section. Of dist/ they are what `make dist` packs
  <!-- until: TEXT -->  a program or ```sh that runs on when it has printed TEXT, beside those that follow, until the next
                        heading; each section has a free port in place of 8080
Where a tool or a library is missing that a block needs, the rest of its section is skipped, and said to be.

Any other block is an error, and so are a comment without a block, code by indentation, and a link to a file or a
heading that is not there; of the other pages beside README.md only the links are looked at."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from blocks import LANGUAGES, ROOT, Missing, Wrong, check_links, check_make_targets, check_name, check_output, environment_in, read_blocks, tool
from page import run_page

PAGES = ("docs/**/*.md", "bindings/*/README.md", "examples/embed/README.md", "examples/systems/*/README.md")
LONGEST_PROGRAM = 10
PROGRAMS_END_BY_LINE = 45
PATIENCE = 900  # seconds for the session of the README; it installs both packages


def main(names):
    others = [page for folder in PAGES for page in sorted(ROOT.glob(folder))]
    pages = names or ["README.md", *(str(page.relative_to(ROOT)) for page in others)]
    for page in ROOT.glob("*.md"):
        check_links(page.name, page.read_text())
    whole = 0
    for name in pages:
        text = (ROOT / name).read_text()
        check_links(name, text)
        blocks = read_blocks(name, text)
        check_make_targets(blocks)
        try:
            print(run_readme(blocks) if name == "README.md" else run_page(name, blocks), flush=True)
            whole += 1
        except Missing as what:
            print(f"skip: no {what}; not all of {name} was run", flush=True)
    print(f"{whole} of {len(pages)} pages ran as printed")


# ---- README.md --------------------------------------------------------------------------------------------------

def run_readme(blocks):
    if shutil.which("pkg-config") is None:
        raise Missing("pkg-config")
    programs = check_programs(blocks)
    session = [block for block in blocks if not block.is_for_the_checkout]
    printed = run_session(session)
    compared = compare(session, printed)
    return f"README: {programs} programs and {len(printed)} shell blocks ran as printed, {compared} outputs compared"


def check_programs(blocks):
    """The three faces must be shown early, and in few lines; returns how many programs there are."""
    first = {}
    for block in blocks:
        if block.mark:
            raise Wrong(f"{block.where}: no marks here")
        if block.kind in LANGUAGES:
            check_name(block, LANGUAGES)
            first.setdefault(block.kind, block)
        elif block.kind not in ("sh", "text"):
            raise Wrong(f"{block.where}: a block is {', '.join(LANGUAGES)}, sh or text, not {block.kind!r}")
    for language in LANGUAGES:
        if language not in first:
            raise Wrong(f"README.md: no program in {language}")
        block, lines = first[language], len(first[language].text.splitlines())
        if lines > LONGEST_PROGRAM:
            raise Wrong(f"{block.where}: {lines} lines; the first program has at most {LONGEST_PROGRAM}")
        if block.line + lines + 1 > PROGRAMS_END_BY_LINE:
            raise Wrong(f"{block.where}: ends after line {PROGRAMS_END_BY_LINE}")
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
            script += [f"echo '{block.where}' >&2", "{", block.text, f"}} > {work / str(block.line)}.out"]
    try:
        done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=project, env=environment_in(home), text=True,
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
            raise Wrong(f"{block.where}: expected output without a shell block before it")
        check_output(before, printed[before.line], block)
        compared += 1
    if compared == 0:
        raise Wrong("README.md: shows no output of its programs")
    return compared


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        sys.exit(str(wrong))
