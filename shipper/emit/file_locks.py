"""``flock`` with an end: whoever holds it may be stopped, or be a stranger, and no log call waits for that."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from shipper.emit.forks import closed_in_child

MAX_WAIT = 1.0
"""Seconds that a log call waits for a lock.  Writers hold it for microseconds, rotations for milliseconds."""
_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02


def lock_shared(fd: int, _path: Path, max_wait: float = MAX_WAIT) -> bool:
    """Hold the lock together with others; False if somebody has it alone all the time.

    Args:
        fd: the open lock file.
        _path: the lock file.
        max_wait: seconds after which to give up.

    Raises:
        OSError: the file system has no locks.
    """
    return _poll(fd, fcntl.LOCK_SH, max_wait)


def lock_exclusive(fd: int, path: Path, max_wait: float = MAX_WAIT) -> bool:
    """Hold the lock alone; False if somebody has it all the time.

    Among those who want it at once the kernel's queue is fair, and asking again and again is not.  So it is looked at
    until it is free for a moment, and only then waited for.

    Args:
        fd: the open lock file.
        path: the lock file.
        max_wait: seconds after which to give up.

    Raises:
        OSError: the file system has no locks, or the file is gone.
    """
    with contextlib.suppress(FileNotFoundError):  # deleted: nobody has what nobody can find
        look = os.open(path, os.O_RDWR)  # as network file systems want it
        try:
            with closed_in_child(look):
                is_free = _poll(look, fcntl.LOCK_EX, max_wait)
                unlock(look)
        finally:
            os.close(look)
        if not is_free:
            return False
    fcntl.flock(fd, fcntl.LOCK_EX)
    return True


def unlock(fd: int) -> None:
    """Unlock the open file for all who share it: to close it leaves the lock with a forked child's copy."""
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _poll(fd: int, how: int, max_wait: float) -> bool:
    until = time.monotonic() + max_wait
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
        else:
            return True
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
