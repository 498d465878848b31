"""A log file that many processes and threads append to and rotate, without losing or tearing a line.

Every record is one ``write`` on a descriptor opened for appending, under a shared lock; rotation happens
under the exclusive lock.  The lock is a file of its own beside the log (``.<name>.lock``), because the log
itself is renamed away.  Where there are no locks (file systems without ``flock``, folders that can't be
written), lines are still appended and rotation is left to others.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shipper.emit.ends import is_ended, is_torn
from shipper.emit.file_locks import MAX_WAIT, lock_exclusive, lock_shared, unlock
from shipper.emit.forks import Forkable

_NO_WAIT = 30.0
"""Seconds that nobody waits again for a lock that was not to be had."""
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Rotation:
    """When a log file starts again, and how many old generations stay.

    Attributes:
        max_size_mb: size in megabytes (10^6 bytes) that a file does not outgrow by more than the lines being
            written at that moment; 0 or None: never rotate.
        backup_count: how many old files stay, as ``.1`` (newest) to ``.N``; 0: never rotate.

    Raises:
        ValueError: a number is negative or not a number.
    """

    max_size_mb: float | None = 100
    backup_count: int = 10

    def __post_init__(self) -> None:
        size, count = self.max_size_mb, self.backup_count
        if size is not None and (
            isinstance(size, bool) or not isinstance(size, int | float) or not 0 <= size < math.inf
        ):
            raise ValueError(f"rotation: max_size_mb: {size!r} is not a number of megabytes")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"rotation: backup_count: {count!r} is not a number of files")

    @classmethod
    def of(cls, given: Rotation | Mapping[str, Any] | None) -> Rotation:
        """The rotation that a configuration asks for; nothing given means the defaults.

        Raises:
            ValueError: a key is unknown, or its value is out of range.
        """
        if isinstance(given, Rotation):
            return given
        known = [field.name for field in fields(cls)]
        for key in given or ():
            if key not in known:
                raise ValueError(f"rotation: {key}: unknown key; the keys are {' and '.join(known)}")
        return cls(**(given or {}))

    @property
    def max_bytes(self) -> int:
        """Size at which to rotate, in bytes; 0: never."""
        return math.ceil((self.max_size_mb or 0) * _MEGABYTE) if self.backup_count else 0


class RotatingFile(Forkable):
    """One log file, opened for appending; safe for threads, for forked children and for other processes.

    Args:
        path: the file; missing folders are created.
        rotation: when it starts again.

    Raises:
        OSError: the file can't be created or opened.
    """

    def __init__(self, path: Path, rotation: Rotation | None = None) -> None:
        super().__init__()
        self.path = path.absolute()
        rotation = rotation or Rotation()
        self._max_bytes = rotation.max_bytes
        self._backups = rotation.backup_count
        self._lock_path = self.path.with_name(f".{self.path.name}.lock")
        self._closed = False
        # Re-entrant, because a signal handler that logs runs on top of whatever this thread is doing.
        self._mutex = threading.RLock()
        self._busy = False
        self._mend = b""
        self._own_end = -1  # size of the file when nobody else has written since this process did
        self._no_wait_until = -math.inf
        self._fd = self._lock_fd = -1
        self._identity = self._lock_identity = (-1, -1)
        self._open()

    def write(self, record: bytes) -> None:
        """Append the record (with its line end) whole; it is in the file when this returns.

        After ``close`` it still works, opening the file for this one record: a thread that got hold of the
        file before another closed it must not lose its line.

        Raises:
            OSError: the disk refuses.
        """
        with self._mutex:
            if self._busy:  # a signal handler logs in the middle of this thread's own write
                self._write_apart(record)
                return
            self._busy = True
            try:
                self._write(record)
            finally:
                self._busy = False
                if self._closed:
                    self._release()

    def close(self) -> None:
        """Give the descriptors back."""
        with self._mutex:
            self._closed = True
            if not self._busy:
                self._release()

    def _write(self, record: bytes) -> None:
        with self._locked(fcntl.LOCK_SH) as locked:
            size = self._follow()
            whole = size == self._own_end or is_ended(self._fd, size)
            if whole and not (locked and self._is_full(size, record)):
                self._append(record, size)
                return
        with self._locked(fcntl.LOCK_EX) as locked:
            size = self._follow()
            if locked and self._is_full(size, record):  # still: another process may have rotated meanwhile
                with contextlib.suppress(OSError):  # a file that is too long is better than a lost line
                    self._shift()
                size = self._follow()
            # Without the lock somebody else may just be in the middle of a line.
            if not is_ended(self._fd, size) and is_torn(self._fd, alone=locked):
                self._mend = b"\n"
            self._append(record, size)

    def _append(self, record: bytes, size: int) -> None:
        self._own_end = size + len(self._mend) + len(record)
        left = memoryview(self._mend + record)
        while left:
            written = os.write(self._fd, left)
            left = left[written:]
            # Until the rest is out, a later record must not be glued to this torn one.
            self._mend = b"\n" if left else b""

    def _write_apart(self, record: bytes) -> None:
        """Append without the lock, which this very thread may hold; at worst the line lands in ``.1``."""
        fd = self._append_fd()
        try:
            os.write(fd, record)
        finally:
            os.close(fd)

    def _is_full(self, size: int, record: bytes) -> bool:
        # A record longer than the limit gets an empty file, but does not push an empty one aside.
        return 0 < self._max_bytes < size + len(record) and size > 0

    def _shift(self) -> None:
        names = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._backups + 1))]
        # Only up to the first gap: after a crash half way through, nothing falls off the end too early.
        first_free = next((n for n in range(1, self._backups) if not names[n].exists()), self._backups)
        for n in range(first_free, 0, -1):
            names[n - 1].replace(names[n])

    def _follow(self) -> int:
        """Be on the file that has the name now: others rotate, rename or delete it.  Gives its size."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return self._open()
        except OSError:
            if self._fd >= 0:  # rights were dropped since: what is open still takes lines
                return os.fstat(self._fd).st_size
            raise
        if self._fd < 0:
            return self._open()
        mine = _status(self._fd, self._identity)
        if mine is None:
            self._fd = -1
        return mine.st_size if mine and os.path.samestat(named, mine) else self._open()

    def _open(self) -> int:
        fd = self._append_fd()
        status = os.fstat(fd)
        earlier, self._fd = self._fd, fd
        self._identity = (status.st_dev, status.st_ino)
        self._mend = b""
        self._own_end = -1
        _close(earlier)
        return status.st_size

    def _append_fd(self) -> int:
        try:
            return self._opened()
        except FileNotFoundError:  # the folder is missing
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._opened()

    def _opened(self) -> int:
        """The file, for reading too, because how it ends matters."""
        flags = os.O_APPEND | os.O_CREAT
        try:
            if not self.path.is_fifo():  # who opens one for reading too is its own reader
                return os.open(self.path, os.O_RDWR | flags, 0o666)
        except PermissionError:  # it may be written only
            pass
        return os.open(self.path, os.O_WRONLY | flags, 0o666)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[bool]:
        """Hold the lock; gives False where there is none to have."""
        locked = bool(self._max_bytes) and self._acquire(how)
        fd = self._lock_fd
        try:
            yield locked
        finally:
            if locked:
                unlock(fd)

    def _acquire(self, how: int) -> bool:
        """Take the lock, unless somebody has it for longer than a log call may wait."""
        max_wait = MAX_WAIT if time.monotonic() >= self._no_wait_until else 0
        try:
            while True:
                if self._lock_fd < 0 or _status(self._lock_fd, self._lock_identity) is None:
                    self._lock_fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o666)
                    status = os.fstat(self._lock_fd)
                    self._lock_identity = (status.st_dev, status.st_ino)
                take = lock_shared if how == fcntl.LOCK_SH else lock_exclusive
                if not take(self._lock_fd, self._lock_path, max_wait):
                    self._no_wait_until = time.monotonic() + _NO_WAIT
                    return False
                if how == fcntl.LOCK_SH or self._lock_is_current():
                    return True
                earlier, self._lock_fd = self._lock_fd, -1
                unlock(earlier)
                _close(earlier)
        except OSError:
            return False

    def _lock_is_current(self) -> bool:
        """Two that rotate at once would lose a file; so somebody deleting the lock must not let two in."""
        try:
            return os.path.samestat(self._lock_path.stat(), os.fstat(self._lock_fd))
        except FileNotFoundError:
            return False

    def _release(self) -> None:
        # Forgotten before they are closed: a fork, or a signal handler, may come in between.
        file, lock, self._fd, self._lock_fd = self._fd, self._lock_fd, -1, -1
        _close(file)
        _close(lock)

    def after_fork_in_child(self) -> None:
        """A lock belongs to the open description, which a forked child would share with its parent."""
        self._mutex = threading.RLock()  # the thread that held the old one does not exist here
        self._busy = False
        self._mend = b""
        self._release()


def _status(fd: int, identity: tuple[int, int]) -> os.stat_result | None:
    """What the descriptor says, or None if it is closed, or a stranger's.

    Who makes a daemon of this process closes whatever is open, and the numbers are given out again.
    """
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status if (status.st_dev, status.st_ino) == identity else None


def _close(fd: int) -> None:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)
