from __future__ import annotations

from datetime import UTC
from io import StringIO
from typing import Any

import pytest

from shipper.views.formatters import lasted
from shipper.views.workflow import write_detail

LONG = "x" * 130
DETAIL: dict[str, Any] = {
    "neuroflow.workflow_run_id": "7",
    "status": "failed",
    "trigger": "scheduled",
    "started_at": "2026-03-02T10:00:00.000000Z",
    "failed_at": "2026-03-02T11:07:30.000000Z",
    "duration_seconds": 4050.0,
    "error.message": "Stage qsiprep failed",
    "stages": [
        {
            "neuroflow.stage": "discovery", "status": "completed", "started_at": "2026-03-02T10:00:00.000000Z",
            "completed_at": "2026-03-02T10:00:45.500000Z", "duration_seconds": 45.5,
        },
        {"neuroflow.stage": "qsiprep", "status": "failed", "error.type": "OSError", "error.message": "[/red]\x1b[2J"},
    ],
    "pipelines": [
        {
            "neuroflow.run_id": "456", "neuroflow.pipeline": "qsiprep", "neuroflow.subject_id": "sub-1",
            "neuroflow.session_id": "ses-1", "status": "failed", "started_at": "2026-03-02T10:01:00.000000Z",
            "duration_seconds": 90.0, "error.message": f"first line\n{LONG}",
        },
        {"neuroflow.run_id": "457", "status": "queued"},
    ],
}  # fmt: skip


def shown(detail: dict[str, Any]) -> str:
    """The printed view in UTC."""
    out = StringIO()
    write_detail(detail, UTC, out)
    return out.getvalue()


def test_a_workflow_run_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heading, stages, pipelines and every error in full; markup is literal and nothing is cut."""
    monkeypatch.setenv("COLUMNS", "100")
    lines = [line.rstrip() for line in shown(DETAIL).splitlines()]
    assert [
        "Workflow run 7  failed", "Trigger   scheduled", "Started   2026-03-02 10:00", "Ended     2026-03-02 11:07",
        "Duration  1h 7m",
    ] == lines[:5]  # fmt: skip
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert [
        ["discovery", "completed", "2026-03-02 10:00:00", "2026-03-02 10:00:45", "45.5s"],
        ["qsiprep", "failed", "-", "-", "-"],
        ["456", "qsiprep", "sub-1", "ses-1", "failed", "2026-03-02 10:01:00", "1m 30s"],
        ["457", "", "", "", "queued", "-", "-"],
    ] == cells
    assert {"Stages", "Pipelines"} <= {line.strip() for line in lines}
    assert [
        "Errors", "Workflow run: Stage qsiprep failed", r"Stage qsiprep: OSError: [/red]\x1b[2J",
        "qsiprep run 456: first line", f"    {LONG}",
    ] == lines[-5:]  # fmt: skip


def test_a_run_of_which_little_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown values are dashes; empty tables are left out."""
    monkeypatch.setenv("COLUMNS", "100")
    detail = {"neuroflow.workflow_run_id": "7", "status": "running", "stages": [], "pipelines": []}
    assert ["Workflow run 7  running", "Trigger   -", "Started   -", "Ended     -", "Duration  -"] == shown(
        detail
    ).splitlines()


def test_a_narrow_terminal_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long name is folded."""
    monkeypatch.setenv("COLUMNS", "60")
    run = {"neuroflow.run_id": "1", "neuroflow.pipeline": "#" * 40 + "@" * 40, "status": "queued"}
    text = shown({"neuroflow.workflow_run_id": "7", "status": "running", "stages": [], "pipelines": [run]})
    assert "…" not in text
    assert (40, 40) == (text.count("#"), text.count("@"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.04, "0s"), (12.34, "12.3s"), (59, "59s"), (72.9, "1m 12s"), (3600, "1h 0m"), (4050.0, "1h 7m")],
)
def test_how_long_something_took(seconds: float | None, text: str) -> None:
    """Durations have a suitable unit."""
    assert text == lasted("duration_seconds")({"duration_seconds": seconds}, None)
