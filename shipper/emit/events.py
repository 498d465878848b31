"""One function for each standard event, which gives it its name, level and fields.

Each function takes the logger.  Optional fields left at None are omitted; further fields may be added by name.
Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from shipper.taxonomy import Event, event_level


def _log(log: FilteringBoundLogger, event: Event, extra: Mapping[str, Any], **fields: Any) -> None:
    write = getattr(log, event_level(event))
    write(event.value, **{key: value for key, value in fields.items() if value is not None}, **extra)


def _ids(subject: int | str | None, session: int | str | None, workflow_run: int | None) -> dict[str, Any]:
    return {"subject_id": subject, "session_id": session, "workflow_run_id": workflow_run}


def workflow_started(log: FilteringBoundLogger, *, workflow_run_id: int, trigger: str, **extra: Any) -> None:
    """Log (info) that a workflow run started, and its trigger: scheduled, manual or event."""
    _log(log, Event.WORKFLOW_STARTED, extra, workflow_run_id=workflow_run_id, trigger=trigger)


def workflow_completed(
    log: FilteringBoundLogger, *, workflow_run_id: int, duration: float, stages: int, **extra: Any
) -> None:
    """Log (info) that a workflow run completed, and its number of stages."""
    _log(log, Event.WORKFLOW_COMPLETED, extra, workflow_run_id=workflow_run_id, duration=duration, stages=stages)


def workflow_failed(log: FilteringBoundLogger, *, workflow_run_id: int, error: str, **extra: Any) -> None:
    """Log (error) that a workflow run failed, and why."""
    _log(log, Event.WORKFLOW_FAILED, extra, workflow_run_id=workflow_run_id, error=error)


def stage_started(log: FilteringBoundLogger, *, stage: str, workflow_run_id: int | None = None, **extra: Any) -> None:
    """Log (info) that a stage of a workflow run started."""
    _log(log, Event.STAGE_STARTED, extra, stage=stage, workflow_run_id=workflow_run_id)


def stage_completed(
    log: FilteringBoundLogger,
    *,
    stage: str,
    tasks_queued: int,
    duration: float,
    workflow_run_id: int | None = None,
    **extra: Any,
) -> None:
    """Log (info) that a stage completed, and the number of tasks that it queued."""
    _log(
        log,
        Event.STAGE_COMPLETED,
        extra,
        stage=stage,
        tasks_queued=tasks_queued,
        duration=duration,
        workflow_run_id=workflow_run_id,
    )


def stage_failed(
    log: FilteringBoundLogger, *, stage: str, errors: list[str], workflow_run_id: int | None = None, **extra: Any
) -> None:
    """Log (error) that a stage failed, with all errors."""
    _log(log, Event.STAGE_FAILED, extra, stage=stage, errors=errors, workflow_run_id=workflow_run_id)


def pipeline_queued(
    log: FilteringBoundLogger,
    *,
    pipeline: str,
    run_id: int,
    subject_id: int | str | None = None,
    session_id: int | str | None = None,
    workflow_run_id: int | None = None,
    **extra: Any,
) -> None:
    """Log (info) that a pipeline run is queued; later events of the run need only its run id."""
    ids = _ids(subject_id, session_id, workflow_run_id)
    _log(log, Event.PIPELINE_QUEUED, extra, pipeline=pipeline, run_id=run_id, **ids)


def pipeline_started(
    log: FilteringBoundLogger,
    *,
    pipeline: str,
    run_id: int,
    subject_id: int | str | None = None,
    session_id: int | str | None = None,
    workflow_run_id: int | None = None,
    **extra: Any,
) -> None:
    """Log (info) that a worker started a pipeline run."""
    ids = _ids(subject_id, session_id, workflow_run_id)
    _log(log, Event.PIPELINE_STARTED, extra, pipeline=pipeline, run_id=run_id, **ids)


def pipeline_completed(
    log: FilteringBoundLogger,
    *,
    pipeline: str,
    run_id: int,
    duration: float,
    subject_id: int | str | None = None,
    session_id: int | str | None = None,
    workflow_run_id: int | None = None,
    **extra: Any,
) -> None:
    """Log (info) that a pipeline run completed."""
    ids = _ids(subject_id, session_id, workflow_run_id)
    _log(log, Event.PIPELINE_COMPLETED, extra, pipeline=pipeline, run_id=run_id, duration=duration, **ids)


def pipeline_failed(
    log: FilteringBoundLogger,
    *,
    pipeline: str,
    run_id: int,
    error: str,
    duration: float | None = None,
    subject_id: int | str | None = None,
    session_id: int | str | None = None,
    workflow_run_id: int | None = None,
    **extra: Any,
) -> None:
    """Log (error) that a pipeline run failed, and why."""
    ids = _ids(subject_id, session_id, workflow_run_id)
    _log(log, Event.PIPELINE_FAILED, extra, pipeline=pipeline, run_id=run_id, error=error, duration=duration, **ids)


def discovery_started(log: FilteringBoundLogger, *, path: Path | str, **extra: Any) -> None:
    """Log (info) that the search of a folder for new sessions started."""
    _log(log, Event.DISCOVERY_STARTED, extra, path=str(path))


def discovery_session_found(log: FilteringBoundLogger, *, subject: str, session: str, **extra: Any) -> None:
    """Log (info) that a new session was found."""
    _log(log, Event.DISCOVERY_SESSION_FOUND, extra, subject=subject, session=session)


def discovery_completed(log: FilteringBoundLogger, *, sessions_found: int, **extra: Any) -> None:
    """Log (info) that the search completed, and how many sessions it found."""
    _log(log, Event.DISCOVERY_COMPLETED, extra, sessions_found=sessions_found)


def pipeline_log_capture_started(
    log: FilteringBoundLogger, *, run_id: int, log_file: Path | str, **extra: Any
) -> None:
    """Log (debug) that a pipeline run's output is captured, and in which file."""
    _log(log, Event.PIPELINE_LOG_CAPTURE_STARTED, extra, run_id=run_id, log_file=str(log_file))


def pipeline_log_capture_completed(log: FilteringBoundLogger, *, run_id: int, **extra: Any) -> None:
    """Log (debug) that a pipeline run's output is complete."""
    _log(log, Event.PIPELINE_LOG_CAPTURE_COMPLETED, extra, run_id=run_id)


def metrics_workflow_completed(log: FilteringBoundLogger, *, metrics: Mapping[str, Any], **extra: Any) -> None:
    """Log (info) the metrics of a finished workflow run."""
    _log(log, Event.METRICS_WORKFLOW_COMPLETED, extra, metrics=metrics)
