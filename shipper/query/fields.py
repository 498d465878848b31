"""The fields that a query may name: of which kind each is, and the short names that log lines use for them.  Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from shipper.document.levels import level_of

Kind = Literal["text", "keyword", "trace", "number", "duration", "date", "flattened", "key"]
"""text: analysed, found by words.  keyword: one value.  trace: one long value, found by parts.  duration:
nanoseconds.  flattened: an object whose values are found whatever their key; key: what it has under one key."""

EXTRA = "neuroflow.extra"

_BY_KIND: Mapping[Kind, str] = {
    "text": "message error.message",
    "trace": "error.stack_trace",
    "number": "log.offset process.pid neuroflow.metrics.stages_executed neuroflow.metrics.stages_successful "
    "neuroflow.metrics.stages_failed neuroflow.metrics.pipelines_queued neuroflow.metrics.pipelines_completed "
    "neuroflow.metrics.pipelines_failed neuroflow.metrics.total_duration_seconds",
    "duration": "event.duration",
    "date": "@timestamp event.created neuroflow.metrics.started_at neuroflow.metrics.completed_at",
    "flattened": "neuroflow.extra neuroflow.metrics.stage_durations",
    "keyword": "agent.type agent.version data_stream.type data_stream.dataset data_stream.namespace ecs.version "
    "error.type event.action event.category event.dataset event.kind event.outcome event.timezone event.type "
    "host.name log.file.path log.flags log.iostream log.level log.logger process.name service.environment "
    "service.name tags user.id neuroflow.pipeline neuroflow.run_id neuroflow.session_id neuroflow.stage "
    "neuroflow.node neuroflow.subject_id neuroflow.workflow_run_id neuroflow.context neuroflow.task.id "
    "neuroflow.task.name neuroflow.audit.entity neuroflow.audit.entity_type neuroflow.audit.entity_id "
    "neuroflow.audit.old_value neuroflow.audit.new_value neuroflow.audit.triggered_by neuroflow.generation",
}
KINDS: Mapping[str, Kind] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""Every field of the mappings that can be searched."""

# What the lines themselves, the tables and the options say, beside the last part of a field's name.
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
"""Short names that the audit trail's entities (``session:12``) begin with."""

# Ids that some lines write with their prefix and some without.
_PREFIXES = {"neuroflow.subject_id": "sub-", "neuroflow.session_id": "ses-", "event.dataset": "neuroflow."}


@dataclass(frozen=True)
class Named:
    """What a query's field name stands for.

    Attributes:
        fields: the fields to look at, with their kinds; any of them will do.
        short: whether it was a short name, under which values are taken as people write them.
        known: whether it is a name of ours; if not, lines may still have it as a key of their own.
    """

    fields: tuple[tuple[str, Kind], ...]
    short: bool = False
    known: bool = True


def named(name: str) -> Named:
    """The fields behind a name: a full one, a short one, a pattern of full ones, or a key that only lines know."""
    if name in KINDS:
        return Named(((name, KINDS[name]),))
    for parent in ("neuroflow.extra", "neuroflow.metrics.stage_durations"):
        if name.startswith(f"{parent}.") and "*" not in name:
            return Named(((name, "key"),))
    if "*" in name:
        found = tuple((field, kind) for field, kind in KINDS.items() if fnmatchcase(field, name))
        return Named(found, known=bool(found))
    own: tuple[str, Kind] = (f"{EXTRA}.{name.removeprefix('extra.')}", "key")
    if name.startswith("extra."):
        return Named((own,))
    if name in SHORT:
        # A line may have a key of that name whose value had no place in the field.
        return Named((*((field, KINDS[field]) for field in SHORT[name]), own), short=True)
    return Named((own,), known=False)


def is_known(name: str) -> bool:
    """Whether a name is a field's, or short for some."""
    return named(name).known or name in ("*", "_exists_")


def holds_one(name: str) -> bool:
    """Whether a line can't have two different values there, so that two of them mean either."""
    first = next(iter(named(name).fields), None)
    return first is not None and first[1] in {"keyword", "number", "duration", "date"}


def nearest(name: str) -> str | None:
    """The known name that looks most like this one."""
    close = difflib.get_close_matches(name, [*SHORT, *KINDS], n=1, cutoff=0.75)
    return close[0] if close else None


def spellings(field: str, value: str) -> list[str]:
    """The values that a person may mean with this one: ids with and without their prefix, levels by any name."""
    if field == "log.level":
        return [level_of(value.lower())]
    prefix = _PREFIXES.get(field)
    if prefix is None:
        return [value]
    return [value, value.removeprefix(prefix) if value.startswith(prefix) else prefix + value]
