"""The log files of a small laboratory: two people, a few runs, and values that are hard to display."""

# ruff: noqa: E501 - a log line a line reads best

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]

DAY = "2026-11-23"


def _event(time: str, event: str, level: str = "info", component: str | None = None, **more: Any) -> Line:
    """What the application's logging makes of an event; JSON is what structlog's renderer would print."""
    named = {} if component is None else {"component": component}
    return {
        **more,
        "event": event,
        "level": level,
        **named,
        "@timestamp": f"{DAY}T{time}+00:00",
        "service": "neuroflow",
    }


WORKFLOW_LOG = [
    _event("12:43:02.100000", "workflow.started", workflow_run_id=1, trigger="manual"),
    _event("12:43:03.000000", "stage.started", stage="bids_conversion", workflow_run_id=1),
    _event("12:50:03.500000", "stage.completed", stage="bids_conversion", workflow_run_id=1, tasks_queued=1,
     duration=420.5),
    _event("12:50:04.000000", "stage.started", stage="qsiprep", workflow_run_id=1),
    _event("13:50:04.000000", "stage.completed", stage="qsiprep", workflow_run_id=1, tasks_queued=2, duration=3600),
    _event("13:50:22.100000", "workflow.completed", workflow_run_id=1, duration=4040, stages=2),
    _event("14:00:00.000000", "workflow.started", workflow_run_id=2, trigger="scheduled"),
    _event("14:00:01.000000", "stage.started", stage="qsirecon", workflow_run_id=2),
    _event("14:01:30.000000", "stage.failed", "error", stage="qsirecon", workflow_run_id=2,
     errors=["timeout", "[/red] disk full"]),
    _event("14:01:31.000000", "workflow.failed", "error", workflow_run_id=2, error="Stage qsirecon failed"),
    _event("14:02:00.000000", "workflow.started", workflow_run_id=10, trigger="event"),
    _event("14:02:01.000000", "stage.started", stage="bids_conversion", workflow_run_id=10),
]  # fmt: skip

APPLICATION_LOG = [
    _event("12:40:00.000000", "discovery.started", component="discovery", path="/data/dicom"),
    _event("12:40:01.000000", "discovery.session_found", component="discovery", subject="sub-001", session="ses-01"),
    _event("12:40:01.000000", "discovery.session_found", component="discovery", subject="sub-002", session="ses-01"),
    _event("12:40:02.000000", "discovery.completed", component="discovery", sessions_found=2),
    _event("12:44:00.000000", "pipeline.queued", component="pipeline", pipeline="mriqc", run_id=2, workflow_run_id=1, subject_id="sub-001"),
    _event("12:44:12.285994", "pipeline.started", component="pipeline.runner", pipeline="mriqc", run_id=2),
    _event("12:46:12.285994", "pipeline.failed", "error", "pipeline.runner", pipeline="mriqc", run_id=2, error="Memory limit"),
    _event("12:47:00.000000", "pipeline.queued", component="pipeline", pipeline="mriqc", run_id=2, workflow_run_id=1, subject_id="sub-001"),
    _event("12:48:00.000000", "pipeline.started", component="pipeline.runner", pipeline="mriqc", run_id=2),
    _event("12:49:40.000000", "pipeline.completed", component="pipeline.runner", pipeline="mriqc", run_id=2, duration=100),
    _event("12:51:00.000000", "pipeline.queued", component="pipeline", pipeline="qsiprep", run_id=3, workflow_run_id=1, subject_id="sub-001"),
    _event("12:52:00.000000", "pipeline.started", component="pipeline.runner", pipeline="qsiprep", run_id=3),
    _event("13:50:00.000000", "pipeline.completed", component="pipeline.runner", pipeline="qsiprep", run_id=3, duration=3480),
    _event("12:53:00.000000", "pipeline.queued", component="pipeline", pipeline="qsiprep", run_id=4, workflow_run_id=1, subject_id="sub-002", session_id="ses-01"),
    _event("12:54:00.000000", "pipeline.started", component="pipeline.runner", pipeline="qsiprep", run_id=4),
    _event("12:55:30.000000", "pipeline.failed", "error", "pipeline.runner", pipeline="qsiprep", run_id=4, error="bvec [Node] /opt/[/red] missing"),
    _event("14:00:30.000000", "pipeline.queued", component="pipeline", pipeline="qsirecon", run_id=11, workflow_run_id=2, subject_id="sub-001"),
    _event("14:00:40.000000", "pipeline.started", component="pipeline.runner", pipeline="qsirecon", run_id=11),
    _event("14:02:30.000000", "pipeline.queued", component="pipeline", pipeline="bids_conversion", run_id=12, workflow_run_id=10, subject_id="sub-002", session_id="ses-01"),
    _event("14:03:00.000000", "disk.low", "warning", "watcher", free_gb=11, path="/data/[bold]x[/bold]"),
    _event("14:03:01.000000", "naïve 脳 \x1b[31mred\x1b[0m\x00 end", "critical", "watcher"),
]  # fmt: skip

