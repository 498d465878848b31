from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.parse import timestamps
from shipper.parse.timestamps import Reading, Zone, from_ns, second_time, to_utc

JERUSALEM = Zone("Asia/Jerusalem")
ZONES = ("Asia/Jerusalem", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
SECOND, MINUTE, HOUR = 10**9, 60 * 10**9, 3600 * 10**9
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
        # Rare forms of ISO 8601 are converted to the one that all Elasticsearch versions accept.
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
def test_a_stamp_with_a_zone_is_that_moment(stamp: str, utc: str) -> None:
    """The offset is applied, fractions keep nanoseconds, and the configured zone is not used."""
    assert (utc, None) == to_utc(stamp, JERUSALEM)


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2026-11-23 12:41:11,377", "2026-11-23T10:41:11.377000Z"),
        ("2026-11-23 12:41:11.377", "2026-11-23T10:41:11.377000Z"),
        ("2026-11-23 12:41:11", "2026-11-23T10:41:11.000000Z"),
        ("2026-07-01T12:41:11", "2026-07-01T09:41:11.000000Z"),
        ("2026-11-23 12:41:11,123456789", "2026-11-23T10:41:11.123456789Z"),
        # Before, after and within a change of the clock.
        ("2026-03-27 01:59:59", "2026-03-26T23:59:59.000000Z"),
        ("2026-03-27 02:30:00", "2026-03-27T00:30:00.000000Z"),  # a time that no clock showed
        ("2026-03-27 03:00:00", "2026-03-27T00:00:00.000000Z"),
        ("2026-10-25 00:59:59", "2026-10-24T21:59:59.000000Z"),
        ("2026-10-25 01:30:00", "2026-10-24T22:30:00.000000Z"),  # shown twice: the first is taken
        ("2026-10-25 02:00:00", "2026-10-25T00:00:00.000000Z"),
    ],
)
def test_a_stamp_without_a_zone_is_local(stamp: str, utc: str) -> None:
    """The configured zone is used and reported, in summer, in winter and at a change of the clock."""
    assert (utc, "Asia/Jerusalem") == to_utc(stamp, JERUSALEM)


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
        "2026-11-23T12:44:12.286093xZ",
        "2026-11-23T12:44:12.286093123 what else +02:00",
        "1969-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999999+00:00",
        "1970-01-01 00:30:00",  # in Jerusalem that was 1969 in UTC
        "2262-01-01T00:00:00.000000+00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "\ud800",
    ],
)
def test_what_is_no_usable_time_is_refused(stamp: str) -> None:
    """Impossible dates, dates alone and times outside date_nanos raise ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are Python's own
        to_utc(stamp, JERUSALEM)


def test_the_first_and_last_moments_are_taken() -> None:
    """The whole range of date_nanos is accepted."""
    assert to_utc("1970-01-01T00:00:00.000000+00:00", JERUSALEM)[0] == "1970-01-01T00:00:00.000000+00:00"
    assert to_utc("2261-12-31T23:59:59.999999Z", JERUSALEM)[0] == "2261-12-31T23:59:59.999999Z"


def test_midnight_as_24_is_refused_or_the_next_day() -> None:
    """24:00 is the next day in Python 3.13, and rejected before."""
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


@given(stamp=stamps, zone=st.sampled_from(["UTC", "Asia/Jerusalem", "America/St_Johns", "local"]))
def test_any_text_is_refused_or_becomes_a_valid_stamp(stamp: str, zone: str) -> None:
    """Any text raises ValueError or gives the common form."""
    try:
        utc, _ = to_utc(stamp, Zone(zone))
    except ValueError:
        return
    assert VALID.fullmatch(utc)
    assert 1970 <= datetime.fromisoformat(utc).year <= 2262


def test_nanoseconds_are_written_out() -> None:
    """A clock reading keeps nine digits."""
    assert from_ns(1_795_438_800_000_000_007) == "2026-11-23T13:00:00.000000007Z"


def test_the_machines_zone_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """``local`` is reported by name if the environment has one, otherwise by offset."""
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert Zone("local").name(datetime(2026, 1, 1).astimezone()) == "Europe/Berlin"
    monkeypatch.setattr(timestamps, "_local_name", lambda: None)
    assert Zone("local").name(datetime.fromisoformat("2026-01-01T00:00:00-03:30")) == "-03:30"


def changes(zone: str) -> list[datetime]:
    """The hours in which a zone's clock changed in some years, or some other hours."""
    info = ZoneInfo(zone)
    days = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(6 * 366)]
    offsets = [day.astimezone(info).utcoffset() for day in days]
    changed = [day for day, (before, after) in zip(days, pairwise(offsets), strict=False) if before != after]
    return [
        hour
        for hour in (day + timedelta(hours=hours) for day in changed for hours in range(1, 25))
        if hour.astimezone(info).utcoffset() != (hour - timedelta(hours=1)).astimezone(info).utcoffset()
    ] or [days[41]]


