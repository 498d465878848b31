"""The times that ``--since 1h`` and ``--until 2026-11-23`` mean.  Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

# The range of date_nanos; outside of it Elasticsearch answers with an error.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2262, 4, 11, tzinfo=UTC)


def moment(text: str, now: datetime, *, utc: bool = False) -> datetime:
    """Parse a time ago (``90s``, ``7d``), ``now``, or an ISO 8601 date or time; gives UTC, in ``date_nanos``'s range.

    A time without zone is local time, as the tables show it, or UTC (``utc``).

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    if text == "now":
        return _within(now)
    if found := _AGO.fullmatch(text):
        try:
            return _within(now - timedelta(**{_UNITS[found[2]]: float(found[1])}))
        except OverflowError:
            return EARLIEST
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write a time ago like 90s, 30m, 1h, 7d, 2w, or a date like 2026-11-23 or "
            "2026-11-23T12:00:00Z"
        ) from None
    if named.tzinfo is None and utc:
        named = named.replace(tzinfo=UTC)
    try:
        return _within(named)
    except (OverflowError, ValueError):
        # In some zones the first and the last day of the calendar have no time in UTC.
        return EARLIEST if named.year < EARLIEST.year else LATEST


def _within(when: datetime) -> datetime:
    return min(max(when.astimezone(UTC), EARLIEST), LATEST)
