"""Any value as one that JSON can hold: a log line is never lost because of what somebody put into it."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from datetime import date, time
from typing import Any

_DEEPEST = 64  # nesting below this is shown as text; readers of JSON give up at depths not far beyond
_INTEGERS = range(-(2**63), 2**64)  # what readers keep exact; longer ones are shown as text


def plain(value: Any) -> Any:
    r"""The value made of dict, list, str, int, float, bool and None only, so that any JSON reader takes it.

    Paths, UUIDs and other objects become their ``str``, exceptions and sets their ``repr``, dates ISO text,
    bytes text.  NaN and infinities become None, as JSON has no word for them.  Keys become text and stay
    distinct.  Lone surrogates become their escapes (``\udce9``), as UTF-8 can't hold them.  Never raises.
    """
    return _plain(value, ())


def json_line(entry: Mapping[Any, Any]) -> str:
    """The entry as one line of strict JSON in ASCII, without a line end."""
    return json.dumps(plain(entry), allow_nan=False)


def text(value: Any) -> str:
    """The value as text that UTF-8 can hold; an object that can't be shown is named by its type."""
    try:
        if isinstance(value, str):
            shown = str.__str__(value)
        elif isinstance(value, bytes | bytearray):
            return value.decode("utf-8", "backslashreplace")
        elif isinstance(value, date | time):
            shown = value.isoformat()
        elif isinstance(value, BaseException | set | frozenset):
            shown = repr(value)
        else:
            shown = str(value)
        if shown.isascii():
            return shown
        return shown.encode("utf-8", "backslashreplace").decode("utf-8")
    except Exception:  # noqa: BLE001 - it runs __str__ of strangers, which may raise anything
        return f"<{type(value).__name__} that can't be shown>"


def _plain(value: Any, parents: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    try:
        if isinstance(value, int | numbers.Integral):  # numpy's too
            whole = int(value)
            return whole if whole in _INTEGERS else text(value)
        if isinstance(value, float | numbers.Real):
            real = float(value)
            return real if math.isfinite(real) else None
        if isinstance(value, Mapping | list | tuple):
            return _container(value, parents)
    except Exception:  # noqa: BLE001 - it runs methods of strangers, which may raise anything
        return text(value)
    return text(value)


def _container(value: Any, parents: tuple[int, ...]) -> Any:
    if id(value) in parents or len(parents) >= _DEEPEST:
        return f"<{type(value).__name__} inside itself or too deep>"
    inside = (*parents, id(value))
    if not isinstance(value, Mapping):
        return [_plain(item, inside) for item in value]
    out: dict[str, Any] = {}
    for key, item in value.items():
        name = text(key)
        while name in out:  # 1 and "1" are two keys; JSON readers refuse or drop a key that comes twice
            name += "_"
        out[name] = _plain(item, inside)
    return out
