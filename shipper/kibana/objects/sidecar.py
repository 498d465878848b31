"""What the dashboard *Sidecar* shows: what sidecars report of themselves.  Pure."""

from __future__ import annotations

from typing import Any

from shipper.kibana.objects.charts import STATUS_TINTS, ChartHead, curves, figure, table
from shipper.kibana.objects.lens import (
    count_of_values,
    largest,
    latest,
    mean,
    over_time,
    terms,
    total,
)
from shipper.kibana.objects.panels import Control, Row, lens
from shipper.kibana.objects.scopes import SIDECAR
from shipper.query.conditions import Is, kql

_FIELD = "neuroflow.sidecar"
# More than a laboratory has.
_HOSTS, _FILES = 1000, 200

CONTROLS = (
    Control("Namespace", "data_stream.namespace", SIDECAR),
    Control("Environment", "service.environment", SIDECAR),
    Control("Host", "host.name", SIDECAR),
)


def rows() -> list[Row]:
    """The panels."""
    return [
        (6, [lens(12, one, titled=False) for one in (_reporting(), _oldest(), _rejected(), _unread())]),
        (12, [lens(24, _lag_by_host()), lens(24, _throughput_by_host())]),
        (12, [lens(24, _silent_hosts()), lens(24, _rejected_by_reason())]),
        (12, [lens(32, _files_not_read()), lens(16, _versions())]),
    ]


def _about(title: str, text: str, action: str) -> ChartHead:
    return ChartHead(title, text, SIDECAR, kql([reported(action)]))


def reported(action: str) -> Is:
    """The condition on a report of a kind."""
    return Is("event.action", f"sidecar.{action}")


def _reporting() -> dict[str, Any]:
    about = _about("Hosts that report", "", "lag")
    return figure(about, count_of_values("n", "Hosts that report", "host.name"), STATUS_TINTS["completed"])


def _oldest() -> dict[str, Any]:
    about = _about("Longest lag", "", "lag")
    return figure(about, largest("n", "Longest lag", f"{_FIELD}.lag_seconds"), STATUS_TINTS["queued"])


def _rejected() -> dict[str, Any]:
    about = _about("Rejected documents", "", "rejected")
    return figure(about, total("n", "Rejected documents", f"{_FIELD}.rejected"), STATUS_TINTS["failed"])


def _unread() -> dict[str, Any]:
    about = _about("Files not read", "", "file_not_read")
    return figure(about, count_of_values("n", "Files not read", "log.file.path"), STATUS_TINTS["pending"])


def _lag_by_host() -> dict[str, Any]:
    about = _about("Lag by host", "The age of the oldest line that is not acknowledged.", "lag")
    number = largest("lag", "Longest lag", f"{_FIELD}.lag_seconds")
    split = terms("host", "Host", "host.name", size=9, by="lag", others=True)
    return curves(about, "bar", over_time("when", "@timestamp", "Time"), [number], split=split)


def _throughput_by_host() -> dict[str, Any]:
    about = _about("Throughput by host", "Documents that Elasticsearch acknowledged, a second.", "lag")
    number = mean("rate", "Documents a second", f"{_FIELD}.documents_per_second")
    split = terms("host", "Host", "host.name", size=9, by="rate", others=True)
    return curves(about, "bar_stacked", over_time("when", "@timestamp", "Time"), [number], split=split)


def _silent_hosts() -> dict[str, Any]:
    about = _about(
        "Silent hosts",
        "Hosts by their last report, the longest silent first. A host that reports and has no new lines is idle; one "
        "that does not report has no running sidecar, or can't reach Elasticsearch.",
        "lag",
    )
    columns = [
        terms("host", "Host", "host.name", size=_HOSTS),
        latest("reported", "Last report", "@timestamp"),
        latest("acknowledged", "Last line acknowledged", f"{_FIELD}.last_acknowledged"),
    ]
    return table(about, columns, sorted_by=("reported", "asc"))


def _rejected_by_reason() -> dict[str, Any]:
    about = _about("Rejected documents by reason", "`neuroflow-ship dead-letters list` shows them.", "rejected")
    columns = [
        terms("host", "Host", "host.name", size=50),
        terms("stream", "Data stream", f"{_FIELD}.stream", size=50),
        terms("reason", "Reason", f"{_FIELD}.reason", size=50),
        total("n", "Documents", f"{_FIELD}.rejected"),
        latest("last", "Last", "@timestamp"),
    ]
    return table(about, columns, sorted_by=("last", "desc"))


def _files_not_read() -> dict[str, Any]:
    about = _about("Files that are not read", "Or not to their end; each once for each reason.", "file_not_read")
    columns = [
        terms("host", "Host", "host.name", size=50),
        terms("path", "File", "log.file.path", size=_FILES),
        terms("reason", "Reason", f"{_FIELD}.reason", size=5),
        latest("last", "Reported", "@timestamp"),
    ]
    return table(about, columns, sorted_by=("last", "desc"))


def _versions() -> dict[str, Any]:
    about = _about("Versions", "Of the sidecars that report.", "lag")
    columns = [
        terms("version", "Version", "agent.version", size=50),
        count_of_values("hosts", "Hosts", "host.name"),
        latest("last", "Last report", "@timestamp"),
    ]
    return table(about, columns, sorted_by=("version", "desc"))
