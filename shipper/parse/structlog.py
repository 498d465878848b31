"""Structlog's JSON lines, of the document (``@timestamp``) and of the real application (``timestamp``)."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from shipper.parse import deep_json
from shipper.parse.records import Record

_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS_TO_ZERO = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
# Integers beyond 64 bits have no fewer digits.
_LONG = b"0" * 19
_SAMPLES = b"0000"


def has_long_numbers(lines: list[bytes]) -> bool:
    """Whether any line may hold an integer of 19 digits or more.  Pure; made for whole blocks.

    The fast parser makes floats of integers beyond 64 bits.  So many digits in a row leave four digits in a row
    in every fourth byte, which costs next to nothing to see.
    """
    data = b"\n".join(lines)
    return _SAMPLES in data[::4].translate(_DIGITS_TO_ZERO) and _LONG in data.translate(_DIGITS_TO_ZERO)


def parse(line: bytes | str) -> Record | None:
    """The object in a line, or None if it holds none.

    structlog writes with the standard library's json, so bare ``NaN`` and ``Infinity`` and lone surrogates are
    real input that strict parsers refuse; NaN and Infinity become None, surrogates U+FFFD.  Bare control
    characters inside strings are taken as they are; integers beyond 64 bits are text, with all their digits.
    """
    data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    return parse_exactly(line) if _LONG in data.translate(_DIGITS_TO_ZERO) else parse_quickly(line)


def parse_quickly(line: bytes | str) -> Record | None:
    """The same for a line without long numbers."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return lenient(line)
    return record if type(record) is dict else None


def parse_exactly(line: bytes | str) -> Record | None:
    """The same for a line that may have some."""
    record = parse_quickly(line)
    if record is None:
        return None
    exact = lenient(line)
    return record if exact is None else exact


def lenient(line: bytes | str) -> Record | None:
    """The same with the standard library's parser, for what it writes itself."""
    try:
        record = loads(line if isinstance(line, str) else line.decode())
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def loads(text: str) -> Any:
    """Any JSON as the standard library writes it, made fit for strict JSON; deep nesting becomes text.

    Raises:
        ValueError: it is none.
    """
    try:
        value = _read(text)
    except RecursionError:
        shallow = deep_json.flattened(text)
        if shallow is None:
            raise ValueError("nested too deep") from None
        value = _read(shallow)
    try:
        orjson.dumps(value)
    except (TypeError, RecursionError):
        return _clean(value, 0)
    return value


def without_surrogates(text: str) -> str:
    """A text that UTF-8 can carry: lone surrogates become U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _no_number(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None  # 1e400


def _integer(text: str) -> int | str:
    """Integers beyond 64 bits stay text: no field holds them, and their digits may be an identifier's."""
    if len(text) < 19:
        return int(text)
    if len(text) > 20:
        return text
    number = int(text)
    return number if -(2**63) <= number < 2**64 else text


# One for all lines: to make a decoder costs more than most lines do.
_read = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, parse_int=_integer, strict=False).decode


def _clean(value: Any, depth: int) -> Any:
    """The same value as JSON can carry it."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, dict):
        if depth >= deep_json.MAX_DEPTH:
            return without_surrogates(deep_json.written(value))
        return {without_surrogates(key): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        if depth >= deep_json.MAX_DEPTH:
            return without_surrogates(deep_json.written(value))
        return [_clean(item, depth + 1) for item in value]
    return value
