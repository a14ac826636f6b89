"""What scripts/readme.py and page.py share: the blocks of a page, and the environment of a person."""
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PREFIX = Path(os.environ.get("TIDINGS_PREFIX", ROOT / "build/prefix"))
VENV = str(ROOT / "build/venv/bin/python")
LANGUAGES = {"c": ".c", "python": ".py", "js": ".mjs"}
LANGUAGES_OF_PAGES = {**LANGUAGES, "rust": ".rs"}


class Wrong(Exception):
    pass


class Missing(Exception):
    """What a block needs and this machine has not."""


class Block(NamedTuple):
    page: str
    line: int  # of the opening fence
    words: list  # of the opening fence
    text: str
    mark: str = ""  # "", "shown", "with" or "until"
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


def read_blocks(page, text):
    blocks, opened, lines, mark, section, before = [], None, [], None, 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if opened is not None and line != "```":
            lines.append(line)
            continue
        found = re.fullmatch(r"<!-- (shown|with|until): (.+) -->", line)
        if opened is not None:
            blocks.append(Block(page, *opened, "".join(f"{kept}\n" for kept in lines), *(mark or ("", "")), section))
            opened = mark = None
        elif line.startswith("```"):
            opened, lines = (number, line[3:].split()), []
        elif mark is not None:
            raise Wrong(f"{page}:{number}: a mark without a block")
        elif found:
            mark = found.groups()
        elif re.match(r"<!-- *(shown|with|until)|\s+```", line) or (line.startswith("    ") and not before.strip()):
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


def check_output(ran, printed, expected):
    if printed != expected.text:
        raise Wrong(f"{ran.where} prints\n{printed}but {expected.where} says\n{expected.text}")