CHANGES = [(zone, hour) for zone in ZONES for hour in changes(zone)]


@given(
    change=st.sampled_from(CHANGES),
    seconds=st.integers(-3 * 3600, 3 * 3600),
    fraction=st.sampled_from(["", ",5", ",377", ".377123", ",123456789"]),
    blank=st.sampled_from(" T"),
)
def test_every_moment_around_a_clock_change_is_found_again(
    change: tuple[str, datetime], seconds: int, fraction: str, blank: str
) -> None:
    """A time that is read immediately gives its moment, on either side of the change, repeatedly."""
    name, hour = change
    utc = hour + timedelta(seconds=seconds)
    text = f"{utc.astimezone(ZoneInfo(name)):%Y-%m-%d{blank}%H:%M:%S}{fraction}"
    reading = Reading(b"g", int(utc.timestamp()) * SECOND + SECOND, 0, {})
    zone = Zone(name)
    expected = f"{utc:%Y-%m-%dT%H:%M:%S}.{fraction[1:]:0<6}Z"
    for _ in range(2):
        assert (expected, name) == to_utc(text, zone, reading)


@pytest.mark.parametrize("zone", ZONES)
def test_a_log_over_a_clock_change_keeps_its_order(zone: str) -> None:
    """Read months later, the lines of a log keep their order over the change."""
    known = Zone(zone)
    for hour in changes(zone):
        reading = Reading(b"g", int(hour.timestamp() + 10**7) * SECOND, 0, {})
        written = [hour + timedelta(minutes=minute) for minute in range(-180, 180)]
        texts = [f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S},250" for moment in written]
        assert [f"{moment:%Y-%m-%dT%H:%M:%S}.250000Z" for moment in written] == [
            to_utc(text, known, reading)[0] for text in texts
        ]


@pytest.mark.parametrize(
    ("read_at", "modified", "last", "second"),
    [
        (0, 0, None, False),  # the second time has not come yet
        (HOUR - 5 * SECOND, 0, None, True),  # it may be there when the writer's clock is ahead
        (HOUR - 6 * SECOND, 0, None, False),
        (HOUR, HOUR, None, True),  # followed live
        (HOUR + 10 * MINUTE, HOUR, None, True),
        (HOUR + 11 * MINUTE, HOUR, None, False),  # nothing says that it is the second
        (HOUR + MINUTE, 20 * MINUTE, None, False),  # the file was at rest by then
        (HOUR + MINUTE, 31 * MINUTE, None, True),  # what the scan saw may be older than the line
        (100 * HOUR, 0, 61 * SECOND, True),  # it would go back in time
        (100 * HOUR, 0, 60 * SECOND, False),  # writers of one file are out of order by a little
        (100 * HOUR, 0, -HOUR, False),
        (100 * HOUR, 20 * MINUTE, 61 * SECOND, False),
    ],
)
def test_which_of_two_moments_is_meant(read_at: int, modified: int, last: int | None, second: bool) -> None:
    """Of two possible moments the time of reading decides, otherwise the first is taken."""
    assert second == second_time(0, HOUR, read_at, modified, last)


def test_jumbled_lines_at_the_change() -> None:
    """A line of the first hour behind one of the second stays in the first."""
    reading = Reading(b"g", 2 * 10**18, 0, {})
    stamps = ["2026-10-25 01:59:59,9", "2026-10-25 01:59:59,8", "2026-10-25 01:00:00,1", "2026-10-25 01:59:59,95"]
    hours = [to_utc(stamp, JERUSALEM, reading)[0][11:13] for stamp in [*stamps, "2026-10-25 01:00:01"]]
    assert ["22", "22", "23", "22", "23"] == hours


