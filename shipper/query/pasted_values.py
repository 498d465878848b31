"""Values as lines show them and people paste them: ``['a', 'b']``, ``{"a": 1}``, ``ValueError('a b')``.  Pure."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator
from typing import Any

from shipper.parse.console_values import QUOTED, end_of_brackets, unquoted

# More things in one value are found as a text only.
MOST_ITEMS = 16
# Longer ones are read by nobody, and cost what they cost.
_LONGEST = 10_000
_OPEN = "([{"


def end_of_value(text: str, start: int) -> int:
    """Where a value ends that is shown with brackets or in single quotes; 0 where it is none or never closes."""
    at = start
    shown = False
    if text.startswith('"', start):
        return 0  # as the query language has it
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
    """What a value in single quotes says; any other as it is."""
    return unquoted(value) if len(value) > 1 and value[0] == "'" and QUOTED.fullmatch(value) else value


def items_of(value: str) -> list[tuple[str, str]] | None:
    """What a list or an object holds, each as the keys below it and a text; None where it is neither.

    A document has each of a list's items, and an object's values under their keys.
    """
    read = _read(value)
    if not isinstance(read, (list, tuple, dict)):
        return None
    found: list[tuple[str, str]] = []
    for item in _items("", read):
        found.append(item)
        if len(found) > MOST_ITEMS:
            return []
    return found


def _read(value: str) -> Any:
    if not value.startswith(tuple(_OPEN)) or len(value) > _LONGEST:
        return None
    for reader in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings(action="ignore"):  # of escapes in what somebody else wrote
                return reader(value)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    return None


def _items(above: str, read: Any) -> Iterator[tuple[str, str]]:
    if isinstance(read, dict):
        for key, value in read.items():
            yield from _items(f"{above}.{key}", value)
    elif isinstance(read, (list, tuple, set)):
        # A value beside an object of the same name goes into it.
        beside = above + "._" if any(isinstance(value, dict) for value in read) else above
        for value in read:
            yield from _items(above if isinstance(value, dict) else beside, value)
    elif isinstance(read, bool):
        yield above, "true" if read else "false"
    elif read is not None and read != "":
        yield above, str(read)
