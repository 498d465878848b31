"""Which process holds a state directory is read from the system, without touching the lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.tail.state.holder import Holder, holder_of
from shipper.tail.state.lock import StateLock

STAT = "12 (a name) of ) blanks) S " + " ".join(str(number) for number in range(4, 40))


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """What a system tells: process 12 started 22 ticks after the machine."""
    folder = tmp_path / "proc"
    (folder / "12").mkdir(parents=True)
    (folder / "12/stat").write_text(STAT)
    (folder / "stat").write_text("cpu 1 2\nbtime 1000\nprocesses 4\n")
    (folder / "locks").write_text("")
    return folder


def locked(state: Path, proc: Path, *, device: str | None = None, pid: int = 12, text: str = "process 12") -> None:
    """Make the system tell of a lock."""
    state.mkdir(exist_ok=True)
    (state / "lock").write_text(text)
    key = (state / "lock").stat()
    where = device or f"{os.major(key.st_dev):02x}:{os.minor(key.st_dev):02x}"
    (proc / "locks").write_text(
        f"1: POSIX  ADVISORY  WRITE 7 {where}:{key.st_ino} 0 EOF\n"
        f"1: -> FLOCK  ADVISORY  WRITE 8 {where}:{key.st_ino} 0\n"
        f"2: FLOCK  ADVISORY  WRITE {pid} {where}:{key.st_ino} 0 EOF\n"
    )


def test_it_runs(tmp_path: Path, proc: Path) -> None:
    """The holder of the lock, and when it started."""
    locked(tmp_path / "state", proc)
    ticks = os.sysconf("SC_CLK_TCK")
    assert Holder(12, 1000 + 22 / ticks) == holder_of(tmp_path / "state", proc)


def test_the_lock_file_names_nobody(tmp_path: Path, proc: Path) -> None:
    """On a full disk the file is empty, and the lock counts."""
    locked(tmp_path / "state", proc, pid=77, text="")
    assert Holder(77, 0.0) == holder_of(tmp_path / "state", proc)


def test_a_file_system_with_two_devices(tmp_path: Path, proc: Path) -> None:
    """Where the device differs, the process that the file names has to hold the inode's lock."""
    locked(tmp_path / "state", proc, device="00:fe")
    assert 12 == getattr(holder_of(tmp_path / "state", proc), "pid", None)
    locked(tmp_path / "state", proc, device="00:fe", pid=13)
    assert holder_of(tmp_path / "state", proc) is None


def test_it_does_not_run(tmp_path: Path, proc: Path) -> None:
    """A name that an earlier run left, and another process under its number, are nobody."""
    locked(tmp_path / "state", proc)
    (proc / "locks").write_text("1: FLOCK  ADVISORY  WRITE 12 00:01:5 0 EOF\n")
    assert holder_of(tmp_path / "state", proc) is None
    assert holder_of(tmp_path / "nothing", proc) is None


def test_a_system_without_a_list_of_locks(tmp_path: Path, proc: Path) -> None:
    """There the process has to live."""
    locked(tmp_path / "state", proc, text=f"process {os.getpid()}")
    (proc / "locks").unlink()
    assert Holder(os.getpid(), 0.0) == holder_of(tmp_path / "state", proc)
    (tmp_path / "state/lock").write_text("process 4194305")
    assert holder_of(tmp_path / "state", proc) is None


def test_this_machine(tmp_path: Path) -> None:
    """A lock that this process holds is found, and gone when it is released."""
    lock = StateLock(tmp_path / "state")
    found = holder_of(tmp_path / "state")
    lock.close()
    assert found is not None
    assert os.getpid() == found.pid
    assert holder_of(tmp_path / "state") is None
