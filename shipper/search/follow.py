"""New lines as they become searchable: each once, however late and in whatever order they are indexed.

A line's own time says nothing about when it arrives, so the time at which the sidecar read it decides
(``event.created``).  Even that may lie back: bulk requests overtake each other and wait for a cluster.  So every
poll *counts* a window that reaches ``OVERLAP`` back; only when it holds more than was seen are documents fetched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from shipper.search.conditions import Query, every
from shipper.search.paging import Hit, Snapshot, newest
from shipper.search.views import sort

# How far a line may lag behind the others and still be shown, in milliseconds: the longest pause between two
# attempts of a sidecar to deliver, twice.
OVERLAP = 120_000
# Lines remembered as shown; beyond, the window is narrowed instead.
REMEMBERED = 100_000
# Lines fetched before the window is tidied: a backfill is followed in bounded memory too.
BURST = 50_000
# Hits asked for when something is new: the newest ones, some of them known already.
FRESH, FRESH_MOST = 200, 1000

ORDER = ("event.created", "@timestamp", "log.file.path", "log.offset")

Key = tuple[str, str]


class Follower:
    """Finds what is new among the documents of a query.

    Args:
        client: the cluster.
        index: the streams; they need not exist yet.
        query: which documents.
        now: the present in milliseconds since 1970.
    """

    def __init__(
        self,
        client: Elasticsearch,
        index: Sequence[str],
        query: Query,
        now: Callable[[], float] = lambda: time.time() * 1000,
    ) -> None:
        self._client = client
        self._index = list(index)
        self._query = query
        self._now = now
        # Index and id of every document in the window that is settled → when it was read.
        self._seen: dict[Key, float] = {}
        self._newest = 0.0
        self._floor = 0.0
        # After an outage the window stays as it was before, until this moment.
        self._hold_until = 0.0

    def start(self, snapshot: Snapshot) -> None:
        """Take everything in a snapshot as shown; what becomes searchable after it is new."""
        order = sort(ORDER, newest_first=True)
        for hits in snapshot.pages(self._query, order, source=False, ascending=False):
            for hit in hits:
                self._remember(hit)
            # Newest first: the rest is older than the window,
            oldest = float(hits[-1]["sort"][0])
            if oldest < self._target():
                break
            # or more than we remember; of this millisecond there may be more that were not read.
            if len(self._seen) >= REMEMBERED:
                self._floor = oldest + 1
                break
        self._tidy()

    def outage(self) -> None:
        """The cluster was away: what was read before may be delivered only now."""
        self._hold_until = self._now() + OVERLAP

    def poll(self) -> Iterator[list[Hit]]:
        """What is new, in pages ordered by the time of reading.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        self._tidy()
        missing = self._count() - len(self._seen)
        if missing <= 0:
            return
        size = min(max(FRESH, 4 * missing), FRESH_MOST)
        if missing <= size:
            recent = newest(self._client, self._index, self._window(), sort(ORDER, newest_first=True), size)
            fresh = self._fresh(recent)
            if fresh:
                yield sorted(fresh, key=_place)
            missing -= len(fresh)
            if missing <= 0:
                return
        # More than a page, or older than the newest page: from the oldest of them on.
        taken = 0
        with Snapshot(self._client, self._index) as snapshot:
            window = self._window(self._oldest_unseen(snapshot, missing))
            for hits in snapshot.pages(window, sort(ORDER, newest_first=False)):
                fresh = self._fresh(hits)
                if fresh:
                    yield fresh
                taken += len(fresh)
                if taken >= BURST:
                    break

    def _window(self, since: float | None = None) -> Query:
        begin = int(self._floor if since is None else since)
        return every([self._query, {"range": {"event.created": {"gte": begin, "format": "epoch_millis"}}}])

    def _oldest_unseen(self, snapshot: Snapshot, missing: int) -> float:
        oldest, left = self._newest, missing
        order = sort(ORDER, newest_first=True)
        for hits in snapshot.pages(self._window(), order, source=False, ascending=False):
            for hit in hits:
                if (hit["_index"], hit["_id"]) not in self._seen:
                    oldest = float(hit["sort"][0])
                    left -= 1
            if left <= 0:
                break
        return oldest

    def _count(self) -> int:
        answer = self._client.search(
            index=self._index,
            query=self._window(),
            size=0,
            track_total_hits=True,
            ignore_unavailable=True,
            allow_partial_search_results=False,
        )
        return int(answer["hits"]["total"]["value"])

    def _fresh(self, hits: list[Hit]) -> list[Hit]:
        fresh = []
        for hit in hits:
            if (hit["_index"], hit["_id"]) not in self._seen:
                self._remember(hit)
                fresh.append(hit)
        return fresh

    def _remember(self, hit: Hit) -> None:
        created = float(hit["sort"][0])
        self._seen[hit["_index"], hit["_id"]] = created
        self._newest = max(self._newest, created)

    def _target(self) -> float:
        # Whichever clock runs behind, ours or the sidecar's, the window reaches back from there.
        return min(self._now(), self._newest or self._now()) - OVERLAP

    def _tidy(self) -> None:
        """Move the window on and forget what has left it."""
        if self._now() >= self._hold_until:
            self._floor = max(self._floor, float(int(self._target())))
        if len(self._seen) > REMEMBERED:
            # Lines of the cut's own millisecond stay remembered, so the window can begin with them.
            self._floor = max(self._floor, sorted(self._seen.values())[-REMEMBERED // 2])
        self._seen = {key: created for key, created in self._seen.items() if created >= self._floor}


def follow(
    follower: Follower,
    wait: Callable[[], bool],
    notice: Callable[[Exception | None], None],
) -> Iterator[list[Hit]]:
    """What is new, for ever; a cluster that is away is waited for.

    Args:
        follower: started.
        wait: pauses between two polls and says whether to go on.
        notice: told once of an outage, with its cause, and once of its end, with None.

    Raises:
        elasticsearch.ApiError: the cluster refused in a way that waiting will not mend.
    """
    away = False
    while wait():
        try:
            yield from follower.poll()
        except (ApiError, TransportError) as error:
            if not _passing(error):
                raise
            if not away:
                notice(error)
            away = True
            follower.outage()
        else:
            if away:
                notice(None)
            away = False


def _passing(error: Exception) -> bool:
    # A lost snapshot (404) is as passing as a node that restarts.
    return not isinstance(error, ApiError) or error.meta.status in (404, 408, 429) or error.meta.status >= 500


def _place(hit: Hit) -> list[tuple[bool, Any]]:
    return [(value is not None, value if value is not None else 0) for value in hit["sort"]]
