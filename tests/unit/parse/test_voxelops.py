"""VoxelOps' execution logs and audit, and the scheduler's audit."""

from __future__ import annotations

import pytest

from shipper.parse import voxelops
from shipper.parse.records import Record

RUN: Record = {
    "tool": "qsiprep", "participant": "001", "exit_code": 0, "end_time": "2026-11-23T14:46:53", "stdout": "x",
}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "event", "level"),
    [
        ({"success": True}, "voxelops.completed", "info"),
        ({"success": False, "error": "no"}, "voxelops.failed", "error"),
        ({}, "voxelops.completed", "info"),
        ({"exit_code": 1}, "voxelops.failed", "error"),
    ],
)
def test_an_execution(more: Record, event: str, level: str) -> None:
    """The record has the end as its time, the tool, and all other values."""
    assert {
        "event": event,
        "level": level,
        "logger": "voxelops",
        "timestamp": "2026-11-23T14:46:53",
        "pipeline": "qsiprep",
        "participant": "001",
        "exit_code": 0,
        "stdout": "x",
        **more,
    } == voxelops.execution({**RUN, **more})


def test_what_is_an_execution() -> None:
    """Tool, exit code and end make a line an execution."""
    assert voxelops.is_execution(RUN)
    assert not voxelops.is_execution({"tool": "x", "end_time": "y"})


@pytest.mark.parametrize(
    ("kind", "level", "outcome"),
    [
        ("procedure_start", "info", None),
        ("pre_validation_failed", "error", "failure"),
        ("execution_success", "info", "success"),
        ("execution_failed", "error", "failure"),
        ("procedure_complete", "info", "success"),
    ],
)
def test_audit_lines(kind: str, level: str, outcome: str | None) -> None:
    """The type is the event, unchanged; the error comes from the data."""
    record = voxelops.adapted({"event_type": kind, "procedure": "qsiprep", "data": {"error": "no"}, "run_id": "u"})
    assert (kind, kind, level, "qsiprep", outcome, "no", "u", {"error": "no"}) == (
        record["event"], record["action"], record["level"], record["pipeline"], record.get("outcome"),
        record["error"], record["run_id"], record["data"],
    )  # fmt: skip


def test_an_error_of_the_line_itself_counts() -> None:
    """The line's own error takes precedence, and the one in the data is kept there."""
    record = voxelops.adapted({"event_type": "x", "procedure": "p", "data": {"error": "no"}, "error": "yes"})
    assert "yes" == record["error"]


@pytest.mark.parametrize("job", [{}, {"job_id": None}, {"job_id": "1"}])
@pytest.mark.parametrize("event", ["submitted", "status_change", "dry_run", "retry_cleared"])
def test_the_schedulers_audit(event: str, job: Record) -> None:
    """Its event is kept and is the action; the job may be missing."""
    record = voxelops.adapted({"event": event, "procedure": "bids", "detail": None, **job})
    assert {"event": event, "action": event, "level": "info", "pipeline": "bids", "detail": None, **job} == record


@pytest.mark.parametrize(
    ("said", "kept"), [("sbatch: error: x", {"error": "sbatch: error: x"}), (None, {"detail": None})]
)
def test_an_error_of_the_scheduler(said: str | None, kept: Record) -> None:
    """It is a failure with its detail as message."""
    record = voxelops.adapted({"event": "error", "procedure": "bids", "detail": said})
    assert {
        "event": "error",
        "action": "error",
        "level": "error",
        "outcome": "failure",
        "pipeline": "bids",
        **kept,
    } == record


def test_other_lines_are_left_alone() -> None:
    """A procedure alone is not enough."""
    for record in (
        {"event": "a.b", "procedure": "x"},
        {"event": ["error"], "procedure": "x"},
        {"event_type": "a"},
        {"a": 1},
    ):
        assert record == voxelops.adapted(dict(record))


@pytest.mark.parametrize(
    "record",
    [
        {"event_type": "procedure_start", "procedure": "qsiprep", "event": "mine"},
        {"event_type": "procedure_start", "procedure": "qsiprep", "pipeline": "mine"},
        {"event": "submitted", "procedure": "bids", "job_id": "1", "action": "mine"},
    ],
)
def test_lines_that_say_our_keys_themselves_are_left_alone(record: Record) -> None:
    """A line that already has the target keys stays unchanged, so that no value is lost."""
    assert record == voxelops.adapted(dict(record))
    assert not voxelops.is_execution({**RUN, "pipeline": "mine"})
