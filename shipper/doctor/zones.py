"""Findings about the times in the newest lines of each log: a wrong zone, or times in the future.

A line is written when its time says; so a file whose last time lies a whole number of quarter hours before or behind
the file's own change was read in the wrong zone (Nepal's is 5:45 h ahead of UTC).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shipper.config import Shipper
from shipper.doctor.finding import Finding, warning
from shipper.document.ecs import Documents
from shipper.parse.dispatch import parse
from shipper.regular_files import open_canonical
from shipper.tail.block import Block, Origin
from shipper.tail.found_files import Found

# Seconds: a shift within so much of a multiple of a quarter hour is one; a time so far ahead is in the future.
TOLERANCE, QUARTER, AHEAD = 3.0, 900.0, 60.0
MAX_SHIFT = 14 * 3600
_KEYS = {"pipeline": "shipper.pipeline_timezone", "audit": None}
# Of so many files, the newest, the last bytes are read.
MAX_FILES, LAST_BYTES = 200, 16 * 1024


@dataclass(frozen=True)
class LastTime:
    """The last time in a log.

    Attributes:
        path: of the log.
        at: the time as it would be shipped.
        written: when the file was changed last.
        zone: the zone that was assumed for it; None where the line names its own.
        key: of the configuration that gives this zone; None for the audit trail, which is read as UTC.
    """

    path: str
    at: datetime
    written: datetime
    zone: str | None
    key: str | None = "shipper.timezone"


def shift_of(time: LastTime) -> int | None:
    """How many seconds the time lies behind the file's change, if that is a multiple of a quarter hour; else None."""
    delta = (time.at - time.written).total_seconds()
    shift = round(delta / QUARTER) * QUARTER
    if abs(delta - shift) > TOLERANCE or abs(shift) > MAX_SHIFT:
        return None
    return int(shift)


def zone_findings(times: Iterable[LastTime], now: datetime, offset: int) -> Iterator[Finding]:
    """Zones that seem to be wrong, each once with its files; then times in the future that no zone explains.

    Args:
        times: of the logs.
        now: this machine's time.
        offset: of this machine's own zone to UTC, seconds.
    """
    shifts: dict[tuple[str | None, str], dict[int, list[LastTime]]] = defaultdict(lambda: defaultdict(list))
    future = []
    for time in times:
        shift = shift_of(time) if time.zone else None
        if time.zone and shift is not None:
            shifts[time.key, time.zone][shift].append(time)
        elif (time.at - now).total_seconds() > AHEAD:
            future.append(time)
    for (key, zone), groups in shifts.items():
        fitting = len(groups.pop(0, ()))
        for shift, group in sorted(groups.items()):
            if len(group) > fitting:
                yield _wrong_zone(key, zone, shift, group, offset)
    if future:
        worst = max(future, key=lambda one: one.at)
        ahead = (worst.at - now).total_seconds()
        yield warning(
            "lines-in-future",
            worst.path,
            f"the last line of {worst.path} has the time {worst.at.isoformat()}, {ahead:.0f} s after this machine's "
            f"time{_more(len(future))}",
            "correct the clock of the machine that writes it, or of this one (`timedatectl` tells whether it is "
            "synchronised)",
        )


def _wrong_zone(key: str | None, zone: str, shift: int, group: list[LastTime], offset: int) -> Finding:
    first = min(group, key=lambda one: one.path)
    utc = first.at.astimezone(_zone(zone)).utcoffset() or timedelta()
    seconds = int(utc.total_seconds()) + shift
    name = "UTC" if not seconds else f"UTC{'+' if seconds > 0 else '-'}{_hours(abs(seconds))}"
    value = "UTC" if not seconds else "local" if seconds == offset else "the zone of the program that writes them"
    do = f"set {key}: {value}{'' if value in {'UTC', 'local'} else ' (a name like Europe/Berlin)'}"
    if key is None:
        do = "let the application write the audit trail in UTC, or with an offset: it is always read as UTC"
    return warning(
        "wrong-zone",
        first.path,
        f"the lines of {first.path} seem to be written in the zone {name}, and the configuration reads them as "
        f"{zone}: "
        f"their times are {_hours(abs(shift))} h too {'late' if shift > 0 else 'early'}{_more(len(group))}",
        f"{do}; documents that are indexed already keep their times",
    )


def _more(count: int) -> str:
    return "" if count < 2 else "; one more file is alike" if count == 2 else f"; {count - 1} more files are alike"


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:g}"


def _zone(name: str) -> tzinfo | None:
    """A zone by its IANA name, or by its offset."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo


def last_times(files: Iterable[Found], settings: Shipper) -> Iterator[LastTime]:
    """The last time in each of the logs that were written to last; rotated and compressed files are left out."""
    documents = Documents(settings, "check")
    newest = sorted((one for one in files if not one.rotated and not one.compressed), key=lambda one: -one.mtime_ns)
    for file in newest[:MAX_FILES]:
        try:
            lines, size, changed = _last_lines(file.real)
        except OSError:
            continue  # other checks tell
        found = last_time(file, lines, size, changed, documents)
        if found is not None:
            yield found


def last_time(file: Found, lines: list[bytes], size: int, changed_ns: int, documents: Documents) -> LastTime | None:
    """The last time in these lines, which end a log."""
    start = size - sum(len(line) + 1 for line in lines)
    offsets = [*accumulate((len(line) + 1 for line in lines), initial=start)]
    source = file.source
    origin = Origin(b"check", file.path, file.logical, source.format, source.dataset, layouts=source.layouts)
    block = Block(origin, lines, offsets, final=True, read_at_ns=changed_ns, modified_ns=changed_ns)
    for document in reversed(documents.of(parse(block))):
        if "no_timestamp" in document.get("tags", ()):
            continue
        zone = document["event"].get("timezone")
        key = _KEYS.get(source.format, "shipper.timezone")
        at = datetime.fromisoformat(document["@timestamp"]).astimezone(UTC)
        return LastTime(file.shown, at, datetime.fromtimestamp(changed_ns / 1e9, UTC), zone, key)
    return None


def _last_lines(path: str) -> tuple[list[bytes], int, int]:
    """The last whole lines of a file, its length, and when it was changed (nanoseconds)."""
    with os.fdopen(open_canonical(path), "rb") as file:
        stat = os.fstat(file.fileno())
        begin = max(0, stat.st_size - LAST_BYTES)
        file.seek(begin)
        lines = file.read(LAST_BYTES).split(b"\n")
    return lines[1 if begin else 0 : -1], stat.st_size, stat.st_mtime_ns
