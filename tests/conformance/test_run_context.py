"""Later lines of a run get fields of earlier ones: from other files, after a restart, never from another run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.harness import Harness

pytestmark = pytest.mark.in_process

Said = dict[str, Any]
NOTHING = (None, None, None, None)


def line(at: str, event: str, **said: Any) -> str:
    """A line at a time of day."""
    return json.dumps({**said, "event": event, "level": "info", "timestamp": f"2026-03-01T{at}Z"}) + "\n"


def append(path: Path, *lines: str) -> None:
    """Append lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as log:
        log.writelines(lines)


def known(harness: Harness) -> dict[str, tuple[Any, ...]]:
    """The run's fields in each message's document."""
    fields = ("pipeline", "subject_id", "session_id", "workflow_run_id")
    return {
        document["message"]: tuple(document["neuroflow"].get(field) for field in fields)
        for document in harness.documents()
    }


QUEUED = {"run_id": 31, "pipeline": "qsiprep", "subject_id": 5, "session_id": 9, "workflow_run_id": 7}
WHOLE = ("qsiprep", "5", "9", "7")


@pytest.mark.parametrize("end", ["once", "killed", "stopped"])
def test_over_files_and_a_restart(harness: Harness, end: str) -> None:
    """A worker's line and the run's output get the subject from another file, after a restart."""
    append(harness.logs / "neuroflow.log", line("10:00:00", "pipeline.queued", **QUEUED))
    if end == "once":
        assert 0 == harness.once().returncode
    else:
        sidecar = harness.start()
        assert harness.eventually(lambda: harness.count() == 1)
        harness.kill(sidecar) if end == "killed" else harness.stop(sidecar)
    append(
        harness.logs / "celery/worker.log",
        "[2026-03-01 10:00:01,000: WARNING/X-1] " + line("10:00:01", "said", run_id=31),
    )
    append(harness.logs / "pipelines/qsiprep/qsiprep_31_20260301_100001.log", "=== STDOUT ===\n", "printed\n")
    append(harness.logs / "workflow.log", line("10:00:02", "of another", run_id=32))
    assert 0 == harness.once().returncode
    found = known(harness)
    assert (WHOLE, WHOLE, NOTHING) == (found["said"], found["printed"], found["of another"])


def test_an_id_that_was_used_before(harness: Harness) -> None:
    """With a reused id lines of an older log get nothing of the new run, and vice versa."""
    append(
        harness.logs / "neuroflow.log",
        line("10:00:00", "pipeline.queued", **QUEUED),
        line("10:00:05", "pipeline.completed", run_id=31),
        line("12:00:00", "pipeline.started", run_id=31, pipeline="qsiprep"),
        line("12:00:01", "new", run_id=31),
    )
    append(
        harness.logs / "workflow.log",
        line("10:00:03", "old", run_id=31),
        json.dumps({"event": "older", "run_id": 31, "timestamp": "2025-03-01T10:00:00Z"}) + "\n",
    )
    append(harness.logs / "pipelines/qsiprep/qsiprep_31_20250301_100001.log", "of last year\n")
    assert 0 == harness.once().returncode
    found = known(harness)
    assert (WHOLE, ("qsiprep", None, None, None), NOTHING) == (found["old"], found["new"], found["older"])
    assert ("qsiprep", None, None, None) == found["of last year"]
