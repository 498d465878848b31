"""Any value → JSON values, so that every log line can be written."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from os import PathLike, fspath
from typing import Any

from shipper.emit.strangers import FAILURES, guarded

_MAX_DEPTH = 64  # nesting below this is shown as text; readers of JSON give up at depths not far beyond
_MAX_VALUES = 100_000  # values of one line; endless ones must not hang the application
_MORE = "<more that is not shown>"
_SINGLE = frozenset({bool, int, float, str, bytes, date, datetime, time, timedelta})
_COUNTED = frozenset({dict, list, tuple})
_INTEGERS = range(-(2**63), 2**64)  # what readers keep exact; longer ones are shown as text


def plain(value: Any) -> Any:
    r"""The value, built only of dict, list, str, int, float, bool and None.

    Scalars of numpy and similar libraries (objects with ``item()`` and no dimensions) become Python values, members
    of an ``Enum`` their value, time spans seconds, dates ISO text, bytes text, decimal numbers text with all digits.
    Paths, UUIDs and other objects become their ``str``, exceptions and sets their ``repr``.  NaN, NaT and infinities,
    which JSON lacks, become None.  Keys become text and stay distinct.  Lone surrogates become their escapes
    (``\udce9``), as UTF-8 can't hold them.  Of a value with very many or endlessly many parts, the first hundred
    thousand are shown.  Never raises.
    """
    return _plain(value, (), [_MAX_VALUES])


def json_line(entry: Mapping[Any, Any]) -> str:
    """The entry as one line of strict JSON in ASCII, without a line end."""
    return json.dumps(plain(entry), allow_nan=False)


def text(value: Any) -> str:
    """The value as text that UTF-8 can encode; for an object whose ``str`` fails, its type."""
    if type(value) is str and value.isascii():
        return value
    try:
        if isinstance(value, Enum) and not isinstance(value, str) and type(value).__str__ is Enum.__str__:
            value = value.value
        if isinstance(value, str):
            shown = str.__str__(value)
        elif isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode("utf-8", "backslashreplace")
        elif isinstance(value, date | time):
            shown = value.isoformat()
        elif isinstance(value, BaseException | set | frozenset):
            shown = guarded(repr, value)
        elif isinstance(value, PathLike):
            return text(fspath(value))
        else:
            shown = guarded(str, value)
        if shown.isascii():
            return shown
        return shown.encode("utf-8", "backslashreplace").decode("utf-8")
    except FAILURES:  # __str__ of the application's objects may raise anything
        return f"<{_kind(value)} that can't be shown>"


def _kind(value: Any) -> str:
    try:
        return str(type(value).__name__)
    except FAILURES:  # a class may have a class that fails
        return "object"


def _plain(value: Any, parents: tuple[int, ...], room: list[int]) -> Any:
    # Most values are one of these.
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return text(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int:
        return value if value in _INTEGERS else text(value)
    try:
        if isinstance(value, Enum) and not isinstance(value, str):
            return _plain(value.value, (*parents, id(value)), room) if len(parents) < _MAX_DEPTH else text(value)
        if isinstance(value, Mapping | list | tuple):
            return _container(value, parents, room)
        if not isinstance(value, str | bytes) and hasattr(value, "item"):
            value = _python_value(value)
        return _single(value)
    except FAILURES:  # methods of the application's objects may raise anything
        return text(value)


def _single(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | numbers.Integral):
        whole = int(value)
        return whole if whole in _INTEGERS else text(value)
    if isinstance(value, float | numbers.Real):
        real = float(value)
        return real if math.isfinite(real) else None
    if isinstance(value, timedelta):
        return None if _is_none(value) else value.total_seconds()
    if isinstance(value, date | time):
        return None if _is_none(value) else text(value)
    return text(value)


def _python_value(value: Any) -> Any:
    """The Python value of a scalar of numpy, torch and others; others with ``item``, such as arrays, unchanged."""
    shape = getattr(value, "shape", ())
    if not isinstance(shape, tuple) or shape:  # another type is not numpy's, and may be endless
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("m", "M"):
        if _is_none(value):
            return None
        if kind == "M":  # item() of nanoseconds gives a bare number
            return text(value)
        value = value.astype("timedelta64[us]")
    elif str(getattr(value, "mask", "")) == "True":  # numpy's masked constant
        return None
    own_value = value.item()
    return own_value if type(own_value) in _SINGLE else value


def _is_none(value: Any) -> bool:
    """Whether it is NaT, which like NaN differs from itself."""
    return bool(value != value)  # noqa: PLR0124 - that is the test


def _container(value: Any, parents: tuple[int, ...], room: list[int]) -> Any:
    if id(value) in parents or len(parents) >= _MAX_DEPTH:
        return f"<{type(value).__name__} inside itself or too deep>"
    inside = (*parents, id(value))
    # Nearly all values are Python's own containers, whose length is known.
    counted = type(value) in _COUNTED and len(value) <= room[0]
    if counted:
        room[0] -= len(value)
    if not isinstance(value, Mapping):
        if counted:
            return [_plain(item, inside, room) for item in value]
        items: list[Any] = []
        for item in value:
            if room[0] <= 0:
                items.append(_MORE)
                break
            room[0] -= 1
            items.append(_plain(item, inside, room))
        return items
    out: dict[str, Any] = {}
    for key, item in value.items():
        if not counted:
            # All fields of the event itself are kept, however large one of them is.
            if room[0] <= 0 and (parents or len(out) >= _MAX_VALUES):
                out[_MORE] = True
                break
            room[0] -= 1
        name = text(key)
        while name in out:  # 1 and "1" are two keys; JSON readers reject or drop duplicate keys
            name += "_"
        out[name] = _plain(item, inside, room)
    return out
