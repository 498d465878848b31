"""Data views: the streams and the run documents, with the commands' headings and links to a run's log.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shipper.kibana.objects.addresses import VALUE, discover
from shipper.kibana.objects.saved_object import SavedObject, saved_object
from shipper.kibana.objects.scopes import LOGS, RUNS, RUNS_STATE, SIDECAR, DataView, conditions_of
from shipper.kibana.objects.slowest import SLOWEST
from shipper.views.views import AUDIT, FAILURES, PIPELINE, SEARCH, SHOW, TASKS, WORKFLOWS, View

_ON_LOGS = (SHOW, SEARCH, PIPELINE, AUDIT, TASKS)
_ON_RUNS = (WORKFLOWS, FAILURES, SLOWEST)

# The retention of the application's lines: the log of a run's workflow may be as old.
_KEPT = "now-90d"


# As precise as in the commands.
_LINE_DATES = {"@timestamp": "YYYY-MM-DD HH:mm:ss.SSS"}
_RUN_DATES = {
    "@timestamp": "YYYY-MM-DD HH:mm:ss",
    "failed_at": "YYYY-MM-DD HH:mm:ss",
    "started_at": "YYYY-MM-DD HH:mm",
}


# The facts from which a run document is made: hundreds of unmapped fields that Discover should not list.
_INNER = ("facts.*",)


def data_views() -> list[SavedObject]:
    """All of them."""
    return [
        _data_view(
            LOGS,
            "neuroflow logs",
            "logs-neuroflow.*-*,-logs-neuroflow.sidecar-*",
            "@timestamp",
            _ON_LOGS,
            _LINE_DATES,
        ),
        # @timestamp is when a run was created: a run that waits has not started.
        _data_view(RUNS, "neuroflow runs", "neuroflow-runs-*", "@timestamp", _ON_RUNS, _RUN_DATES, _INNER),
        _data_view(
            RUNS_STATE,
            "neuroflow runs (all, whatever the time range)",
            "neuroflow-runs-*",
            None,
            _ON_RUNS,
            _RUN_DATES,
            _INNER,
        ),
        _data_view(SIDECAR, "neuroflow sidecars", "logs-neuroflow.sidecar-*", "@timestamp", (), _LINE_DATES),
    ]


def _data_view(
    identity: DataView,
    name: str,
    indices: str,
    time_field: str | None,
    views: Iterable[View],
    dates: Mapping[str, str],
    hidden: Iterable[str] = (),
) -> SavedObject:
    labels = {column.field: {"customLabel": column.title} for view in views for column in view.columns}
    formats = {
        **_durations(),
        **_links(),
        **{field: {"id": "date", "params": {"pattern": pattern}} for field, pattern in dates.items()},
    }
    attributes = {
        "title": indices,
        "name": name,
        **({"timeFieldName": time_field} if time_field else {}),
        "allowNoIndex": True,
        "fieldFormatMap": dict(sorted(formats.items())),
        "fieldAttrs": dict(sorted(labels.items())),
        "runtimeFieldMap": {},
        "sourceFilters": [{"value": name} for name in hidden],
    }
    return saved_object("index-pattern", identity, attributes)


def _durations() -> dict[str, Any]:
    return {
        "duration_seconds": _duration("seconds"),
        "event.duration": _duration("nanoseconds"),
        "neuroflow.metrics.total_duration_seconds": _duration("seconds"),
        "neuroflow.sidecar.lag_seconds": _duration("seconds"),
    }


def _duration(unit: str) -> dict[str, Any]:
    """``1.3 h``."""
    return {
        "id": "duration",
        "params": {
            "inputFormat": unit,
            "outputFormat": "humanizePrecise",
            "outputPrecision": 1,
            "showSuffix": True,
            "useShortSuffix": True,
            "includeSpaceWithSuffix": True,
        },
    }


def _links() -> dict[str, Any]:
    """Links from a run to its log file, and from a workflow run to the lines about it."""
    oldest_first = [["@timestamp", "asc"], ["log.file.path", "asc"], ["log.offset", "asc"]]
    lines = discover(SHOW, "neuroflow.workflow_run_id", conditions=(), sort=oldest_first, since=_KEPT)
    as_written = [list(pair) for pair in PIPELINE.order]
    log = discover(PIPELINE, "neuroflow.run_id", conditions=conditions_of(PIPELINE), sort=as_written)
    return {"neuroflow.run_id": _link(log), "neuroflow.workflow_run_id": _link(lines)}


def _link(place: str) -> dict[str, Any]:
    """A link to another application of Kibana, for any base path and space."""
    return {
        "id": "url",
        "params": {"type": "a", "urlTemplate": place, "labelTemplate": VALUE, "openLinkInCurrentTab": True},
    }
