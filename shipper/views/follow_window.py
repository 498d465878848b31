"""The time window that a follower watches: from which time of reading on, and which documents in it were shown."""

from __future__ import annotations

from collections.abc import Callable, Container

from shipper.elastic.search_answers import Hit
from shipper.query.conditions import Query, every
from shipper.views.late_arrivals import Key, key_of

# Milliseconds by which a line may lag behind the others and still be in the window: the longest pause between two
# attempts of a sidecar to deliver, twice.
OVERLAP_MS = 120_000
# Lines remembered as shown; beyond, the window is narrowed instead.
MAX_REMEMBERED = 100_000


class Window:
    """Documents of a query that were read lately, and those of them that were shown."""

    def __init__(self, query: Query, now: Callable[[], float]) -> None:
        self._query = query
        self._now = now
        # Index and id of every document in the window that was shown → when it was read.
        self._shown: dict[Key, float] = {}
        self._floor = 0.0
        # After an outage the window stays as it was before, until this moment.
        self._hold_until = 0.0
        self.newest = 0.0

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def full(self) -> bool:
        """Whether it holds more documents than ``MAX_REMEMBERED``."""
        return len(self._shown) > MAX_REMEMBERED

    def query(self, since: float | None = None, until: float | None = None) -> Query:
        """The documents in it, or in a part of it (times of reading in milliseconds, both ends included)."""
        return every([self._query, _read(self._floor if since is None else since, until)])

    def older(self) -> Query:
        """The documents that were read before it begins."""
        return every([self._query, {"bool": {"must_not": _read(self._floor)}}])

    def fill(self, hits: list[Hit]) -> bool:
        """Record hits, newest first, as shown; gives whether the window needs older ones, too."""
        for hit in hits:
            self.add(hit)
        oldest = float(hits[-1]["sort"][0])
        if oldest < self._target():
            return False
        if len(self._shown) >= MAX_REMEMBERED:
            # Of this millisecond there may be more that were not read.
            self._floor = oldest + 1
            return False
        return True

    def add(self, hit: Hit) -> None:
        """Remember a hit as shown; its sort begins with the time of reading."""
        read_at = float(hit["sort"][0])
        self._shown[key_of(hit)] = read_at
        self.newest = max(self.newest, read_at)

    def unseen(self, hits: list[Hit]) -> list[Hit]:
        """Those of the hits that were not shown."""
        return [hit for hit in hits if key_of(hit) not in self._shown]

    def fresh(self, hits: list[Hit]) -> list[Hit]:
        """Those of the hits that were not shown; from now on they were."""
        found = self.unseen(hits)
        for hit in found:
            self.add(hit)
        return found

    def keep(self, there: Container[Key]) -> None:
        """Forget all documents but these: the others were deleted."""
        self._shown = {key: read_at for key, read_at in self._shown.items() if key in there}

    def hold(self) -> None:
        """Keep the window's beginning for a while: lines read before an outage may be delivered only now."""
        self._hold_until = self._now() + OVERLAP_MS

    def move_on(self) -> list[Key]:
        """Move its beginning towards the present; gives the documents that have left it."""
        if self._now() >= self._hold_until:
            self._floor = max(self._floor, float(int(self._target())))
        if self.full:
            # Lines of the cut's own millisecond stay remembered, so the window can begin with them.
            self._floor = max(self._floor, sorted(self._shown.values())[-MAX_REMEMBERED // 2])
        gone = [key for key, read_at in self._shown.items() if read_at < self._floor]
        for key in gone:
            del self._shown[key]
        return gone

    def _target(self) -> float:
        # Whichever clock is behind, ours or the sidecar's, the window reaches back from there.
        return min(self._now(), self.newest or self._now()) - OVERLAP_MS


def _read(since: float, until: float | None = None) -> Query:
    limits = {"gte": int(since)} if until is None else {"gte": int(since), "lte": int(until)}
    return {"range": {"event.created": {**limits, "format": "epoch_millis"}}}
