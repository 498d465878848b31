"""Since when unacknowledged bytes wait.  Pure.

When a line was written is not recorded.  It was written after the scan before, and not after the file's last change:
the earlier of both counts, so that lines are as old as reported, or younger by the time between two scans.
"""

from __future__ import annotations

# More marks than these are merged in pairs, with the older time.
_MAX_MARKS = 64
ENDLESS = 2**62
"""Stands for the length of compressed content, which is unknown before unpacking."""


class Growth:
    """When a file reached which length, beyond what is acknowledged.

    Args:
        size: that it had when it was last seen, bytes.
        since: since when some of that waits, seconds since the epoch; 0 for nothing.
    """

    __slots__ = ("_marks",)

    def __init__(self, size: int, since: float) -> None:
        self._marks = [(size, since)] if since else []

    def reached(self, size: int, since: float) -> None:
        """Note the file's length now; what is new was written after ``since``."""
        if self._marks and size <= self._marks[-1][0]:
            return
        self._marks.append((size, since))
        if len(self._marks) > _MAX_MARKS:
            pairs = zip(self._marks[::2], self._marks[1::2], strict=False)
            self._marks = [(later, since) for (_, since), (later, _) in pairs] + self._marks[
                len(self._marks) // 2 * 2 :
            ]

    def since(self, offset: int) -> float:
        """Since when bytes behind an offset wait, 0 if none do; what precedes it is forgotten."""
        while self._marks and self._marks[0][0] <= offset:
            del self._marks[0]
        return self._marks[0][1] if self._marks else 0.0
