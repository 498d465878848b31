"""Numbers, durations and dates as they are written in a query.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, tzinfo

from shipper.query.conditions import Query, every
from shipper.query.syntax_tree import QueryError, Range, Regex, Word

# ASCII: Elasticsearch does not accept other digits, Python does.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_DURATION = re.compile(rf"({_NUMBER.pattern})\s*(ns|us|µs|μs|ms|s|m|h|d)?", re.ASCII)
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6}
_UNITS |= {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 24 * 3600 * 10**9}
# The largest value of a field of the type long.
MAX_LONG = 2**63 - 1

_AGO = re.compile(r"\d+[smhdw]", re.ASCII)
_MATH = r"(?P<math>(?:[+-]\d+[yMwdhHms]|/[yMwdhHms])*)"
_STEP = re.compile(r"([+-]\d+)([yMwdhHms])", re.ASCII)
_NOW = re.compile(rf"now{_MATH}", re.ASCII)
_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?:[T ](?P<hour>\d\d)(?::(?P<minute>\d\d)"
    rf"(?::(?P<second>\d\d)(?:[.,]\d{{1,9}})?)?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?)?)?(?:\|\|{_MATH})?",
    re.ASCII,
)
# Days of each unit of date arithmetic, on average.
_DAYS = {"y": 365.2425, "M": 30.436875, "w": 7.0, "d": 1.0, "h": 1 / 24, "H": 1 / 24, "m": 1 / 1440, "s": 1 / 86400}
_MAX_STEP = 2**31 - 1
# The range of date_nanos, less a few days for zones and the lengths of months.
_FIRST, _LAST = datetime(1970, 1, 6), datetime(2262, 4, 6)  # noqa: DTZ001 - zones are within the margin

Read = Callable[[str, str], float]


def number(field: str, text: str) -> float:
    """Parse a number.

    Raises:
        QueryError: it is not a number, or out of range.
    """
    if not _NUMBER.fullmatch(text):
        raise QueryError(f"{field} holds numbers; {text!r} is not a number")
    return _within(field, text, 1)


def nanoseconds(field: str, text: str) -> float:
    """Parse a duration: nanoseconds, or a number with a unit.

    Raises:
        QueryError: it is not a duration, or out of range.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise QueryError(f"{field} holds durations; {text!r} is not a duration; write nanoseconds or 90s, 30m, 1h")
    return round(_within(field, found[1], _UNITS[found[2] or "ns"]))


def _within(field: str, text: str, unit: int) -> float:
    """A number times its unit, as an integer where it is written as one: a float has only 53 bits."""
    about = float(text) * unit
    # Thousands of digits are refused before they are multiplied.
    value = int(text) * unit if abs(about) < 2 * MAX_LONG and text.lstrip("+-").isdecimal() else about
    if not -MAX_LONG <= value <= MAX_LONG:
        raise QueryError(
            f"{text!r} is out of the range of {field}: {MAX_LONG}{' nanoseconds' if unit > 1 else ''} at most"
        )
    return value


def number_query(field: str, value: Word | Regex | Range, read: Read) -> Query:
    """Documents in which a field has this number, or one in a range."""
    if isinstance(value, Range):
        return range_query(field, value, read)
    if isinstance(value, Regex):
        raise QueryError(f"{field} holds numbers, which regular expressions can't match; write {field}:[1 TO 9]")
    return {"term": {field: read(field, value.text)}}


def range_query(field: str, value: Range, read: Callable[[str, str], object] = lambda _, text: text) -> Query:
    """Documents in which a field has a value in a range, whose limits ``read`` converts."""
    limits: dict[str, object] = {}
    if value.low is not None:
        limits["gte" if value.with_low else "gt"] = read(field, value.low)
    if value.high is not None:
        limits["lte" if value.with_high else "lt"] = read(field, value.high)
    return {"range": {field: limits}} if limits else {"exists": {"field": field}}


