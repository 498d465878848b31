"""Timestamps of every format → UTC for Elasticsearch.  Pure but for the machine's zone.

``date_nanos`` holds the years 1970 to 2262; other times are invalid.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shipper.parse import foreign_timestamps

# Fraction of the seconds, before the offset, which may have a fraction as well.
_FRACTION = re.compile(r"[^+Z-]*?[.,]([0-9]+)")
# Text after it: the standard library accepts anything after the seventh digit.
_OFFSET = re.compile(r" ?(?:[Zz]|[+-][0-9:.]+)?")
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}(?:Z|\+00:00)")
# Timestamps that are cached by hour.
_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:")
_SIXTY = tuple(f":{number:02}" for number in range(60))
_ALMOST_AN_HOUR = timedelta(minutes=59, seconds=59)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 1970, 2261
# Limits of the caches: hours per zone, generations.
MAX_HOURS = 256
MAX_GENERATIONS = 10_000
# Tolerances: clock difference of writer and reader; disorder within a file; delay of a line read live.
_AHEAD_NS, _JUMBLED_NS, _LIVE_NS = 5 * 10**9, 60 * 10**9, 600 * 10**9


class Moment(NamedTuple):
    """The two UTC times of a wall clock time; equal unless it is ambiguous."""

    earlier: datetime
    later: datetime


class Zone:
    """Zone of timestamps without one.

    ``hours`` caches zone name and minutes in UTC by hour.

    Args:
        setting: an IANA name, or ``local`` for the machine's.
    """

    def __init__(self, setting: str) -> None:
        self._name = setting if setting != "local" else _local_name()
        self._info = ZoneInfo(self._name) if self._name is not None else None
        self.hours: dict[str, tuple[str, dict[str, str]]] = {}

    def moment(self, naive: datetime) -> Moment:
        """The UTC times of a wall clock time; one in the gap in spring uses the offset before it (RFC 5545)."""
        earlier, later = (self._attach(naive.replace(fold=fold)).astimezone(UTC) for fold in (0, 1))
        return Moment(earlier, max(earlier, later))

    def _attach(self, naive: datetime) -> datetime:
        return naive.astimezone() if self._info is None else naive.replace(tzinfo=self._info)

    def name(self, moment: datetime) -> str:
        """The IANA name, or the offset of a local time if the machine's zone has no name."""
        return self._name or moment.strftime("%z")[:3] + ":" + moment.strftime("%z")[3:5]

    def remember(self, hour: str, naive: datetime) -> None:
        """Cache an hour's minutes in UTC, if the offset is constant and has no seconds."""
        start = naive.replace(minute=0, second=0, microsecond=0)
        first, last = self.moment(start), self.moment(start + _ALMOST_AN_HOUR)
        if last.later - first.earlier != _ALMOST_AN_HOUR or first.earlier != first.later or first.earlier.second:
            return
        if first.earlier.year < FIRST_YEAR:
            return
        if len(self.hours) >= MAX_HOURS:
            self.hours.clear()
        at = first.earlier.minute
        begins, ends = first.earlier.isoformat()[:13], last.earlier.isoformat()[:13]
        texts = [begins + minute for minute in _SIXTY[at:]] + [ends + minute for minute in _SIXTY[:at]]
        self.hours[hour] = self.name(first.earlier.astimezone()), dict(zip(_SIXTY, texts, strict=True))


class Reading(NamedTuple):
    """Evidence for an ambiguous timestamp: when its file was read and changed, and the timestamp before it.

    Args:
        generation: of the file.
        read_at_ns: time of reading, nanoseconds since the epoch.
        modified_ns: the file's last change as a scan saw it; 0 if unknown.
        last_ns: generation → last ambiguous timestamp; updated.
    """

    generation: bytes
    read_at_ns: int
    modified_ns: int
    last_ns: dict[bytes, int]

    def choose(self, moment: Moment) -> datetime:
        """Choose the likelier time and store it for the next timestamp."""
        earlier, later = _ns(moment.earlier), _ns(moment.later)
        last = self.last_ns.pop(self.generation, None)
        is_later = second_time(earlier, later, self.read_at_ns, self.modified_ns, last)
        self.last_ns[self.generation] = later if is_later else earlier
        if len(self.last_ns) > MAX_GENERATIONS:
            del self.last_ns[next(iter(self.last_ns))]
        return moment.later if is_later else moment.earlier


