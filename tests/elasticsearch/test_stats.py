"""The queries of the dashboard and the view of a workflow give what a plan expects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.testnode.node import Node
from shipper.views import stats
from shipper.views.stats import DashboardQueries
from shipper.views.workflow import workflow_detail
from tests.conformance.harness import Harness
from tests.elasticsearch.planned_runs import NOW, Line, Run, event, iso, planned, row, write

DAY = timedelta(hours=24)
# Beside those of the plan: at the very edge of the last day.
EDGES = [
    Run(9001, "edge", NOW - DAY, "completed"),
    Run(9002, "edge", NOW - DAY - timedelta(microseconds=1), "queued"),
    # Failed at one moment: by number, not by text.
    *(Run(number, "tie", NOW - timedelta(seconds=40), "failed") for number in (10_000, 9999, 10_001)),
]
# Of this one only the end is told, without a time.
UNTIMED = event(datetime.min.replace(tzinfo=UTC), "pipeline.failed", run_id=9003, error="when?")
ROW_ENDS = ("discovered", "completed", "failed", "processing", "completed")


def session_lines() -> Iterator[Line]:
    """Fifty rows, of which every second one was named before, and seven names without a row."""
    for number in range(50):
        moment = NOW - timedelta(hours=number)
        label, subject = f"ses-{number:03d}", f"sub-{number:03d}"
        if number % 2:
            yield event(moment, "discovery.session_found", subject=subject, session=label)
        said = f"Session {label} discovered at /data/dicom/{subject}/{label}"
        yield row(moment + timedelta(seconds=1), "session", number, "created", label, message=said)
        yield row(moment + timedelta(seconds=2), "session", number, "status_changed", ROW_ENDS[number % 5].upper())
    for number in range(7):
        yield event(NOW, "discovery.session_found", subject="sub-new", session=f"ses-new{number}")


def overview(runs: list[Run]) -> dict[str, int]:
    """Counts of rows, of names without a row, and of sessions by their state."""
    tasks = [run.end for run in runs if run.source == "task" and run.end != "queued"]
    return {
        "total_sessions": 50 + 7 + len(tasks),
        "sessions_completed": 20 + tasks.count("completed"),
        "sessions_failed": 10 + tasks.count("failed"),
        "pipeline_runs_24h": sum(run.created_at >= NOW - DAY for run in runs),
    }


def by_type(runs: list[Run]) -> list[dict[str, Any]]:
    """A GROUP BY in Python."""
    names = sorted({run.pipeline for run in runs if run.pipeline is not None})
    found = []
    for name in (*names, None):
        group = [run for run in runs if run.pipeline == name]
        completed = sum(run.end == "completed" for run in group)
        durations = [run.seconds for run in group if run.seconds is not None]
        if group:
            found.append({
                "pipeline": name,
                "total": len(group),
                "completed": completed,
                "failed": sum(run.end == "failed" for run in group),
                "success_rate": completed / len(group),
                "avg_duration_minutes": fmean(durations) / 60 if durations else None,
            })  # fmt: skip
    return found


def failures(runs: list[Run]) -> list[dict[str, Any]]:
    """Those that failed, the latest first."""
    failed = [(run.ended_at, run) for run in runs if run.end == "failed" and run.ended_at is not None]
    failed.sort(key=lambda one: (one[0], one[1].updated_at, one[1].number), reverse=True)
    return [
        {
            "run_id": run.number, "pipeline": run.pipeline, "session_id": run.session, "error": run.error,
            "failed_at": iso(ended_at),
        }
        for ended_at, run in failed
    ]  # fmt: skip


NO_TIME = {"run_id": 9003, "pipeline": None, "session_id": None, "error": "when?", "failed_at": None}


@pytest.fixture
def harness(tmp_path: Path, node: Node, namespace: str) -> Iterator[Harness]:
    """A sidecar with files and a namespace of its own."""
    one = Harness(tmp_path, node.url, namespace)
    yield one
    one.close()


def ship(harness: Harness, *lines: Line) -> None:
    """Through the files and the sidecar into the index."""
    write(lines, harness.logs)
    done = harness.once()
    assert 0 == done.returncode, done.stderr


def test_every_query_answers_what_was_planned(
    harness: Harness, es: Elasticsearch, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queries over 1,300 runs, from events, audit records or both, retried, reused and running, give the
    planned results.
    """
    runs = [*planned(1300, seed=11), *EDGES]
    ship(harness, *(line for run in runs for line in run.lines()), *session_lines(), UNTIMED)
    queries = DashboardQueries(es, namespace, now=lambda: NOW)
    assert overview(runs) == queries.get_overview_stats()

    unknown = Run(9003, None, NOW, "failed")
    grouped = by_type([*runs, unknown])
    # It has no duration, which is no duration of nothing.
    grouped[-1]["avg_duration_minutes"] = by_type(runs)[-1]["avg_duration_minutes"]
    assert grouped == queries.get_pipeline_stats_by_type()
    monkeypatch.setattr(stats, "PIPELINES_A_PAGE", 2)
    assert grouped == queries.get_pipeline_stats_by_type()

    failed = [*failures(runs), NO_TIME]
    assert len(failed) > 200
    assert [10_001, 10_000, 9999] == [one["run_id"] for one in failed[:3]]
    assert failed[:10] == queries.get_recent_failures()
    assert failed[:3] == queries.get_recent_failures(limit=3)
    assert failed == queries.get_recent_failures(limit=5000)
    assert [] == queries.get_recent_failures(limit=0)

    waiting = {state: sum(run.end == state for run in runs) for state in ("queued", "running")}
    assert waiting == queries.get_processing_queue_depth()

    since, until = NOW - timedelta(hours=40), NOW - timedelta(hours=20)
    some = [run for run in runs if since <= run.created_at <= until]
    span = DashboardQueries(es, namespace, now=lambda: NOW, since=since, until=until)
    assert by_type(some) == span.get_pipeline_stats_by_type()
    assert failures(some)[:10] == span.get_recent_failures()
    assert sum(run.created_at >= NOW - DAY for run in some) == span.get_overview_stats()["pipeline_runs_24h"]


