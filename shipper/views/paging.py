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

# Against the order of the index, Elasticsearch sorts all that follows a page to find the page: many documents are
# read in time slices of about so many.
SLICE_DOCUMENTS = 20_000
# Buckets of the histogram from which the slices are made.
MAX_SLICES = 2000


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
    """The first ``count`` documents of a view in the mirror of its order, in pages."""
    if 0 < count <= FIRST_PAGE:
        yield newest(client, index, query, view.sort(), count)[::-1]
    elif count:
        with Snapshot(client, index) as snapshot:
            yield from tail_of(snapshot, view, query, count)


def tail_of(snapshot: Snapshot, view: View, query: Query, count: int) -> Iterator[list[Hit]]:
    """The tail of a view as it is in a snapshot.

    Only a page is held in memory: a first walk, without the documents, finds where they begin, and the ends of its
    pages are the ends of the time slices that the second walk reads (see ``SLICE_DOCUMENTS``).
    """
    if count < 1:
        return
    after: list[Any] | None = None
    left = count
    ends: list[int | None] = [None]
    for keys in snapshot.pages(query, view.sort(), source=False, ascending=False):
        if len(keys) > left:
            after = keys[left]["sort"]
            break
        left -= len(keys)
        ends.append(keys[-1]["sort"][0])
    yield from _in_slices(snapshot, view, query, reversed(ends), after)


def whole(snapshot: Snapshot, view: View, query: Query) -> Iterator[list[Hit]]:
    """All documents of a view as they are in a snapshot, in the mirror of its order, in pages.

    Of many documents, those after the first ``SLICE_DOCUMENTS`` are read in time slices.
    """
    given = 0
    for hits in snapshot.pages(query, view.sort(mirrored=True)):
        yield hits
        given += len(hits)
        if given >= SLICE_DOCUMENTS:
            after = hits[-1]["sort"]
            ends = _slice_ends(snapshot, every([query, *_between(after[0], None)]))
            yield from _in_slices(snapshot, view, query, [*ends, None], after)
            return


def _in_slices(
    snapshot: Snapshot, view: View, query: Query, ends: Iterable[int | None], after: list[Any] | None
) -> Iterator[list[Hit]]:
    """What follows a hit in the mirrored order, slice by slice up to each of these ends (nanoseconds; None: all)."""
    for until in ends:
        step = every([query, *_between(after[0] if after else None, until)])
        for hits in snapshot.pages(step, view.sort(mirrored=True), after=after):
            yield hits
            after = hits[-1]["sort"]


def _between(since: int | None, until: int | None) -> list[Query]:
    """The condition that an event lies between two times (nanoseconds), widened to whole milliseconds."""
    limits = {"gte": since and since // 1_000_000, "lte": until and until // 1_000_000 + 1}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return [{"range": {"@timestamp": {**given, "format": "epoch_millis"}}}] if given else []


def _slice_ends(snapshot: Snapshot, query: Query) -> list[int]:
    """The ends (nanoseconds since 1970, ascending) of time slices of about ``SLICE_DOCUMENTS`` of a query each."""
    field = {"field": "@timestamp"}
    end = {"value": (number, None)}
    span = snapshot.aggregated(query, {"first": {"min": field}, "last": {"max": field}}, {"first": end, "last": end})
    if not span:
        return []
    width = max(1, int((span["last"]["value"] or 0) - (span["first"]["value"] or 0)) // MAX_SLICES)
    by_time = {**field, "fixed_interval": f"{width}ms", "min_doc_count": 1}
    shape = {"times": {"buckets": [{"key": number, "doc_count": int}]}}
    times = snapshot.aggregated(query, {"times": {"date_histogram": by_time}}, shape)
    ends: list[int] = []
    count = 0
    for bucket in times.get("times", {}).get("buckets", ()):
        count += bucket["doc_count"]
        if count >= SLICE_DOCUMENTS:
            ends.append((int(bucket["key"]) + width) * 1_000_000)
            count = 0
    return ends
