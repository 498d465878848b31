"""The lock of a state directory, which one process holds at a time, and what the file system tells of its files."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from shipper.tail.state.file_modes import correct_modes, open_private, own_directory

# Errors of a full disk, a quota or a limit of file sizes: writing can succeed later.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# More than opening a store takes; a disk with less room counts as full.
_PROBE_BYTES = 64 * 1024


class StateError(Exception):
    """The state directory can't be used; the message says why and what to do."""


class FullError(StateError):
    """The state directory's disk is full."""


class StateLock:
    """The lock file of a state directory, held until it is closed; it names this process if there is room for that.

    Its modification time is that of the last scan, which takes no room to set.

    Attributes:
        looked_at: that time as an earlier run left it, seconds since the epoch; 0 where there was none.
        remark: what the operator should know of the directory's mode; None for nothing.

    Args:
        state_dir: created (0700) if missing.

    Raises:
        FullError: the disk is full.
        StateError: another process holds it, or the directory can't be used.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "lock"
        try:
            self.remark = own_directory(state_dir)
            self._descriptor = open_private(self._path)
        except OSError as error:
            raise unusable(state_dir, error) from error
        try:
            self._take(state_dir)
        except BaseException:
            self.close()
            raise
        correct_modes(state_dir)

    def _take(self, state_dir: Path) -> None:
        lock = self._descriptor
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.pread(lock, 200, 0).decode("utf-8", "replace").strip() or "another process"
            raise StateError(
                f"{state_dir}: in use by {other}; one sidecar at a time: stop it, or give this one its own state_dir"
            ) from None
        stat = os.fstat(lock)
        self.looked_at = stat.st_mtime if stat.st_size else 0.0
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"neuroflow-ship, process {os.getpid()}".encode(), 0)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise unusable(state_dir, error) from error
        self.stamp(self.looked_at)
        if not self.present():
            raise StateError(f"{state_dir}: was replaced while it was being taken; start again")

    def present(self) -> bool:
        """Whether the path still names the locked file: if not, another process could lock a new one."""
        return same_file(self._path, self.key)

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode of the locked file."""
        stat = os.fstat(self._descriptor)
        return stat.st_dev, stat.st_ino

    def stamp(self, at: float) -> None:
        """Remember when the last scan began, seconds since the epoch."""
        with suppress(OSError):
            os.utime(self._descriptor, (at, at))

    def close(self) -> None:
        """Release the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def unusable(state_dir: Path, error: OSError) -> StateError:
    """The error for a directory that can't be created or written."""
    if error.errno in _NO_ROOM:
        return FullError(f"{state_dir}: there is no room for the state: {error.strerror}")
    return StateError(
        f"{state_dir}: the state directory can't be used: {error.strerror}; "
        "make it writable for this user or set shipper.state_dir"
    )


def key_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file under a path; None if there is none, or it is empty."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino) if stat.st_size else None


def same_file(path: Path, key: tuple[int, int]) -> bool:
    """Whether a path names this file; as long as it is held open, no other file can have its inode."""
    try:
        stat = path.stat()
    except OSError:
        return False
    return (stat.st_dev, stat.st_ino) == key


def probe(state_dir: Path) -> None:
    """Write and remove a file: a store that can't be opened in a directory that takes data is damaged.

    Raises:
        FullError: it is full.
        StateError: it is read-only, or broken.
    """
    path = state_dir / f"probe-{os.getpid()}"
    try:
        try:
            descriptor = open_private(path)
            try:
                data = b"\0" * _PROBE_BYTES
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unusable(state_dir, error) from error


def sync(directory: Path) -> None:
    """Make created and removed names of a directory survive a power failure, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
