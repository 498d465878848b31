"""New lines as they become searchable: each once, however late and in whatever order they are indexed.

A line's own time does not tell when it arrives, so the time at which the sidecar read it decides (``event.created``).
Even that may be some time ago: bulk requests overtake each other and wait for a cluster.  So every poll *counts* a
window that reaches back by ``OVERLAP_MS``; only when it holds more than was shown are documents fetched.  Documents
that come even later are found by counting everything older, less often (`late_arrivals`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence

from elasticsearch import Elasticsearch

from shipper.elastic.search_answers import Hit, search, total_of
from shipper.query.conditions import Query
from shipper.views.follow_window import Window
from shipper.views.late_arrivals import Key, LateArrivals, key_of
from shipper.views.no_matches import absence
from shipper.views.snapshot import Snapshot, newest
from shipper.views.views import sort

# Lines fetched in one poll, so that a backfill needs bounded memory.
MAX_BURST = 50_000
# A sidecar sends batches that are not full one at a time.  When more lines come at once, two requests may be under
# way, and lines wait for those that were read up to so many milliseconds earlier.
ONE_BATCH, SETTLING_MS = 2500, 1000
# Hits asked for when something is new: the newest ones, some of them shown already.
MIN_FRESH, MAX_FRESH = 200, 1000

# The window moves on, and what is older is counted, once in so many milliseconds.
STEP_MS = 5000

# Steps in a row with fewer documents than were shown, after which some count as deleted.
LACKING_STEPS = 3

# Lines of one file in the order in which they stand there; the time of the event comes last and is for `in_order`.
ORDER = ("event.created", "log.file.path", "log.offset", "@timestamp")
_NEWEST_FIRST, _OLDEST_FIRST = sort(ORDER, newest_first=True), sort(ORDER, newest_first=False)


class Follower:
    """Finds what is new among the documents of a query."""

    def __init__(
        self,
        client: Elasticsearch,
        index: Sequence[str],
        query: Query,
        now: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self._client = client
        self._index = list(index)
        self._now = now
        # One copy of each shard answers: two may differ by what they have made searchable so far.
        self._name = uuid.uuid4().hex
        self._window = Window(query, now)
        self._late = LateArrivals(self.snapshot)
        self._stepped_at = 0.0
        self._lacking_steps = 0
        # In a burst: where the last poll broke off, and the newest line with the moment at which it turned up.
        self._resume_at: float | None = None
        self._edge = self._edge_at = 0.0

    def snapshot(self) -> Snapshot:
        """The documents as they are now, to be opened."""
        return Snapshot(self._client, self._index, self._name)

    def start(self, snapshot: Snapshot) -> None:
        """Treat everything in a snapshot as shown; what becomes searchable after it is new.

        Raises:
            elasticsearch.ApiError: the cluster refused, or nothing is there because it may not be read.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        for hits in snapshot.pages(self._window.query(), _NEWEST_FIRST, source=False, ascending=False):
            if not self._window.fill(hits):
                break
        self._late.remember(self._window.move_on(), counted=True)
        self._late.begin(snapshot, self._window.older())
        if not self._window:
            absence(self._client, self._index)

    def outage(self) -> None:
        """Record an outage of the cluster: lines that were read before it may be delivered only now."""
        self._window.hold()

    def poll(self) -> Iterator[list[Hit]]:
        """What is new, in pages, each with the lines of a file in their order."""
        due = abs(self._now() - self._stepped_at) >= STEP_MS
        if due or self._window.full:
            self._late.remember(self._window.move_on())
        for hits in self._new():
            yield in_order(hits)
        if due:
            yield from self._late.late(self._window.older())
            self._forget_deleted()
            self._stepped_at = self._now()

    def _new(self) -> Iterator[list[Hit]]:
        missing = self._count() - len(self._window)
        self._lacking_steps = self._lacking_steps if missing < 0 else 0
        if missing <= 0:
            return
        size = min(max(MIN_FRESH, 4 * missing), MAX_FRESH)
        if missing <= size:
            fresh = self._window.fresh(self._newest(size))
            if fresh:
                yield fresh[::-1]
            missing -= len(fresh)
            if missing <= 0:
                return
        # More than a page, or older than the newest page: from the oldest of them on.
        taken = 0
        until = self._complete_until() if missing > ONE_BATCH else None
        with self.snapshot() as snapshot:
            since = self._oldest_unseen(snapshot, missing) if self._resume_at is None else self._resume_at
            self._resume_at = None
            for hits in snapshot.pages(self._window.query(since, until), _OLDEST_FIRST):
                fresh = self._window.fresh(hits)
                if fresh:
                    yield fresh
                taken += len(fresh)
                if taken >= MAX_BURST:
                    # The next poll resumes here without searching for the place.
                    self._resume_at = float(hits[-1]["sort"][0])
                    break

    def _complete_until(self) -> float | None:
        """The time of reading up to which a burst is complete; None if there is nothing later.

        Of two requests under way the later may be done first: lines are in their order only when lines are there
        that were read a little later, or when nothing more comes.
        """
        for hit in self._newest(1):
            last = float(hit["sort"][0])
            if last != self._edge:
                self._edge, self._edge_at = last, self._now()
            if abs(self._now() - self._edge_at) < SETTLING_MS:
                return last - SETTLING_MS
        return None

    def _forget_deleted(self) -> None:
        """Forget deleted documents, which would hide as many new ones; a copy that lags behind gets some steps."""
        if self._count() >= len(self._window):
            self._lacking_steps = 0
            return
        self._lacking_steps += 1
        if self._lacking_steps < LACKING_STEPS:
            return
        there: set[Key] = set()
        with self.snapshot() as snapshot:
            for hits in snapshot.pages(self._window.query(), _NEWEST_FIRST, source=False, ascending=False):
                there.update(map(key_of, hits))
        self._window.keep(there)
        self._lacking_steps = 0

    def _oldest_unseen(self, snapshot: Snapshot, missing: int) -> float:
        oldest, left = self._window.newest, missing
        for hits in snapshot.pages(self._window.query(), _NEWEST_FIRST, source=False, ascending=False):
            for hit in self._window.unseen(hits):
                oldest = float(hit["sort"][0])
                left -= 1
            if left <= 0:
                break
        return oldest

    def _newest(self, size: int) -> list[Hit]:
        return newest(self._client, self._index, self._window.query(), _NEWEST_FIRST, size, preference=self._name)

    def _count(self) -> int:
        query = self._window.query()
        return total_of(
            search(self._client, self._index, query, size=0, preference=self._name, track_total_hits=True)
        )


def in_order(hits: list[Hit]) -> list[Hit]:
    """Hits that are sorted by ``ORDER``, by the time of the event as far as the lines of each file stay in order."""
    latest: dict[str, int] = {}
    keyed = []
    for place, hit in enumerate(hits):
        _, path, _, when = hit["sort"][: len(ORDER)]
        # A line whose time is before that of the line above it stays below that line.
        latest[path] = max(when or 0, latest.get(path, 0))
        keyed.append((latest[path], place))
    return [hits[place] for _, place in sorted(keyed)]
