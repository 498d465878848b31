"""Which process holds a state directory, found out without its lock.

Trying the lock, even for a moment, could keep a sidecar from starting.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from shipper.regular_files import read_regular

# A longer file is none of ours.
_MAX_BYTES = 4096
_PID = re.compile(r"process (\d+)")


class Holder(NamedTuple):
    """A process, and when it started, seconds since the epoch; 0 where that is not known."""

    pid: int
    started: float


def holder_of(state_dir: Path, proc: Path = Path("/proc")) -> Holder | None:
    """The process that holds the lock of a state directory; None if none does that this one can see.

    A sidecar in another container is not seen.

    Args:
        state_dir: of the sidecar.
        proc: where the system tells of processes and locks.
    """
    lock = state_dir / "lock"
    try:
        key = lock.stat()
        named = _PID.search(read_regular(lock, _MAX_BYTES, follow=False).decode("utf-8", "replace"))
    except OSError:
        return None
    pid = int(named[1]) if named else 0
    try:
        locks = (proc / "locks").read_text("utf-8", "replace")
    except OSError:
        return Holder(pid, 0.0) if pid and _lives(pid) else None  # not Linux
    device = f"{os.major(key.st_dev):02x}:{os.minor(key.st_dev):02x}"
    for line in locks.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF; "->" stands before who waits.
        match line.split():
            case [_, "FLOCK", _, "WRITE", who, where, *_]:
                place, _, inode = where.rpartition(":")
                # Some file systems (btrfs, overlays) tell another device there than in `stat`.
                if inode == str(key.st_ino) and (place == device or who == str(pid)):
                    return Holder(int(who), _started(int(who), proc))
    return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(pid: int, proc: Path) -> float:
    with suppress(OSError, ValueError, IndexError):
        # The name, in parentheses, may hold blanks; the start is the 22nd value, in ticks since the machine started.
        ticks = int((proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
        boot = re.search(r"^btime (\d+)$", (proc / "stat").read_text("utf-8"), re.MULTILINE)
        if boot is not None:
            return int(boot[1]) + ticks / os.sysconf("SC_CLK_TCK")
    return 0.0
