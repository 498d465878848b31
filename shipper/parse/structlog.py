"""structlog's JSON lines, with ``@timestamp`` or ``timestamp``."""

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
# Integers beyond 64 bits have at least 19 digits.
_LONG = b"0" * 19
_SAMPLES = b"0000"


def has_long_numbers(lines: list[bytes]) -> bool:
    """Whether any line may hold an integer of 19 digits or more.  Pure; for whole blocks.

    The fast parser turns integers beyond 64 bits into floats.  19 digits in a row are four in a row in every fourth
    byte, which is cheap to find.
    """
    data = b"\n".join(lines)
    return _SAMPLES in data[::4].translate(_DIGITS_TO_ZERO) and _LONG in data.translate(_DIGITS_TO_ZERO)


def parse(line: bytes | str) -> Record | None:
    """The object in a line, or None.

    structlog uses the standard library's json, whose output strict parsers refuse: NaN and Infinity become None, lone
    surrogates U+FFFD, integers beyond 64 bits text.  Control characters inside strings are accepted.
    """
    data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    return parse_exactly(line) if _LONG in data.translate(_DIGITS_TO_ZERO) else parse_quickly(line)


def parse_quickly(line: bytes | str) -> Record | None:
    """Parse a line without long integers."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return lenient(line)
    return record if type(record) is dict else None


def parse_exactly(line: bytes | str) -> Record | None:
    """Parse a line that may have long integers."""
    record = parse_quickly(line)
    if record is None:
        return None
    exact = lenient(line)
    return record if exact is None else exact


def lenient(line: bytes | str) -> Record | None:
    """Parse with the standard library."""
    try:
        record = loads(line if isinstance(line, str) else line.decode())
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def loads(text: str) -> Any:
    """Parse JSON of the standard library into values of strict JSON; deep nesting becomes text.

    Raises:
        ValueError: not JSON.
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
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _no_number(_: str) -> None:
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None  # 1e400


def _integer(text: str) -> int | str:
    """Integers beyond 64 bits stay text: no field type holds them, and they may be identifiers."""
    if len(text) < 19:
        return int(text)
    if len(text) > 20:
        return text
    number = int(text)
    return number if -(2**63) <= number < 2**64 else text


# Shared: creating a decoder costs more than parsing a line.
_read = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, parse_int=_integer, strict=False).decode


def _clean(value: Any, depth: int) -> Any:
    """The value without what strict JSON cannot hold."""
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
