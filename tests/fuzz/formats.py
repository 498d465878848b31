"""Valid lines of every format, which a fuzz run breaks: lines of the golden files, and templates with variations."""

from __future__ import annotations

import json
import random
from math import inf
from pathlib import Path
from typing import Any

from tests.fuzz.odd import Pairs

GOLDEN = Path(__file__).parents[1] / "golden"
_EVENTS = (
    "pipeline.queued", "pipeline_run.created", "pipeline.started", "pipeline.completed", "pipeline.failed",
    "pipeline.exception", "pipeline.retry_scheduled", "callback.success", "callback.failure", "task.enqueued",
    "task.start", "task.complete", "task.failed", "task.timeout", "workflow.started", "workflow.completed",
    "workflow.failed", "workflow_run.created", "metrics.workflow_completed", "stage.started", "stage.completed",
    "stage.failed", "stage.qsiprep.completed", "workflow.stage.starting", "discovery.session_found",
    "session.registered", "pipeline.start", "runner.completed", "runner.failed", "scan.completed",
    "adapter.override_default", "Slow query (1515 ms): SELECT",
)  # fmt: skip
_TASK = "neuroflow.workers.tasks.run_pipeline"
_LEVELS = ("debug", "info", "warning", "error", "critical")


def uuid(dice: random.Random) -> str:
    """As the task queue makes them."""
    digits = f"{dice.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def moment(dice: random.Random, form: str = "T", fraction: int = 6) -> str:
    """A stamp without a zone."""
    said = f"2026-0{dice.randrange(1, 10)}-{dice.randrange(1, 29):02d}{form}{dice.randrange(24):02d}"
    said += f":{dice.randrange(60):02d}:{dice.randrange(60):02d}"
    return said + (f".{dice.randrange(10**fraction):0{fraction}d}" if fraction else "")


def event(dice: random.Random) -> Pairs:
    """A structlog line of the document or of the application, by its keys."""
    name = dice.choice(_EVENTS)
    number = dice.randrange(1, 400)
    fields: dict[str, Any] = {
        "component": dice.choice(("workflow", "pipeline", "discovery", "celery")),
        "workflow_run_id": number // 10, "run_id": number,
        "pipeline": dice.choice(("qsiprep", "mriqc", "qsirecon")),
        "stage": dice.choice(("qsiprep", "discovery", "bids_conversion")),
        "session_id": dice.choice(("ses-01", 12, "202007141404")),
        "subject_id": dice.choice(("sub-001", 3, "001")),
        "participant": "001", "session": "01", "task_id": uuid(dice),
        "duration": dice.choice((3600, 12.5, "12.3s")),
        "exit_code": 0, "attempt": 1, "errors": ["one", "two"], "error": "Memory limit", "stages": 5,
        "trigger": "scheduled", "success": True,
    }  # fmt: skip
    kept = [(key, item) for key, item in fields.items() if dice.random() < 0.45]
    if name.startswith("metrics"):
        kept.append(("metrics", _metrics(number)))
    if name.endswith(("failed", "exception")) and dice.random() < 0.5:
        kept.append(("exception", 'Traceback (most recent call last):\n  File "/opt/a.py", line 1\nKeyError: 1'))
    ending = (
        [("event", name), ("level", dice.choice(_LEVELS)), ("timestamp", moment(dice) + "Z")]
        if dice.random() < 0.5
        else [
            ("event", name),
            ("level", dice.choice(_LEVELS)),
            ("@timestamp", moment(dice) + "+00:00"),
            ("service", "neuroflow"),
        ]
    )
    return Pairs(kept + ending)


def _metrics(number: int) -> dict[str, Any]:
    return {
        "workflow_run_id": number, "started_at": "2026-03-02T08:00:00+00:00",
        "completed_at": "2026-03-02T09:00:00+00:00", "stages_executed": 5, "stages_successful": 4,
        "stages_failed": 1, "total_duration_seconds": 3600.5,
        "stage_durations": {"qsiprep": 120.5},
    }  # fmt: skip


def audit_row(dice: random.Random) -> Pairs:
    """A row of the application's audit table."""
    kind = dice.choice(("session", "pipeline_run", "workflow_run", "subject"))
    old, new = dice.choice((("queued", "running"), ("running", "failed"), (None, "created"), ("", "QUEUED")))
    rows = {
        "id": dice.randrange(10**6),
        "timestamp": moment(dice, dice.choice("T ")) + dice.choice(("", "Z", "+00:00")),
        "entity_type": kind,
        "entity_id": dice.randrange(1, 400),
        "action": dice.choice(("created", "status_changed", "validated", "retried")),
        "old_value": old,
        "new_value": new,
        "triggered_by": dice.choice(("system", "workflow", "callback")),
        "user_id": None,
        "message": dice.choice(("Pipeline qsiprep (attempt 2) queued", "Workflow run started (scheduled)", "")),
        "details": dice.choice((None, "null", {"exit_code": 137}, '{"exit_code": 1, "error_message": "x"}')),
        "subject_id": 1,
        "session_id": 12,
    }
    return Pairs(rows.items())


