"""How a log ends: a process that was killed in the middle of a write leaves a line without its end."""

from __future__ import annotations

import os
import time

_PAUSE = 0.02
_MAX_CHECKS = 3


def is_ended(fd: int, size: int) -> bool:
    """Whether a file of this size ends with a line feed, or can't be asked, because it may be written only."""
    if not size:
        return True
    try:
        return os.pread(fd, 1, size - 1) in (b"\n", b"")
    except OSError:
        return True


def is_torn(fd: int, *, alone: bool) -> bool:
    """Whether the file's last line has no end, so that the next record would be glued to it.

    Args:
        fd: the file, open for reading too.
        alone: nobody else writes now.  Else somebody may be in the middle of a line: it counts as torn when it is as
            it was for some hundredths of a second.
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
