"""The application's event names and what each means, for all rooms.

``emit`` logs the standard events under these names and levels; ``document`` derives the ECS fields from a name;
``document.run_context`` and ``runs`` look up what happened to which run.  It imports nothing of this package, so
that the application can import it with ``emit``.

What happened to a run is a *verb*.  Verbs are stored in run documents: their spelling is a contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple


class Event(StrEnum):
    """Names of the standard events, which ``emit`` logs."""

    WORKFLOW_STARTED = "workflow.started"
    WORKFLOW_COMPLETED = "workflow.completed"
    WORKFLOW_FAILED = "workflow.failed"
    STAGE_STARTED = "stage.started"
    STAGE_COMPLETED = "stage.completed"
    STAGE_FAILED = "stage.failed"
    PIPELINE_QUEUED = "pipeline.queued"
    PIPELINE_STARTED = "pipeline.started"
    PIPELINE_COMPLETED = "pipeline.completed"
    PIPELINE_FAILED = "pipeline.failed"
    DISCOVERY_STARTED = "discovery.started"
    DISCOVERY_SESSION_FOUND = "discovery.session_found"
    DISCOVERY_COMPLETED = "discovery.completed"
    PIPELINE_LOG_CAPTURE_STARTED = "pipeline_log.capture_started"
    PIPELINE_LOG_CAPTURE_COMPLETED = "pipeline_log.capture_completed"
    METRICS_WORKFLOW_COMPLETED = "metrics.workflow_completed"


class Meaning(NamedTuple):
    """What an event reports.

    Attributes:
        pipeline_run: verb for the pipeline run whose id the event has.
        workflow_run: verb for the workflow run whose id the event has.
        session: verb for the session that the event names by its BIDS label.
        task: verb for a pipeline run of the current application, which logs no run id, only the id of its task.
        callback: a Celery callback reports it, after the run's own events; it ends no life of an id.
    """

    pipeline_run: str | None = None
    workflow_run: str | None = None
    session: str | None = None
    task: str | None = None
    callback: bool = False


MEANINGS: Mapping[str, Meaning] = {
    "pipeline.queued": Meaning(pipeline_run="queued"),
    "pipeline_run.created": Meaning(pipeline_run="created"),
    "pipeline.started": Meaning(pipeline_run="started"),
    "bids_conversion.started": Meaning(pipeline_run="started"),
    "pipeline.completed": Meaning(pipeline_run="completed", session="finished"),
    "pipeline.finished": Meaning(pipeline_run="finished"),
    "pipeline.failed": Meaning(pipeline_run="failed", session="finished"),
    "pipeline.exception": Meaning(pipeline_run="failed", session="finished"),
    "pipeline.timeout": Meaning(pipeline_run="failed"),
    "pipeline.failed_permanently": Meaning(pipeline_run="failed"),
    "pipeline.cancelled": Meaning(pipeline_run="cancelled"),
    "pipeline.retry_scheduled": Meaning(pipeline_run="requeued"),
    "callback.success": Meaning(pipeline_run="called_back", callback=True),
    "callback.failure": Meaning(pipeline_run="failed", callback=True),
    "task.enqueued": Meaning(task="queued"),
    "task.start": Meaning(task="started", session="processing"),
    "task.complete": Meaning(task="finished", session="finished"),
    "task.failed": Meaning(task="failed", session="finished"),
    "task.timeout": Meaning(task="failed", session="finished"),
    "pipeline.start": Meaning(session="processing"),
    "runner.completed": Meaning(session="finished"),
    "runner.failed": Meaning(session="finished"),
    "discovery.session_found": Meaning(session="discovered"),
    "session.registered": Meaning(session="discovered"),
    "workflow_run.created": Meaning(workflow_run="created"),
    "workflow.started": Meaning(workflow_run="started"),
    "workflow.master.started": Meaning(workflow_run="started"),
    "workflow.completed": Meaning(workflow_run="finished"),
    "workflow.master.completed": Meaning(workflow_run="finished"),
    "workflow.failed": Meaning(workflow_run="failed"),
    "workflow.error": Meaning(workflow_run="failed"),
    "workflow.master.error": Meaning(workflow_run="failed"),
    "metrics.workflow_completed": Meaning(workflow_run="measured"),
}
"""Events that report something of a run or a session.  Stages have names of their own: see ``stage_event``."""


PIPELINE_VERBS = {name: meaning.pipeline_run for name, meaning in MEANINGS.items() if meaning.pipeline_run}
WORKFLOW_VERBS = {name: meaning.workflow_run for name, meaning in MEANINGS.items() if meaning.workflow_run}
SESSION_VERBS = {name: meaning.session for name, meaning in MEANINGS.items() if meaning.session}
TASK_VERBS = {name: meaning.task for name, meaning in MEANINGS.items() if meaning.task}
"""Event name → verb, one table for each kind of run in ``Meaning``."""

STAGE_PREFIXES = ("stage.", "workflow.stage.")
"""How the names of stage events begin."""
# stage.completed, stage.qsiprep.completed, workflow.stage.starting, workflow.stage.qsiprep.started
_STAGE = re.compile(r"(?:workflow\.)?stage\.(?:(\w+)\.)?(starting|started|completed|failed|error)")
_STAGE_VERBS = {
    "starting": "stage_started",
    "started": "stage_started",
    "completed": "stage_completed",
    "failed": "stage_failed",
    "error": "stage_failed",
}
WORKFLOW_LOG_PREFIXES = ("workflow.", "stage.")
"""Events whose names begin so are written to ``workflow.log``."""

STATUS_VERBS = {
    "pending": "pending",
    "queued": "queued",
    "running": "started",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "skipped": "skipped",
}
"""Status of a run in the audit trail → verb."""
AUDIT_VERBS = {**STATUS_VERBS, "created": "created", "started": "started", "retried": "requeued"}
"""Action of an audit record of a run → verb."""

BIRTH_VERBS: Mapping[str, frozenset[str]] = {
    "pipeline_run": frozenset({"pending", "created", "queued"}),
    "workflow_run": frozenset({"pending", "created", "started"}),
    "session": frozenset(),
}
"""Kind of run → verbs with which the life of an id can begin."""
END_VERBS = frozenset({"completed", "failed", "cancelled", "skipped"})
"""Verbs that end a run and are its status from then on; ``finished`` ends it, too, with the event's outcome."""
SAME_BIRTH_SECONDS = 60
"""The audit trail and the event stream report the same birth at times that differ by less than this."""

