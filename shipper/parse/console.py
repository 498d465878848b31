"""Structlog's console lines: ``2026-11-23T12:40:14.007446Z [info     ] scan.started   path=/x``.

Coloured or not; with a zone (configured) or without (structlog that nobody configured).
"""

from __future__ import annotations

import re

from shipper.parse import traceback
from shipper.parse.records import Record
from shipper.parse.structlog import without_surrogates

# The event is padded to this many characters; what follows a shorter one begins at a known place.
_EVENT_WIDTH = 30
_NAME = re.compile(r"\[(?P<name>[A-Za-z_][\w.]*)\](?: |\Z)")
_PAIRS_BEGIN = re.compile(r"(?:^|\s)(?=[^\s=]+=)")
_KEY = re.compile(r"(?P<key>[^\s=]++)=")
_BARE = re.compile(r"[^\s'\"(\[{<]*+")
_WORD = re.compile(r"\S*+")
_GAP = re.compile(r"\s+|\Z")
QUOTED = re.compile(r"""'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+\"""", re.DOTALL)
# What counts inside brackets: texts, which may hold brackets, and brackets.
_MARK = re.compile(rf"{QUOTED.pattern}|[(\[{{]|[)\]}}]|['\"]", re.DOTALL)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
# Values that look like this are texts: most are, and need no second look.
_TEXT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEGHIJKLMOPQRSUVWXYZ/_~.")
# So often a line may open brackets that never close, before they count as characters like others.
_MOST_OPEN = 3
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_CONSTANTS: dict[str, object] = {"None": None, "True": True, "False": False}
Pairs = list[tuple[str, str]]


def record(head: re.Match[str], first: str, below: str) -> Record:
    """The record of a line with this head, and of the lines joined to it."""
    stamp, level = head.group("stamp", "console")
    # The usual line: an event of one word or with padding behind it, and pairs without quotes or brackets.
    if first[29:31] == "  ":
        event, tail = first[:30].rstrip(), first[31:]
    else:
        event, _, tail = first.partition(" ")
    found: Record = {"event": event, "level": level, "timestamp": stamp}
    if tail and not _read_plain(tail, found):
        event, logger, pairs = _split(first)
        found = {"event": event, "level": level, "timestamp": stamp}
        if logger:
            found["logger"] = logger
        for key, value in pairs:
            found.setdefault(key, _value(value))
    if below:
        add_below(found, below)
    return found


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
    return without_surrogates(_ESCAPE.sub(_unescaped, text[1:-1]) if "\\" in text else text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return _ESCAPED.get(found[4], found[0])
    number = int(code, 16)
    return chr(number) if number < 0x110000 else found[0]


def _read_plain(tail: str, record: Record) -> bool:
    """Put pairs that need no second look into the record; False if there is anything else."""
    if "'" in tail or '"' in tail or "[" in tail or "(" in tail or "{" in tail or "<" in tail or "\t" in tail:
        return False
    for token in tail.split(" "):
        key, equals, value = token.partition("=")
        if not equals or not key:
            return False
        if key not in record:
            record[key] = value if value[:1] in _TEXT else _value(value)
    return True


def _split(rest: str) -> tuple[str, str | None, Pairs]:
    """Event, logger's name and the key=value pairs behind them.

    The pairs are what stands behind the padding, or else the longest run that reaches the end.
    """
    openings = [_MOST_OPEN]
    if rest[29:31] == "  ":
        pairs, at = _pairs(rest, 31, openings)
        if at >= len(rest):
            return rest[:_EVENT_WIDTH].rstrip(), None, pairs
    named = _NAME.match(rest, _EVENT_WIDTH + 1) if rest[_EVENT_WIDTH : _EVENT_WIDTH + 1] == " " else None
    if named is None and (blank := rest.find(" ")) > _EVENT_WIDTH:
        named = _NAME.match(rest, blank + 1)  # behind a longer event of one word
    if named:
        pairs, at = _pairs(rest, named.end(), openings)
        if at >= len(rest):
            return rest[: named.start()].rstrip(), named["name"], pairs
    at = 0
    for found in _PAIRS_BEGIN.finditer(rest):
        if found.end() < at:
            continue  # inside a run that was tried: it would end where that one ended
        pairs, at = _pairs(rest, found.end(), openings)
        if at >= len(rest) and pairs:
            return rest[: found.start()].rstrip(), None, pairs
    return rest.rstrip(), None, []


def _pairs(rest: str, at: int, openings: list[int]) -> tuple[Pairs, int]:
    """The pairs from here on, and where they end."""
    pairs: Pairs = []
    while at < len(rest) and (key := _KEY.match(rest, at)):
        end = _end_of_value(rest, key.end(), openings)
        pairs.append((key["key"], rest[key.end() : end]))
        gap = _GAP.match(rest, end)
        at = gap.end() if gap else end
    return pairs, at


def _end_of_value(rest: str, start: int, openings: list[int]) -> int:
    """Where a value ends: at the first blank that stands in no quotes and no brackets."""
    at = start
    while openings[0]:
        at = _end_of_bare(rest, at)
        if at == len(rest) or rest[at].isspace():
            return at
        if rest[at] == "<" and at > start:
            after = at + 1  # a character like others
        elif rest[at] == "<":
            after = rest.find(">", at) + 1  # ``<Foo object at 0x7f>``
        elif rest[at] in "'\"":
            quoted = QUOTED.match(rest, at)
            after = quoted.end() if quoted else 0
        else:
            after = _end_of_brackets(rest, at)
        if not after:
            openings[0] -= 1
            break
        at = after
    return _end_of_word(rest, start)


def _end_of_bare(rest: str, at: int) -> int:
    found = _BARE.match(rest, at)
    return found.end() if found else at


def _end_of_word(rest: str, at: int) -> int:
    found = _WORD.match(rest, at)
    return found.end() if found else at


def _end_of_brackets(rest: str, start: int) -> int:
    """The place behind the bracket that closes the one at ``start``, or 0."""
    awaited: list[str] = []
    for mark in _MARK.finditer(rest, start):
        sign = mark[0]
        if sign in _CLOSES:
            awaited.append(_CLOSES[sign])
        elif sign in ")]}":
            if awaited.pop() != sign:
                return 0
            if not awaited:
                return mark.end()
        elif len(sign) == 1:
            return 0  # a quote that nothing closes
    return 0


def _value(text: str) -> object:
    """A value as it was before it was shown; what may have been a text (``001``, ``1_0``) is one."""
    if text[:1] in {"'", '"'} and len(text) > 1 and QUOTED.fullmatch(text):
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
