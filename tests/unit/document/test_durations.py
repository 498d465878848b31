from __future__ import annotations

from typing import Any

import pytest

from shipper.document.durations import nanoseconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0), (3600, 3_600_000_000_000), (0.42293936900000517, 422_939_369), (9e-06, 9_000), (-0.0, 0),
        ("12.3s", 12_300_000_000), ("0s", 0), (" 7 m ", 420_000_000_000), ("1h 7m", 4_020_000_000_000),
        ("2d3h4min5.5s", 183_845_500_000_000), (9_223_372_035, 9_223_372_035_000_000_000),
    ],
)  # fmt: skip
def test_every_spelling(value: Any, expected: int) -> None:
    """Seconds as a number, or text with units."""
    assert expected == nanoseconds(value)


@pytest.mark.parametrize(
    "value",
    [
        None, True, -1, -0.5, float("nan"), float("inf"), 1e300, 10**400, 9_223_372_037, "", " ", "s", "12", "soon",
        "1s 1m", "-1s", "1.s", "1e5s", "\u0661s", "9" * 400 + "s", "300000000000d", [1], {"s": 1},
    ],
)  # fmt: skip
def test_what_is_no_duration(value: Any) -> None:
    """Anything else, and durations beyond a long, are None."""
    assert nanoseconds(value) is None


def test_long_texts_take_no_long_time() -> None:
    """Any number of blanks and digits is rejected in one pass."""
    assert nanoseconds("1" + " " * 50_000 + "x") is None
    assert nanoseconds(" " * 50_000 + "x") is None
    assert nanoseconds("1" * 50_000 + "x") is None
