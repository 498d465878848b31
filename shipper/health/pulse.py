"""Whether something that should go on still does.  Pure."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pulse:
    """Knows when a loop turned last; another thread may ask.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()

    def beat(self) -> None:
        """The loop turns."""
        self._at = self._clock()

    @property
    def age(self) -> float:
        """Seconds since it turned last."""
        return self._clock() - self._at


class UnderWay:
    """Knows since when each thread has been waiting for an answer; another thread may ask.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[int, float] = {}

    def begin(self, thread: int) -> None:
        """A thread sends a request."""
        self._since[thread] = self._clock()

    def end(self, thread: int) -> None:
        """It has its answer, or none came in time."""
        self._since.pop(thread, None)

    @property
    def longest(self) -> float:
        """Seconds since the oldest of these requests began; 0 for none."""
        since = list(self._since.values())
        return self._clock() - min(since) if since else 0.0
