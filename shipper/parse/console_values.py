"""Key-value pairs of structlog's console renderer: ``key=value key='a text'``.  Pure, in linear time.

Current renderers quote texts with blanks, older ones do not.  Pairs are read *strictly* first, and *loosely* (a value
extends to the next key) if that does not reach the end.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from shipper.parse.structlog import without_surrogates

KEY = re.compile(r"(?P<key>[^\s=]++)=")
_NEXT = re.compile(r"(?<!\S)(?P<key>[A-Za-z_@][\w.@-]*+)=")
_BARE = re.compile(r"[^\s'\"(\[{<]*+")
_WORD = re.compile(r"\S*+")
_GAP = re.compile(r"\s+|\Z")
QUOTED = re.compile(r"""'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+\"""", re.DOTALL)
# Tokens inside brackets: quoted texts and brackets.
_MARK = re.compile(rf"{QUOTED.pattern}|[(\[{{]|[)\]}}]|['\"]", re.DOTALL)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
# First characters of values that are certainly texts.
_TEXT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEGHIJKLMOPQRSUVWXYZ/_~.")
# Unclosed brackets per line before brackets count as plain characters.
MAX_OPEN = 3
# Longest ``repr`` of a float.
_MAX_FLOAT = 24
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_CONSTANTS: dict[str, object] = {"None": None, "True": True, "False": False}
Pairs = list[tuple[str, str]]


def read_plain(tail: str, record: dict[str, object]) -> bool:
    """The usual case: add pairs without quotes or brackets to the record; False if there are others."""
    if "'" in tail or '"' in tail or "[" in tail or "(" in tail or "{" in tail or "<" in tail or "\t" in tail:
        return False
    for token in tail.split(" "):
        key, equals, shown = token.partition("=")
        if not equals or not key:
            return False
        if key in record:
            return False
        record[key] = shown if shown[:1] in _TEXT else value(shown)
    return True


def strictly(text: str, at: int, openings: list[int]) -> tuple[Pairs, int]:
    """The pairs from a position on, and their end."""
    pairs: Pairs = []
    while at < len(text) and (key := KEY.match(text, at)):
        end = _end_of_value(text, key.end(), openings)
        pairs.append((key["key"], text[key.end() : end]))
        gap = _GAP.match(text, end)
        at = gap.end() if gap else end
    return pairs, at


def begins(text: str, at: int) -> bool:
    """Whether a key begins at a position."""
    return _NEXT.match(text, at) is not None


def loosely(text: str, at: int, openings: list[int]) -> Pairs:
    """The pairs up to the end, where values may contain blanks and text like keys.

    The renderer sorts keys: the longest sorted run of candidates is taken.
    """
    keys: list[re.Match[str]] = []
    firm: list[bool] = []  # after a value of one word, where a key is expected
    while key := _NEXT.search(text, at):
        keys.append(key)
        firm.append(not text[at : key.start()].strip())
        at = _end_of_value(text, key.end(), openings)
    chosen = [keys[place] for place in _in_order([key["key"] for key in keys], firm)]
    ends = [key.start() for key in chosen[1:]] + [len(text)]
    return [(key["key"], text[key.end() : end].strip()) for key, end in zip(chosen, ends, strict=True)]


def _in_order(names: list[str], firm: list[bool]) -> list[int]:
    """Indexes of the longest sorted run of names that begins with the first; firm names are preferred."""
    smallest: list[str] = []  # the least name that ends a run, by length
    places: list[int] = []  # of these names
    best: list[int] = []  # the place to come from, by length
    before: list[int] = []
    for place, name in enumerate(names):
        length = bisect_left(smallest, name) if place and name > names[0] else 0
        before.append(-1)
        if length:
            before[place] = best[length - 1] if names[best[length - 1]] < name else places[length - 1]
        elif place:
            continue
        if length == len(best):
            best.append(place)
        elif not firm[best[length]]:
            best[length] = place
        smallest[length : length + 1] = [name]
        places[length : length + 1] = [place]
    run: list[int] = []
    place = best[-1] if best else -1
    while place >= 0:
        run.append(place)
        place = before[place]
    return run[::-1]


def _end_of_value(text: str, start: int, openings: list[int]) -> int:
    """End of a value: the first blank outside of quotes and brackets."""
    at = start
    while openings[0]:
        at = _end_of(_BARE, text, at)
        if at == len(text) or text[at].isspace():
            return at
        if text[at] == "<" and at == start:
            after = text.find(">", at) + 1  # ``<Foo object at 0x7f>``
        elif text[at] == "<" or (text[at] in "'\"" and at > start and text[start:at] != "b"):
            after = at + 1  # a plain character: ``it's``
        elif text[at] in "'\"":
            quoted = QUOTED.match(text, at)
            after = quoted.end() if quoted else 0
        else:
            after = end_of_brackets(text, at)
        if not after:
            openings[0] -= 1
            break
        at = after
    return _end_of(_WORD, text, start)


def _end_of(what: re.Pattern[str], text: str, at: int) -> int:
    found = what.match(text, at)
    return found.end() if found else at


def end_of_brackets(text: str, start: int) -> int:
    """The position after the bracket that closes the one at ``start``, or 0."""
    awaited: list[str] = []
    for mark in _MARK.finditer(text, start):
        sign = mark[0]
        if sign in _CLOSES:
            awaited.append(_CLOSES[sign])
        elif sign in ")]}":
            if awaited.pop() != sign:
                return 0
            if not awaited:
                return mark.end()
        elif len(sign) == 1:
            return 0  # an unclosed quote
    return 0


def value(text: str) -> object:
    """The value of its representation; ambiguous ones (``001``, ``1_0``) are texts."""
    if text[:1] in {"'", '"'} and len(text) > 1 and QUOTED.fullmatch(text):
        return unquoted(text)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for kind in (int, float) if len(text) < 19 else (float,) if len(text) <= _MAX_FLOAT else ():
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and number - number == 0:
            return number
    return text


def unquoted(text: str) -> str:
    """The text of a quoted Python literal."""
    return without_surrogates(_ESCAPE.sub(_unescaped, text[1:-1]) if "\\" in text else text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return _ESCAPED.get(found[4], found[0])
    number = int(code, 16)
    return chr(number) if number < 0x110000 else found[0]
