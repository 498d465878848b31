from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shipper.query.time_ranges import EARLIEST, LATEST, moment

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def _jerusalem(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Jerusalem")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", NOW),
        ("90s", datetime(2026, 11, 23, 11, 58, 30, tzinfo=UTC)),
        ("1h", datetime(2026, 11, 23, 11, 0, tzinfo=UTC)),
        (" 1.5 h ", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 16, 12, 0, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 9, 12, 0, tzinfo=UTC)),
        ("2026-11-23T12:00:00Z", NOW), ("2026-11-23 14:00:00+02:00", NOW),
        ("2026-11-23T12:00:00.123456789Z", NOW.replace(microsecond=123456)),
        # Times outside the range of date_nanos are clamped.
        ("99999999999w", EARLIEST), ("60000d", EARLIEST), ("0001-01-01", EARLIEST),
        ("1969-12-31T00:00:00Z", EARLIEST), ("9999-12-31T23:59:59-12:00", LATEST), ("9999-12-31", LATEST),
    ],
)  # fmt: skip
def test_spellings(text: str, meant: datetime) -> None:
    """Durations back from now, and ISO times with a zone, give their moment."""
    assert moment(text, NOW) == meant


@pytest.mark.usefixtures("_jerusalem")
def test_time_without_zone_is_as_shown() -> None:
    """A time without a zone is local like the tables, or UTC where they are."""
    assert moment("2026-11-23", NOW) == datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
    assert moment("2026-07-01 12:00", NOW) == datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
    assert moment("2026-11-23", NOW, utc=True) == datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "1", "1y", "-1h", "2026-13-01", "12:00"])
def test_anything_else_is_refused(text: str) -> None:
    """The error names the valid forms."""
    with pytest.raises(ValueError, match="is not a time; write"):
        moment(text, NOW)
