"""Since when what is not acknowledged waits.  Pure.

Nobody knows when a line was written.  But it was not there when a scan looked before, and not later than its file was
last changed: the earlier of both is taken, so that what waits is as old as it is said to be, or younger by what lies
between two scans.
"""

from __future__ import annotations

# More than these are merged: of the lines between two marks the older time is taken.
_MOST = 64
ENDLESS = 2**62
"""The length of content that only unpacking tells."""


class Growth:
    """When a file reached which length, as far as that is not acknowledged.

    Args:
        size: that it had when it was last seen, bytes.
        since: since when some of that waits, seconds since the epoch; 0 for nothing.
    """

    __slots__ = ("_marks",)

    def __init__(self, size: int, since: float) -> None:
        self._marks = [(size, since)] if since else []

    def reached(self, size: int, since: float) -> None:
        """The file is so long now; what is new was written since then."""
        if self._marks and size <= self._marks[-1][0]:
            return
        self._marks.append((size, since))
        if len(self._marks) > _MOST:
            pairs = zip(self._marks[::2], self._marks[1::2], strict=False)
            self._marks = [(later, since) for (_, since), (later, _) in pairs] + self._marks[
                len(self._marks) // 2 * 2 :
            ]

    def since(self, offset: int) -> float:
        """Since when what lies behind an offset waits; 0 if nothing does. What lies before it is forgotten."""
        while self._marks and self._marks[0][0] <= offset:
            del self._marks[0]
        return self._marks[0][1] if self._marks else 0.0