def test_logs_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last time of one log does not influence another; the least recently used are dropped."""
    monkeypatch.setattr(timestamps, "MAX_GENERATIONS", 2)
    last: dict[bytes, int] = {}
    readings = [Reading(name, 2 * 10**18, 0, last) for name in (b"a", b"b", b"c")]
    to_utc("2026-10-25 01:30:00", JERUSALEM, readings[0])
    assert "2026-10-24T23:10:00.000000Z" == to_utc("2026-10-25 01:10:00", JERUSALEM, readings[0])[0]
    assert "2026-10-24T22:10:00.000000Z" == to_utc("2026-10-25 01:10:00", JERUSALEM, readings[1])[0]
    to_utc("2026-10-25 01:20:00", JERUSALEM, readings[0])
    to_utc("2026-10-25 01:10:00", JERUSALEM, readings[2])
    assert [b"a", b"c"] == list(last)


def test_hours_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second time of an hour needs no conversion; hours of a clock change are never cached."""
    monkeypatch.setattr(timestamps, "MAX_HOURS", 3)
    zone = Zone("Asia/Jerusalem")
    for hour in range(10, 24):
        to_utc(f"2026-11-23 {hour}:41:11,377", zone)
        assert 0 < len(zone.hours) <= 3
    zone.hours.clear()
    to_utc("2026-10-25 01:30:00", zone)
    to_utc("1972-01-01 00:10:00", Zone("Africa/Monrovia"))
    assert {} == zone.hours


@pytest.mark.parametrize(
    "rest",
    [":60,377", ":1", ":11,", ":11,37\N{SUPERSCRIPT TWO}", ":11;377", ":11,377 ", ":11,377x", "x11,377", ":11,-37"],
)
def test_a_remembered_hour_makes_no_stamp_of_what_is_none(rest: str) -> None:
    """An invalid time is rejected whether or not its hour is cached."""
    outcomes: list[tuple[str, str | None]] = []
    for zone in (Zone("Asia/Jerusalem"), Zone("Asia/Jerusalem")):
        if outcomes:
            to_utc("2026-11-23 12:59:00", zone)
        try:
            outcomes.append(to_utc(f"2026-11-23 12:41{rest}", zone))
        except ValueError:
            outcomes.append(("refused", None))
    assert outcomes[0] == outcomes[1]


@given(stamp=stamps, zone=st.sampled_from(ZONES))
def test_a_remembered_hour_changes_nothing(stamp: str, zone: str) -> None:
    """Any text gives the same result with and without the cache."""
    known = Zone(zone)
    outcomes: list[object] = []
    for _ in range(2):
        try:
            outcomes.append(to_utc(stamp, known))
        except ValueError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


@pytest.fixture
def in_lord_howe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock changes by half an hour, with no IANA name."""
    monkeypatch.setenv("TZ", "LHST-10:30LHDT-11,M10.1.0,M4.1.0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_lord_howe")
def test_the_machines_clock_is_set_too() -> None:
    """``local`` without a name knows both sides of a change and reports the offset."""
    zone = Zone("local")
    reading = Reading(b"g", 2 * 10**18, 0, {})
    texts = ["2026-04-05 01:20:00", "2026-04-05 01:45:00", "2026-04-05 01:31:00", "2026-04-05 02:00:00"]
    assert [
        ("2026-04-04T14:20:00.000000Z", "+11:00"),
        ("2026-04-04T14:45:00.000000Z", "+11:00"),
        ("2026-04-04T15:01:00.000000Z", "+10:30"),
        ("2026-04-04T15:30:00.000000Z", "+10:30"),
    ] == [to_utc(text, zone, reading) for text in texts]


def test_a_stale_name_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that names another zone than the machine's is ignored."""
    monkeypatch.setattr("os.path.realpath", lambda path: path)
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: "Australia/Lord_Howe\n")
    monkeypatch.setattr("time.localtime", time.gmtime)
    assert timestamps._local_name() is None
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: "Etc/UTC\n")
    assert "Etc/UTC" == timestamps._local_name()
