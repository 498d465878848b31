"""What the sidecar reports of itself: start, stop, lag, rejected documents, files that are not read.

Once a minute, also where nothing is logged: so a host that is idle can be told from one that is silent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shipper.config import Shipper
from shipper.deliver.rejections import Rejection
from shipper.deliver.sender import Sender
from shipper.document.ecs import Document
from shipper.parse.timestamps import from_ns
from shipper.redact.redactor import Redactor
from shipper.sidecar.own_stream import OwnStream
from shipper.tail.clock import Clock
from shipper.tail.found_files import shown
from shipper.tail.lag import Lag
from shipper.tail.tail import Tail
from shipper.telemetry import ONCE, Counters, Throttle, bug

# Seconds between two reports.
REPORT_EVERY = 60.0
# Files that one report names; the others' turn comes with the next.
MAX_FILES = 50
# Files and reasons that are remembered; further ones are counted only.
MAX_REMEMBERED = 10_000
# A shorter interval tells no rate.
_MIN_INTERVAL = 1.0
_COUNTED = {"acknowledged": "acknowledged", "duplicate": "duplicate", "dead": "rejected", "retried": "retried"}


class OwnDocuments:
    """Makes the documents; does nothing before ``begin``.

    Args:
        settings: of the sidecar.
        common: what all documents have in common.
        sender: over whose connection they are sent.
        tail: whose lag is reported.
        counters: of the documents.
        redactor: paths and reasons are redacted as those of documents are.
        clock: what time it is.
    """

    def __init__(
        self,
        settings: Shipper,
        common: Document,
        *,
        sender: Sender,
        tail: Tail,
        counters: Counters,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._sender = sender
        self._tail = tail
        self._counters = counters
        self._redactor = redactor
        self._clock = clock
        self._stream: OwnStream | None = None
        self._throttle = Throttle()
        self._told: set[tuple[str, str]] = set()
        self._last_acknowledged: int | None = None
        self.reconfigure(settings, common)

    def reconfigure(self, settings: Shipper, common: Document) -> None:
        """Use another namespace, host name or environment from now on."""
        self._namespace = settings.namespace
        self._common = {
            **common,
            "service": {"name": "neuroflow-ship", "environment": settings.environment},
            "process": {"pid": os.getpid()},
        }
        if self._stream is not None:
            self._stream.namespace = settings.namespace

    @property
    def next_at(self) -> float:
        """When the next report is due, monotonic seconds."""
        return self._next_at if self._stream is not None else float("inf")

    def begin(self) -> None:
        """Report the start."""
        self._began = self._reported = self._next_at = self._clock.monotonic()
        self._at_begin = self._before = self._counters.snapshot()
        with self._harmless():
            self._stream = OwnStream(self._sender.connection, self._namespace)
            self._put("started", "neuroflow-ship started", {})

    def report_if_due(self) -> None:
        """Report rejected documents, files that are not read, and the lag, once a minute; needs a scan before."""
        now = self._clock.monotonic()
        if now < self.next_at:
            return
        self._next_at = now + REPORT_EVERY
        with self._harmless():
            self._report(now)

    def _report(self, now: float) -> None:
        self._report_rejected()
        not_read = self._report_not_read()
        interval, self._reported = now - self._reported, now
        before, self._before = self._before, self._counters.snapshot()
        since = counted(before, self._before)
        if since["acknowledged"] or since["duplicate"]:
            self._last_acknowledged = self._clock.wall_ns()
        figures = {
            **since,
            **lag_of(list(self._tail.lags()), self._clock.wall_ns() / 1e9),
            "in_flight": self._before["in_flight"],
            "files_not_read": not_read,
            "interval_seconds": interval,
            "uptime_seconds": now - self._began,
        }
        if interval >= _MIN_INTERVAL:
            figures["documents_per_second"] = since["acknowledged"] / interval
        if self._last_acknowledged is not None:
            figures["last_acknowledged"] = from_ns(self._last_acknowledged)
        self._put("lag", lag_message(figures), figures, kind="metric", replaced_by_next=True)

    def end(self, patience: float, *, complete: bool) -> None:
        """Report the stop; waits ``patience`` seconds for it at most.

        Args:
            patience: seconds.
            complete: everything that was read is acknowledged.
        """
        if self._stream is None:
            return
        with self._harmless():
            self._report_stop(complete=complete)
        stream, self._stream = self._stream, None
        stream.close(patience)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Log an error instead of raising it: no bug in what reports on shipping may end it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - see above
            self._throttle.say("bug", f"the sidecar can't report on itself ({bug(error)}); logs are shipped", ONCE)

    def _report_stop(self, *, complete: bool) -> None:
        self._report_rejected()
        counters = self._counters.snapshot()
        figures = counted(self._at_begin, counters) | {
            "in_flight": counters["in_flight"],
            "uptime_seconds": self._clock.monotonic() - self._began,
        }
        rest = "" if complete else f"; {counters['in_flight']} documents are sent again at the next start"
        outcome = "success" if complete else "failure"
        self._put("stopped", f"neuroflow-ship stopped{rest}", figures, outcome=outcome)

    def _report_rejected(self) -> None:
        for rejection, number in self._sender.rejections.take().items():
            figures = {"reason": rejection.reason, "stream": rejection.stream, "rejected": number}
            self._put("rejected", rejected_message(rejection, number), figures, level="error")

    def _report_not_read(self) -> int:
        """Report new files and reasons; gives the number of all of which something is missing."""
        not_read = self._tail.not_read()
        new = [one for one in not_read.items() if one not in self._told]
        for path, why in new[: min(MAX_FILES, MAX_REMEMBERED - len(self._told))]:
            self._told.add((path, why))
            where, reason = self._redactor.path(shown(path)), self._redactor.text(shown(why))
            self._put(
                "file_not_read",
                f"{where}: {reason}",
                {"reason": reason},
                level="warning",
                path=where,
            )
        return len(self._tail.unread())

    def _put(
        self,
        action: str,
        message: str,
        figures: dict[str, Any],
        *,
        level: str = "info",
        kind: str = "event",
        outcome: str | None = None,
        path: str | None = None,
        replaced_by_next: bool = False,
    ) -> None:
        assert self._stream is not None
        now = from_ns(self._clock.wall_ns())
        event = {"action": f"sidecar.{action}", "kind": kind, "dataset": "neuroflow.sidecar", "created": now}
        document = {
            "@timestamp": now,
            "message": message,
            "event": event | ({"outcome": outcome} if outcome else {}),
            "log": {"level": level, **({"file": {"path": path}} if path else {})},
            **self._common,
            "neuroflow": {"sidecar": {"instance": self._stream.instance, **figures}},
        }
        self._stream.put(document, replaced_by_next=replaced_by_next)


def counted(before: dict[str, int], after: dict[str, int]) -> dict[str, Any]:
    """The documents by outcome between two snapshots of the counters."""
    return {name: after[counter] - before[counter] for counter, name in _COUNTED.items()}


def lag_of(lags: list[Lag], now: float) -> dict[str, Any]:
    """The lag of all logs together, at ``now`` seconds since the epoch."""
    oldest = min((lag.since for lag in lags if lag.since), default=now)
    return {
        "lagging_logs": len(lags),
        "lag_bytes": sum(lag.size for lag in lags),
        "lag_seconds": max(0.0, now - oldest),
    }


def lag_message(figures: dict[str, Any]) -> str:
    """A report in words."""
    return (
        f"logs behind: {figures['lagging_logs']} ({figures['lag_bytes']} bytes, {figures['lag_seconds']:.0f} s); "
        f"documents acknowledged in {figures['interval_seconds']:.0f} s: {figures['acknowledged']}"
    )


def rejected_message(rejection: Rejection, number: int) -> str:
    """Rejected documents as a sentence."""
    return (
        f"{number} documents for {rejection.stream or 'several streams'} were rejected ({rejection.reason}): "
        "`neuroflow-ship dead-letters list` shows them"
    )
