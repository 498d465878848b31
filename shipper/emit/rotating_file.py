"""A log file that many processes and threads append to and rotate, without losing or splitting a line.

Every record is one ``write`` to a descriptor opened for appending, under a shared lock; rotation happens under the
exclusive lock.  The lock is a file of its own beside the log (``.<name>.lock``), because the log itself is renamed.
Without a lock (file systems without ``flock``, folders that can't be written) lines are appended, but this process
does not rotate.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shipper.emit.descriptors import Identity, close, status_of
from shipper.emit.ends import is_ended, is_torn
from shipper.emit.file_locks import LockFile
from shipper.emit.forks import Forkable

_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Rotation:
    """When a log file is rotated, and how many old files are kept.

    Attributes:
        max_size_mb: size in megabytes (10^6 bytes), which a file exceeds at most by the lines being written at the
            same time; 0 or None: never rotate.
        backup_count: how many old files are kept, as ``.1`` (newest) to ``.N``; 0: never rotate.

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
        """The rotation from a configuration; the defaults for None.

        Raises:
            ValueError: a key is unknown, or its value is out of range.
        """
        if isinstance(given, Rotation):
            return given
        keys = [field.name for field in fields(cls)]
        for key in given or ():
            if key not in keys:
                raise ValueError(f"rotation: {key}: unknown key; the keys are {' and '.join(keys)}")
        return cls(**(given or {}))

    @property
    def max_bytes(self) -> int:
        """Size at which to rotate, in bytes; 0: never."""
        return math.ceil((self.max_size_mb or 0) * _MEGABYTE) if self.backup_count else 0


class RotatingFile(Forkable):
    """One log file, opened for appending; safe for threads, for forked children and for other processes.

    Raises:
        OSError: the file can't be created or opened.
    """

    def __init__(self, path: Path, rotation: Rotation | None = None) -> None:
        super().__init__()
        self.path = path.absolute()
        rotation = rotation or Rotation()
        self._max_bytes = rotation.max_bytes
        self._backups = rotation.backup_count
        self._lock = LockFile(self.path.with_name(f".{self.path.name}.lock"))
        self._closed = False
        # Re-entrant, because a signal handler may log while this thread holds it.
        self._mutex = threading.RLock()
        self._busy = False
        self._line_end = b""  # line end to write first, because the last line has none
        self._own_end = -1  # size of the file after this process's last write
        self._fd = -1
        self._identity: Identity = (-1, -1)
        self._open()

    def write(self, record: bytes) -> None:
        """Append the record (with its line end); it is in the file when this returns.

        Also works after ``close``, by opening the file for this record: a thread that obtained the file before
        another one closed it must not lose its line.

        Raises:
            OSError: the record can't be written.
        """
        with self._mutex:
            if self._busy:  # a signal handler logs during a write of this thread
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
        """Close the descriptors."""
        with self._mutex:
            self._closed = True
            if not self._busy:
                self._release()

    def _write(self, record: bytes) -> None:
        with self._locked(exclusive=False) as locked:
            size = self._follow()
            whole = size == self._own_end or is_ended(self._fd, size)
            if whole and not (locked and self._is_full(size, record)):
                self._append(record, size)
                return
        with self._locked(exclusive=True) as locked:
            size = self._follow()
            if locked and self._is_full(size, record):  # unless another process has rotated meanwhile
                with contextlib.suppress(OSError):  # a file that is too long is better than a lost line
                    self._shift()
                size = self._follow()
            # Without the lock another process may be in the middle of a line.
            if not is_ended(self._fd, size) and is_torn(self._fd, alone=locked):
                self._line_end = b"\n"
            self._append(record, size)

    def _locked(self, *, exclusive: bool) -> AbstractContextManager[bool]:
        """Hold the lock; gives False where it can't be had.  A file that never rotates needs none."""
        return self._lock.held(exclusive=exclusive) if self._max_bytes else nullcontext(enter_result=False)

    def _append(self, record: bytes, size: int) -> None:
        self._own_end = size + len(self._line_end) + len(record)
        left = memoryview(self._line_end + record)
        while left:
            written = os.write(self._fd, left)
            left = left[written:]
            # Until the rest is written, a later record must begin with a line end.
            self._line_end = b"\n" if left else b""

    def _write_apart(self, record: bytes) -> None:
        """Append without the lock, which this thread may hold; at worst the line goes to ``.1``."""
        fd = self._append_fd()
        try:
            os.write(fd, record)
        finally:
            os.close(fd)

    def _is_full(self, size: int, record: bytes) -> bool:
        # A record longer than the limit gets an empty file, but an empty file is not rotated.
        return 0 < self._max_bytes < size + len(record) and size > 0

    def _shift(self) -> None:
        names = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._backups + 1))]
        # Up to the first free number: after a crash half way through, no file is dropped too early.
        first_free = next((n for n in range(1, self._backups) if not names[n].exists()), self._backups)
        for n in range(first_free, 0, -1):
            names[n - 1].replace(names[n])

    def _follow(self) -> int:
        """Open the file again if another process has rotated, renamed or deleted it; gives its size."""
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return self._open()
        except OSError:
            if self._fd >= 0:  # the process has dropped rights since: the open file still takes lines
                return os.fstat(self._fd).st_size
            raise
        if self._fd < 0:
            return self._open()
        mine = status_of(self._fd, self._identity)
        if mine is None:
            self._fd = -1
        return mine.st_size if mine and os.path.samestat(named, mine) else self._open()

    def _open(self) -> int:
        fd = self._append_fd()
        status = os.fstat(fd)
        earlier, self._fd = self._fd, fd
        self._identity = (status.st_dev, status.st_ino)
        self._line_end = b""
        self._own_end = -1
        close(earlier)
        return status.st_size

    def _append_fd(self) -> int:
        try:
            return self._opened()
        except FileNotFoundError:  # the folder is missing
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._opened()

    def _opened(self) -> int:
        """Open the file, also for reading if possible, to see how it ends."""
        flags = os.O_APPEND | os.O_CREAT
        try:
            if not self.path.is_fifo():  # opened for reading, a pipe would never lack a reader
                return os.open(self.path, os.O_RDWR | flags, 0o666)
        except PermissionError:  # it can only be written
            pass
        return os.open(self.path, os.O_WRONLY | flags, 0o666)

    def _release(self) -> None:
        # Forgotten before it is closed: a fork or a signal handler may come in between.
        fd, self._fd = self._fd, -1
        close(fd)
        self._lock.close()

    def after_fork_in_child(self) -> None:
        """Close the descriptors: parent and child would share the locks of the open file descriptions."""
        self._mutex = threading.RLock()  # the thread that held the old one does not exist here
        self._busy = False
        self._line_end = b""
        self._release()
