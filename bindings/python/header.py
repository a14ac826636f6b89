"""Reads include/tidings.h and derives from it what the extension needs, mechanically.

Guarantees: the cffi declarations and the table of function pointers hold every function, type and integer
constant of the header and nothing else, so there is no second copy of the header to keep in step.
The header goes through the C preprocessor first, so comments, guards and attributes need no care here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
from typing import NamedTuple


class Header(NamedTuple):
    """What the header declares."""

    types: str  # every type definition, as C text
    functions: dict[str, str]  # name -> prototype
    constants: list[str]  # object-like macros with an integer value


LINE_MARKER = re.compile(r'^# \d+ "((?:[^"\\]|\\.)*)"')
DEFINE = re.compile(r"^#define (TD_\w+)(\(?)\s*(.*)$")
PROTOTYPE = re.compile(r"\b(td_\w+)\s*\(([^{}]*)\)$", re.S)
VALUE = re.compile(r"^(?:0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*|U?INT\d+_(?:MAX|MIN|C)|TD_\w+)$")
GLUE = re.compile(r"^(?:[()<>|+\-~*]|u?int\d+_t)$")


def compiler() -> list[str]:
    """The C compiler that builds extensions of this Python, as a command."""
    return shlex.split(os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc"))


def preprocess(path: str) -> str:
    """The header after the preprocessor, with its macro definitions, without what it includes."""
    command = [*compiler(), "-E", "-dD", "-x", "c", path]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept, ours = [], False
    for line in out.splitlines():
        marker = LINE_MARKER.match(line)
        if marker:
            ours = os.path.basename(marker.group(1)) == os.path.basename(path)
        elif ours:
            kept.append(line)
    return "\n".join(kept)


def parse(path: str) -> Header:
    """Splits the preprocessed header into constants, types and functions."""
    constants: list[str] = []
    code: list[str] = []
    for line in preprocess(path).splitlines():
        define = DEFINE.match(line)
        if define:
            name, bracket, body = define.groups()
            if not bracket and is_integer(body):
                constants.append(name)
        elif not line.startswith("#"):
            code.append(line)
    types: list[str] = []
    functions: dict[str, str] = {}
    for item in declarations("\n".join(code)):
        prototype = None if item.startswith("typedef") else PROTOTYPE.search(item)
        if prototype:
            functions[prototype.group(1)] = " ".join(without_attributes(item).split()) + ";"
        else:
            types.append(without_attributes(item) + ";")
    if not functions:
        raise ValueError(f"{path}: no function of the form td_name(...) found; is this tidings.h?")
    return Header("\n".join(types), functions, constants)


def is_integer(body: str) -> bool:
    """Whether a macro's body is an integer constant expression, not an initialiser or empty."""
    tokens = re.findall(r"\w+|\S", body)
    values = [token for token in tokens if VALUE.match(token)]
    return bool(values) and all(VALUE.match(token) or GLUE.match(token) for token in tokens)


def declarations(text: str) -> list[str]:
    """The top-level declarations of C text: split at each semicolon outside braces."""
    found, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == ";" and depth == 0:
            found.append(text[start:at].strip())
            start = at + 1
    return [item for item in found if item]


def without_attributes(text: str) -> str:
    """cffi does not read compiler attributes; none of them changes a layout here."""
    return re.sub(r"__attribute__\s*\(\(.*?\)\)\s*|\bextern\s+(?!\")", "", text).strip()


def cdef(header: Header) -> str:
    """The declarations for cffi. Values of constants are left to the compiler."""
    constants = "\n".join(f"#define {name} ..." for name in header.constants)
    return "\n".join([constants, header.types, *header.functions.values()]) + "\n"


def table(header: Header) -> str:
    """C text: one pointer per function, filled at load, and a macro that sends each call through it.

    The extension therefore never links the library, and one copy per process serves everybody.
    """
    names = list(header.functions)
    lines = ["/* Generated from tidings.h: calls go through pointers found when the package is imported. */"]
    lines += ["#ifndef TDPY_TABLE_H", "#define TDPY_TABLE_H", '#include "tidings.h"', "struct tdpy_table {"]
    lines += [f"  __typeof__(&{name}) {name};" for name in names]
    lines += ["};", '__attribute__((visibility("hidden"))) extern struct tdpy_table tdpy_table;']
    lines += ["#ifdef TDPY_TABLE_NAMES", "static const char *const tdpy_table_names[] = {"]
    lines += [f'  "{name}",' for name in names]
    lines += ["};", "static const char tdpy_cdef[] ="]
    lines += ['  "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"' for line in cdef(header).splitlines()]
    lines += ["  ;", "#endif"]
    lines += [f"#define {name} (tdpy_table.{name})" for name in names]
    return "\n".join([*lines, "#endif", ""])
