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
# In characters, of which UTF-8 needs four bytes at most: with a last key and the longest value that is indexed (8191
# characters of three bytes) it stays below a term's limit.
MOST_PATH = 1536
_MOST_GOOD_KEYS = 10_000
PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types that need no second look."""


GOOD_KEYS: set[str] = set()
"""Keys that were looked at before; real logs have a few hundred, so this is asked instead of looking again."""


def tame(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with safe keys and bounded depth; what lies deeper is kept as JSON text.

    A key that is too long is cut, and whole in the JSON text under it.  Keys that become the same share a list.
    """
    return _fields(fields, 1, 0)


def _fields(fields: dict[str, Any], depth: int, path: int) -> dict[str, Any]:
    tamed: dict[str, Any] = {}
    shared: dict[str, list[Any]] = {}
    for key, value in fields.items():
        if key in GOOD_KEYS:
            name = key
        elif 0 < len(key) <= MOST_KEY and "\0" not in key:
            if len(GOOD_KEYS) >= _MOST_GOOD_KEYS:
                GOOD_KEYS.clear()  # keys that nobody uses twice must not keep out those of every line
            GOOD_KEYS.add(key)
            name = key
        else:
            name = (key.replace("\0", "\ufffd") or "_")[:MOST_KEY]
            if len(key) > MOST_KEY:
                value = as_text({key: value})  # noqa: PLW2901 - with its key it is the value
        if type(value) not in PLAIN:
            value = _value(value, depth, path + len(name) + 1)  # noqa: PLW2901 - the same, tamed
        if name not in tamed:
            tamed[name] = value
        elif name in shared:
            shared[name].append(value)
        else:
            tamed[name] = shared[name] = [tamed[name], value]
    return tamed


def _value(value: Any, depth: int, path: int) -> Any:
    if type(value) in PLAIN:
        return value
    if depth >= MOST_DEPTH or path > MOST_PATH:
        return as_text(value)
    if isinstance(value, dict):
        return _fields(value, depth + 1, path)
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
