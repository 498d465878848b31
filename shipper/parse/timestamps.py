"""The stamps of every format → UTC in the form that Elasticsearch takes.  Pure but for the machine's zone.

``date_nanos`` holds the years 1970 to 2262; what lies outside is no usable time for an index.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# The fraction of the seconds, which stands before the offset; that may have one of its own.
_FRACTION = re.compile(r"[^+Z-]*?[.,]([0-9]+)")
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}(?:Z|\+00:00)")
FIRST_YEAR, LAST_YEAR = 1970, 2261


class Zone:
    """The zone of stamps that name none.

    Args:
        setting: an IANA name, or ``local`` for the machine's.
    """

    def __init__(self, setting: str) -> None:
        self.info: tzinfo | None = None if setting == "local" else ZoneInfo(setting)
        self._name = setting if setting != "local" else _local_name()

    def attach(self, naive: datetime) -> datetime:
        """The moment that this wall clock time is in the zone."""
        return naive.astimezone() if self.info is None else naive.replace(tzinfo=self.info)

    def name(self, moment: datetime) -> str:
        """The IANA name, or the offset where the machine's zone has no name to be found."""
        return self._name or moment.strftime("%z")[:3] + ":" + moment.strftime("%z")[3:5]


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
        return found
    try:
        return Path("/etc/timezone").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def to_utc(text: str, zone: Zone) -> tuple[str, str | None]:
    """A stamp as (UTC in ISO 8601, zone that was assumed or None if the stamp named its own).

    Takes ISO 8601 with ``T`` or a blank, with ``Z``, an offset or no zone, a point or a comma before a fraction
    of up to nine digits (kept to the nanosecond), or none.

    Raises:
        ValueError: it is no time, or none that ``date_nanos`` holds.
    """
    moment = datetime.fromisoformat(text.replace(",", ".", 1) if "," in text else text)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{text!r} lies outside {FIRST_YEAR}-{LAST_YEAR}")
    if _WRITTEN.fullmatch(text):
        return text, None  # what structlog writes: already as Elasticsearch wants it
    if len(text) < 12:
        raise ValueError(f"{text!r} is a date without a time")
    assumed = None
    if moment.tzinfo is None:
        moment = zone.attach(moment)
        assumed = zone.name(moment)
    utc = moment.astimezone(UTC)
    if utc.year < FIRST_YEAR:
        raise ValueError(f"{text!r} lies before {FIRST_YEAR}")
    fraction = _FRACTION.match(text, 10)
    digits = fraction[1][:9] if fraction else ""
    if len(digits) > 6:
        return f"{utc:%Y-%m-%dT%H:%M:%S}.{digits}Z", assumed
    return f"{utc.isoformat(timespec='microseconds').removesuffix('+00:00')}Z", assumed


def from_ns(nanoseconds: int) -> str:
    """A clock reading in nanoseconds since the epoch as UTC in ISO 8601 with nine digits."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def later(stamp: str, nanoseconds: int) -> str:
    """So many nanoseconds after a stamp that ``to_utc`` gave."""
    fraction = stamp[20:].partition("+")[0].rstrip("Z")
    total = int(f"{fraction:0<9}") + nanoseconds
    moment = datetime.fromisoformat(f"{stamp[:19]}+00:00") + timedelta(seconds=total // 10**9)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{total % 10**9:09d}Z"
