"""The figures of a report."""

from __future__ import annotations

from shipper.sidecar.own_documents import counted, lag_message, lag_of
from shipper.tail.lag import Lag


def test_documents_since_the_last_report() -> None:
    """Differences of the counters, dead letters under the name that the field has."""
    before = {"read": 9, "acknowledged": 5, "duplicate": 1, "dead": 1, "in_flight": 2, "retried": 0}
    after = {"read": 20, "acknowledged": 12, "duplicate": 1, "dead": 4, "in_flight": 3, "retried": 6}
    assert {"acknowledged": 7, "duplicate": 0, "rejected": 3, "retried": 6} == counted(before, after)


def test_lag_of_all_logs() -> None:
    """Bytes are added, the age is that of the oldest, a clock that was set back gives none below zero."""
    lags = [Lag("/a", "app", 10, 900.0), Lag("/b", "app", 5, 950.0), Lag("/c", "app", 1, 0.0)]
    assert {"lagging_logs": 3, "lag_bytes": 16, "lag_seconds": 100.0} == lag_of(lags, 1000.0)
    assert 0.0 == lag_of(lags, 800.0)["lag_seconds"]
    assert {"lagging_logs": 0, "lag_bytes": 0, "lag_seconds": 0.0} == lag_of([], 1000.0)


def test_a_report_is_a_sentence() -> None:
    """It tells the lag and what was done."""
    figures = {**lag_of([Lag("/a", "app", 10, 900.0)], 1000.0), "acknowledged": 7, "interval_seconds": 60.0}
    assert "1 logs are behind: 10 bytes, 100 s; 7 documents acknowledged in 60 s" == lag_message(figures)
    assert lag_message({**figures, "lagging_logs": 0}).startswith("no log is behind; 7")
