from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.query.conditions import Query
from shipper.query.quantities import date_query, nanoseconds, number, number_query
from shipper.query.syntax_tree import QueryError, Range, Regex, Word

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.3s", 12_300_000_000), ("5", 5), ("1m", 60 * 10**9), ("2h", 7200 * 10**9), ("1ms", 10**6),
        ("1d", 86400 * 10**9), ("1e3s", 10**12), ("1E-3s", 10**6), ("+5 s", 5 * 10**9), ("-5", -5),
        (".5s", 5 * 10**8), ("2μs", 2000), ("2µs", 2000), (str(2**63 - 1), 2**63 - 1), ("1e-400", 0),
    ],
)  # fmt: skip
def test_durations(text: str, value: int) -> None:
    """Nanoseconds, or a number with its unit."""
    assert value == nanoseconds("event.duration", text)


NO_NUMBERS = [
    "abc", "", "1x", "nan", "inf", "-inf", "Infinity", "0x10", "1_000", "1e", "e5", ".", "1,5", "٣", "\uff11", " ",
]  # fmt: skip
TOO_LARGE = [
    "1e999", "-1e999", "1e400", "99999999999999999999", "-99999999999999999999", "1e19", str(2**63), "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", [*NO_NUMBERS, *TOO_LARGE])
def test_no_number(text: str) -> None:
    """An invalid or too large number is reported with the field's name."""
    for read in (number, nanoseconds):
        with pytest.raises(QueryError, match=r"some\.field"):
            read("some.field", text)


@pytest.mark.parametrize("text", ["1e99h", "300000000000d", "-1e10h", "1e400s"])
def test_no_duration(text: str) -> None:
    """A duration that is too long is reported."""
    with pytest.raises(
        QueryError, match=r"out of the range of event\.duration: 9223372036854775807 nanoseconds at most"
    ):
        nanoseconds("event.duration", text)


@given(st.text("0123456789.eE+-smhdinfx_٣ ", max_size=12))
def test_numbers_can_be_asked_for(text: str) -> None:
    """Every accepted number can be compared with a 64-bit field."""
    for read in (number, nanoseconds):
        try:
            value = read("some.field", text)
        except QueryError:
            continue
        assert -(2**63) < value < 2**63
        assert orjson.dumps(value)


def test_whole_numbers_stay_whole() -> None:
    """Large integers keep all digits."""
    assert 2**63 - 1 == number("log.offset", str(2**63 - 1))
    assert 1.5 == number("log.offset", "1.5")


def test_numbers() -> None:
    """A number, the ends of a range, and any; a regular expression matches none."""
    assert {"term": {"f": 3}} == number_query("f", Word("3"), number)
    assert {"range": {"f": {"gt": 1, "lte": 2}}} == number_query("f", Range("1", "2", with_low=False), number)
    assert {"exists": {"field": "f"}} == number_query("f", Range(None, None), number)
    with pytest.raises(QueryError, match="regular expressions can't match"):
        number_query("f", Regex("1.*"), number)


@pytest.mark.parametrize(
    ("text", "zone", "limit"),
    [
        ("2026-11-23", BERLIN, {"gte": "2026-11-23", "time_zone": "+01:00"}),
        ("2026-07-23 10:00", BERLIN, {"gte": "2026-07-23T10:00", "time_zone": "+02:00"}),
        ("2026", UTC, {"gte": "2026", "time_zone": "+00:00"}),
        ("2026-11-23T10:00:00.123456789Z", BERLIN, {"gte": "2026-11-23T10:00:00.123456789Z"}),
        ("now-1h/d", BERLIN, {"gte": "now-1h/d", "time_zone": "+02:00"}),
        ("30m", UTC, {"gte": "now-30m", "time_zone": "+00:00"}),
    ],
)
def test_dates(text: str, zone: ZoneInfo, limit: dict[str, str]) -> None:
    """Dates without a zone have the reader's offset of that day."""
    [query] = date_query("@timestamp", Range(text, None), NOW, zone)["bool"]["filter"]
    assert {"range": {"@timestamp": {**limit, "format": "strict_date_optional_time"}}} == query


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow", "2026-13-01", "2026-02-30", "1h ago", "now-", "10:00", "", "9999999-01-01",
        "99999999999999999999", "0000-01-01", "2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00-18:01",
        "2026-01-01T00:00:60Z", "٢٠٢٦", "1e3d", "now-1e3d", "now+2147483648s", "now-9999999y+9999999y", "2026||+",
        "nan",
    ],
)  # fmt: skip
def test_no_date(text: str) -> None:
    """An invalid time is reported with valid examples."""
    with pytest.raises(QueryError, match="@timestamp holds times"):
        date_query("@timestamp", Word(text), NOW, UTC)


ALL: Query = {"exists": {"field": "@timestamp"}}
NONE: Query = {"bool": {"filter": [{"match_none": {}}]}}


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (ALL, Range("1500-01-01", None)),
        (ALL, Range(None, "9999-12-31", with_high=False)),
        (ALL, Range("now-99999999999d", "now+99999999999d")),
        (NONE, Range("9999-12-31", None)),
        (NONE, Range(None, "1969-12-31")),
        (NONE, Word("99999999999999d")),
        (NONE, Word("2026||+99999999y")),
    ],
)
def test_dates_beyond_the_calendar(query: Query, value: Word | Range) -> None:
    """Times outside Elasticsearch's range match all lines or none."""
    found = date_query("@timestamp", value, NOW, BERLIN)
    assert found == query if query is ALL else {"match_none": {}} in found["bool"]["filter"]


@given(st.text("0123456789-:.TZ+|/ ynowMdhs", max_size=24))
def test_dates_are_taken_or_refused(text: str) -> None:
    """Any text gives a condition or a sentence, in any zone."""
    for zone in (UTC, BERLIN, None):
        try:
            date_query("@timestamp", Range(text, text), NOW, zone)
        except QueryError as error:
            assert text in str(error) or repr(text) in str(error)  # noqa: PT017 - it is one or the other
