"""Values as lines show them and people paste them: ``['a', 'b']``, ``{"a": 1}``, ``ValueError('a b')``.  Pure."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator
from typing import Any

from shipper.parse.console_values import QUOTED, end_of_brackets, unquoted

# A value with more items is searched as a text only.
MAX_ITEMS = 16
# Longer values are not parsed.
_MAX_LENGTH = 10_000
_OPEN = "([{"


def end_of_value(text: str, start: int) -> int:
    """Where a value with brackets or in single quotes ends; 0 where it is none, or isn't closed."""
    at = start
    shown = False
    if text.startswith('"', start):
        return 0  # a phrase of the query language
    while at < len(text) and not text[at].isspace() and text[at] != ")":
        after = at + 1
        if text[at] in _OPEN:
            after, shown = end_of_brackets(text, at), True
        elif text[at] == "'" and text[start:at] in {"", "b"}:
            quoted = QUOTED.match(text, at)
            after, shown = quoted.end() if quoted else 0, True
        elif text[at] == "<" and at == start:
            after, shown = text.find(">", at) + 1, True
        if not after:
            return 0
        at = after
    return at if shown else 0


def text_of(value: str) -> str:
    """The content of a value in single quotes; any other value as it is."""
    return unquoted(value) if len(value) > 1 and value[0] == "'" and QUOTED.fullmatch(value) else value


def items_of(value: str) -> list[tuple[str, str]] | None:
    """The leaves of a list or an object, each as its path and text; None where it is neither, [] for too many.

    Documents store the items of a list one by one, and the values of an object under their keys.
    """
    read = _read(value)
    if not isinstance(read, (list, tuple, dict)):
        return None
    found: list[tuple[str, str]] = []
    for item in _items("", read):
        found.append(item)
        if len(found) > MAX_ITEMS:
            return []
    return found


def _read(value: str) -> Any:
    if not value.startswith(tuple(_OPEN)) or len(value) > _MAX_LENGTH:
        return None
    for reader in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings(action="ignore"):  # of invalid escapes
                return reader(value)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def _items(above: str, read: Any) -> Iterator[tuple[str, str]]:
    if isinstance(read, dict):
        for key, value in read.items():
            yield from _items(f"{above}.{key}", value)
    elif isinstance(read, (list, tuple, set)):
        # A value beside an object of the same name is stored inside of it.
        beside = above + "._" if any(isinstance(value, dict) for value in read) else above
        for value in read:
            yield from _items(above if isinstance(value, dict) else beside, value)
    elif isinstance(read, bool):
        yield above, "true" if read else "false"
    elif read is not None and read != "":
        yield above, str(read)
