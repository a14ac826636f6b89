#!/usr/bin/env python3
"""Runs README.md and the pages of docs/: what they print must work exactly as printed.

    scripts/readme.py [PAGE...]     all of them without an argument

README.md is one session of a person whose project folder lies beside the checkout, called `tidings`:
  ```LANGUAGE FILE   is saved as FILE in the project folder
  ```sh              is run there, in one shell from the first such block to the last
  ```text            is what the block before it printed
A block of nothing but `make TARGET` lines is meant for the checkout and only looked up in the Makefile, because
`make test` runs this script. A program that is not short or comes late is an error.

A page of docs/ uses what `make prepare` has built, in a folder beside a checkout called `tidings`, in the same way:
  ```LANGUAGE FILE   is saved as FILE, and run if no shell block of the page does so, that is, names the file: C is compiled
                     against build/prefix, Rust against the checkout
  ```sh              is run, in a shell of its own, in the folder where the programs of the page are saved
  ```text            is what each block printed that has run since the last ```text, or since the heading
A comment in the line before a block, which readers do not see, says that it is treated differently:
  <!-- shown: WHY -->   a ```sh or ```text that is not run; its shell syntax and make targets are looked at
  <!-- until: TEXT -->  a program or ```sh that runs on when it has printed TEXT, beside those that follow, until the next
                        heading; each section has a free port in place of 8080
Where a tool or a library is missing that a block needs, the rest of its section is skipped, and said to be.

Any other block is an error, and so are a comment without a block, code by indentation, and a link to a file or a
heading that is not there; of the other pages beside README.md only the links are looked at."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PREFIX = Path(os.environ.get("TIDINGS_PREFIX", ROOT / "build/prefix"))
VENV = str(ROOT / "build/venv/bin/python")
NEEDED = ("pkg-config", "curl")  # by shell blocks that name them
LANGUAGES = {"c": ".c", "python": ".py", "js": ".mjs"}
LANGUAGES_OF_PAGES = {**LANGUAGES, "rust": ".rs"}
LONGEST_PROGRAM = 10
PROGRAMS_END_BY_LINE = 45
PATIENCE = 900  # seconds for the session of the README; it installs both packages
PATIENCE_OF_PAGES = 60  # seconds for one block of a page
PATIENCE_FOR_RUST = 600  # the first program builds the library
# What else a program in C is compiled with, by what it includes: a header and the pkg-config package that has it.
PACKAGES = {"<tidings/libuv.h>": "libuv", "<tidings/glib.h>": "glib-2.0"}


class Wrong(Exception):
    pass


class Missing(Exception):
    """What a block needs and this machine has not."""


class Block(NamedTuple):
    page: str
    line: int  # of the opening fence
    words: list  # of the opening fence
    text: str
    mark: str = ""  # "", "shown" or "until"
    about: str = ""  # what the mark says
    section: int = 0  # how many headings came before

    @property
    def kind(self):
        return self.words[0] if self.words else ""

    @property
    def where(self):
        return f"{self.page}:{self.line}"

    @property
    def is_for_the_checkout(self):
        return self.kind == "sh" and all(re.match(r"make [a-z]+", line) for line in self.text.splitlines())


def main(names):
    pages = names or ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]
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


# ---- reading ----------------------------------------------------------------------------------------------------

def read_blocks(page, text):
    blocks, opened, lines, mark, section, before = [], None, [], None, 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if opened is not None and line != "```":
            lines.append(line)
            continue
        found = re.fullmatch(r"<!-- (shown|until): (.+) -->", line)
        if opened is not None:
            blocks.append(Block(page, *opened, "".join(f"{kept}\n" for kept in lines), *(mark or ("", "")), section))
            opened = mark = None
        elif line.startswith("```"):
            opened, lines = (number, line[3:].split()), []
        elif mark is not None:
            raise Wrong(f"{page}:{number}: a mark without a block")
        elif found:
            mark = found.groups()
        elif re.match(r"<!-- *(shown|until)|\s+```", line) or (line.startswith("    ") and not before.strip()):
            raise Wrong(f"{page}:{number}: neither a mark nor a block as this script's first lines tell")
        section += opened is None and line.startswith("#")
        before = line
    if opened is not None:
        raise Wrong(f"{page}:{opened[0]}: the block does not end")
    return blocks


def check_make_targets(blocks):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for block in blocks:
        for target in re.findall(r"^make ([a-z][a-z-]*)", block.text, re.M) if block.kind == "sh" else ():
            if target not in targets:
                raise Wrong(f"{block.where}: the Makefile has no target {target}")


def anchors(text):
    """What the headings and the <a id=> of a page can be linked by."""
    headings = re.findall(r"^#+ (.+)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(re.findall(r'<a id="([^"]+)"', text))


def check_links(page, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            raise Wrong(f"{page}: the link {target} leads nowhere")


def check_name(block, languages):
    if len(block.words) != 2 or Path(block.words[1]).suffix != languages[block.kind]:
        raise Wrong(f"{block.where}: needs a file name, as in ```{block.kind} hello{languages[block.kind]}")


def tool(variable, usual):
    """The program that this variable of the environment names."""
    return os.path.abspath(shutil.which(os.environ.get(variable) or usual) or usual)


def environment_in(home, **more):
    """That of a person: nothing of this project's own settings."""
    tools = [os.path.dirname(tool(*names)) for names in (("PYTHON", VENV), ("NODE", "node"))]
    environment = {**os.environ, "HOME": str(home), "PATH": os.pathsep.join([*tools, os.environ["PATH"]])}
    for name in ("LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "PYTHONPATH", "NODE_PATH", "TIDINGS_LIBRARY", "MAKEFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    # Cargo and rustup keep what they have under the real home; everything else happens in one of its own.
    for name in ("CARGO", "RUSTUP"):
        environment.setdefault(f"{name}_HOME", str(Path.home() / f".{name.lower()}"))
    return {**environment, **more}


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


def check_output(ran, printed, expected):
    if printed != expected.text:
        raise Wrong(f"{ran.where} prints\n{printed}but {expected.where} says\n{expected.text}")


# ---- pages of docs/ ---------------------------------------------------------------------------------------------

def run_page(name, blocks):
    with tempfile.TemporaryDirectory(prefix="tidings-page-") as work:
        page = Page(Path(work), " ".join(block.text for block in blocks if block.kind == "sh" and block.mark != "shown"))
        try:
            for block in blocks:
                page.take(block)
        finally:
            page.end_section()
    if page.missing:
        raise Missing(", ".join(dict.fromkeys(page.missing)))
    return f"{name}: {page.ran} blocks ran, {page.compared} outputs compared, {page.shown} only shown"


class Page:
    """A folder as a reader of the page has it."""

    def __init__(self, work, shell):
        self.shell = shell  # all that its shell blocks run
        self.folder, self.home = work / "project", work / "home"
        for folder in (self.folder / "node_modules", self.home):
            folder.mkdir(parents=True)
        (work / "tidings").symlink_to(ROOT, target_is_directory=True)
        (self.folder / "node_modules/tidings").symlink_to(ROOT / "bindings/node", target_is_directory=True)
        self.environment = environment_in(self.home, PKG_CONFIG_PATH=str(PREFIX / "lib/pkgconfig"), PYTHONDONTWRITEBYTECODE="1",
                                          CARGO_TARGET_DIR=str(ROOT / "target/docs"), CARGO_TERM_QUIET="true")
        self.section, self.port = -1, ""
        self.outputs = []  # (block, what it printed) since the last ```text or heading
        self.running = []  # shell blocks that go on
        self.ran = self.compared = self.shown = 0
        self.missing, self.skipping = [], False

    def take(self, block):
        if block.section != self.section:
            self.end_section()
            self.section, self.port, self.skipping = block.section, free_port(), False
        if self.skipping:
            return
        if block.mark == "shown":
            self.shown += 1
            self.show(block)
        elif block.kind == "text":
            self.expect(block)
        else:
            try:
                self.do(block)
            except Missing as what:
                self.missing.append(str(what))
                self.skipping = True

    def show(self, block):
        if block.kind == "sh":
            self.run(block, ["bash", "-n", "-c", block.text])
        elif block.kind != "text":
            raise Wrong(f"{block.where}: a program is never only shown")

    def expect(self, block):
        if block.mark or not self.outputs:
            raise Wrong(f"{block.where}: expected output without anything before it that ran")
        for ran, printed in self.outputs:
            check_output(ran, printed, block)
        self.compared += len(self.outputs)
        self.outputs = []

    def do(self, block):
        command = self.shell_command(block) if block.kind == "sh" else self.program(block)
        if command is None:
            return
        self.ran += 1
        if block.mark == "until":
            self.start(block, command)
        else:
            self.outputs.append((block, self.run(block, command)))

    def shell_command(self, block):
        for name in NEEDED:
            if name in block.text and not shutil.which(name):
                raise Missing(name)
        return ["bash", "-e", "-c", block.text.replace("8080", self.port)]

    def program(self, block):
        """Saves it; the command that runs it, or None when a shell block does."""
        if block.kind not in LANGUAGES_OF_PAGES:
            raise Wrong(f"{block.where}: a block is {', '.join(LANGUAGES_OF_PAGES)}, sh or text, not {block.kind!r}")
        check_name(block, LANGUAGES_OF_PAGES)
        file = self.folder / block.words[1]
        if file.exists():
            raise Wrong(f"{block.where}: there is a {file.name} on this page already")
        file.write_text(block.text.replace("8080", self.port))
        return None if file.name in self.shell else getattr(self, f"command_in_{block.kind}")(block, file)

    def command_in_c(self, block, file):
        packages = [package for header, package in PACKAGES.items() if header in block.text]
        for package in packages:
            if not shutil.which("pkg-config") or subprocess.run(["pkg-config", "--exists", package], check=False).returncode != 0:
                raise Missing(package)
        flags = self.run(block, ["pkg-config", "--cflags", "--libs", *packages]).split() if packages else []
        lib = PREFIX / "lib"
        self.run(block, [tool("CC", "cc"), "-Wall", "-Wextra", "-Werror", file.name, "-o", file.stem, f"-I{PREFIX}/include",
                         f"-L{lib}", f"-Wl,-rpath,{lib}", "-ltidings", "-lpthread", *flags])
        return [f"./{file.stem}"]

    def command_in_python(self, block, file):
        return [tool("PYTHON", VENV), "-W", "error", file.name]

    def command_in_js(self, block, file):
        return [tool("NODE", "node"), file.name]

    def command_in_rust(self, block, file):
        crate = self.folder / f"{file.stem}-crate"
        crate.mkdir()
        (crate / "Cargo.toml").write_text(
            f'[package]\nname = "{file.stem}"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ntidings = {{ path = "{ROOT}" }}\n'
            f'[[bin]]\nname = "{file.stem}"\npath = "../{file.name}"\n[workspace]\n')
        shutil.copy(ROOT / "Cargo.lock", crate)
        self.run(block, [tool("CARGO", "cargo"), "build", "--offline", "--manifest-path", str(crate / "Cargo.toml")], PATIENCE_FOR_RUST)
        return [str(ROOT / "target/docs/debug" / file.stem)]

    def run(self, block, command, patience=PATIENCE_OF_PAGES):
        try:
            done = subprocess.run(command, cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{block.where} did not end within {patience} s") from None
        if done.returncode != 0:
            raise Wrong(f"{block.where} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, block, command):
        printed = self.folder / f"{block.line}.out"
        with printed.open("wb") as out:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out, start_new_session=True)
        self.running.append(process)
        deadline = time.monotonic() + PATIENCE_OF_PAGES
        while block.about not in printed.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"{block.where} has not printed {block.about!r}, but\n{printed.read_text()}")
            time.sleep(0.02)

    def end_section(self):
        for process in self.running:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self.running, self.outputs = [], []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        sys.exit(str(wrong))
