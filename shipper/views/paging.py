"""Reading many documents in order with little memory: points in time, pages, and the tail of a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
from elasticsearch import ApiError, Elasticsearch, NotFoundError, TransportError

from shipper.elastic.answers import Shape, number, understood
from shipper.elastic.search_answers import Hit, aggregations_of, hits_of
from shipper.query.conditions import Query, every
from shipper.views.views import Sort, View

# Long enough for a reader who thinks before turning the page; when it isn't, the snapshot is taken again.
KEEP_ALIVE = "5m"
# A page is sized by the documents before it, so that 1 MiB lines and 40 byte lines cost about the same memory.
PAGE_BYTES = 4 * 2**20
FIRST_PAGE = 200
LARGEST_PAGE = 2000
# Without documents a hit is only an id and its place in the order; the cluster's own limit is this.
KEYS_ONLY_PAGE = 10_000

# Backing indices of a few streams over years.
MOST_INDICES = 10_000

# Against the order of the index a page costs what all that follows it costs: many documents are read in such lots.
STRIDE = 20_000
# So finely is time divided to find them.
MOST_LOTS = 2000

_LAST_LONG = 2**63 - 1

# What every document that can be sorted by it has.
_EVERYWHERE = frozenset({"@timestamp", "event.created", "_seq_no", "_shard_doc"})


def _sorted_by(order: Sort) -> Callable[[Any], bool]:
    """The shape of a hit's place in an order: a name or a number for each field, null where it has no value."""
    fields = [(field, how) for one in order for field, how in one.items()]
    kinds = [str if isinstance(how, dict) and how.get("unmapped_type") == "keyword" else number for _, how in fields]
    firm = fields[0][0] in _EVERYWHERE

    def place(found: Any) -> bool:
        if not isinstance(found, list) or len(found) != len(kinds) or (firm and found[0] is None):
            return False
        for one, kind in zip(found, kinds, strict=True):
            if one is not None and not (isinstance(one, str) if kind is str else number(one)):
                return False
        return True

    return place


def _hit(order: Sort, *, source: bool) -> Shape:
    shape = {"_index": str, "_id": str, "sort": _sorted_by(order)}
    return {**shape, "_source": {}} if source else shape


def newest(
    client: Elasticsearch,
    index: Sequence[str],
    query: Query,
    order: Sort,
    size: int,
    *,
    source: bool = True,
    preference: str | None = None,
) -> list[Hit]:
    """The first hits of an order in one request; a stream that does not exist has none.

    Args:
        client: the cluster.
        index: the streams.
        query: which.
        order: the sort.
        size: how many hits.
        source: whether the documents are fetched as well.
        preference: who asks; the same copies of the shards answer the same name, as long as they are there.
    """
    answer = client.search(
        index=list(index),
        query=query,
        sort=order,
        size=size,
        source=source,
        preference=preference,
        ignore_unavailable=True,
        # Half an answer would look like a whole one.
        allow_partial_search_results=False,
        track_total_hits=False,
    )
    return hits_of(answer, _hit(order, source=source))


