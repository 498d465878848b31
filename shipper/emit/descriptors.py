"""File descriptors that other code of the process may have closed.

A process that turns itself into a daemon closes all descriptors, and their numbers are reused for other files.
"""

from __future__ import annotations

import contextlib
import os

Identity = tuple[int, int]
"""Device and inode of an open file."""


def identity_of(fd: int) -> Identity:
    """The identity of an open file."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def status_of(fd: int, identity: Identity) -> os.stat_result | None:
    """The status of a descriptor; None if it is closed, or open on a file of another identity."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status if (status.st_dev, status.st_ino) == identity else None


def close(fd: int) -> None:
    """Close a descriptor if it is open; -1 is none."""
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)
