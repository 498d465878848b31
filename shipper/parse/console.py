"""Structlog's console lines: ``2026-11-23T12:40:14.007446Z [info     ] scan.started   path=/x``.

Coloured or not; with a zone (configured) or without (structlog that nobody configured).
"""

from __future__ import annotations

import re

from shipper.parse import traceback
from shipper.parse.records import Record
from shipper.parse.structlog import without_surrogates

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) "
    r"\[(?P<level>[a-z]+) *\] (?P<rest>.*)",
    re.DOTALL,
)
# A value is a bare word, a Python literal in quotes, or a list, dict or tuple that holds no other.
_PAIR = re.compile(
    r"""(?P<key>[^\s=]+)="""
    r"""(?P<value>'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|\[[^\[\]]*\]|\{[^{}]*\}|\([^()]*\)|\S*)"""
    r"""(?:\s+|\Z)""",
    re.DOTALL,
)
_PAIRS_BEGIN = re.compile(r"(?:^|\s)(?=[^\s=]+=)")
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_CONSTANTS: dict[str, object] = {"None": None, "True": True, "False": False}


def parse(text: str) -> Record | None:
    """The record of a console line, or None."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    found = _LINE.fullmatch(text)
    if not found:
        return None
    rest, _, below = found["rest"].partition("\n")
    event, pairs = _split(rest)
    record: Record = {"event": event, "level": found["level"], "timestamp": found["timestamp"]}
    for key, value in pairs:
        record.setdefault(key, _value(value))
    add_below(record, below)
    return record


def add_below(record: Record, below: str) -> None:
    """Put the lines below a record's first one where they belong: a traceback, or more of the same."""
    if not below:
        return
    said, trace = traceback.split(below)
    if said:
        record.setdefault("continuation", said)
    if trace:
        record.setdefault("exception", trace)


def unquoted(text: str) -> str:
    """The text that Python shows as this literal in quotes."""
    return without_surrogates(_ESCAPE.sub(_unescaped, text[1:-1]))


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return _ESCAPED.get(found[4], found[0])
    number = int(code, 16)
    return chr(number) if number < 0x110000 else found[0]


def _split(rest: str) -> tuple[str, list[tuple[str, str]]]:
    """The event's text and the key=value pairs behind it: the longest run of pairs that reaches the end."""
    at = 0
    for found in _PAIRS_BEGIN.finditer(rest):
        if found.end() < at:
            continue  # inside a run that was tried: it would end where that one ended
        at = found.end()
        pairs: list[tuple[str, str]] = []
        while at < len(rest) and (pair := _PAIR.match(rest, at)):
            pairs.append((pair["key"], pair["value"]))
            at = pair.end()
        if at >= len(rest) and pairs:
            return rest[: found.start()].rstrip(), pairs
    return rest.rstrip(), []


def _value(text: str) -> object:
    """A value as it was before it was shown; what may have been a text (``001``, ``1_0``) is one."""
    if text[:1] in {"'", '"'} and len(text) > 1 and text[-1] == text[0]:
        return unquoted(text)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for kind in (int, float) if len(text) < 19 else ():
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and number - number == 0:
            return number
    return text