# The last word of an event's name decides its ECS fields.
_SUCCESS = ("completed", "complete", "succeeded", "success", "voxelops_complete")
_FAILURE = ("failed", "failure", "error", "exception", "timeout", "failed_permanently", "voxelops_failed")
_START = ("started", "start", "starting", "received", "execution_start", "procedure_start")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+")
# Longer texts are not names; the caches hold no long texts.
_MAX_NAME_CHARS = 128


TASK_OUTCOMES = {
    "task.succeeded": "success",
    "task.failed": "failure",
    "task.interrupted": "failure",
    "task.rejected": "failure",
    "task.timeout": "failure",
    "task.unregistered": "failure",
}
"""Action with which a line of Celery or Huey reports the end of a task → ECS ``event.outcome``."""


# A run is queued before it starts, and starts before it ends.
_VERB_ORDER = ("pending", "created", "discovered", "queued", "requeued", "started", "processing", "stage_started")
_RANK = {verb: rank for rank, verb in enumerate(_VERB_ORDER)}


def rank(verb: str) -> int:
    """The place of what happened to a run among what happened to it at the same time."""
    return _RANK.get(verb, len(_RANK))


def event_level(event: Event) -> str:
    """The level with which ``emit`` logs a standard event: the name of a logger's method."""
    if event.rpartition(".")[2] in _FAILURE:
        return "error"
    return "debug" if event.startswith("pipeline_log.") else "info"


@lru_cache(maxsize=1024)
def stage_event(name: str) -> tuple[str | None, str] | None:
    """The stage that an event name contains, if any, and the verb for it; None for events of anything else."""
    found = _STAGE.fullmatch(name)
    return (found[1], _STAGE_VERBS[found[2]]) if found else None


def event_fields(event: str) -> dict[str, Any]:
    """The ECS fields ``event.*`` of an event name: kind, category, type, action and outcome.

    Args:
        event: the name, or any other message: then the fields have neither action nor outcome.

    Returns:
        A shared object: callers copy it before they change it.
    """
    return _fields(event) if len(event) < _MAX_NAME_CHARS else _fields("")


@lru_cache(maxsize=4096)
def _fields(event: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": "event", "category": ["process"], "type": ["info"]}
    if not _DOTTED.fullmatch(event):
        return fields
    fields["action"] = event
    last = event.rpartition(".")[2]
    if event.startswith("metrics."):
        fields["kind"] = "metric"
    elif last in _SUCCESS:
        fields.update(outcome="success", type=["end"])
    elif last in _FAILURE:
        fields.update(outcome="failure", type=["end", "error"])
    elif last in _START:
        fields["type"] = ["start"]
    return fields
