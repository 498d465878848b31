"""JSON nested too deep for recursive parsers: it must neither lose the line nor stop the sidecar.  Pure."""

from __future__ import annotations

import json
import re
from typing import Any

# Deeper levels are kept as text.  orjson writes 254 levels, the standard library reads about 900.
MAX_DEPTH = 100
# Tokenising takes a second for a few megabytes; longer lines stay text.
_MAX_CHARACTERS = 2**20
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


class _Written(str):
    """A part that is already JSON."""

    __slots__ = ()


def flattened(text: str) -> str | None:
    """The same JSON with everything below ``MAX_DEPTH`` levels as JSON text in a string.

    None if it is too long or its brackets do not match.
    """
    if len(text) > _MAX_CHARACTERS:
        return None
    parts: list[str] = []
    depth = done = deep_from = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                deep_from = token.start()
                parts.append(text[done:deep_from])
        elif first in "]}":
            if depth == MAX_DEPTH + 1:
                done = token.end()
                parts.append(json.dumps(text[deep_from:done]))
            depth -= 1
    return "".join([*parts, text[done:]]) if depth == 0 else None


def written(value: Any) -> str:
    """The JSON text of a value, however deep it is."""
    parts: list[str] = []
    todo: list[Any] = [value]
    while todo:
        item = todo.pop()
        if type(item) is _Written:
            parts.append(item)
        elif isinstance(item, dict):
            todo.append(_Written("}"))
            for index, (key, below) in enumerate(reversed(item.items())):
                todo += [below, _Written(json.dumps(str(key), ensure_ascii=False) + ":")]
                if index < len(item) - 1:
                    todo.append(_Written(","))
            todo.append(_Written("{"))
        elif isinstance(item, list):
            todo.append(_Written("]"))
            for index, below in enumerate(reversed(item)):
                todo.append(below)
                if index < len(item) - 1:
                    todo.append(_Written(","))
            todo.append(_Written("["))
        else:
            parts.append(json.dumps(item, ensure_ascii=False, default=str))
    return "".join(parts)
