"""The views of ``neuroflow-logs`` over a small laboratory's logs, shipped by the real sidecar to a real node."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.demo.node import Node
from tests.conformance.rig import Rig
from tests.elasticsearch import lab

SCREENS = Path(__file__).parents[1] / "golden" / "screens"
ROOT = Path(__file__).parents[2]

# Every screen that is kept: its name and the command that shows it.
COMMANDS = {
    "show": ["show", "--tail", "12"],
    "show_component": ["show", "--component", "pipeline", "--level", "error"],
    "audit": ["audit"],
    "audit_entity": ["audit", "--entity", "session", "--entity-id", "1"],
    "audit_limit3": ["audit", "--limit", "3"],
    "workflow": ["workflow"],
    "tasks": ["tasks"],
    "pipeline_2": ["pipeline", "2"],
}


class Laboratory:
    """The shipped logs, and the command over them."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def run(
        self, *args: str, columns: int = 80, zone: str = "UTC", code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command as a process, so many columns wide."""
        result = subprocess.run(
            [sys.executable, "-m", "shipper.cli.logs", "--config", str(self._rig.config), *args],
            capture_output=True,
            env={**os.environ, "COLUMNS": str(columns), "TZ": zone, **environment},
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert code == result.returncode, result.stderr.decode()
        return result

    def screen(self, *args: str, columns: int, **environment: str) -> bytes:
        """What a terminal of so many columns gets to show."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {**os.environ, "TZ": "UTC", "TERM": "xterm-256color", **environment}
        environment.pop("COLUMNS", None)
        command = [sys.executable, "-m", "shipper.cli.logs", "--config", str(self._rig.config), *args]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, env=environment, cwd=ROOT) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while part := os.read(ours, 65536):
                    shown += part
            os.close(ours)
            assert 0 == process.wait(60)
        return shown.replace(b"\r\n", b"\n")

    def rows(self, *args: str) -> list[dict[str, Any]]:
        """The documents that a command gives."""
        return [json.loads(line) for line in self.run(*args, "--format", "ndjson").stdout.splitlines()]


@pytest.fixture(scope="module")
def laboratory(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """The laboratory's logs in a namespace of their own."""
    folder = tmp_path_factory.mktemp("lab")
    rig = Rig(folder, node.url, f"lab{os.getpid()}")
    lab.write(rig.logs)
    rig.once()
    yield Laboratory(rig)
    rig.close()


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", COMMANDS)
def test_screens(laboratory: Laboratory, name: str, columns: int) -> None:
    """On a terminal every command shows the screen that is kept in ``tests/golden/screens``, to the byte."""
    kept = SCREENS / f"{name}.w{columns}.txt"
    printed = laboratory.screen(*COMMANDS[name], columns=columns, NO_COLOR="1")
    if os.environ.get("NEUROFLOW_KEEP_SCREENS"):  # after a change that was meant
        kept.write_bytes(printed)
    assert kept.read_bytes() == printed


def test_audit_filters(laboratory: Laboratory) -> None:
    """Entity and number filter, zero and unknown ones too; an entry is what the trail's row says."""
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
    """A reader in Jerusalem sees two hours more, and with --utc what is in the index."""
    local = laboratory.run("workflow", zone="Asia/Jerusalem").stdout.decode()
    assert "2026-11-23 16:02" in local
    assert "2026-11-23 14:02" not in local
    assert "2026-11-23 14:02" in laboratory.run("workflow", "--utc", zone="Asia/Jerusalem").stdout.decode()


def test_workflow_list(laboratory: Laboratory) -> None:
    """The latest first, ten unless more are wanted; --list wins over an id."""
    assert ["10", "2", "1"] == [row["neuroflow.workflow_run_id"] for row in laboratory.rows("workflow")]
    assert ["10"] == [row["neuroflow.workflow_run_id"] for row in laboratory.rows("workflow", "--limit", "1")]
    assert 3 == len(laboratory.rows("workflow", "1", "--list"))


def test_tasks(laboratory: Laboratory) -> None:
    """A task's life by its id, the newest first."""
    lines = laboratory.rows("tasks", "--task-id", "7be20d11-06d5-4d0f-8f0c-b0d3cb6e7a10")
    assert ["task.succeeded", "task.received"] == [line["event.action"] for line in lines]
    assert 160_250_000_000 == lines[0]["event.duration"]
    laboratory.run("tasks", "--task", "no.such.task", code=1)


def test_colours_only_for_a_terminal(laboratory: Laboratory) -> None:
    """A terminal sees statuses in their colours; a pipe, and whoever sets NO_COLOR, sees none."""
    coloured = laboratory.screen("workflow", columns=80)
    for code, status in ((32, b"completed"), (34, b"running"), (31, b"failed")):
        assert b"\x1b[%dm%s" % (code, status) in coloured
    for command in ("show", "audit", "workflow", "tasks"):
        assert b"\x1b" not in laboratory.run(command).stdout
        assert b"\x1b" not in laboratory.screen(command, columns=80, NO_COLOR="1")
