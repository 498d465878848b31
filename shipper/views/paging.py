"""The beginning, the end or all of a view, in pages and bounded memory, however many documents it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from elasticsearch import Elasticsearch

from shipper.elastic.answers import number
from shipper.elastic.search_answers import Hit
from shipper.query.conditions import Query, every
from shipper.views.snapshot import FIRST_PAGE, Snapshot, newest
from shipper.views.views import View

# Against the order of the index a page costs what all that follows it costs: many documents are read in such lots.
STRIDE = 20_000
# So finely is time divided to find them.
MOST_LOTS = 2000


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
            moments = _moments(snapshot, every([query, *_between(after[0], None)]))
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


def _moments(snapshot: Snapshot, query: Query) -> list[int]:
    """Moments (nanoseconds since 1970, growing) that part the documents of a query into lots of about ``STRIDE``.

    Raises:
        elasticsearch.ApiError: the cluster refused.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    field = {"field": "@timestamp"}
    end = {"value": (number, None)}
    ends = snapshot.aggregated(query, {"first": {"min": field}, "last": {"max": field}}, {"first": end, "last": end})
    if not ends:
        return []
    width = max(1, int((ends["last"]["value"] or 0) - (ends["first"]["value"] or 0)) // MOST_LOTS)
    by_time = {**field, "fixed_interval": f"{width}ms", "min_doc_count": 1}
    shape = {"times": {"buckets": [{"key": number, "doc_count": int}]}}
    times = snapshot.aggregated(query, {"times": {"date_histogram": by_time}}, shape)
    moments, count = [], 0
    for bucket in times.get("times", {}).get("buckets", ()):
        count += bucket["doc_count"]
        if count >= STRIDE:
            moments.append((int(bucket["key"]) + width) * 1_000_000)
            count = 0
    return moments
