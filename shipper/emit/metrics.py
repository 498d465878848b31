"""Counts and durations of workflows, logged as one event at the end of each workflow."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shipper.emit.events import metrics_workflow_completed
from shipper.emit.forks import Forkable
from shipper.emit.logging import get_logger
from shipper.emit.plain import plain, text

log = get_logger("metrics")


@dataclass
class WorkflowMetrics:
    """Metrics of one workflow run; times in UTC, durations in seconds."""

    workflow_run_id: int
    started_at: datetime
    completed_at: datetime | None = None

    stages_executed: int = 0
    stages_successful: int = 0
    stages_failed: int = 0

    pipelines_queued: int = 0
    pipelines_completed: int = 0
    pipelines_failed: int = 0

    stage_durations: dict[str, float] = field(default_factory=dict)
    total_duration_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The metrics as plain values, times as ISO text; the caller may change them."""
        return {
            **vars(self),
            "started_at": self.started_at.isoformat(),
            "completed_at": self.completed_at.isoformat() if self.completed_at else None,
            "stage_durations": dict(self.stage_durations),
        }


class MetricsCollector(Forkable):
    """Collects the metrics of the workflows that run in this process; safe for threads and for forked children.

    Records for a workflow that is not running are ignored.  A child continues with the counts at the fork.
    """

    def __init__(self) -> None:
        super().__init__()
        # Re-entrant: a signal handler may count and log while this thread holds it.
        self._mutex = threading.RLock()
        self._current_metrics: dict[Any, WorkflowMetrics] = {}

    def start_workflow(self, workflow_run_id: int) -> None:
        """Start to collect; for a workflow that is running already, nothing changes."""
        key = _key(workflow_run_id)
        with self._mutex:
            if key not in self._current_metrics:
                self._current_metrics[key] = WorkflowMetrics(workflow_run_id, datetime.now(UTC))

    def record_stage(
        self, workflow_run_id: int, stage: str, success: bool, duration_seconds: float, tasks_queued: int = 0
    ) -> None:
        """Count a finished stage; of a stage that ran twice, the last duration counts."""
        name, seconds, succeeded, queued = (
            text(stage),
            plain(duration_seconds),
            bool(plain(success)),
            plain(tasks_queued),
        )
        with self._mutex:
            metrics = self._current_metrics.get(_key(workflow_run_id))
            if metrics is None:
                return
            metrics.stages_executed += 1
            if succeeded:
                metrics.stages_successful += 1
            else:
                metrics.stages_failed += 1
            metrics.stage_durations[name] = seconds
            metrics.pipelines_queued += queued if type(queued) is int else 0

    def record_pipeline(self, workflow_run_id: int, success: bool) -> None:
        """Count a finished pipeline run."""
        succeeded = bool(plain(success))
        with self._mutex:
            metrics = self._current_metrics.get(_key(workflow_run_id))
            if metrics is None:
                return
            if succeeded:
                metrics.pipelines_completed += 1
            else:
                metrics.pipelines_failed += 1

    def complete_workflow(self, workflow_run_id: int) -> WorkflowMetrics | None:
        """Stop collecting and log ``metrics.workflow_completed``; gives None if the workflow is not running."""
        with self._mutex:
            metrics = self._current_metrics.pop(_key(workflow_run_id), None)
        if metrics is None:
            return None
        metrics.completed_at = datetime.now(UTC)
        metrics.total_duration_seconds = (metrics.completed_at - metrics.started_at).total_seconds()
        metrics_workflow_completed(log, metrics=metrics.to_dict())
        return metrics

    def after_fork_in_child(self) -> None:
        """The thread that held the lock does not exist here."""
        self._mutex = threading.RLock()


def _key(workflow_run_id: Any) -> Any:
    """A run id of any type as a dictionary key, equal where the log shows the same: numpy's 5 and Python's."""
    shown = plain(workflow_run_id)
    return text(shown) if isinstance(shown, dict | list) else shown


_collector = MetricsCollector()


def get_metrics_collector() -> MetricsCollector:
    """The collector of this process."""
    return _collector
