"""Batches between the reading thread and the sending threads: those that are to be sent, and those that must wait."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

Work = TypeVar("Work")


class Backlog(Generic[Work]):
    """Work for a few threads, bounded in number.

    Postponed work occupies no thread.  Its place is free for other work, but for ``max_postponed`` pieces at most.

    Args:
        room: how many pieces there may be, including those that threads work on.
        max_postponed: how many more there may be while as many are postponed.
        clock: monotonic seconds.
    """

    def __init__(self, room: int, max_postponed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._max_postponed = max_postponed
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: deque[Work] = deque()
        self._postponed: list[tuple[float, int, Work]] = []
        self._order = count()
        self._gave_place: set[int] = set()  # by object
        self._under_way = 0
        self._deadline: float | None = None

    @property
    def empty(self) -> bool:
        """Whether no work is left, including work that threads have taken."""
        with self._changed:
            return self._under_way == 0

    @property
    def waits(self) -> bool:
        """Whether something is postponed."""
        with self._changed:
            return bool(self._postponed)

    def offer(self, work: Work) -> bool:
        """Add a piece of work; gives whether there was room."""
        with self._changed:
            if self._under_way >= self._room + min(len(self._gave_place), self._max_postponed):
                return False
            self._under_way += 1
            self._ready.append(work)
            self._changed.notify()
            return True

    def take(self) -> Work | None:
        """Wait for the next piece; None after ``stop``, when nothing is due before the deadline."""
        with self._changed:
            while True:
                due = self._postponed[0][0] if self._postponed else None
                now = self._clock()
                if due is not None and due <= now:
                    return heapq.heappop(self._postponed)[2]
                if self._ready:
                    return self._ready.popleft()
                if self._deadline is not None and (due is None or due >= self._deadline):
                    for _, _, work in self._postponed:
                        self._leave(work)
                    self._postponed.clear()
                    return None
                self._changed.wait(None if due is None else due - now)

    def postpone(self, work: Work, due: float) -> None:
        """Return a taken piece, to be taken again at ``due`` (of the clock)."""
        with self._changed:
            self._gave_place.add(id(work))
            heapq.heappush(self._postponed, (due, next(self._order), work))
            self._changed.notify()

    def finish(self, work: Work) -> None:
        """Remove a taken piece: it is done or abandoned."""
        with self._changed:
            self._leave(work)

    def stop(self, deadline: float) -> None:
        """Accept the end: work postponed beyond ``deadline`` (of the clock) is abandoned."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify_all()

    def _leave(self, work: Work) -> None:
        self._under_way -= 1
        self._gave_place.discard(id(work))
