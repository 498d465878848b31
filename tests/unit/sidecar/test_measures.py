from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from shipper.sidecar.measures import MAX_LOGS, measured
from shipper.tail.lag import Lag
from shipper.telemetry import Gauges


def gauges(*lags: Lag, now: float = 1000.0) -> Gauges:
    """What a sidecar with these lags measures."""
    tail = SimpleNamespace(lags=lambda: iter(lags), known=7, unread=lambda: ["/x"], looked_at=990.0)
    parts: Any = SimpleNamespace(took=0.5, queued_bytes=3)
    return measured(cast("Any", tail), parts, parts, parts, path=lambda path: path.replace("0421", "#"), now=now)


def test_nothing_is_behind() -> None:
    """Without a lag there is no age either."""
    expected = Gauges(queue_bytes=6, lags={}, generations=7, files_not_read=1, last_scan_seconds=0.5)
    assert expected == gauges()


def test_logs_that_are_furthest_behind_are_named() -> None:
    """A hundred by bytes; sum and age count all of them."""
    found = gauges(*(Lag(f"/l/{at}", "app", at, 900.0 - (at == 1)) for at in range(1, MAX_LOGS + 11)))
    assert MAX_LOGS == len(found.lags)
    assert (110, 100.0) == found.lags["/l/110"]
    assert "/l/10" not in found.lags
    assert (sum(range(1, 111)), 101.0) == (found.total_lag_bytes, found.oldest_unacknowledged_seconds)


def test_names_are_redacted_and_unique() -> None:
    """Files that have one name once they are redacted are one log; control characters are spelled out."""
    found = gauges(
        Lag("/sub-0421/a\x1b[1m\n", "app", 5, 995.0), Lag("/sub-#/a\\n", "app", 2, 0.0), Lag("/b", "app", 1, 1005.0)
    )
    # Without a mark of its own, what waits was written after the last scan; a clock that was set back gives no less
    # than nothing.
    assert {"/sub-#/a\\n": (7, 10.0), "/b": (1, 0.0)} == found.lags