def execution(dice: random.Random) -> Pairs:
    """An execution log of VoxelOps."""
    rows = {
        "tool": "qsiprep", "participant": "014",
        "command": ["docker", "run", "--rm"],
        "exit_code": dice.choice((0, 137)),
        "start_time": moment(dice), "end_time": moment(dice), "duration_seconds": 7.0, "duration_human": "0:00:07",
        "success": dice.choice((True, False)),
        "stdout": "one\ntwo\n", "stderr": "Killed\n", "log_file": None,
    }  # fmt: skip
    return Pairs(rows.items())


def procedure(dice: random.Random) -> Pairs:
    """A line of VoxelOps' or of the scheduler's audit."""
    rows: dict[str, Any] = {"procedure": "qsiprep", "timestamp": moment(dice)}
    if dice.random() < 0.5:
        name = dice.choice(("procedure_start", "execution_failed", "procedure_complete"))
        rows |= {"event_type": name, "participant": "014", "session": None, "run_id": uuid(dice)}
        rows["data"] = {"error": "exit code 137", "exit_code": 137}
    else:
        rows |= {"event": "status_change", "subject": "sub-0014", "session": "ses-02", "job_id": "10234"}
        rows |= {"old_status": "pending", "new_status": "running", "detail": None}
    return Pairs(rows.items())


def text_line(dice: random.Random, said: str) -> str:
    """A line with this message in one of the text formats."""
    level = dice.choice(("INFO", "WARNING", "ERROR", "CRITICAL", "DEBUG"))
    stamp = moment(dice, " ", 0)
    kind = dice.randrange(9)
    if kind == 0:
        return f"{stamp},289 - celery.worker - {level} - {said}"
    if kind == 1:
        return f"[{stamp},027: {level}/ForkPoolWorker-2] {said}"
    if kind == 2:
        outcomes = (
            "received",
            f"succeeded in 0.42s: {{'success': {said!r}}}",
            f"retry: Retry in 30s: {said}",
            f"raised unexpected: TypeError({said!r})",
            f"reject requeue=False: {said}",
        )
        return f"[{stamp},377: {level}/ForkPoolWorker-2] Task {_TASK}[{uuid(dice)}] {dice.choice(outcomes)}"
    if kind == 3:
        return f"[{stamp},542] {level}:huey:29558:{said}"
    if kind == 4:
        return f"[{stamp},387] INFO:huey:2955:{_TASK}: {uuid(dice)} @{stamp}.851643 p=10 executed in 8.006s"
    if kind in {5, 6}:
        pairs = f"participant=sub-001 pipeline=qsiprep run_id={dice.randrange(99)} duration=1.5s note={said!r}"
        name = dice.choice(_EVENTS)
        prefix = stamp if kind == 5 else moment(dice) + "Z"
        return f"{prefix} [{dice.choice(_LEVELS):9}] {name:30} {pairs}"
    if kind == 7:
        head = f"\x1b[2m{moment(dice)}Z\x1b[0m [\x1b[32m\x1b[1minfo     \x1b[0m]"
        return f"{head} \x1b[1m{said:30}\x1b[0m \x1b[36mn\x1b[0m=1"
    return said


def traceback_lines(dice: random.Random, said: str) -> list[str]:
    """An error of a text log with its traceback, which ends with this message."""
    return [
        f"{moment(dice, ' ', 0)},290 - neuroflow.db - ERROR - cannot connect",
        "Traceback (most recent call last):",
        '  File "/opt/db.py", line 3, in connect',
        "    raise TimeoutError()",
        f"TimeoutError: {said}",
    ]


def golden(kinds: tuple[str, ...]) -> list[bytes]:
    """The lines of the golden files whose names begin with one of these."""
    lines: list[bytes] = []
    for path in sorted(GOLDEN.glob("*.log")):
        if path.name.startswith(kinds):
            # A password in a URL is taken out, and a mark in it as well.
            lines += [line for line in path.read_bytes().split(b"\n") if line.strip() and b"://" not in line]
    return lines


def hides(line: bytes, mark: str) -> bool:
    """Whether JSON itself drops a part of the line: of a repeated key all values but the last, and keys without a
    value (null, not a finite number, an empty list or object).
    """
    found: list[bool] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len({key for key, _ in pairs}) < len(pairs))
        found.extend(mark in key and is_empty(value) for key, value in pairs)
        return dict(pairs)

    try:
        json.loads(
            line[max(0, line.find(b"{")) :].decode("utf-8", "replace"),
            object_pairs_hook=look,
            parse_constant=lambda _: None,
            strict=False,
        )
    except (ValueError, RecursionError):
        return False
    return any(found)


def is_empty(value: Any) -> bool:
    """Whether an index would keep nothing of a value."""
    if isinstance(value, dict):
        value = list(value.values())
    return all(map(is_empty, value)) if isinstance(value, list) else value is None or value in {inf, -inf}