class Snapshot:
    """The documents as they were at one moment, to be read in pages.

    A snapshot that the cluster gave up (the reader paused, a node restarted) is taken again and reading goes
    on behind the last document given: the sort has to be one in which no two documents are equal.

    Args:
        client: the cluster.
        index: the streams.
        preference: who asks; the same copies of the shards answer the same name, as long as they are there.
    """

    def __init__(self, client: Elasticsearch, index: Sequence[str], preference: str | None = None) -> None:
        self._client = client
        self._index = list(index)
        self._preference = preference
        self._id = ""

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._client.close_point_in_time(id=self._id)
        except (ApiError, TransportError):
            # It is closed by its own end a little later; what was read is good.
            return

    def pages(
        self,
        query: Query,
        order: Sort,
        *,
        source: bool | list[str] = True,
        after: list[Any] | None = None,
        ascending: bool = True,
    ) -> Iterator[list[Hit]]:
        """The hits of a query, a page at a time.

        Args:
            query: which.
            order: the sort, all fields in one direction.
            source: the fields of each document to fetch; False for none.
            after: the sort values of a hit of this snapshot; only what follows it is given.
            ascending: the direction of the sort.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        tie = {"_shard_doc": "asc" if ascending else "desc"}
        size = KEYS_ONLY_PAGE if source is False else FIRST_PAGE
        while True:
            try:
                hits = self._page(query, [*order, tie], size, source, after)
            except NotFoundError:
                self._open()
                if after is not None:
                    # The tie-breaker belongs to the lost snapshot; behind all ties is where we were.
                    after = [*after[:-1], _LAST_LONG if ascending else -1]
                hits = self._page(query, [*order, tie], size, source, after)
            if not hits:
                return
            yield hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
            if source is not False:
                size = next_size(size, len(orjson.dumps(hits, option=orjson.OPT_NON_STR_KEYS)))

    def counts(self, query: Query) -> dict[str, int]:
        """How many documents of a query each index holds; those without any are left out.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        wanted = {"indices": {"terms": {"field": "_index", "size": MOST_INDICES}}}
        found = self._aggregated(query, wanted, {"indices": {"buckets": [{"key": str, "doc_count": int}]}})
        buckets = found.get("indices", {}).get("buckets", ())
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}

    def moments(self, query: Query) -> list[int]:
        """Moments (nanoseconds since 1970, growing) that part the documents of a query into lots of about ``STRIDE``.

        Raises:
            elasticsearch.ApiError: the cluster refused.
            elastic_transport.TransportError: the cluster can't be reached.
        """
        field = {"field": "@timestamp"}
        end = {"value": (number, None)}
        ends = self._aggregated(query, {"first": {"min": field}, "last": {"max": field}}, {"first": end, "last": end})
        if not ends:
            return []
        width = max(1, int((ends["last"]["value"] or 0) - (ends["first"]["value"] or 0)) // MOST_LOTS)
        by_time = {**field, "fixed_interval": f"{width}ms", "min_doc_count": 1}
        shape = {"times": {"buckets": [{"key": number, "doc_count": int}]}}
        times = self._aggregated(query, {"times": {"date_histogram": by_time}}, shape)
        moments, count = [], 0
        for bucket in times.get("times", {}).get("buckets", ()):
            count += bucket["doc_count"]
            if count >= STRIDE:
                moments.append((int(bucket["key"]) + width) * 1_000_000)
                count = 0
        return moments

    def _aggregated(self, query: Query, aggregations: dict[str, Any], shape: Shape) -> dict[str, Any]:
        answer = self._client.search(
            pit={"id": self._id, "keep_alive": KEEP_ALIVE},
            query=query,
            size=0,
            aggs=aggregations,
            allow_partial_search_results=False,
            track_total_hits=False,
        )
        found = aggregations_of(answer, shape)
        self._id = answer.body.get("pit_id") or self._id
        return found

    def _open(self) -> None:
        answer = self._client.open_point_in_time(
            index=self._index, keep_alive=KEEP_ALIVE, ignore_unavailable=True, preference=self._preference
        )
        self._id = understood(answer, {"id": str}, "the request for a point in time")["id"]

    def _page(
        self, query: Query, order: Sort, size: int, source: bool | list[str], after: list[Any] | None
    ) -> list[Hit]:
        answer = self._client.search(
            pit={"id": self._id, "keep_alive": KEEP_ALIVE},
            query=query,
            sort=order,
            size=size,
            source=source if isinstance(source, bool) else {"includes": source},
            search_after=after,
            allow_partial_search_results=False,
            track_total_hits=False,
        )
        hits = hits_of(answer, _hit(order, source=source is not False))
        self._id = answer.body.get("pit_id") or self._id
        return hits


def next_size(size: int, taken: int) -> int:
    """How many documents to ask for when ``size`` of them were ``taken`` bytes: carefully up, at once down."""
    fitting = size * PAGE_BYTES // max(taken, 1)
    return max(1, min(fitting, size * 4, LARGEST_PAGE))


def head(client: Elasticsearch, index: Sequence[str], view: View, query: Query, count: int) -> Iterator[list[Hit]]:
    """The first ``count`` documents of a view in its order, in pages."""
    if 0 < count <= FIRST_PAGE:
        yield newest(client, index, query, view.sort(), count)
    elif count:
        with Snapshot(client, index) as snapshot:
            left = count
            for hits in snapshot.pages(query, view.sort()):
                yield hits[:left]
                left -= len(hits)
                if left <= 0:
                    return


def tail(client: Elasticsearch, index: Sequence[str], view: View, query: Query, count: int) -> Iterator[list[Hit]]:
    """The first ``count`` documents of a view, the last of them first, in pages."""
    if 0 < count <= FIRST_PAGE:
        yield newest(client, index, query, view.sort(), count)[::-1]
    elif count:
        with Snapshot(client, index) as snapshot:
            yield from tail_of(snapshot, view, query, count)


def tail_of(snapshot: Snapshot, view: View, query: Query, count: int) -> Iterator[list[Hit]]:
    """The tail of a view as it is in a snapshot.

    However many they are, only a page is held: a first walk, without the documents, finds where they begin.  The
    second goes against the order of the index, in which a page costs what all that follows it costs; so it goes in
    steps between the moments that the first has met.

    Args:
        snapshot: opened.
        view: ordered by ``@timestamp`` first, which every document of a data stream has.
        query: which.
        count: how many.
    """
    if count < 1:
        return
    after: list[Any] | None = None
    left = count
    moments: list[int | None] = [None]
    for keys in snapshot.pages(query, view.sort(), source=False, ascending=False):
        if len(keys) > left:
            after = keys[left]["sort"]
            break
        left -= len(keys)
        moments.append(keys[-1]["sort"][0])
    yield from _in_steps(snapshot, view, query, reversed(moments), after)


def whole(snapshot: Snapshot, view: View, query: Query) -> Iterator[list[Hit]]:
    """All documents of a view as they are in a snapshot, the last of its order first, in pages.

    Where they are many it goes in steps of time, as `tail_of` does.
    """
    given = 0
    for hits in snapshot.pages(query, view.sort(mirrored=True)):
        yield hits
        given += len(hits)
        if given >= STRIDE:
            after = hits[-1]["sort"]
            moments = snapshot.moments(every([query, *_between(after[0], None)]))
            yield from _in_steps(snapshot, view, query, [*moments, None], after)
            return


def _in_steps(
    snapshot: Snapshot, view: View, query: Query, moments: Iterable[int | None], after: list[Any] | None
) -> Iterator[list[Hit]]:
    """What follows a hit in the mirrored order, up to each of these moments (nanoseconds) in turn."""
    for until in moments:
        step = every([query, *_between(after[0] if after else None, until)])
        for hits in snapshot.pages(step, view.sort(mirrored=True), after=after):
            yield hits
            after = hits[-1]["sort"]


def _between(since: int | None, until: int | None) -> list[Query]:
    """The condition that an event lies between two moments, nanoseconds, to the millisecond and rather too wide."""
    limits = {"gte": since and since // 1_000_000, "lte": until and until // 1_000_000 + 1}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return [{"range": {"@timestamp": {**given, "format": "epoch_millis"}}}] if given else []
