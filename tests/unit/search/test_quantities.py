from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shipper.search.lucene import QueryError, Range, Regex, Word
from shipper.search.quantities import date_query, nanoseconds, number, number_query

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "value"), [("12.3s", 12_300_000_000), ("5", 5), ("1m", 60 * 10**9), ("2h", 7200 * 10**9), ("1ms", 10**6)]
)
def test_durations(text: str, value: int) -> None:
    """Nanoseconds, or a number with its unit."""
    assert value == nanoseconds("event.duration", text)


@pytest.mark.parametrize("text", ["abc", "", "1x", "nan", "inf", "1e999"])
def test_no_number(text: str) -> None:
    """What is no number is said with the field's name."""
    for read in (number, nanoseconds):
        with pytest.raises((QueryError, OverflowError), match=r"some\.field holds|infinity"):
            read("some.field", text)


def test_whole_numbers_stay_whole() -> None:
    """A number beyond what a float can tell apart is itself."""
    assert 2**63 - 1 == number("log.offset", str(2**63 - 1))
    assert 1.5 == number("log.offset", "1.5")


def test_numbers() -> None:
    """One number, the ends of a range, any; an expression finds none."""
    assert {"term": {"f": 3}} == number_query("f", Word("3"), number)
    assert {"range": {"f": {"gt": 1, "lte": 2}}} == number_query("f", Range("1", "2", with_low=False), number)
    assert {"exists": {"field": "f"}} == number_query("f", Range(None, None), number)
    with pytest.raises(QueryError, match="no regular expression"):
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
    """Dates without a zone are the reader's, with the offset that holds on that day."""
    [query] = date_query("@timestamp", Range(text, None), NOW, zone)["bool"]["filter"]
    assert {"range": {"@timestamp": {**limit, "format": "strict_date_optional_time"}}} == query


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", "2026-02-30", "1h ago", "now-", "10:00", ""])
def test_no_date(text: str) -> None:
    """What is no time is said, with what would be one."""
    with pytest.raises(QueryError, match="@timestamp holds times"):
        date_query("@timestamp", Word(text), NOW, UTC)
