"""``flock`` with a time-out: a log call never waits for a process that holds a lock and is stopped."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from shipper.emit.descriptors import Identity, close, identity_of, status_of
from shipper.emit.forks import closed_in_child

MAX_WAIT = 1.0
"""Seconds that a log call waits for a lock.  Writers hold it for microseconds, rotations for milliseconds."""
_RETRY_AFTER = 30.0
"""Seconds after a failed wait in which no call waits again."""
_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02


class LockFile:
    """A lock file that stays open between uses and is created again when somebody has deleted it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._identity: Identity = (-1, -1)
        self._no_wait_until = -math.inf

    @contextlib.contextmanager
    def held(self, *, exclusive: bool) -> Iterator[bool]:
        """Hold the lock within the block; gives False where it can't be had."""
        locked = self._acquire(exclusive=exclusive)
        fd = self._fd
        try:
            yield locked
        finally:
            if locked:
                unlock(fd)

    def close(self) -> None:
        """Close the lock file; the next use opens it again."""
        # Forgotten before it is closed: a fork or a signal handler may come in between.
        fd, self._fd = self._fd, -1
        close(fd)

    def _acquire(self, *, exclusive: bool) -> bool:
        max_wait = MAX_WAIT if time.monotonic() >= self._no_wait_until else 0
        try:
            while True:
                if self._fd < 0 or status_of(self._fd, self._identity) is None:
                    self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
                    self._identity = identity_of(self._fd)
                if exclusive:
                    locked = lock_exclusive(self._fd, self._path, max_wait)
                else:
                    locked = _poll(self._fd, fcntl.LOCK_SH, max_wait)
                if not locked:
                    self._no_wait_until = time.monotonic() + _RETRY_AFTER
                    return False
                if not exclusive or self._is_current():
                    return True
                unlock(self._fd)
                self.close()
        except OSError:  # no locks here, or no right to create the file
            return False

    def _is_current(self) -> bool:
        """Whether the path still names the locked file: after a deletion two processes would hold one lock each."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False


def lock_exclusive(fd: int, path: Path, max_wait: float = MAX_WAIT) -> bool:
    """Take the exclusive lock; gives False if others hold it for the whole time.

    Processes that want it at the same time are served fairly by the kernel's queue, but not by polling.  So this
    polls on another descriptor until the lock is free, and then waits in the queue.

    Raises:
        OSError: the file system has no locks.
    """
    with contextlib.suppress(FileNotFoundError):  # deleted, so no other process finds it
        probe = os.open(path, os.O_RDWR)  # network file systems require writing for an exclusive lock
        try:
            with closed_in_child(probe):
                is_free = _poll(probe, fcntl.LOCK_EX, max_wait)
                unlock(probe)
        finally:
            os.close(probe)
        if not is_free:
            return False
    fcntl.flock(fd, fcntl.LOCK_EX)
    return True


def unlock(fd: int) -> None:
    """Release a lock for all who share the open file; closing it would leave the lock to a forked child."""
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