def test_where_nothing_was_shipped(es: Elasticsearch, namespace: str) -> None:
    """A missing index is not an error: the queries find nothing."""
    queries = DashboardQueries(es, namespace)
    assert {
        "total_sessions": 0, "sessions_completed": 0, "sessions_failed": 0, "pipeline_runs_24h": 0,
    } == queries.get_overview_stats()  # fmt: skip
    assert ([], [], [], {}) == (
        queries.get_pipeline_stats_by_type(),
        queries.get_recent_failures(),
        queries.get_recent_failures(limit=500),
        queries.get_processing_queue_depth(),
    )
    assert workflow_detail(es, namespace, 7) is None


def second(at: float) -> datetime:
    """Of the workflow's newest life."""
    return NOW + timedelta(seconds=at)


def stage(at: float, name: str, stage: str, **said: Any) -> Line:
    """An event of a stage of workflow 7."""
    return event(second(at), f"stage.{name}", stage=stage, workflow_run_id=7, **said)


def workflow_lines() -> Iterator[Line]:
    """A reused id, a stage that was tried twice, and one that only the metrics name."""
    long_ago = timedelta(days=30)
    yield event(NOW - long_ago, "workflow.started", workflow_run_id=7, trigger="scheduled")
    yield event(NOW - long_ago, "stage.started", stage="of old", workflow_run_id=7)
    yield event(NOW - long_ago + DAY, "workflow.completed", workflow_run_id=7, duration=86400, stages=1)
    yield event(second(0), "workflow.started", workflow_run_id=7, trigger="manual")
    yield row(second(0.25), "workflow_run", 7, "created", "manual", message="Workflow run started (manual)")
    yield stage(1, "started", "discovery")
    yield stage(6, "completed", "discovery", tasks_queued=5, duration=4.5)
    yield stage(7, "started", "bids_conversion")
    yield stage(9, "failed", "bids_conversion", errors=["timeout", "again"])
    yield stage(20, "started", "bids_conversion")
    yield stage(50, "completed", "bids_conversion")
    yield stage(60, "started", "qsiprep")
    yield stage(90, "failed", "qsiprep", error="out of memory\n[/red] \x1b[31m")
    durations = {"discovery": 99.0, "bids_conversion": 29.5, "qsirecon": 3.25}
    metrics = {"workflow_run_id": 7, "stages_failed": 1, "stages_successful": 3, "stage_durations": durations}
    yield event(second(4058), "metrics.workflow_completed", metrics=metrics)
    yield event(second(4060), "workflow.failed", workflow_run_id=7, error="Stage qsiprep failed")


STAGES = [
    {
        "neuroflow.stage": "discovery", "status": "completed", "started_at": iso(second(1)),
        "completed_at": iso(second(6)), "duration_seconds": 4.5,
    },
    {
        "neuroflow.stage": "bids_conversion", "status": "completed", "started_at": iso(second(20)),
        "completed_at": iso(second(50)), "duration_seconds": 29.5,
    },
    {
        "neuroflow.stage": "qsiprep", "status": "failed", "started_at": iso(second(60)),
        "failed_at": iso(second(90)), "duration_seconds": 30.0, "error.message": "out of memory\n[/red] \x1b[31m",
    },
    {"neuroflow.stage": "qsirecon", "status": "completed", "duration_seconds": 3.25},
]  # fmt: skip


def test_a_workflow_run_as_it_was_planned(harness: Harness, es: Elasticsearch, namespace: str) -> None:
    """The view shows the newest life of the id: its stages in order, and all pipeline runs by their starts."""
    runs = planned(1700, seed=12)
    ship(harness, *(line for run in runs for line in run.lines()), *workflow_lines())
    found = workflow_detail(es, namespace, 7)
    assert found is not None
    assert STAGES == found["stages"]

    mine = [run for run in runs if run.workflow == 7]
    assert len(mine) > 1000
    mine.sort(key=lambda run: (run.started_at or datetime.max.replace(tzinfo=UTC), run.number))
    told: dict[str, Callable[[Run], Any]] = {
        "neuroflow.run_id": lambda run: str(run.number),
        "neuroflow.pipeline": lambda run: run.pipeline,
        "neuroflow.session_id": lambda run: str(run.session),
        "status": lambda run: run.end,
        "started_at": lambda run: run.started_at and iso(run.started_at),
        "duration_seconds": lambda run: run.seconds,
        "error.message": lambda run: run.error,
    }
    assert [{field: of(run) for field, of in told.items()} for run in mine] == [
        {field: run.get(field) for field in told} for run in found["pipelines"]
    ]
    assert not [key for run in (found, *found["pipelines"]) for key in run if key.startswith("facts")]
    expected = {
        "neuroflow.workflow_run_id": "7", "status": "failed", "trigger": "manual", "started_at": iso(second(0)),
        "failed_at": iso(second(4060)), "duration_seconds": 4060.0, "error.message": "Stage qsiprep failed",
        "stages_completed": 3, "stages_failed": 1, "data_stream.namespace": namespace, "service.name": "neuroflow",
    }  # fmt: skip
    assert expected == {key: found[key] for key in expected}
    assert workflow_detail(es, namespace, 70) is None
