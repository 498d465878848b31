"""Times of other loggers → ISO 8601 for ``timestamps``.  Pure.

Numbers since the epoch in seconds to nanoseconds; RFC 2822 and the dates of ``ctime``, of access logs and of Java;
``UTC`` behind a blank, ``t`` and ``z``, slashes, a leap second, zones in brackets.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Digits of a number → unit, for the years 1973 to 2262.
_DECIMALS = {9: 9, 10: 9, 12: 6, 13: 6, 15: 3, 16: 3, 18: 0, 19: 0}
_BEYOND = 9_223_372_036 * 10**9
_NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]{0,9})?")
_MAX_LENGTH, _MAX_DIGITS = 100, 20
_ZONE = (
    r"(?: ?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?(?: UTC)?|[A-Z]{2,5}|[A-Z][A-Za-z_]+/[A-Za-z_/]+)"
    r"(?:\[[\w/+-]+\])?(?: m=[+-][0-9.]+)?)?"
)
_TIME = (
    r"(?P<hour>[0-9]{1,2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?P<fraction>[.,:][0-9]{1,9})?)?"
    r"(?: ?(?P<half>[AaPp][Mm]))?"
)
_DIGITS = re.compile(
    r"(?P<year>[0-9]{4})(?P<sign>[-/.]?)(?P<month>[0-9]{2})(?P=sign)(?P<day>[0-9]{2})"
    r"(?:[Tt_:]| +|(?=[0-9]{6}(?![0-9:])))" + _TIME + _ZONE
)
_NAMED = re.compile(
    r"(?:[A-Z][a-z]{2,8},? +)?"
    r"(?:(?P<day>[0-9]{1,2})[ /-](?P<month>[A-Z][a-z]{2})[a-z]{0,6}[ /-](?P<year>[0-9]{4})"
    r"|(?P<month_>[A-Z][a-z]{2})[a-z]{0,6} +(?P<day_>[0-9]{1,2})(?:,? (?P<year_>[0-9]{4}),?)?)"
    r"(?::| +)" + _TIME + _ZONE + r"(?: (?P<year__>[0-9]{4}))?"
)
# With points: day, month.  With slashes the order follows from a number above 12, or AM and PM.
_DAY_FIRST = re.compile(
    r"(?P<first>[0-9]{1,2})(?P<sign>[./])(?P<second_>[0-9]{1,2})(?P=sign)(?P<year>[0-9]{4})[ T,]+" + _TIME + _ZONE
)
# Without a year.
_YEARLESS = re.compile(
    r"(?:(?P<name>[A-Z][a-z]{2})[ -]{1,2}|(?P<month>[0-9]{2})-)(?P<day>[0-9]{1,2}) "
    r"(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>[.,][0-9]{1,9})?"
)
_SLACK = timedelta(days=1)
# Leap years are at most this far apart.
_MAX_YEARS = 8
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: at for at, name in enumerate(_NAMES, 1)}
# Zones of RFC 2822 and other unambiguous ones.
_OFFSETS = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "WET": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6,
    "PST": -8, "PDT": -7, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "WEST": 1, "IDT": 3,
    "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11,
}  # fmt: skip


def of_number(value: Any) -> str | None:
    """The UTC time of a number since the epoch, or None.

    Args:
        value: seconds, milliseconds, microseconds or nanoseconds, as a number or digits.
    """
    kind = type(value)
    if kind is float:
        text = repr(value)
        if "e" in text and value.is_integer():
            text = str(int(value))
    elif kind is int:
        text = str(value) if 0 <= value < _BEYOND else ""
    else:
        text = value if kind is str and _NUMBER.fullmatch(value) else ""
    whole, _, fraction = text.partition(".")
    decimals = _DECIMALS.get(len(whole))
    if decimals is None or not whole.isdigit() or len(fraction) > _MAX_DIGITS:
        return None
    seconds, nanoseconds = divmod(int(f"{whole}{fraction[:decimals]:0<{decimals}}" if decimals else whole), 10**9)
    if seconds * 10**9 >= _BEYOND:
        return None
    digits = f"{nanoseconds:09d}"
    return f"{_second(seconds)}.{digits[:6] if digits.endswith('000') else digits}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def iso(text: str) -> str:
    """Convert a timestamp to a form that ``datetime.fromisoformat`` accepts; without a zone if it has none.

    Raises:
        ValueError: unknown format.
    """
    stripped = text.strip()
    if stripped[:1] == "[" and stripped[-1:] == "]":
        stripped = stripped[1:-1]
    if len(stripped) > _MAX_LENGTH:
        raise ValueError("longer than any time")
    if number := of_number(stripped):
        return number
    found = _DIGITS.fullmatch(stripped) or _NAMED.fullmatch(stripped) or _DAY_FIRST.fullmatch(stripped)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no time")
    part: dict[str, str | None] = found.groupdict()
    if "first" in part:
        part["day"], part["month"] = _day_and_month(found)
    year = part["year"] or part.get("year_") or part.get("year__")
    month = part["month"] or part.get("month_")
    if year is None or month is None:
        raise ValueError(f"{text[:80]!r} names no year")
    hour, second = int(part["hour"] or 0), int(part["second"] or 0)
    if half := part["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"{text[:80]!r} has no such hour")
        hour = hour % 12 + (12 if half in {"PM", "pm", "Pm", "pM"} else 0)
    if month not in MONTHS and not month.isdigit():
        raise ValueError(f"{text[:80]!r} has no such month")
    # A leap second becomes the first second of the next minute.
    leap = second == 60
    day, minute = int(part["day"] or part["day_"] or 0), int(part["minute"] or 0)
    moment = datetime(int(year), MONTHS.get(month) or int(month), day, hour, minute, second - leap, tzinfo=UTC)
    moment = (moment + timedelta(seconds=leap)).replace(tzinfo=None)
    fraction = (part["fraction"] or "")[1:]
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}{_offset(part['zone'], moment)}"


def with_year(text: str, latest: datetime) -> str | None:
    """Add the last possible year to a timestamp without one (syslog, glog).

    Args:
        text: the stamp.
        latest: upper bound, UTC; a day of tolerance is added for zones and clocks.

    Returns:
        ISO 8601 without a zone, or None.
    """
    found = _YEARLESS.fullmatch(text)
    if found is None or (found["name"] is not None and found["name"] not in MONTHS):
        return None
    month = MONTHS[found["name"]] if found["name"] else int(found["month"])
    limit = (latest + _SLACK).replace(tzinfo=None)
    for year in range(limit.year, limit.year - _MAX_YEARS, -1):
        try:
            moment = datetime.fromisoformat(f"{year:04}-{month:02}-{int(found['day']):02}T{found['clock']}")
        except ValueError:
            continue  # no such day in this year, or in any
        if moment <= limit:
            fraction = (found["fraction"] or "").replace(",", ".")
            return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}"
    return None


def _day_and_month(found: re.Match[str]) -> tuple[str, str]:
    """Which of two numbers is the day.

    Raises:
        ValueError: nothing tells.
    """
    first, second = int(found["first"]), int(found["second_"])
    if found["sign"] == "." or first > 12 >= second:
        return found["first"], found["second_"]
    if found["half"] or second > 12:
        return found["second_"], found["first"]
    raise ValueError(f"{found[0]!r} may be either of two days")


def _offset(zone: str | None, moment: datetime) -> str:
    """A zone as an offset."""
    if zone is None:
        return ""
    if zone[0] in "+-":
        digits = zone.removesuffix(" UTC")[1:].replace(":", "")
        return f"{zone[0]}{digits[:2]}:{digits[2:] or '00'}"
    if "/" in zone:
        try:
            return f"{moment.replace(tzinfo=ZoneInfo(zone)):%z}"
        except (ZoneInfoNotFoundError, OSError):
            raise ValueError(f"{zone!r} is no zone") from None
    hours = _OFFSETS.get(zone.upper())
    if hours is None:
        raise ValueError(f"{zone!r} may be any of several zones")
    return f"{hours:+03d}:00"
