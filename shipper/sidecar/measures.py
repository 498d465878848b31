"""What the sidecar measures for /metrics, when somebody asks; called by another thread than the sidecar's."""

from __future__ import annotations

from collections.abc import Callable
from heapq import nlargest

from shipper.deliver.sender import Sender
from shipper.printable import printable
from shipper.sidecar.outbox import Outbox
from shipper.sidecar.scans import Scans
from shipper.tail.tail import Tail
from shipper.telemetry import Gauges

# Logs that are furthest behind and are named; each is two series of its own in Prometheus.
MAX_LOGS = 100


def measured(
    tail: Tail,
    scans: Scans,
    outbox: Outbox,
    sender: Sender,
    *,
    path: Callable[[str], str],
    now: float,
) -> Gauges:
    """Measure.

    Args:
        tail: knows lags, generations and files that are not read.
        scans: know how long the last one took.
        outbox: knows what the sender has not taken yet.
        sender: knows what is under way, and what keeps it.
        path: redacts a path.
        now: seconds since the epoch.
    """
    lags = [(lag.size, max(0.0, now - (lag.since or tail.looked_at or now)), lag.path) for lag in tail.lags()]
    # Several files may have one name once they are redacted, or one after the other.
    named: dict[str, tuple[int, float]] = {}
    for size, seconds, log in nlargest(MAX_LOGS, lags):
        name = printable(path(log), lines=False)
        others, longest = named.get(name, (0, 0.0))
        named[name] = others + size, max(longest, seconds)
    return Gauges(
        queue_bytes=outbox.queued_bytes + sender.queued_bytes,
        lags=named,
        total_lag_bytes=sum(size for size, _, _ in lags),
        oldest_unacknowledged_seconds=max((seconds for _, seconds, _ in lags), default=0.0),
        generations=tail.known,
        files_not_read=len(tail.unread()),
        last_scan_seconds=scans.took,
    )
