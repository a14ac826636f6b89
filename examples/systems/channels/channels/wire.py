"""What is on the wire: values as EDN, packed the way Sente packs them.

A packed text is "+[value]" or "+[value callback]", "-value" (Sente before 1.17), or the same as the first without its
plus (Sente 1.18 and later). The codec is edn_format; here are only the wrapping and two things that it lacks.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterable, Mapping, Set
from typing import Any

import edn_format
import ply.yacc
from edn_format import ImmutableList, Keyword, edn_lex, edn_parse

NIL_UID = Keyword("taoensso.sente/nil-uid")
OFTEN = 128  # characters; a text up to this is remembered
PARSED_IN_PLACE = 2048  # characters; a longer text is parsed aside, so that nobody else waits for it


class BadPackage(ValueError):
    """Not a packed text."""


class _Codec(threading.local):
    """edn_format makes a parser anew for each text, which takes ten times as long as parsing it."""

    def __init__(self) -> None:
        self.parser = ply.yacc.yacc(module=edn_parse, debug=False, write_tables=False)
        self.lexer = edn_lex.lex()


_codec = _Codec()


def decode(text: str) -> Any:
    """The one value of an EDN text. It cannot be changed, so what is said often is parsed once."""
    return _often(text) if len(text) <= OFTEN else _parse(text)


def _parse(text: str) -> Any:
    try:
        (value,) = _codec.parser.parse(text, lexer=_codec.lexer)
    except Exception as error:  # the parser lets out what its parts raise
        raise BadPackage(f"{type(error).__name__}: {error}") from None
    return value


_often = functools.lru_cache(maxsize=4096)(_parse)


class _Text(edn_format.TaggedElement):
    """EDN that is printed already."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def _printable(value: Any) -> Any:
    """The value with its maps as Clojure prints them: a comma between the pairs."""
    if isinstance(value, Mapping):
        pairs = (f"{encode(key)} {encode(item)}" for key, item in value.items())
        return _Text("{" + ", ".join(pairs) + "}")
    if isinstance(value, (list, tuple, ImmutableList)):
        kind = tuple if isinstance(value, tuple) else list
        return kind(map(_printable, value))
    if isinstance(value, Set):
        return frozenset(map(_printable, value))
    return value


def encode(value: Any) -> str:
    return str(edn_format.dumps(_printable(value)))


def keywords(**values: Any) -> dict[Keyword, Any]:
    """A map whose keys are keywords."""
    return {Keyword(key): value for key, value in values.items()}


def unpack(text: str) -> tuple[Any, Any]:
    """The value of a packed text, and its callback or None."""
    if text.startswith("-"):
        return decode(text[1:]), None
    wrapped = decode(text[1:] if text.startswith("+") else text)
    if not isinstance(wrapped, ImmutableList) or len(wrapped) not in (1, 2):
        raise BadPackage("not a vector of a value and perhaps a callback")
    return wrapped[0], wrapped[1] if len(wrapped) == 2 else None


async def unpack_any(text: str) -> tuple[Any, Any]:
    return unpack(text) if len(text) <= PARSED_IN_PLACE else await asyncio.to_thread(unpack, text)


def event_of(value: Any) -> tuple[Keyword, Any] | None:
    """The id and the data of [:namespaced/id] and [:namespaced/id data]; None for what is no event."""
    if not isinstance(value, ImmutableList) or not value:
        return None
    id, *data = value
    if len(data) > 1 or not isinstance(id, Keyword) or "/" not in id.name:
        return None
    return id, data[0] if data else None


class Packer:
    """Writes packed texts: "+" is what Sente 1.17 writes, "" what later versions do."""

    def __init__(self, prefix: str = "+") -> None:
        self.prefix = prefix

    def value(self, value: Any, *callback: Any) -> str:
        return self.prefix + encode([value, *callback])

    def printed(self, text: bytes, *callback: Any) -> str:
        """A reply that is EDN already."""
        return self.value(_Text(text.decode()), *callback)

    def batch(self, texts: Iterable[bytes]) -> str:
        """Several events that are EDN already, in one frame."""
        return self.value([_Text(text.decode()) for text in texts])

    def handshake(self, uid: Any) -> str:
        return self.value([Keyword("chsk/handshake"), [uid, None]])

    def word(self, name: str) -> str:
        """A keyword of Sente's own, like :chsk/timeout."""
        return self.value(Keyword(f"chsk/{name}"))
