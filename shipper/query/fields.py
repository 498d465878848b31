"""The fields that a query may name: the kind of each, and the short names that log lines use for them.  Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from shipper.document.levels import level_of

Kind = Literal["text", "keyword", "trace", "number", "duration", "date", "flattened", "key"]
"""text: analysed, searched by words.  keyword: one value.  trace: one long value, searched by parts.  duration:
nanoseconds.  flattened: an object whose values are searched under any key; key: its value under one key."""

EXTRA = "neuroflow.extra"

_BY_KIND: Mapping[Kind, str] = {
    "text": "message error.message",
    "trace": "error.stack_trace",
    "number": "log.offset process.pid neuroflow.metrics.stages_executed neuroflow.metrics.stages_successful "
    "neuroflow.metrics.stages_failed neuroflow.metrics.pipelines_queued neuroflow.metrics.pipelines_completed "
    "neuroflow.metrics.pipelines_failed neuroflow.metrics.total_duration_seconds "
    "neuroflow.sidecar.acknowledged neuroflow.sidecar.documents_per_second neuroflow.sidecar.duplicate "
    "neuroflow.sidecar.files_not_read neuroflow.sidecar.in_flight neuroflow.sidecar.interval_seconds "
    "neuroflow.sidecar.lag_bytes neuroflow.sidecar.lag_seconds neuroflow.sidecar.lagging_logs "
    "neuroflow.sidecar.rejected neuroflow.sidecar.retried neuroflow.sidecar.uptime_seconds",
    "duration": "event.duration",
    "date": "@timestamp event.created neuroflow.metrics.started_at neuroflow.metrics.completed_at "
    "neuroflow.sidecar.last_acknowledged",
    "flattened": "neuroflow.extra neuroflow.metrics.stage_durations",
    "keyword": "agent.type agent.version data_stream.type data_stream.dataset data_stream.namespace ecs.version "
    "error.type event.action event.category event.dataset event.kind event.outcome event.timezone event.type "
    "host.name log.file.path log.flags log.iostream log.level log.logger process.name service.environment "
    "service.name tags user.id neuroflow.pipeline neuroflow.run_id neuroflow.session_id neuroflow.stage "
    "neuroflow.node neuroflow.subject_id neuroflow.workflow_run_id neuroflow.context neuroflow.task.id "
    "neuroflow.task.name neuroflow.audit.entity neuroflow.audit.entity_type neuroflow.audit.entity_id "
    "neuroflow.audit.old_value neuroflow.audit.new_value neuroflow.audit.triggered_by neuroflow.generation "
    "neuroflow.sidecar.instance neuroflow.sidecar.reason neuroflow.sidecar.stream",
}
KINDS: Mapping[str, Kind] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""Every searchable field of the mappings."""

