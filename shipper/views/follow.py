"""New lines as they become searchable: each once, however late and in whatever order they are indexed.

A line's own time says nothing about when it arrives, so the time at which the sidecar read it decides
(``event.created``).  Even that may lie back: bulk requests overtake each other and wait for a cluster.  So every
poll *counts* a window that reaches ``OVERLAP`` back; only when it holds more than was seen are documents fetched.
What comes later still is found by a count of everything older, made less often (``late``).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence

from elasticsearch import ApiError, Elasticsearch, TransportError

from shipper.elastic.search_answers import Hit, total_of
from shipper.query.conditions import Query, every
from shipper.views.late_arrivals import Key, Settled, key_of
from shipper.views.no_matches import absence
from shipper.views.paging import Snapshot, newest
from shipper.views.views import sort

# How far a line may lag behind the others and still be shown, in milliseconds: the longest pause between two
# attempts of a sidecar to deliver, twice.
OVERLAP = 120_000
# Lines remembered as shown; beyond, the window is narrowed instead.
REMEMBERED = 100_000
# Lines fetched before the window is tidied: a backfill is followed in bounded memory too.
BURST = 50_000
# A sidecar sends what is no full batch one at a time; when so many lines come at once, two requests may be under way,
# and lines wait for those that were read so many milliseconds earlier.
ONE_BATCH, SETTLING = 2500, 1000
# Hits asked for when something is new: the newest ones, some of them known already.
FRESH, FRESH_MOST = 200, 1000

# The window moves on in steps of this, milliseconds, and so often what is older is counted.
STEP = 5000

# In so many steps on end there are fewer documents than were seen before some count as deleted.
LACKING = 3

# Seconds between two polls: a line shall be on the screen within two seconds of being written, and one of them goes
# by until Elasticsearch makes it searchable.  When polls take their time so do the pauses, up to a limit.
PAUSE, LONGEST_PAUSE = 0.2, 1.0
# The pause is at least so many times what the poll took.
REST = 4
# An outage in which the cluster answers is not spoken of for so many seconds.
UNSAID = 2.0
# So many refusals in a row count as part of an outage: a cluster that starts can't tell who we are at first.
REFUSALS = 60

# Lines of one file in the order in which they stand there; the time of the event comes last and is for `in_order`.
ORDER = ("event.created", "log.file.path", "log.offset", "@timestamp")


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
        # One copy of each shard answers: two may differ by what they have made searchable so far.
        self._name = uuid.uuid4().hex
        # Index and id of every document in the window that is settled → when it was read.
        self._seen: dict[Key, float] = {}
        self._settled = Settled(self.snapshot)
        self._newest = 0.0
        self._floor = 0.0
        # After an outage the window stays as it was before, until this moment.
        self._hold_until = 0.0
        self._stepped_at = 0.0
        self._lacking = 0
        # In a burst: where the last poll broke off, and the newest line with the moment at which it turned up.
        self._behind: float | None = None
        self._edge = self._edge_at = 0.0

    def snapshot(self) -> Snapshot:
        """The documents as they are now, to be opened."""
        return Snapshot(self._client, self._index, self._name)

    def start(self, snapshot: Snapshot) -> None:
        """Take everything in a snapshot as shown; what becomes searchable after it is new.

        Raises:
            elasticsearch.ApiError: the cluster refused, or nothing is there because it may not be read.
            elastic_transport.TransportError: the cluster can't be reached.
        """
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
        self._settled.remember(self._move_on(), counted=True)
        self._settled.begin(snapshot, self._old())
        if not self._seen:
            absence(self._client, self._index)

    def outage(self) -> None:
        """The cluster was away: what was read before may be delivered only now."""
        self._hold_until = self._now() + OVERLAP

    def poll(self) -> Iterator[list[Hit]]:
        """What is new, in pages, each with the lines of a file in their order.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        due = abs(self._now() - self._stepped_at) >= STEP
        if due or len(self._seen) > REMEMBERED:
            self._settled.remember(self._move_on())
        for hits in self._new():
            yield in_order(hits)
        if due:
            yield from self._settled.late(self._old())
            self._forget_deleted()
            self._stepped_at = self._now()

    def _new(self) -> Iterator[list[Hit]]:
        missing = self._count() - len(self._seen)
        self._lacking = self._lacking if missing < 0 else 0
        if missing <= 0:
            return
        size = min(max(FRESH, 4 * missing), FRESH_MOST)
        if missing <= size:
            order = sort(ORDER, newest_first=True)
            recent = newest(self._client, self._index, self._window(), order, size, preference=self._name)
            fresh = self._fresh(recent)
            if fresh:
                yield fresh[::-1]
            missing -= len(fresh)
            if missing <= 0:
                return
        # More than a page, or older than the newest page: from the oldest of them on.
        taken = 0
        until = self._calm() if missing > ONE_BATCH else None
        with self.snapshot() as snapshot:
            since = self._oldest_unseen(snapshot, missing) if self._behind is None else self._behind
            self._behind = None
            for hits in snapshot.pages(self._window(since, until), sort(ORDER, newest_first=False)):
                fresh = self._fresh(hits)
                if fresh:
                    yield fresh
                taken += len(fresh)
                if taken >= BURST:
                    # The next poll goes on here, and need not look for it.
                    self._behind = float(hits[-1]["sort"][0])
                    break

    def _calm(self) -> float | None:
        """Up to which time of reading a burst is complete; None if that is all there is.

        Of two requests under way the later may be done first: only when lines are there that were read a little
        later, or when nothing more comes, are those before them in their order.
        """
        order = sort(ORDER, newest_first=True)
        for hit in newest(self._client, self._index, self._window(), order, 1, preference=self._name):
            last = float(hit["sort"][0])
            if last != self._edge:
                self._edge, self._edge_at = last, self._now()
            if abs(self._now() - self._edge_at) < SETTLING:
                return last - SETTLING
        return None

    def _forget_deleted(self) -> None:
        """What was deleted must not stand for what is new; but a copy that lags behind has only not shown it yet."""
        if self._count() >= len(self._seen):
            self._lacking = 0
            return
        self._lacking += 1
        if self._lacking < LACKING:
            return
        there: set[Key] = set()
        with self.snapshot() as snapshot:
            order = sort(ORDER, newest_first=True)
            for hits in snapshot.pages(self._window(), order, source=False, ascending=False):
                there.update(map(key_of, hits))
        self._seen = {key: created for key, created in self._seen.items() if key in there}
        self._lacking = 0

    def _window(self, since: float | None = None, until: float | None = None) -> Query:
        return every([self._query, _read(self._floor if since is None else since, until)])

    def _old(self) -> Query:
        return every([self._query, {"bool": {"must_not": _read(self._floor)}}])

    def _oldest_unseen(self, snapshot: Snapshot, missing: int) -> float:
        oldest, left = self._newest, missing
        order = sort(ORDER, newest_first=True)
        for hits in snapshot.pages(self._window(), order, source=False, ascending=False):
            for hit in hits:
                if key_of(hit) not in self._seen:
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
            preference=self._name,
            track_total_hits=True,
            ignore_unavailable=True,
            allow_partial_search_results=False,
        )
        return total_of(answer)

    def _fresh(self, hits: list[Hit]) -> list[Hit]:
        fresh = []
        for hit in hits:
            if key_of(hit) not in self._seen:
                self._remember(hit)
                fresh.append(hit)
        return fresh

    def _remember(self, hit: Hit) -> None:
        created = float(hit["sort"][0])
        self._seen[key_of(hit)] = created
        self._newest = max(self._newest, created)

    def _target(self) -> float:
        # Whichever clock runs behind, ours or the sidecar's, the window reaches back from there.
        return min(self._now(), self._newest or self._now()) - OVERLAP

    def _move_on(self) -> list[Key]:
        """Move the window on; gives what has left it."""
        if self._now() >= self._hold_until:
            self._floor = max(self._floor, float(int(self._target())))
        if len(self._seen) > REMEMBERED:
            # Lines of the cut's own millisecond stay remembered, so the window can begin with them.
            self._floor = max(self._floor, sorted(self._seen.values())[-REMEMBERED // 2])
        gone = [key for key, created in self._seen.items() if created < self._floor]
        for key in gone:
            del self._seen[key]
        return gone


def follow(
    follower: Follower,
    wait: Callable[[float], bool],
    notice: Callable[[Exception | None], None],
    begin: Callable[[], Iterator[list[Hit]]] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Hit]]:
    """What is new, for ever; a cluster that is away is waited for.

    Args:
        follower: started, unless ``begin`` does that.
        wait: pauses for so many seconds between two polls and says whether to go on.
        notice: told once of an outage, with its cause, and once of its end, with None.
        begin: gives what comes first, and starts the follower.
        clock: monotonic seconds.

    Raises:
        elasticsearch.ApiError: the cluster refused in a way that waiting will not mend.
        elastic_transport.TransportError: the cluster could not be reached when following began.
    """
    outage = Outage(notice, clock)
    step, pause = begin or follower.poll, PAUSE
    while (step is begin and not outage.under_way) or wait(pause):
        began, given = clock(), False
        try:
            for hits in step():
                given = True
                yield hits
        except (ApiError, TransportError) as error:
            if step is begin and (given or not isinstance(error, ApiError)):
                raise
            pause = outage.goes_on(error)
            follower.outage()
        else:
            outage.ends()
            step, pause = follower.poll, min(max(PAUSE, REST * (clock() - began)), LONGEST_PAUSE)


class Outage:
    """Whether the cluster is away, and what is said of it.

    Args:
        notice: told once of an outage, with its cause, and once of its end, with None.
        clock: monotonic seconds.
    """

    def __init__(self, notice: Callable[[Exception | None], None], clock: Callable[[], float]) -> None:
        self._notice = notice
        self._clock = clock
        self._since = 0.0
        self._said = False
        self._refusals = 0
        self.under_way = False

    def goes_on(self, error: ApiError | TransportError) -> float:
        """Another failure; gives how long to wait before the next attempt, or raises it if waiting will not help."""
        self._refusals = 0 if _passing(error) else self._refusals + 1
        if self._refusals and not (self.under_way and self._refusals <= REFUSALS):
            raise error
        if not self.under_way:
            self._since = self._clock()
        self.under_way = True
        # An index that is just being made can't be searched for a moment: nothing to speak of.
        if not self._said and isinstance(error, ApiError) and self._clock() - self._since < UNSAID:
            return PAUSE
        if not self._said:
            self._notice(error)
        self._said = True
        return LONGEST_PAUSE

    def ends(self) -> None:
        """The cluster answers."""
        if self._said:
            self._notice(None)
        self.under_way = self._said = False
        self._refusals = 0


def in_order(hits: list[Hit]) -> list[Hit]:
    """Hits that are sorted by ``ORDER``, by the time of the event as far as the lines of each file stay in order."""
    latest: dict[str, int] = {}
    keyed = []
    for place, hit in enumerate(hits):
        _, path, _, when = hit["sort"][: len(ORDER)]
        # A line whose time lies before that of the line above it stays below that line.
        latest[path] = max(when or 0, latest.get(path, 0))
        keyed.append((latest[path], place))
    return [hits[place] for _, place in sorted(keyed)]


def _read(since: float, until: float | None = None) -> Query:
    limits = {"gte": int(since)} if until is None else {"gte": int(since), "lte": int(until)}
    return {"range": {"event.created": {**limits, "format": "epoch_millis"}}}


def _passing(error: Exception) -> bool:
    # A lost snapshot (404) is as passing as a node that restarts.
    return not isinstance(error, ApiError) or error.meta.status in (404, 408, 429) or error.meta.status >= 500
