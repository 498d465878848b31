"""The private folder of a node, and its guard process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.testnode import sandbox
from shipper.testnode.sandbox import Sandbox

PARENT = """
import os, time
from shipper.testnode.sandbox import Sandbox
box = Sandbox()
box.hand_over()
child = box.spawn(["/bin/sh", "-c", "sleep 600 & echo ready; wait"], environ={"PATH": "/usr/bin:/bin"},
                  cwd=box.node, console=box.node / "console")
while not (box.node / "console").exists() or "ready" not in (box.node / "console").read_text():
    time.sleep(0.02)
print(child.pid, box.folder, flush=True)
time.sleep(600)
"""


def _until(true: Callable[[], bool], what: str) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.02)
    pytest.fail(f"still not: {what}")


def _members(group: int) -> list[int]:
    """The group's processes, without zombies."""
    answer = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in answer.stdout.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == group and not row[2].startswith("Z")]


def _spawn(box: Sandbox, script: str) -> subprocess.Popen[bytes]:
    box.hand_over()
    return box.spawn(
        ["/bin/sh", "-c", script], environ={"PATH": "/usr/bin:/bin"}, cwd=box.node, console=box.node / "console"
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_guard_clears_away_after_us(number: signal.Signals) -> None:
    """When the owner is killed, the guard ends the process group and deletes the folder."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        group, folder = parent.stdout.readline().split()
        assert len(_members(int(group))) == 2
        parent.send_signal(number)
        parent.wait()
        _until(lambda: not Path(folder).exists(), f"{folder} deleted")
        _until(lambda: not _members(int(group)), "no process left")
    finally:
        parent.kill()
        parent.communicate()


def test_end_and_remove() -> None:
    """The group is killed, the folder deleted, and the guard ends."""
    box = Sandbox()
    child = _spawn(box, "sleep 600 & echo ready; wait")
    _until(lambda: len(_members(child.pid)) == 2, "both running")
    box.end(child, None)
    assert child.returncode == -signal.SIGKILL
    _until(lambda: not _members(child.pid), "no process left")
    assert not (box.folder / "group").exists()
    box.remove()
    assert not box.folder.exists()
    assert box._guard.returncode == 0


def test_what_runs_inside_is_not_root() -> None:
    """Under root another account runs the node, and can only write its part of the folder."""
    box = Sandbox()
    try:
        (box.node / "old").mkdir()
        (box.node / "old/file").touch()
        child = _spawn(box, "id -u; echo new > old/file && echo written; echo x > ../group || echo kept out")
        child.wait()
        uid, *said = (box.node / "console").read_text().splitlines()
        assert int(uid) == (box.account.pw_uid if box.account else os.getuid())
        assert int(uid) != 0
        assert "written" in said
        if box.account:
            assert "kept out" in said
    finally:
        box.remove()


def test_a_temporary_folder_that_others_can_not_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private folder is not used where another account must enter it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(closed))
    assert sandbox._base(shared=False) == closed
    assert sandbox._base(shared=True) != closed


def test_white_space_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with a blank is refused, since the launcher would split it."""
    spaced = tmp_path / "a b"
    spaced.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(spaced))
    assert sandbox._base(shared=False) != spaced