# The names that lines, tables and options use for fields.
SHORT: Mapping[str, tuple[str, ...]] = {
    "action": ("event.action",),
    "component": ("log.logger",),
    "dataset": ("event.dataset",),
    "duration": ("event.duration",),
    "entity": ("neuroflow.audit.entity", "neuroflow.audit.entity_type"),
    "entity_id": ("neuroflow.audit.entity_id",),
    "entity_type": ("neuroflow.audit.entity_type",),
    "environment": ("service.environment",),
    "error": ("error.message", "error.type"),
    "error_type": ("error.type",),
    "errors": ("error.message",),
    "event": ("event.action", "message"),
    "exception": ("error.message", "error.type", "error.stack_trace"),
    "extra": (EXTRA,),
    "file": ("log.file.path",),
    "host": ("host.name",),
    "hostname": ("host.name",),
    "level": ("log.level",),
    "logger": ("log.logger",),
    "new_value": ("neuroflow.audit.new_value",),
    "node": ("neuroflow.node",),
    "offset": ("log.offset",),
    "old_value": ("neuroflow.audit.old_value",),
    "outcome": ("event.outcome",),
    "participant": ("neuroflow.subject_id",),
    "participant_id": ("neuroflow.subject_id",),
    "path": ("log.file.path",),
    "pid": ("process.pid",),
    "pipeline": ("neuroflow.pipeline",),
    "pipeline_run": ("neuroflow.run_id",),
    "process": ("process.name",),
    "run": ("neuroflow.run_id",),
    "run_id": ("neuroflow.run_id",),
    "service": ("service.name",),
    "session": ("neuroflow.session_id",),
    "session_id": ("neuroflow.session_id",),
    "stack_trace": ("error.stack_trace",),
    "stage": ("neuroflow.stage",),
    "stream": ("log.iostream",),
    "subject": ("neuroflow.subject_id",),
    "subject_id": ("neuroflow.subject_id",),
    "tag": ("tags",),
    "task": ("neuroflow.task.name",),
    "task_id": ("neuroflow.task.id",),
    "task_name": ("neuroflow.task.name",),
    "time": ("@timestamp",),
    "timestamp": ("@timestamp",),
    "traceback": ("error.stack_trace",),
    "triggered_by": ("neuroflow.audit.triggered_by",),
    "user": ("user.id",),
    "user_id": ("user.id",),
    "workflow_run": ("neuroflow.workflow_run_id",),
    "workflow_run_id": ("neuroflow.workflow_run_id",),
}

ENTITIES = frozenset({"session", "subject", "pipeline_run", "workflow_run"})
"""Short names with which the audit trail's entities (``session:12``) begin."""

# Values that some lines write with this prefix and some without.
_PREFIXES = {"neuroflow.subject_id": "sub-", "neuroflow.session_id": "ses-", "event.dataset": "neuroflow."}


@dataclass(frozen=True)
class FieldName:
    """What a field name in a query stands for.

    Attributes:
        fields: the fields to search, with their kinds; a match in any of them counts.
        short: whether it is a short name, for which values are taken as people write them.
        known: whether it is a name of the mapping; if not, lines may still have it as an unmapped key.
    """

    fields: tuple[tuple[str, Kind], ...]
    short: bool = False
    known: bool = True


def resolve(name: str) -> FieldName:
    """The fields behind a name: a full one, a short one, a pattern of full ones, or an unmapped key."""
    if name in KINDS:
        return FieldName(((name, KINDS[name]),))
    for parent in ("neuroflow.extra", "neuroflow.metrics.stage_durations"):
        if name.startswith(f"{parent}.") and "*" not in name:
            return FieldName(((name, "key"),))
    if "*" in name:
        found = tuple((field, kind) for field, kind in KINDS.items() if fnmatchcase(field, name))
        return FieldName(found, known=bool(found))
    own: tuple[str, Kind] = (f"{EXTRA}.{name.removeprefix('extra.')}", "key")
    if name.startswith("extra."):
        return FieldName((own,))
    if name in SHORT:
        # A line may have a key of that name whose value did not fit the field.
        return FieldName((*((field, KINDS[field]) for field in SHORT[name]), own), short=True)
    return FieldName((own,), known=False)


def is_known(name: str) -> bool:
    """Whether a name is a field's, or a short name."""
    return resolve(name).known or name in ("*", "_exists_")


def holds_one(name: str) -> bool:
    """Whether a line has at most one value there, so that two values in a query mean either."""
    first = next(iter(resolve(name).fields), None)
    return first is not None and first[1] in {"keyword", "number", "duration", "date"}


def closest(name: str) -> str | None:
    """The known name that is most similar to this one; None if none is."""
    close = difflib.get_close_matches(name, [*SHORT, *KINDS], n=1, cutoff=0.75)
    return close[0] if close else None


def spellings(field: str, value: str) -> list[str]:
    """The stored values that a typed one may mean: ids with and without their prefix, levels by any name."""
    if field == "log.level":
        return [level_of(value.lower())]
    prefix = _PREFIXES.get(field)
    if prefix is None:
        return [value]
    return [value, value.removeprefix(prefix) if value.startswith(prefix) else prefix + value]
