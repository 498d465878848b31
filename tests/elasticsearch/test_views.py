"""The views of ``neuroflow-logs`` over a small laboratory's logs, shipped by the real sidecar to a real node."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.testnode.node import Node
from tests.conformance.harness import Harness
from tests.elasticsearch import lab
from tests.elasticsearch.screens import Laboratory

SCREENS = Path(__file__).parents[1] / "golden" / "screens"

# Every screen that is kept: its name and the command that shows it.
COMMANDS = {
    "show": ["show", "--tail", "12"],
    "show_component": ["show", "--component", "pipeline", "--level", "error"],
    "audit": ["audit"],
    "audit_entity": ["audit", "--entity", "session", "--entity-id", "1"],
    "audit_limit3": ["audit", "--limit", "3"],
    "workflow": ["workflow"],
    "workflow_1": ["workflow", "1"],
    "workflow_2": ["workflow", "2"],
    "stats": ["stats"],
    "stats_queue": ["stats", "queue"],
    "search": ["search", "Memory limit", "-C", "1"],
    "search_field": ["search", "pipeline:qsiprep AND level:(error critical)"],
    "tasks": ["tasks"],
    "pipeline_2": ["pipeline", "2"],
}


@pytest.fixture(scope="module")
def laboratory(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """The laboratory's logs in a namespace of their own."""
    folder = tmp_path_factory.mktemp("lab")
    harness = Harness(folder, node.url, f"lab{os.getpid()}")
    lab.write(harness.logs)
    harness.once()
    yield Laboratory(harness)
    harness.close()


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", COMMANDS)
def test_screens(laboratory: Laboratory, name: str, columns: int) -> None:
    """On a terminal every command prints the screen that ``tests/golden/screens`` holds, byte for byte."""
    kept = SCREENS / f"{name}.w{columns}.txt"
    printed = laboratory.screen(*COMMANDS[name], columns=columns, NO_COLOR="1")
    if os.environ.get("NEUROFLOW_KEEP_SCREENS"):  # after a change that was meant
        kept.write_bytes(printed)
    assert kept.read_bytes() == printed


def test_audit_filters(laboratory: Laboratory) -> None:
    """Entity and number filter the trail, zero and unknown ones included; an entry equals its row."""
    newest = [row["message"] or "" for row in reversed(lab.AUDIT_LOG)]
    assert newest == [row["message"] for row in laboratory.rows("audit")]
    assert newest[:4] == [row["message"] for row in laboratory.rows("audit", "--limit", "4")]
    [zero] = laboratory.rows("audit", "--entity-id", "0")
    assert "session:0" == zero["neuroflow.audit.entity"]
    found = laboratory.rows("audit", "--entity", "pipeline_run", "--entity-id", "2")
    assert ["Pipeline run 2: running -> failed"] == [row["message"] for row in found]
    nothing = laboratory.run("audit", "--entity", "scanner", code=1)
    assert (b"", b"No audit log entries found\n") == (nothing.stdout, nothing.stderr)


def test_times_are_local_unless_asked_for_utc(laboratory: Laboratory) -> None:
    """A reader in Jerusalem sees two hours more; --utc shows the times of the index."""
    local = laboratory.run("workflow", zone="Asia/Jerusalem").stdout.decode()
    assert "2026-11-23 16:02" in local
    assert "2026-11-23 14:02" not in local
    assert "2026-11-23 14:02" in laboratory.run("workflow", "--utc", zone="Asia/Jerusalem").stdout.decode()


def test_workflow_list(laboratory: Laboratory) -> None:
    """The latest runs come first, ten by default; --list takes precedence over an id."""
    assert ["10", "2", "1"] == [row["neuroflow.workflow_run_id"] for row in laboratory.rows("workflow")]
    assert ["10"] == [row["neuroflow.workflow_run_id"] for row in laboratory.rows("workflow", "--limit", "1")]
    assert 3 == len(laboratory.rows("workflow", "1", "--list"))
    assert not [key for row in laboratory.rows("workflow") for key in row if key.startswith("facts")]


