"""What structlog's renderer writes behind an event: ``key=value key='a text'``.  Pure, in time linear in the text.

Today's renderer quotes texts with blanks; older ones write them bare.  So pairs are read *strictly* first, and
*loosely* where that does not reach the end: a value goes on to the next key then.
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
# What counts inside brackets: texts, which may hold brackets, and brackets.
_MARK = re.compile(rf"{QUOTED.pattern}|[(\[{{]|[)\]}}]|['\"]", re.DOTALL)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
# Values that look like this are texts: most are, and need no second look.
_TEXT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEGHIJKLMOPQRSUVWXYZ/_~.")
# So often a line may open brackets that never close, before they count as characters like others.
MAX_OPEN = 3
# Python shows no float in more characters.
_MAX_FLOAT = 24
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_CONSTANTS: dict[str, object] = {"None": None, "True": True, "False": False}
Pairs = list[tuple[str, str]]


def read_plain(tail: str, record: dict[str, object]) -> bool:
    """Put pairs that need no second look into the record; False if there is anything else."""
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
    """The pairs from here on, and where they end.

    Args:
        text: the text.
        at: where the first key begins.
        openings: how many brackets may still be opened and never close; counted down.
    """
    pairs: Pairs = []
    while at < len(text) and (key := KEY.match(text, at)):
        end = _end_of_value(text, key.end(), openings)
        pairs.append((key["key"], text[key.end() : end]))
        gap = _GAP.match(text, end)
        at = gap.end() if gap else end
    return pairs, at


def begins(text: str, at: int) -> bool:
    """Whether a key begins here."""
    return _NEXT.match(text, at) is not None


def loosely(text: str, at: int, openings: list[int]) -> Pairs:
    """The pairs from here to the end, where values may hold blanks and what looks like a key.

    The renderer sorts the keys: of all that could be one, those are taken that make the longest run in order.
    """
    keys: list[re.Match[str]] = []
    firm: list[bool] = []  # behind a value of one word, where a key is expected
    while key := _NEXT.search(text, at):
        keys.append(key)
        firm.append(not text[at : key.start()].strip())
        at = _end_of_value(text, key.end(), openings)
    chosen = [keys[place] for place in _in_order([key["key"] for key in keys], firm)]
    ends = [key.start() for key in chosen[1:]] + [len(text)]
    return [(key["key"], text[key.end() : end].strip()) for key, end in zip(chosen, ends, strict=True)]


def _in_order(names: list[str], firm: list[bool]) -> list[int]:
    """The places of the longest run of names in the alphabet's order that begins with the first.

    Of runs of a length, firm names are preferred.
    """
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
    """Where a value ends: at the first blank that stands in no quotes and no brackets."""
    at = start
    while openings[0]:
        at = _end_of(_BARE, text, at)
        if at == len(text) or text[at].isspace():
            return at
        if text[at] == "<" and at == start:
            after = text.find(">", at) + 1  # ``<Foo object at 0x7f>``
        elif text[at] == "<" or (text[at] in "'\"" and at > start and text[start:at] != "b"):
            after = at + 1  # a character like others: ``it's``
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
    """The place behind the bracket that closes the one at ``start``, or 0."""
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
            return 0  # a quote that nothing closes
    return 0


def value(text: str) -> object:
    """A value as it was before it was shown; what may have been a text (``001``, ``1_0``) is one."""
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
    """The text that Python shows as this literal in quotes."""
    return without_surrogates(_ESCAPE.sub(_unescaped, text[1:-1]) if "\\" in text else text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return _ESCAPED.get(found[4], found[0])
    number = int(code, 16)
    return chr(number) if number < 0x110000 else found[0]
