from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from shipper.emit import MetricsCollector, WorkflowMetrics, get_metrics_collector


class TestCollector:
    def test_counts(self) -> None:
        """Stages and pipelines are counted by outcome, durations kept by stage."""
        collector = MetricsCollector()
        collector.start_workflow(1)
        collector.record_stage(1, "bids", success=True, duration_seconds=1.5, tasks_queued=3)
        collector.record_stage(1, "qsiprep", success=False, duration_seconds=2.5)
        for success in (True, True, False):
            collector.record_pipeline(1, success=success)
        with structlog.testing.capture_logs() as events:
            metrics = collector.complete_workflow(1)
        assert metrics is not None
        assert metrics.completed_at is not None
        shown = metrics.to_dict()
        assert shown == {
            "workflow_run_id": 1,
            "started_at": metrics.started_at.isoformat(),
            "completed_at": metrics.completed_at.isoformat(),
            "stages_executed": 2, "stages_successful": 1, "stages_failed": 1, "pipelines_queued": 3,
            "pipelines_completed": 2, "pipelines_failed": 1,
            "stage_durations": {"bids": 1.5, "qsiprep": 2.5},
            "total_duration_seconds": (metrics.completed_at - metrics.started_at).total_seconds(),
        }  # fmt: skip
        assert events == [
            {"component": "metrics", "event": "metrics.workflow_completed", "log_level": "info", "metrics": shown}
        ]

    def test_unknown_workflows_are_ignored(self) -> None:
        """A workflow that was never started, or has ended, is neither counted nor logged."""
        collector = MetricsCollector()
        collector.record_stage(1, "bids", success=True, duration_seconds=1)
        collector.record_pipeline(1, success=True)
        with structlog.testing.capture_logs() as events:
            assert collector.complete_workflow(1) is None
            collector.start_workflow(1)
            assert collector.complete_workflow(1) is not None
            assert collector.complete_workflow(1) is None
        assert len(events) == 1

    def test_starting_again_keeps_the_counts(self) -> None:
        """A second start of a running workflow keeps its counts and its start."""
        collector = MetricsCollector()
        collector.start_workflow(0)
        collector.record_pipeline(0, success=True)
        collector.start_workflow(0)
        with structlog.testing.capture_logs():
            metrics = collector.complete_workflow(0)
        assert metrics is not None
        assert metrics.pipelines_completed == 1

    def test_threads(self) -> None:
        """No count is lost between threads, and only one of many completes a workflow."""
        collector = MetricsCollector()
        collector.start_workflow(1)
        barrier = threading.Barrier(8)
        completed: list[WorkflowMetrics] = []

        def work() -> None:
            barrier.wait()
            for _ in range(500):
                collector.record_stage(1, "a", success=True, duration_seconds=1, tasks_queued=1)
                collector.record_pipeline(1, success=False)
            barrier.wait()
            if metrics := collector.complete_workflow(1):
                completed.append(metrics)

        with structlog.testing.capture_logs():
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        (metrics,) = completed
        assert (metrics.stages_successful, metrics.pipelines_queued, metrics.pipelines_failed) == (4000,) * 3

    def test_whatever_it_is_given(self) -> None:
        """Nothing raises; values count as the Python values that they stand for."""

        class Standing:
            def __init__(self, own: object) -> None:
                self.own = own

            def item(self) -> object:
                return self.own

        collector: Any = MetricsCollector()
        for run in (Standing(5), [1, 2], {"a": 1}):
            collector.start_workflow(run)
        collector.record_stage(5, ["a"], Standing(own=False), timedelta(seconds=90), Standing(3))
        collector.record_stage(5, "b", success=True, duration_seconds=1, tasks_queued="three")
        collector.record_pipeline(5, Standing(own=True))
        with structlog.testing.capture_logs():
            metrics = collector.complete_workflow(5)
            assert collector.complete_workflow([1, 2]) is not None
        assert (1, 1, 3, 1) == (
            metrics.stages_failed, metrics.stages_successful, metrics.pipelines_queued, metrics.pipelines_completed,
        )  # fmt: skip
        assert {"['a']": 90.0, "b": 1} == metrics.stage_durations

    def test_one_for_the_process(self) -> None:
        """All callers get the same collector."""
        assert get_metrics_collector() is get_metrics_collector()


class TestMetrics:
    def test_running_workflow(self) -> None:
        """A running workflow's end is null; the caller may change the result."""
        metrics = WorkflowMetrics(workflow_run_id=1, started_at=datetime(2026, 1, 2, tzinfo=UTC))
        shown = metrics.to_dict()
        assert shown["started_at"] == "2026-01-02T00:00:00+00:00"
        assert shown["completed_at"] is None
        shown["stage_durations"]["x"] = 1.0
        assert metrics.stage_durations == {}
