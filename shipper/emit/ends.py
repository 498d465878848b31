"""Whether a log's last line is complete: a process that is killed in the middle of a write leaves part of a line."""

from __future__ import annotations

import os
import time

_PAUSE = 0.02
_MAX_CHECKS = 3


def is_ended(fd: int, size: int) -> bool:
    """Whether a file ends with a line feed; also True if it can't be read."""
    if not size:
        return True
    try:
        return os.pread(fd, 1, size - 1) in (b"\n", b"")
    except OSError:
        return True


def is_torn(fd: int, *, alone: bool) -> bool:
    """Whether the file's last line has no end, so that the next record would continue it.

    Args:
        fd: the file, open for reading, too.
        alone: no other process writes now.  Else one may be in the middle of a line: it counts as torn if it does not
            grow for some hundredths of a second.
    """
    seen = -1
    for _ in range(_MAX_CHECKS):
        size = os.fstat(fd).st_size
        if is_ended(fd, size):
            return False
        if alone or size == seen:
            return True
        seen = size
        time.sleep(_PAUSE)
    return False
