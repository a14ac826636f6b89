"""The extension is in step with include/tidings.h, and every error code has its class."""

from __future__ import annotations

import importlib.util
import re

import pytest
from conftest import CHECKOUT, HERE, c_compiler

import tidings
from tidings import _fast
from tidings._native import lib

HEADER = CHECKOUT / "include" / "tidings.h"


def derive() -> object:
    spec = importlib.util.spec_from_file_location("header", HERE.parent / "header.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_declarations_are_those_of_the_header() -> None:
    c_compiler()
    header = derive()
    assert _fast.CDEF == header.cdef(header.parse(str(HEADER)))  # type: ignore[attr-defined]


def test_every_function_and_constant_of_the_header_is_there() -> None:
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    functions = set(re.findall(r"\b(td_\w+)\s*\((?!\*)", text))
    macros = set(re.findall(r"^#define (TD_\w+) -?\(?-?(?:0x)?\d", text, flags=re.M))
    assert len(functions) > 50 and len(macros) > 50
    assert [name for name in sorted(functions | macros) if not hasattr(lib, name)] == []


def test_every_error_code_has_one_class() -> None:
    codes = {
        name: value
        for name, value in ((name, getattr(lib, name)) for name in dir(lib))
        if re.fullmatch(r"TD_E[A-Z]+", name) and isinstance(value, int) and value < 0
    }
    assert len(codes) >= 20
    classes = {cls.code: cls for cls in tidings.TidingsError.__subclasses__()}
    assert len(classes) == len(tidings.TidingsError.__subclasses__())
    assert set(classes) == set(codes.values())
    for name, code in codes.items():
        error = tidings.make_error(code, "what was wrong")
        assert type(error) is classes[code] and error.code == code
        assert error.name == name and error.detail == "what was wrong" and name in str(error)
        assert type(error).__name__ in tidings.__all__


def test_an_unknown_code_is_a_plain_error() -> None:
    error = tidings.make_error(-999, "from a newer library")
    assert type(error) is tidings.TidingsError and error.code == -999


def test_errors_of_the_language_are_caught_as_such() -> None:
    with pytest.raises(ValueError):
        raise tidings.InvalidError("x")
    with pytest.raises(TimeoutError):
        raise tidings.TimedOutError("x")
    with pytest.raises(LookupError):
        raise tidings.NotFoundError("x")