def second_time(earlier: int, later: int, read_at: int, modified: int, last: int | None) -> bool:
    """Whether an ambiguous timestamp is the second of its two times; all in nanoseconds since the epoch.

    Args:
        earlier: the first time.
        later: the second time.
        read_at: when the line was read.
        modified: when its file was changed, as far as a scan saw it; 0 if unknown.
        last: the previous timestamp if it was ambiguous too.
    """
    if later > read_at + _AHEAD_NS:
        return False
    # The scan may be older than the line, but not by half of what the clock was set back.
    if modified and later > modified + (later - earlier) // 2:
        return False
    if last is not None and earlier < last - _JUMBLED_NS:
        return True
    return later >= read_at - _LIVE_NS


def _local_name() -> str | None:
    setting = os.environ.get("TZ", "").lstrip(":")
    if setting:
        try:
            ZoneInfo(setting)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None
        return setting
    target = os.path.realpath("/etc/localtime")
    found = target.partition("/zoneinfo/")[2]
    if found:
        with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
            ZoneInfo(found)
            return found
    try:
        name = Path("/etc/timezone").read_text(encoding="ascii").strip()
        return name if name and _is_the_machines(ZoneInfo(name)) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _is_the_machines(info: ZoneInfo) -> bool:
    """Whether a zone shows what the machine's clock shows, summer and winter: the file that names it may be stale."""
    return all(
        time.localtime(second).tm_gmtoff == datetime.fromtimestamp(second, info).utcoffset().total_seconds()  # type: ignore[union-attr] # an aware datetime has one
        for second in range(10**9, 2 * 10**9, 45 * 86400)
    )


def to_utc(text: str, zone: Zone, reading: Reading | None = None) -> tuple[str, str | None]:
    """A stamp as (UTC in ISO 8601, zone that was assumed or None if the stamp named its own).

    Takes ISO 8601 with ``T`` or a blank, with ``Z``, an offset or no zone, a point or a comma before a fraction
    of up to nine digits (kept to the nanosecond), or none; and what ``stamps`` knows.

    Args:
        text: the stamp.
        zone: of stamps that name none.
        reading: tells which of two moments is meant where a clock was set back; without it the first.

    Raises:
        ValueError: it is no time, or none that ``date_nanos`` holds.
    """
    if text[-1:] != "Z" and (cached := zone.hours.get(text[:13])) is not None:
        name, minutes = cached
        minute, second, digits = minutes.get(text[13:16]), text[16:19], text[20:]
        if minute is not None and second in minutes:
            if digits.isdigit() and text[19] in ".," and len(digits) <= 9 and digits.isascii():
                return f"{minute}{second}.{digits:0<6}Z", name
            if len(text) == 19:
                return f"{minute}{second}.000000Z", name
    try:
        moment = datetime.fromisoformat(text.replace(",", ".", 1) if "," in text else text)
    except ValueError:
        text = foreign_timestamps.iso(text)
        moment = datetime.fromisoformat(text)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{text!r} lies outside {FIRST_YEAR}-{LAST_YEAR}")
    if _WRITTEN.fullmatch(text):
        return text, None  # what structlog writes: already as Elasticsearch wants it
    if len(text) < 12:
        raise ValueError(f"{text!r} is a date without a time")
    assumed = None
    if moment.tzinfo is None:
        found = zone.moment(moment)
        twice = found.later > found.earlier
        utc = reading.choose(found) if twice and reading is not None else found.earlier
        assumed = zone.name(utc.astimezone())
        if not twice and _PLAIN.match(text):
            zone.remember(text[:13], moment)
    else:
        utc = moment.astimezone(UTC)
    if utc.year < FIRST_YEAR:
        raise ValueError(f"{text!r} lies before {FIRST_YEAR}")
    fraction = _FRACTION.match(text, 10)
    if fraction and not _OFFSET.fullmatch(text, fraction.end()):
        raise ValueError(f"{text!r} holds more than a time")
    digits = fraction[1][:9] if fraction else ""
    if len(digits) > 6:
        return f"{utc:%Y-%m-%dT%H:%M:%S}.{digits}Z", assumed
    return f"{utc.isoformat(timespec='microseconds').removesuffix('+00:00')}Z", assumed


def _ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def from_ns(nanoseconds: int) -> str:
    """A clock reading in nanoseconds since the epoch as UTC in ISO 8601 with nine digits."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def later(stamp: str, nanoseconds: int) -> str:
    """Add nanoseconds to a timestamp of ``to_utc``."""
    fraction = stamp[20:].partition("+")[0].rstrip("Z")
    total = int(f"{fraction:0<9}") + nanoseconds
    moment = datetime.fromisoformat(f"{stamp[:19]}+00:00") + timedelta(seconds=total // 10**9)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{total % 10**9:09d}Z"
