"""Spans of names and values in texts: ``key=value``, ``"key": "value"``, ``--key value``, in any quoting.  Pure.

All patterns look ahead a bounded distance and don't backtrack: the cost is linear in the length of any line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

# Of a name, to either side of the word by which it was found.
_MAX_NAME_CHARS = 64
_MAX_VALUE_CHARS = 2**16
_ANSI = r"(?:(?:\x1b|\\u001[bB]|\\x1[bB]|\\033)\[[0-9;]{0,20}m){0,4}"
_NAME_END = re.compile(rf"[\w.\-]{{0,{_MAX_NAME_CHARS}}}")
_CODE = re.compile(r"[0-9;]*m")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BREAK = re.compile(r"[\W_]+")
_LINK = re.compile(
    rf"""{_ANSI}(?P<close>\\{{0,8}}["']\]?)?{_ANSI}
    (?:(?P<before>[ \t]{{0,16}})(?P<sign>=>|:=|==?|:|>)(?P<after>[ \t]{{0,16}})
    | (?P<comma>,\s{{0,16}}) | (?P<blank>[ \t]{{1,16}}))
    {_ANSI}""",
    re.VERBOSE,
)
_OPENING = re.compile(r"""(?:[A-Za-z_][\w.]{0,40}\()?[bBuUrRfF]{0,2}(?P<escapes>\\{0,8})(?P<quote>'''|\"\"\"|"|')""")
_QUOTE = re.compile(r"""(\\*)(["'])""")
_BRACKETS = re.compile(r"""\\{0,8}["']|[\[\]{}()]""")
_CLOSING = {"[": "]", "{": "}", "(": ")"}
_NEXT_LINE = re.compile(r"\s{1,64}(?=\\{0,8}[\"'\[{])")
_BARE = re.compile(
    r"""(?:(?!
      [,;&|][\w.\-]{1,64}[=:]                          # the next pair
    | [,;:.!?)\]}>]{1,8}(?:[\s"'\\\x1b]|\Z)            # what ends a value
    | \\{1,8}["'] | \\[nrtu] | </
    | ["'](?:[\s,;:.)\]}\\"'<>]|\Z)
    )[^\s\x1b])+""",
    re.VERBOSE,
)
_INNER_NAME = re.compile(r"[\w.\-]{1,64}(?=[=:])")
_SCHEME = re.compile(
    r"""(?:bearer|basic|token|apikey|key|negotiate)[ \t]{1,4}(?=[^\s"'])
    | (?:digest|oauth|hawk|signature|aws4-hmac-sha256)[ \t]
      (?:[ \t]{0,4}[\w\-]{1,40}=(?:"[^"\s]{0,512}"|[^\s,"']{1,512}),?){1,16}""",
    re.VERBOSE | re.IGNORECASE,
)


class Value(NamedTuple):
    """A value in a text.

    Attributes:
        start: offset of its first character.
        end: offset behind its last character.
        link: what separates it from its name: ``"="``, ``":"``, ``","`` or ``" "``.
        form: ``"quoted"``, ``"bare"`` or ``"brackets"``.
    """

    start: int
    end: int
    link: str
    form: str


@lru_cache(maxsize=8192)
def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, split at characters other than letters and digits, and as in camelCase.

    >>> words("X-Api-Key"), words("dbPassword2")
    (('x', 'api', 'key'), ('db', 'password'))
    """
    parts = (part.rstrip("0123456789") or part for part in _BREAK.split(_CAMEL.sub("_", name)) if part)
    return tuple(part.lower() for part in parts)


def name_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Start and end of the whole name around the word ``text[start:end]``."""
    first = start
    least = max(0, start - _MAX_NAME_CHARS)
    while first > least and (text[first - 1].isalnum() or text[first - 1] in "_.-"):
        first -= 1
    if first and text[first - 1] == "[" and (code := _CODE.match(text, first, start)):
        first = code.end()  # the code of a colour
    elif first < start and first and text[first - 1] == "\\" and text[first] in "nrt":
        first += 1  # an escaped line feed
    return first, _NAME_END.match(text, end).end()  # type: ignore[union-attr] # matches nothing, too


def value_after(text: str, first: int, end: int, is_name: Callable[[str], object]) -> Value | None:
    """The value of the name ``text[first:end]``; None if none follows.

    Args:
        text: the text.
        first: start of the name.
        end: end of the name.
        is_name: whether a word is such a name itself: in ``token: token: x`` the value belongs to the second one.
    """
    link = _LINK.match(text, end)
    if link is None:
        return None
    at = link.end()
    sign = link["sign"]
    if sign is None:
        opening = _OPENING.match(text, at)
        if link["comma"] is not None:
            # ('authorization', 'Bearer …'), ["--token", "…"], but not "token", "next": …
            if link["close"] is None or opening is None or "(" in opening[0]:
                return None
            value = quoted(text, opening, ",")
            return None if _is_name(text, value.end + len(opening["escapes"])) else value
        if opening is not None and "(" not in opening[0]:
            value = quoted(text, opening, " ")
            return value if value.end - value.start >= 4 or text[first] == "-" else None
        if text[first] != "-" and link["close"] is not None:
            return None
        return _bare(text, at, " ", is_name)
    if sign == ">":
        if not first or text[first - 1] != "<":
            return None
        close = text.find("</", at, at + _MAX_VALUE_CHARS)
        return Value(at, close, "=", "bare") if close > at else None
    if sign == "=" and link["after"] and not link["before"] and link["close"] is None:
        return None  # "password= user=x": the value is empty
    tie = ":" if sign == ":" else "="
    if at < len(text) and text[at] in "\r\n" and link["close"] is not None and (below := _NEXT_LINE.match(text, at)):
        at = below.end()
    if opening := _OPENING.match(text, at):
        return quoted(text, opening, tie)
    if text[at : at + 1] in _CLOSING and text[at : at + 1]:
        return Value(at, _balanced(text, at), tie, "brackets")
    return _bare(text, at, tie, is_name)


def quoted(text: str, opening: re.Match[str], link: str) -> Value:
    """The value behind an opening quote; without a closing quote it ends with the line."""
    start = opening.end()
    return Value(start, _closing(text, start, len(opening["escapes"]), opening["quote"]), link, "quoted")


def _is_name(text: str, end: int) -> bool:
    """Whether the quoted text that ends here is a name, because a colon follows."""
    return text[end + 1 : end + 18].lstrip().startswith(":")


def _closing(text: str, start: int, escapes: int, quote: str) -> int:
    if len(quote) == 3:
        end = text.find(quote, start)
        return end if end >= 0 else len(text)
    for found in _QUOTE.finditer(text, start):
        count = len(found[1])
        if count < escapes:
            return found.start()  # the end of the text that this one is quoted in
        if found[2] == quote and (count - escapes) // (escapes + 1) % 2 == 0:
            return found.end() - 1 - escapes
    return _line_end(text, start)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return end if end >= 0 else len(text)


def _balanced(text: str, start: int) -> int:
    """The end of the bracket that opens here; without a closing bracket the line's end."""
    open_ones: list[str] = []
    at = start
    while found := _BRACKETS.search(text, at, start + _MAX_VALUE_CHARS):
        at = found.end()
        mark = found[0]
        if mark[-1] in "\"'":
            at = _closing(text, at, len(mark) - 1, mark[-1]) + len(mark)
        elif mark in _CLOSING:
            open_ones.append(_CLOSING[mark])
        elif not open_ones or open_ones.pop() != mark:
            break
        elif not open_ones:
            return at
    return _line_end(text, start)


def _bare(text: str, at: int, link: str, is_name: Callable[[str], object]) -> Value | None:
    """A value without quotes; ``Bearer x`` is one value."""
    inner = _INNER_NAME.match(text, at)
    if inner and is_name(inner[0]):
        return None
    start = at
    if scheme := _SCHEME.match(text, at):
        at = scheme.end()
        if scheme[0][-1] not in " \t":
            return Value(start, at, link, "bare")
    found = _BARE.match(text, at, at + _MAX_VALUE_CHARS)
    return Value(start, found.end(), link, "bare") if found else None