CELERY_LOG = """\
[2026-11-23 12:44:10,100: INFO/MainProcess] Task neuroflow.workers.tasks.run_pipeline[0f9a1c52-7b64-4c11-9d0e-2f60a1b7c9d8] received
[2026-11-23 12:46:13,200: ERROR/ForkPoolWorker-2] Task neuroflow.workers.tasks.run_pipeline[0f9a1c52-7b64-4c11-9d0e-2f60a1b7c9d8] raised unexpected: MemoryError('limit')
Traceback (most recent call last):
  File "/opt/neuroflow/workers/tasks.py", line 88, in run_pipeline
    raise MemoryError("limit")
MemoryError: limit
[2026-11-23 12:47:01,000: INFO/MainProcess] Task neuroflow.workers.tasks.run_pipeline[7be20d11-06d5-4d0f-8f0c-b0d3cb6e7a10] received
[2026-11-23 12:49:41,000: INFO/ForkPoolWorker-1] Task neuroflow.workers.tasks.run_pipeline[7be20d11-06d5-4d0f-8f0c-b0d3cb6e7a10] succeeded in 160.25s: {'run_id': 2}
"""

OLDER_PIPELINE_LOG = "=== STDOUT ===\nfirst try\n\n=== STDERR ===\nKilled\n"
PIPELINE_LOG = "=== STDOUT ===\nhello [/opt/x] dropped tag\nnipype [Node] kept\r\ntab\there\n\n=== STDERR ===\nwarn: ü \x1b[33m!\x1b[0m"


def _row(number: int, time: str, entity: str, action: str, message: str | None, **more: Any) -> Line:
    """A row of the application's audit table."""
    entity_type, _, entity_id = entity.partition(":")
    row: Line = {"id": number, "timestamp": f"{DAY}T{time}", "entity_type": entity_type, "entity_id": int(entity_id)}
    return {**row, "action": action, "triggered_by": "system", "user_id": None, "message": message, **more}


AUDIT_LOG = [
    _row(1, "12:40:24.000100", "subject:1", "created", "Subject sub-001 registered", new_value="sub-001"),
    _row(2, "12:40:24.000100", "session:1", "created", "Session ses-01 discovered at /data/neuroflow/incoming/scanner-3T/2026/11/sub-001/ses-01"),
    _row(3, "12:40:24.000200", "session:0", "validated", None),
    _row(4, "12:43:02.100000", "workflow_run:1", "created", "Workflow run started (manual)", user_id="dana", triggered_by="workflow"),
    _row(5, "12:46:12.300000", "pipeline_run:2", "status_changed", "Pipeline run 2: running -> failed", old_value="running", new_value="failed", details={"exit_code": 137, "error_message": "Memory limit"}),
    _row(6, "12:46:13.000000", "session:1", "marked_for_rerun", "[red]Pipeline failed[/red] due to memory issue"),
    _row(7, "14:00:00.000000", "workflow_run:2", "created", "Workflow run started (scheduled)"),
]  # fmt: skip


def write(folder: Path) -> None:
    """Write all of it under a log directory."""
    for name, lines in (
        ("neuroflow.log", APPLICATION_LOG),
        ("workflow.log", WORKFLOW_LOG),
        ("audit/audit_2026_11.jsonl", AUDIT_LOG),
    ):
        _put(folder / name, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    _put(folder / "celery/worker.log", CELERY_LOG)
    _put(folder / "pipelines/mriqc/mriqc_2_20261123_124412.log", OLDER_PIPELINE_LOG)
    _put(folder / "pipelines/mriqc/mriqc_2_20261123_124800.log", PIPELINE_LOG)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
