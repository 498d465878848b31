from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.parse import timestamps
from shipper.parse.timestamps import Zone, from_ns, to_utc

JERUSALEM = Zone("Asia/Jerusalem")
VALID = re.compile(r"[12]\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|\+00:00)")


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2026-11-23T12:34:30.626608Z", "2026-11-23T12:34:30.626608Z"),
        ("2026-11-23T12:44:12.286093+00:00", "2026-11-23T12:44:12.286093+00:00"),
        ("2026-11-23T12:44:12Z", "2026-11-23T12:44:12.000000Z"),
        ("2026-11-23T12:44:12+00:00", "2026-11-23T12:44:12.000000Z"),
        ("2026-11-23 12:44:12+02:00", "2026-11-23T10:44:12.000000Z"),
        ("2026-11-23T00:30:00+05:30", "2026-11-22T19:00:00.000000Z"),
        ("2026-11-23T12:44:12.123456789Z", "2026-11-23T12:44:12.123456789Z"),
        ("2026-11-23T12:44:12.1234567+02:00", "2026-11-23T10:44:12.1234567Z"),
        ("2026-11-23T12:44:12.1234567891234Z", "2026-11-23T12:44:12.123456789Z"),
        ("2026-11-23T12:44:12.5Z", "2026-11-23T12:44:12.500000Z"),
    ],
)
def test_a_stamp_with_a_zone_is_that_moment(stamp: str, utc: str) -> None:
    """Offsets are taken away, fractions kept to the nanosecond, and no zone is assumed."""
    assert (utc, None) == to_utc(stamp, JERUSALEM)


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2026-11-23 12:41:11,377", "2026-11-23T10:41:11.377000Z"),
        ("2026-11-23 12:41:11.377", "2026-11-23T10:41:11.377000Z"),
        ("2026-11-23 12:41:11", "2026-11-23T10:41:11.000000Z"),
        ("2026-07-01T12:41:11", "2026-07-01T09:41:11.000000Z"),
        ("2026-11-23 12:41:11,123456789", "2026-11-23T10:41:11.123456789Z"),
    ],
)
def test_a_stamp_without_a_zone_is_local(stamp: str, utc: str) -> None:
    """The configured zone is assumed, winter or summer, and told."""
    assert (utc, "Asia/Jerusalem") == to_utc(stamp, JERUSALEM)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-27 01:59:59", "2026-03-26T23:59:59.000000Z"),
        ("2026-03-27 02:30:00", "2026-03-27T00:30:00.000000Z"),  # a time that no clock showed
        ("2026-03-27 03:00:00", "2026-03-27T00:00:00.000000Z"),
        ("2026-10-25 00:59:59", "2026-10-24T21:59:59.000000Z"),
        ("2026-10-25 01:30:00", "2026-10-24T22:30:00.000000Z"),  # shown twice: the first is taken
        ("2026-10-25 02:00:00", "2026-10-25T00:00:00.000000Z"),
    ],
)
def test_both_sides_of_a_clock_change(local: str, utc: str) -> None:
    """Before and after the clock is set, and the hour that is missing or double."""
    assert (utc, "Asia/Jerusalem") == to_utc(local, JERUSALEM)


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2026-11-23T12:44:12,286093Z", "2026-11-23T12:44:12.286093Z"),
        ("2026-11-23T12:44:12,286093+00:00", "2026-11-23T12:44:12.286093Z"),
        ("2026-11-23T124412.28609312Z", "2026-11-23T12:44:12.28609312Z"),
        ("2026-11-23T124412.28609312+00:00", "2026-11-23T12:44:12.28609312Z"),
        ("2026-W48-1T12:44:12.286093Z", "2026-11-23T12:44:12.286093Z"),
        ("20261123T1244Z", "2026-11-23T12:44:00.000000Z"),
        ("2026-11-23T12:44:12-02:00:00.500000", "2026-11-23T14:44:12.500000Z"),
        ("2026-11-23T12:44:12-02:00:00.5000009", "2026-11-23T14:44:12.500000Z"),
    ],
)
def test_rare_spellings_come_out_in_the_common_one(stamp: str, utc: str) -> None:
    """Whatever ISO 8601 allows is written as every Elasticsearch reads it; no such stamp is passed through."""
    assert (utc, None) == to_utc(stamp, JERUSALEM)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "yesterday",
        "2026-11-23",
        "20261123",
        "2026-W48-1",
        "2026-02-30T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T12:60:00Z",
        "2026-11-23T12:44:12.286093Zx",
        "1969-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999999+00:00",
        "1970-01-01 00:30:00",  # in Jerusalem that was 1969 in UTC
        "2262-01-01T00:00:00.000000+00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1772440205.5",
        "\ud800",
    ],
)
def test_what_is_no_usable_time_is_refused(stamp: str) -> None:
    """Impossible dates, dates alone and what date_nanos can't hold raise ValueError and nothing else."""
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are Python's own
        to_utc(stamp, JERUSALEM)


def test_the_first_and_last_moments_are_taken() -> None:
    """The range of date_nanos is used from its beginning to its last whole year."""
    assert to_utc("1970-01-01T00:00:00.000000+00:00", JERUSALEM)[0] == "1970-01-01T00:00:00.000000+00:00"
    assert to_utc("2261-12-31T23:59:59.999999Z", JERUSALEM)[0] == "2261-12-31T23:59:59.999999Z"


def test_midnight_as_24_is_refused_or_the_next_day() -> None:
    """Python 3.13 reads 24:00 as the day's end; before that it is no time.  It is never anything else."""
    try:
        found = to_utc("2026-11-23T24:00:00Z", JERUSALEM)
    except ValueError:
        return
    assert ("2026-11-24T00:00:00.000000Z", None) == found


stamps = st.one_of(
    st.text(max_size=40),
    st.from_regex(
        r"\d{4}-\d\d-\d\d[T ]\d\d:?\d\d:?\d\d([.,]\d{1,12})?(Z|[+-]\d\d:?\d\d(:\d\d(\.\d{1,9})?)?)?", fullmatch=True
    ),
    st.datetimes(datetime(1960, 1, 1), datetime(2270, 1, 1)).map(datetime.isoformat),  # noqa: DTZ001 - naive stamps
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
)


@settings(max_examples=150, deadline=None)
@given(stamp=stamps, zone=st.sampled_from(["UTC", "Asia/Jerusalem", "America/St_Johns", "local"]))
def test_any_text_is_refused_or_becomes_a_valid_stamp(stamp: str, zone: str) -> None:
    """ValueError, or the one form that Elasticsearch takes everywhere."""
    try:
        utc, _ = to_utc(stamp, Zone(zone))
    except ValueError:
        return
    assert VALID.fullmatch(utc)
    assert 1970 <= datetime.fromisoformat(utc).year <= 2262


def test_nanoseconds_are_written_out() -> None:
    """A clock reading keeps all nine digits."""
    assert from_ns(1_795_438_800_000_000_007) == "2026-11-23T13:00:00.000000007Z"


def test_the_machines_zone_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """``local`` is told by name where the environment names one, by offset where nothing does."""
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert Zone("local").name(datetime(2026, 1, 1).astimezone()) == "Europe/Berlin"
    monkeypatch.setattr(timestamps, "_local_name", lambda: None)
    assert Zone("local").name(datetime.fromisoformat("2026-01-01T00:00:00-03:30")) == "-03:30"
