"""The metrics in the formats that Prometheus reads.

Imported only where they are served: the sidecar counts in plain numbers, which are read when somebody asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from shipper.telemetry import Counters, Gauges, Histogram, Total

PREFIX = "neuroflow_ship_"
# Seconds: within this time everybody gets the same page, so that scrapes can't slow the sidecar down.
FRESH = 1.0

_TOTALS = {
    "read_lines": ("Lines read from logs.", ("dataset",)),
    "read_bytes": ("Bytes read from logs, of compressed ones after unpacking.", ("dataset",)),
    "documents": ("Documents with an outcome, once their positions are stored.", ("dataset", "outcome")),
    "retries": ("Documents sent again, each time counted, by the cause.", ("cause",)),
    "sent_bytes": ("Bytes of request bodies, as sent, that Elasticsearch has answered.", ()),
    "run_documents_written": ("Run documents created or replaced, each time counted.", ()),
}
_GAUGES = {
    "queue_bytes": "Size of the documents that wait for an outcome.",
    "total_lag_bytes": "What is not acknowledged of all logs.",
    "oldest_unacknowledged_seconds": "Age of the oldest unacknowledged line, 0 for none.",
    "dead_letters": "Documents in the file of dead letters.",
    "generations": "Incarnations of log files that are remembered.",
    "files_not_read": "Logs and directories that are not read, or not to their ends.",
    "last_scan_seconds": "How long the last scan of the directories took.",
    "ready": "Whether documents are accepted, as last known: 1 or 0.",
}


class Metrics(Collector):
    """Makes the page; threads may share it.

    Args:
        counters: of the sidecar.
        gauges: measures.
        version: of the program.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        counters: Counters,
        gauges: Callable[[], Gauges],
        version: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counters = counters
        self._gauges = gauges
        self._version = version
        self._clock = clock
        self._registry = CollectorRegistry()  # its own: the global one has collectors of other libraries
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self._lock = threading.Lock()
        self._pages: dict[str, tuple[float, bytes]] = {}

    def page(self, accept: str = "") -> tuple[str, bytes]:
        """The page and its media type: OpenMetrics where ``accept`` prefers it, else Prometheus' text format."""
        encode, media_type = choose_encoder(accept)
        with self._lock:
            until, page = self._pages.get(media_type, (float("-inf"), b""))
            if self._clock() >= until:
                page = encode(self._registry)
                self._pages[media_type] = self._clock() + FRESH, page
        return media_type, page

    def collect(self) -> Iterator[Metric]:
        """Each metric with its values now."""
        counters = self._counters
        moment = counters.published
        for name, (about, labels) in _TOTALS.items():
            total = CounterMetricFamily(PREFIX + name, about, labels=labels)
            found = {one.labels: number for one, number in moment.totals.items() if one.name == name}
            for values, number in sorted((found if labels else {Total(name).labels: found.get((), 0)}).items()):
                total.add_metric(values, number)
            yield total
        yield GaugeMetricFamily(
            PREFIX + "documents_in_flight", "Documents that are read and have no outcome yet.", moment.in_flight
        )
        yield from self._measured()
        yield _histogram("bulk_duration_seconds", "How long bulk requests take.", counters.bulk_seconds)
        yield _histogram("scan_duration_seconds", "How long scans of the directories take.", counters.scan_seconds)
        yield InfoMetricFamily(PREFIX + "build", "The program's version.", {"version": self._version})

    def _measured(self) -> Iterator[Metric]:
        gauges = self._gauges()
        for name, about in _GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, about, float(getattr(gauges, name)))
        size = GaugeMetricFamily(PREFIX + "lag_bytes", "What is not acknowledged of a log.", labels=["log"])
        age = GaugeMetricFamily(
            PREFIX + "lag_seconds", "Age of the oldest unacknowledged line of a log.", labels=["log"]
        )
        for log, (behind, seconds) in gauges.lags.items():
            size.add_metric([log], behind)
            age.add_metric([log], seconds)
        yield from (size, age)


def _histogram(name: str, about: str, histogram: Histogram) -> HistogramMetricFamily:
    counts, total = histogram.buckets()
    buckets = [("+Inf" if bound == float("inf") else str(bound), float(count)) for bound, count in counts]
    return HistogramMetricFamily(PREFIX + name, about, buckets=buckets, sum_value=total)
