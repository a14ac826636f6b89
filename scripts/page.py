"""Runs a page, block by block, as scripts/readme.py tells."""
import functools
import glob
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from blocks import LANGUAGES_OF_PAGES, PREFIX, ROOT, VENV, Missing, Wrong, check_name, check_output, environment_in, tool

NEEDED = ("pkg-config", "curl")  # by shell blocks that name them
PATIENCE_OF_PAGES = 60  # seconds for one block of a page
PATIENCE_FOR_BUILDS = 600  # for one that installs, or builds the library
# What else a program in C is compiled with, by what it includes: a header and the pkg-config package that has it.
PACKAGES = {"<tidings/libuv.h>": "libuv", "<tidings/glib.h>": "glib-2.0"}


@functools.cache
def pack():
    subprocess.run([tool("MAKE", "make"), "--no-print-directory", "-C", str(ROOT), "dist"], check=True, stdout=subprocess.DEVNULL)


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
        self.work, self.home = work, work / "home"
        for folder in (work / "project/node_modules", self.home):
            folder.mkdir(parents=True)
        (work / "tidings").symlink_to(ROOT, target_is_directory=True)
        (work / "project/node_modules/tidings").symlink_to(ROOT / "bindings/node", target_is_directory=True)
        self.clean = environment_in(self.home, PYTHONDONTWRITEBYTECODE="1", CARGO_TERM_QUIET="true")
        self.usual = {**self.clean, "PKG_CONFIG_PATH": str(PREFIX / "lib/pkgconfig"), "CARGO_TARGET_DIR": str(ROOT / "target/docs")}
        self.saved = set()  # names of files
        self.section, self.port = -1, ""
        self.outputs = []  # (block, what it printed) since the last ```text or heading
        self.running = []  # shell blocks that go on
        self.ran = self.compared = self.shown = 0
        self.missing, self.skipping = [], False

    def take(self, block):
        if block.section != self.section:
            self.end_section()
            self.section, self.port, self.skipping = block.section, free_port(), False
            self.folder, self.environment = self.work / "project", self.usual
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

    def install(self, block):
        self.arrive(block)
        after = self.work / f"{block.line}.after"
        self.ran += 1
        self.run(block, ["bash", "-e", "-c", f"{block.text}\n{{ pwd; env -0; }} > {after}"], PATIENCE_FOR_BUILDS)
        folder, _, environment = after.read_text().partition("\n")
        self.folder = Path(folder)
        self.environment = dict(pair.split("=", 1) for pair in environment.split("\0") if pair and not pair.startswith("_="))

    def arrive(self, block):
        """In a folder of its own, with what the mark names and nothing else of this project."""
        if platform.machine() != "x86_64" and re.search("x86_64|x64", block.text):
            raise Missing("x86-64, which the page names")
        if "dist/" in block.about:
            pack()
        self.folder = self.work / f"section-{self.section}"
        self.folder.mkdir()
        for pattern in block.about.split():
            files = glob.glob(str(ROOT / pattern))
            if not files:
                raise Wrong(f"{block.where}: there is no {pattern}")
            for file in files:
                shutil.copy(file, self.folder)
        self.environment = self.clean
        if re.search(r"^(pip|python) ", block.text, re.M):
            venv = self.work / f"venv-{self.section}"
            self.run(block, [tool("PYTHON", VENV), "-m", "venv", str(venv)])
            self.environment = {**self.clean, "VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}{os.pathsep}{self.clean['PATH']}"}

    def do(self, block):
        if block.mark == "with":
            return self.install(block)
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
        if block.words[1] in self.saved:
            raise Wrong(f"{block.where}: there is a {file.name} on this page already")
        self.saved.add(block.words[1])
        file.write_text(block.text.replace("8080", self.port))
        by_shell = file.name in self.shell or (block.kind == "rust" and "cargo run" in self.shell)
        return None if by_shell else getattr(self, f"command_in_{block.kind}")(block, file)

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
        self.run(block, [tool("CARGO", "cargo"), "build", "--offline", "--manifest-path", str(crate / "Cargo.toml")], PATIENCE_FOR_BUILDS)
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
        deadline = time.monotonic() + (PATIENCE_FOR_BUILDS if "cargo" in block.text else PATIENCE_OF_PAGES)
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
