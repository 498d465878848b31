"""How a log ends: a process that was killed in the middle of a write leaves a line without its end."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

_PAUSE = 0.02
_LOOKS = 3


def is_torn(path: Path, identity: tuple[int, int], *, alone: bool) -> bool:
    """Whether the file's last line has no end, so that the next record would be glued to it.

    Args:
        path: the file.
        identity: device and inode of the file that is meant; of another one, and of what is no plain file, nothing
            is said.
        alone: nobody else writes now.  Else somebody may be in the middle of a line: it counts as torn when it is as
            it was for some hundredths of a second.
    """
    seen = -1
    for _ in range(1 if alone else _LOOKS):
        size, ended = _end(path, identity)
        if ended or alone:
            return not ended
        if size == seen:
            return True
        seen = size
        time.sleep(_PAUSE)
    return False


def _end(path: Path, identity: tuple[int, int]) -> tuple[int, bool]:
    """The file's size, and whether it ends with a line feed.  It may be written only, so it is opened for reading."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # may not be read: nothing can be said
        return 0, True
    try:
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != identity or not stat.S_ISREG(status.st_mode) or not status.st_size:
            return status.st_size, True
        return status.st_size, os.pread(fd, 1, status.st_size - 1) == b"\n"
    except OSError:
        return 0, True
    finally:
        os.close(fd)
