"""Unmapped keys, made safe for the ``flattened`` field ``neuroflow.extra``.  Pure.

A flattened field rejects a document with a NUL in a key, with a key and value of more than 32766 bytes together, and
with objects deeper than its limit.  With synthetic ``_source`` it returns some keys twice, on which every search that
selects fields fails: keys with empty parts, a value beside an object of the same name (``{"a": 1, "a.b": 2}``), keys
with null, and keys whose order in UTF-8 differs from that in UTF-16.  ``sanitized`` removes all of these.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from shipper.parse import deep_json

MAX_DEPTH = 12
MAX_KEY_CHARS = 256
# At four bytes a character, with one more key and the longest indexed value (8191 characters of three bytes), a term
# stays below Lucene's limit.
MAX_PATH_CHARS = 1536
# With synthetic ``_source`` each dot makes an object.
_MAX_DOTS = 8
# UTF-8 sorts these before characters beyond 16 bits, UTF-16 behind them.
_MISORDERED = re.compile("[\ue000-\uffff]")
_UNSAFE = re.compile("[\0.\ue000-\uffff]")
_MAX_SAFE_KEYS = 10_000
SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types of values that are safe."""
SAFE_KEYS: set[str] = set()
"""Cache of keys that were found safe; real logs have a few hundred."""


def sanitized(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with safe keys and bounded depth; deeper objects become JSON text.

    The original of a key that is too long or has characters in the wrong order is in the JSON text under the new key.
    Keys that become the same share a list.  A value beside an object of the same name goes into it, as ``_``.
    """
    sanitizer = _Sanitizer()
    safe = sanitizer.fields(fields, 1, 0)
    return _separated(safe) if sanitizer.mixed else safe


class _Sanitizer:
    """Recursion over fields and values.

    Attributes:
        mixed: a value may stand beside an object of the same name.
    """

    __slots__ = ("mixed",)

    def __init__(self) -> None:
        self.mixed = False

    def fields(self, fields: dict[str, Any], depth: int, path: int) -> dict[str, Any]:
        safe: dict[str, Any] = {}
        shared: dict[str, list[Any]] = {}
        for key, value in fields.items():
            if value is None:
                continue
            name = key if key in SAFE_KEYS else self._name(key)
            if len(key) > MAX_KEY_CHARS or (name != key and _MISORDERED.search(key)):
                value = as_text({key: value})  # noqa: PLW2901 - the original key goes into the value
            if type(value) not in SCALARS:
                value = self._value(value, depth, path + len(name) + 1)  # noqa: PLW2901 - the same value, made safe
            if name not in safe:
                safe[name] = value
                continue
            self.mixed = True
            if name in shared:
                shared[name].append(value)
            else:
                safe[name] = shared[name] = [safe[name], value]
        return safe

    def _name(self, key: str) -> str:
        if 0 < len(key) <= MAX_KEY_CHARS and not _UNSAFE.search(key):
            if len(SAFE_KEYS) >= _MAX_SAFE_KEYS:
                SAFE_KEYS.clear()  # a cache full of rare keys would have no room for frequent ones
            SAFE_KEYS.add(key)
            return key
        key = _MISORDERED.sub("\u25a1", key[:MAX_KEY_CHARS].replace("\0", "\u2400"))
        if key.count(".") > _MAX_DOTS:
            key = key.replace(".", "_")
        if "." not in key:
            return key or "_"
        self.mixed = True
        key = ".".join(part or "_" for part in key.split("."))
        return key if len(key) <= MAX_KEY_CHARS else key[: MAX_KEY_CHARS - 1] + "_"

    def _value(self, value: Any, depth: int, path: int) -> Any:
        if type(value) in SCALARS:
            return value
        if not value or depth >= MAX_DEPTH or path > MAX_PATH_CHARS:
            return as_text(value)  # empty objects and lists would be lost with their keys
        if isinstance(value, dict):
            return self.fields(value, depth + 1, path)
        if isinstance(value, list):
            for item in value:
                if type(item) not in SCALARS:
                    self.mixed = True
                    return [self._value(item, depth + 1, path) for item in value if item is not None]
            return value
        return str(value)


def _separated(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields, without a value beside an object of the same name."""
    for _ in range(3):
        values: set[str] = set()
        objects: set[str] = set()
        _collect_paths(fields, "", values, objects)
        both = values & objects
        if not both:
            return fields
        fields = _nested(fields, "", both)
    return {"_": as_text(fields)}


def _collect_paths(value: Any, path: str, values: set[str], objects: set[str]) -> None:
    """Collect the full names of values and of objects."""
    if isinstance(value, dict):
        for key, item in value.items():
            name = f"{path}.{key}" if path else key
            dot = name.find(".", len(path) + 1)
            while dot >= 0:
                objects.add(name[:dot])
                dot = name.find(".", dot + 1)
            _collect_paths(item, name, values, objects)
        if value and path:
            objects.add(path)
    elif isinstance(value, list):
        for item in value:
            _collect_paths(item, path, values, objects)
    else:
        values.add(path)


def _nested(value: Any, path: str, both: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _nested(item, f"{path}.{key}" if path else key, both) for key, item in value.items()}
    if isinstance(value, list):
        return [_nested(item, path, both) for item in value if item is not None or path not in both]
    return {"_": value} if path in both else value


def as_text(value: Any) -> str:
    """Any value as text: strings as they are, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return orjson.dumps(value).decode()
    except (TypeError, RecursionError):
        return deep_json.written(value)