def test_one_workflow_run(laboratory: Laboratory) -> None:
    """The view shows document, stages and pipeline runs in the order of their starts, and reports an unknown run."""
    [run] = laboratory.rows("workflow", "1")
    assert ("completed", 4040, "manual") == (run["status"], run["duration_seconds"], run["trigger"])
    assert ["bids_conversion", "qsiprep"] == [stage["neuroflow.stage"] for stage in run["stages"]]
    runs = [(one["neuroflow.run_id"], one["status"], one["duration_seconds"]) for one in run["pipelines"]]
    assert [("2", "completed", 100), ("3", "completed", 3480), ("4", "failed", 90)] == runs
    assert b"Workflow run 99 not found\n" == laboratory.run("workflow", "99", code=1).stderr


def test_figures_for_scripts(laboratory: Laboratory) -> None:
    """The four answers in the shapes of the application's own queries, alone or all in one object."""
    whole = json.loads(laboratory.run("stats", "--format", "json").stdout)
    assert ["overview", "pipelines", "failures", "queue"] == list(whole)
    assert {"queued": 1, "running": 1} == whole["queue"]
    overview = {"total_sessions": 3, "sessions_completed": 0, "sessions_failed": 0, "pipeline_runs_24h": 0}
    assert overview == whole["overview"]
    for name, answer in whole.items():
        assert answer == json.loads(laboratory.run("stats", name, "--format", "json").stdout)
    assert whole["pipelines"] == laboratory.rows("stats", "pipelines")
    [failure] = whole["failures"]
    assert (4, "qsiprep", "ses-01") == (failure["run_id"], failure["pipeline"], failure["session_id"])
    assert {"run_id", "pipeline", "session_id", "error", "failed_at"} == failure.keys()
    assert [] == json.loads(laboratory.run("stats", "failures", "--since", "1h", "--format", "json", code=1).stdout)


def test_tasks(laboratory: Laboratory) -> None:
    """An id selects the states of one task, the newest first."""
    lines = laboratory.rows("tasks", "--task-id", "7be20d11-06d5-4d0f-8f0c-b0d3cb6e7a10")
    assert ["task.succeeded", "task.received"] == [line["event.action"] for line in lines]
    assert 160_250_000_000 == lines[0]["event.duration"]
    laboratory.run("tasks", "--task", "no.such.task", code=1)


@pytest.mark.parametrize("command", [["show"], ["audit"], ["pipeline", "2"], ["stats"], ["search", "failed"]])
def test_a_full_disk_is_a_sentence(laboratory: Laboratory, command: list[str]) -> None:
    """Output that cannot be written ends the command with a sentence, without a traceback."""
    result = laboratory.full(*command)
    assert 2 == result.returncode
    assert b"the output can't be written: No space left on device" in result.stderr
    assert b"Traceback" not in result.stderr


def test_a_terminal_that_has_no_width(laboratory: Laboratory) -> None:
    """A terminal of unknown width counts as eighty columns wide."""
    assert laboratory.run("workflow").stdout == laboratory.run("workflow", columns=0).stdout
    assert laboratory.run("show").stdout == laboratory.run("show", columns=0).stdout


def test_colours_only_for_a_terminal(laboratory: Laboratory) -> None:
    """A terminal shows statuses in colour; a pipe, and NO_COLOR, turn colours off."""
    coloured = laboratory.screen("workflow", columns=80)
    for code, status in ((32, b"completed"), (34, b"running"), (31, b"failed")):
        assert b"\x1b[%dm%s" % (code, status) in coloured
    for command in ("show", "audit", "workflow", "tasks"):
        assert b"\x1b" not in laboratory.run(command).stdout
        assert b"\x1b" not in laboratory.screen(command, columns=80, NO_COLOR="1")
