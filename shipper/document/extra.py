"""What has no home of its own, made safe for one ``flattened`` field.  Pure.

A flattened field refuses a document for a NUL in a key, for a key and value of more than 32766 bytes together
with the key in excess, and for objects deeper than its limit; none of these may cost a line.
"""

from __future__ import annotations

from typing import Any

import orjson

from shipper.parse import nesting

MOST_DEPTH = 12
MOST_KEY = 256
MOST_PATH = 2048
PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types that need no second look."""


GOOD_KEYS: set[str] = set()
"""Keys that were looked at before; real logs have a few hundred, so this is asked instead of looking again."""


def tame(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with safe keys and bounded depth; what lies deeper is kept as JSON text."""
    return {_key(key): value if type(value) in PLAIN else _value(value, 1, len(key)) for key, value in fields.items()}


def _key(key: str) -> str:
    if 0 < len(key) <= MOST_KEY and "\0" not in key:
        if len(GOOD_KEYS) < 10_000:
            GOOD_KEYS.add(key)
        return key
    return (key.replace("\0", "\ufffd") or "_")[:MOST_KEY]


def _value(value: Any, depth: int, path: int) -> Any:
    if type(value) in PLAIN:
        return value
    if depth >= MOST_DEPTH or path > MOST_PATH:
        return as_text(value)
    if isinstance(value, dict):
        return {_key(key): _value(item, depth + 1, path + len(key) + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, depth + 1, path) for item in value]
    return str(value)


def as_text(value: Any) -> str:
    """Any value as a keyword: strings as they are, true and false in JSON's words, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return orjson.dumps(value).decode()
    except (TypeError, RecursionError):
        return nesting.written(value)
