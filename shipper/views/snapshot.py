"""Documents in the order of a sort: the first page, or all of a point in time, page by page, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
from elasticsearch import ApiError, Elasticsearch, NotFoundError, TransportError

from shipper.elastic.answers import Shape, number, validated
from shipper.elastic.search_answers import Hit, aggregations_of, hits_of, search
from shipper.query.conditions import Query
from shipper.views.views import Sort

# Long enough for a reader who pauses; a snapshot that expired is opened again.
KEEP_ALIVE = "5m"
# The size of a page follows from the documents before it, so that long and short lines take about the same memory.
PAGE_BYTES = 4 * 2**20
FIRST_PAGE = 200
MAX_PAGE = 2000
# For pages without documents; the limit of Elasticsearch.
KEYS_ONLY_PAGE = 10_000

# Backing indices of a few streams over years.
MAX_INDICES = 10_000

_LAST_LONG = 2**63 - 1

# Fields that every document has, if it can be sorted by them.
_ALWAYS_SET = frozenset({"@timestamp", "event.created", "_seq_no", "_shard_doc"})


def _sort_values(order: Sort) -> Callable[[Any], bool]:
    """The shape of a hit's sort values: a text or a number for each field, null where it has no value."""
    fields = [(field, how) for one in order for field, how in one.items()]
    kinds = [str if isinstance(how, dict) and how.get("unmapped_type") == "keyword" else number for _, how in fields]
    firm = fields[0][0] in _ALWAYS_SET

    def place(found: Any) -> bool:
        if not isinstance(found, list) or len(found) != len(kinds) or (firm and found[0] is None):
            return False
        for one, kind in zip(found, kinds, strict=True):
            if one is not None and not (isinstance(one, str) if kind is str else number(one)):
                return False
        return True

    return place


def _hit(order: Sort, *, source: bool) -> Shape:
    shape = {"_index": str, "_id": str, "sort": _sort_values(order)}
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

    The same copies of the shards answer all requests with the same ``preference``.
    """
    answer = search(
        client, index, query, sort=order, size=size, source=source, preference=preference, track_total_hits=False
    )
    return hits_of(answer, _hit(order, source=source))


class Snapshot:
    """The documents as they were at one moment, to be read in pages; ``preference`` as in ``newest``.

    If the snapshot is lost (the reader paused, a node restarted) it is opened again, and reading continues after the
    last document given: no two documents may be equal in the sort.
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
            # It expires by itself a little later.
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
        """
        tie = {"_shard_doc": "asc" if ascending else "desc"}
        size = KEYS_ONLY_PAGE if source is False else FIRST_PAGE
        while True:
            try:
                hits = self._page(query, [*order, tie], size, source, after)
            except NotFoundError:
                self._open()
                if after is not None:
                    # The tie-breaker belongs to the lost snapshot: continue after all ties.
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
        """How many documents of a query each index holds; those without any are left out."""
        wanted = {"indices": {"terms": {"field": "_index", "size": MAX_INDICES}}}
        found = self.aggregated(query, wanted, {"indices": {"buckets": [{"key": str, "doc_count": int}]}})
        buckets = found.get("indices", {}).get("buckets", ())
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}

    def aggregated(self, query: Query, aggregations: dict[str, Any], shape: Shape) -> dict[str, Any]:
        """The aggregations over the documents of a query; empty where no index is searched."""
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
        self._id = validated(answer, {"id": str}, "the request for a point in time")["id"]

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
    """How many documents to ask for after ``size`` of them took ``taken`` bytes: at most four times as many."""
    fitting = size * PAGE_BYTES // max(taken, 1)
    return max(1, min(fitting, size * 4, MAX_PAGE))
