"""Times as other loggers write them."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.parse import foreign_timestamps
from shipper.parse.timestamps import Zone, to_utc

JERUSALEM = Zone("Asia/Jerusalem")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1795600000, "2026-11-25T09:46:40.000000Z"),
        (1795600000.25, "2026-11-25T09:46:40.250000Z"),
        (1795600000.123456, "2026-11-25T09:46:40.123456Z"),
        (1795600000250, "2026-11-25T09:46:40.250000Z"),
        (1795600000250.5, "2026-11-25T09:46:40.250500Z"),
        (1795600000123456, "2026-11-25T09:46:40.123456Z"),
        (1795600000123456789, "2026-11-25T09:46:40.123456789Z"),
        ("1795600000.25", "2026-11-25T09:46:40.250000Z"),
        ("1795600000123456789", "2026-11-25T09:46:40.123456789Z"),
    ],
)
def test_numbers_since_the_epoch(number: Any, expected: str) -> None:
    """The size tells seconds, milliseconds, microseconds and nanoseconds apart; none is rounded."""
    assert expected == foreign_timestamps.of_number(number)


@pytest.mark.parametrize(
    "value",
    [
        0, 17, -1795600000, 0.5, 12.5, True, None, 10**10, 5 * 10**13, 10**25, float("inf"), float("nan"), "17",
        "x", "", [1795600000], "1795600000 s", "²795600000", 9_223_372_036,
    ],
)  # fmt: skip
def test_other_numbers_are_no_times(value: Any) -> None:
    """Durations, counts and times outside the index's range are rejected."""
    assert None is foreign_timestamps.of_number(value)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("Fri, 27 Nov 2026 01:00:00 +0100", "2026-11-27T00:00:00.000000Z"),
        ("Fri, 27 Nov 2026 01:00:00 GMT", "2026-11-27T01:00:00.000000Z"),
        ("7 Nov 2026 01:00:00 -0500", "2026-11-07T06:00:00.000000Z"),
        ("27 Nov 2026 01:00:00 EST", "2026-11-27T06:00:00.000000Z"),
        ("2026-11-27 01:00:00 UTC", "2026-11-27T01:00:00.000000Z"),
        ("2026-11-27T01:00:00.123456789 UTC", "2026-11-27T01:00:00.123456789Z"),
        ("2026-11-27 01:00:00.5 +0100", "2026-11-27T00:00:00.500000Z"),
        ("2026-11-27 01:00:00.5 +0000 UTC m=+0.015", "2026-11-27T01:00:00.500000Z"),
        ("2026-11-27t01:00:00z", "2026-11-27T01:00:00.000000Z"),
        ("2026-11-27t01:00:00.25+01:00", "2026-11-27T00:00:00.250000Z"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00.000000Z"),
        ("2026-12-31T23:59:60.5+00:00", "2027-01-01T00:00:00.500000Z"),
        ("2027-01-01 01:59:60", "2027-01-01T00:00:00.000000Z"),
        ("20261127T010203Z", "2026-11-27T01:02:03.000000Z"),
        ("20261127T010203.5+0100", "2026-11-27T00:02:03.500000Z"),
        ("20261127010203", "2026-11-26T23:02:03.000000Z"),
        ("2026-11-27T01:00:00+0100", "2026-11-27T00:00:00.000000Z"),
        ("2026-11-27 01:00:00,123", "2026-11-26T23:00:00.123000Z"),
        ("2026/11/27 01:00:00", "2026-11-26T23:00:00.000000Z"),
        ("2026-11-27T01:00:00+01:00[Europe/Berlin]", "2026-11-27T00:00:00.000000Z"),
        ("2026-07-27 01:00:00 Europe/Berlin", "2026-07-26T23:00:00.000000Z"),
        ("27/Nov/2026:01:00:00 +0000", "2026-11-27T01:00:00.000000Z"),
        ("Fri Nov 27 01:00:00 2026", "2026-11-26T23:00:00.000000Z"),
        ("Fri Nov 27 01:00:00 UTC 2026", "2026-11-27T01:00:00.000000Z"),
        ("Nov 27, 2026 12:02:03 AM", "2026-11-26T22:02:03.000000Z"),
        ("Nov 27, 2026 1:02:03 PM", "2026-11-27T11:02:03.000000Z"),
        ("1795600000.25", "2026-11-25T09:46:40.250000Z"),
    ],
)
def test_other_spellings_of_a_time(stamp: str, expected: str) -> None:
    """Each gives its moment; without a zone the configured one applies."""
    assert expected == to_utc(stamp, JERUSALEM)[0]


@pytest.mark.parametrize(
    "stamp",
    [
        "Fri, 37 Nov 2026 01:00:00 GMT", "27 Foo 2026 01:00:00", "2026-11-27T01:02:61Z", "2026-11-27 25:00:00 UTC",
        "2026-11-27 01:00:00 IST", "2026-11-27 01:00:00 Europe/Nowhere", "Nov 27 01:00:00", "20261127",
        "13:02:03 PM", "2026-11-27 13:00:00 PM", "UTC", "2026-11-27 01:00:00 " + "0" * 100,
        "1899-11-27 01:00:00 UTC",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_time_is_refused(stamp: str) -> None:
    """Impossible dates, ambiguous zones and timestamps without a year are rejected."""
    with pytest.raises(ValueError):  # noqa: PT011 - some of the texts are Python's own
        to_utc(stamp, JERUSALEM)
