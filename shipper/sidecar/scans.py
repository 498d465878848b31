"""When the directories are scanned: every ``scan_interval``, and when file system events ask for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from shipper.sidecar.state_saver import StateSaver
from shipper.tail.state.store import CursorStore
from shipper.tail.tail import Tail

# Changes within this time after an event are scanned together, seconds.
HINT_PAUSE = 0.1


class Scans:
    """Scans, and collects hints for the next scan."""

    def __init__(
        self,
        tail: Tail,
        store: CursorStore,
        saver: StateSaver,
        first_scan: Callable[[bool], None],
        clock: Callable[[], float],
    ) -> None:
        self._tail = tail
        self._store = store
        self._saver = saver
        self._first_scan = first_scan
        self._clock = clock
        self._requested = False
        self._written: deque[str] = deque()
        self._took = 0.0
        self.next_at = 0.0
        self.done = False

    def hint(self, path: str | None) -> None:
        """Something changed; called by the thread that watches.

        Args:
            path: a file that was written to; None when something was created, deleted or renamed.
        """
        if path is None:
            self._requested = True
        else:
            self._written.append(path)

    @property
    def took(self) -> float:
        """How long the last scan took, seconds."""
        return self._took

    def hinted(self) -> bool:
        """Whether something has changed since the last scan."""
        self._requested = self._requested or self._tail.needs_scan
        return self._requested or bool(self._written)

    def pause(self) -> float:
        """Seconds to wait after a hint, so that scanning ten thousand files takes a twentieth of the time at most."""
        return max(HINT_PAUSE, 20 * self._took) if self._requested else HINT_PAUSE

    def scan_if_due(
        self, patience: float, interval: float, cover: Callable[[list[str]], bool], *, blocked: bool
    ) -> bool:
        """Scan when the interval has passed or something changed that only a scan finds; gives whether it did.

        Args:
            patience: ``partial_line_timeout``, seconds.
            interval: ``scan_interval``, seconds.
            cover: takes the directories to watch; gives whether they are watched.
            blocked: nothing is read for the time being.
        """
        now = self._clock()
        written = {self._written.popleft() for _ in range(len(self._written))}
        if now < self.next_at and not self._requested and (not written or self._tail.is_awake(written)):
            return False
        self._requested = self._tail.needs_scan = False
        self.scan(patience, sparing=cover(self._tail.directories()), written=written, blocked=blocked)
        self.next_at = now + interval
        return True

    def scan(
        self, patience: float, *, sparing: bool = False, written: Iterable[str] = (), blocked: bool = False
    ) -> None:
        """Scan now, and save the cursors of new files."""
        began = self._clock()
        self._tail.scan(patience, sparing=sparing, touched=frozenset(written))
        self._took = self._clock() - began
        self._saver.counters.scan_seconds.observe(self._took)
        if not self.done:
            self.done = True
            self._store.forget(self._tail.forgotten())
            if not self._store.clean:
                self._tail.suspect_sent()
            self._first_scan(self._tail.progress()[1] > 0)
            self._saver.save_first_start()
        if blocked:
            self._tail.open_unread()
        self._saver.keep_directory()
        self._saver.save()
        self._saver.save_counters()
        self._store.looked(self._tail.looked_at)