def date_query(field: str, value: Word | Regex | Range, now: datetime, zone: tzinfo | None) -> Query:
    """Documents in which a field has this date or time (``now-1h``, ``1h`` ago), or one in a range.

    Raises:
        QueryError: it is no date.
    """
    if isinstance(value, Regex):
        raise QueryError(f"{field} holds dates, which regular expressions can't match; write {field}:[now-1h TO now]")
    if isinstance(value, Word):
        value = Range(value.text, value.text)
    # One condition for each end: each has the zone's offset of its own day.
    ends: list[Query | None] = []
    if value.low is not None:
        ends.append(_end(field, "gte" if value.with_low else "gt", value.low, now, zone))
    if value.high is not None:
        ends.append(_end(field, "lte" if value.with_high else "lt", value.high, now, zone))
    limits = [end for end in ends if end is not None]
    return every(limits) if limits else {"exists": {"field": field}}


def _end(field: str, side: str, text: str, now: datetime, zone: tzinfo | None) -> Query | None:
    """The condition of one end; None where all times meet it."""
    if _AGO.fullmatch(text):
        text = f"now-{text}"
    if calculated := _NOW.fullmatch(text):
        beyond = _beyond(field, text, now.replace(tzinfo=None), calculated["math"])
        return _limit(field, side, text, now.astimezone(zone)) if not beyond else _all_or_none(side, beyond)
    found = _DATE.fullmatch(text)
    day = found and _day(found)
    if not (found and day):
        raise QueryError(
            f"{field} holds times; {text!r} is not a time; write 2026-11-23, 2026-11-23T12:00:00Z, now-1h or 1h"
        )
    if beyond := _beyond(field, text, day, found["math"] or ""):
        return _all_or_none(side, beyond)
    text = text.replace(" ", "T")
    if found["zone"]:
        return _limit(field, side, text, None)
    local = day.replace(tzinfo=zone) if zone else day.astimezone()
    return _limit(field, side, text, local)


def _beyond(field: str, text: str, day: datetime, math: str) -> int:
    """Whether a time is before (-1) or after (1) the range of date_nanos, which Elasticsearch refuses; 0 if in it."""
    days = 0.0
    steps = _STEP.findall(math)
    for number_, unit in steps:
        # Thousands of digits are out of Python's range, too.
        days += max(-1e9, min(1e9, float(number_) * _DAYS[unit]))
    about = (day - _FIRST).days + days
    beyond = -1 if about < 0 else int(about > (_LAST - _FIRST).days)
    if not beyond and any(
        abs(float(number_)) > _MAX_STEP or abs(float(number_)) * _DAYS[unit] > 1e6 for number_, unit in steps
    ):
        raise QueryError(
            f"{field} holds times, and {text!r} has a step that is too large; write smaller steps, or larger units"
        )
    return beyond


def _all_or_none(side: str, beyond: int) -> Query | None:
    return None if (beyond < 0) == side.startswith("g") else {"match_none": {}}


def _limit(field: str, side: str, text: str, local: datetime | None) -> Query:
    # The field's own format requires a time to the second.
    limit = {side: text, "format": "strict_date_optional_time"}
    if local is not None:
        limit["time_zone"] = _offset(local)
    return {"range": {field: limit}}


def _day(found: re.Match[str]) -> datetime | None:
    parts = [int(found[name] or least) for name, least in (("year", 1), ("month", 1), ("day", 1))]
    times = [int(found[name] or 0) for name in ("hour", "minute", "second")]
    zone = re.sub(r"\D", "", found["zone"] or "").ljust(4, "0")
    if zone > "1800" or zone[2:] > "59":
        return None
    try:
        return datetime(*parts, *times)  # type: ignore[arg-type] # noqa: DTZ001 - its zone is what is asked for
    except ValueError:
        return None


def _offset(moment: datetime) -> str:
    # "+0200" or, for historic zones, with seconds, which Elasticsearch does not accept.
    written = f"{moment:%z}"[:5]
    return f"{written[:3]}:{written[3:]}"
