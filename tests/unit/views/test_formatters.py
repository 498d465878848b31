from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from shipper.views.formatters import hours_and_minutes, seconds, when


@pytest.mark.parametrize(
    ("duration", "shown"),
    [(4040, "1h 7m"), (4040.9, "1h 7m"), (59, "0h 0m"), (90_000, "25h 0m"), (0, "-"), (None, "-")],
)
def test_durations_as_the_application_writes_them(duration: float | None, shown: str) -> None:
    """Hours and minutes; a missing or zero one is a dash."""
    assert shown == hours_and_minutes(duration)


def test_times_in_the_readers_zone() -> None:
    """A time by its pattern, an invalid one unchanged, a missing one by choice."""
    cell = when("started_at", "%Y-%m-%d %H:%M", "-")
    doc = {"started_at": "2026-11-23T23:43:02.000Z"}
    assert ["2026-11-23 23:43", "2026-11-24 01:43"] == [cell(doc, zone) for zone in (UTC, ZoneInfo("Asia/Jerusalem"))]
    assert ["?", "-"] == [cell(doc, UTC) for doc in ({"started_at": "?"}, {})]


def test_nanoseconds_as_seconds() -> None:
    """The runtime of a task, or nothing."""
    assert ["160.25s", ""] == [
        seconds("event.duration")(doc, UTC) for doc in ({"event.duration": 160_250_000_000}, {})
    ]
