"""Numbers, durations and dates as they are written in a query.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, tzinfo

from shipper.search.conditions import Query, every
from shipper.search.lucene import QueryError, Range, Regex, Word

_DURATION = re.compile(r"(-?\d+(?:\.\d+)?(?:e\d+)?)\s*(ns|us|µs|ms|s|m|h|d)?")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DAY = 24 * 3600 * 10**9

_AGO = re.compile(r"\d+[smhdw]")
_MATH = r"(?:[+-]\d+[yMwdhHms]|/[yMwdhHms])*"
_NOW = re.compile(rf"now{_MATH}")
_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?:[T ](?P<hour>\d\d)(?::(?P<minute>\d\d)"
    rf"(?::(?P<second>\d\d)(?:[.,]\d{{1,9}})?)?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?)?)?(?:\|\|{_MATH})?"
)

Read = Callable[[str, str], float]


def number(field: str, text: str) -> float:
    """A number, of a field.

    Raises:
        QueryError: it is none.
    """
    try:
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else _finite(text)
    except ValueError:
        raise QueryError(f"{field} holds numbers, and {text!r} is none") from None


def nanoseconds(field: str, text: str) -> float:
    """A duration: nanoseconds, or a number with its unit.

    Raises:
        QueryError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise QueryError(f"{field} holds durations, and {text!r} is none; write nanoseconds or 90s, 30m, 1h")
    return round(float(found[1]) * {**_UNITS, "d": _DAY}[found[2] or "ns"])


def number_query(field: str, value: Word | Regex | Range, read: Read) -> Query:
    """Where a field has this number, or one of a range.

    Raises:
        QueryError: it is no number.
    """
    if isinstance(value, Range):
        limits: dict[str, float] = {}
        if value.low is not None:
            limits["gte" if value.with_low else "gt"] = read(field, value.low)
        if value.high is not None:
            limits["lte" if value.with_high else "lt"] = read(field, value.high)
        return {"range": {field: limits}} if limits else {"exists": {"field": field}}
    if isinstance(value, Regex):
        raise QueryError(f"{field} holds numbers, which no regular expression finds; write {field}:[1 TO 9]")
    return {"term": {field: read(field, value.text)}}


def date_query(field: str, value: Word | Regex | Range, now: datetime, zone: tzinfo | None) -> Query:
    """Where a date is this one, or one of a range; a day means all of it.

    Args:
        field: which.
        value: dates as ISO 8601 has them, in part or whole, ``now-1h``, or a time ago like ``1h``.
        now: the present, with a zone.
        zone: of dates without one; None is this machine's.

    Raises:
        QueryError: it is no date.
    """
    if isinstance(value, Regex):
        raise QueryError(f"{field} holds dates, which no regular expression finds; write {field}:[now-1h TO now]")
    if isinstance(value, Word):
        value = Range(value.text, value.text)
    # One condition an end: each has the zone's offset of its own day.
    ends = []
    if value.low is not None:
        ends.append(_end(field, "gte" if value.with_low else "gt", value.low, now, zone))
    if value.high is not None:
        ends.append(_end(field, "lte" if value.with_high else "lt", value.high, now, zone))
    return every(ends) if ends else {"exists": {"field": field}}


def _end(field: str, side: str, text: str, now: datetime, zone: tzinfo | None) -> Query:
    if _AGO.fullmatch(text):
        text = f"now-{text}"
    if _NOW.fullmatch(text):
        return _limit(field, side, text, now.astimezone(zone))
    found = _DATE.fullmatch(text)
    day = found and _day(found)
    if not (found and day):
        raise QueryError(
            f"{field} holds times, and {text!r} is none; write 2026-11-23, 2026-11-23T12:00:00Z, now-1h or 1h"
        )
    text = text.replace(" ", "T")
    if found["zone"]:
        return _limit(field, side, text, None)
    local = day.replace(tzinfo=zone) if zone else day.astimezone()
    return _limit(field, side, text, local)


def _limit(field: str, side: str, text: str, local: datetime | None) -> Query:
    # The field's own format wants a time to the second.
    limit = {side: text, "format": "strict_date_optional_time"}
    if local is not None:
        limit["time_zone"] = _offset(local)
    return {"range": {field: limit}}


def _day(found: re.Match[str]) -> datetime | None:
    parts = [int(found[name] or least) for name, least in (("year", 1), ("month", 1), ("day", 1))]
    times = [int(found[name] or 0) for name in ("hour", "minute", "second")]
    try:
        return datetime(*parts, *times)  # type: ignore[arg-type] # noqa: DTZ001 - its zone is what is asked for
    except ValueError:
        return None


def _offset(moment: datetime) -> str:
    # "+0200" or, of historic zones, with seconds, which Elasticsearch does not take.
    written = f"{moment:%z}"[:5]
    return f"{written[:3]}:{written[3:]}"


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(text)
    return value
