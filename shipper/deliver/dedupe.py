"""Finds documents that are indexed already, perhaps in a former write index.

``_id`` is unique only inside one backing index: after a rollover the same id can be created again
(elastic/elasticsearch#44794).  So what may have been sent before an unclean stop, before the state was lost, or in a
request that had no clear answer, is looked up across the data stream first, once no older request can add to it
(``older_requests``).  Documents that were never sent are not looked up, nor are those whose stream
did not exist before.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, NamedTuple

import orjson
from elasticsearch import ApiError, Elasticsearch

from shipper.deliver.batch import Pair, Whole
from shipper.deliver.older_requests import OlderRequests
from shipper.elastic.answers import NoAnswerError, Shape, validated
from shipper.elastic.client import is_there, lacks_privilege
from shipper.telemetry import ONCE, Throttle

MAX_IDS = 5000
# Seconds until a look-up is tried again with an API key that may not read.
FORBIDDEN_FOR = 60.0
_FOUND: Shape = {"hits?": {"total?": {"value": int}, "hits?": [{"_id": str}]}}
_WHOLE: Shape = {"hits": {"total?": {"value": int}, "hits": [{"_id": str}]}}


class LookUp(NamedTuple):
    """The result for (item, line) pairs; those in neither list are indexed already.

    Attributes:
        absent: no backing index holds them, and no older request can index them: they may be created.
        undecided: an older request may still index them: look them up again after ``wait`` seconds.
        wait: 0.0 where nothing is undecided.
    """

    absent: Sequence[Pair]
    undecided: Sequence[Pair]
    wait: float


class Dedupe:
    """Looks up ids before they are sent.

    Args:
        client: the cluster.
        warn: called once, with a sentence, when the key may not read.
        request_timeout: of the client, seconds.
        clock: monotonic seconds.
        wall: seconds of the epoch.
    """

    def __init__(
        self,
        client: Elasticsearch,
        warn: Callable[[str], None],
        *,
        request_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._throttle = Throttle(warn, clock)
        self._wall = wall
        self.began = clock()
        """Earlier processes sent their requests before this moment (of the clock)."""
        self.reconnect(client, request_timeout)

    def reconnect(self, client: Elasticsearch, request_timeout: float) -> None:
        """Use another cluster, and forget the answers of the former."""
        self._client = client
        self._older = OlderRequests(client, request_timeout, self._clock, self._wall)
        self._refreshed: dict[str, float] = {}
        self._forbidden_until = -inf
        self._throttle.forget()

    def look_up(self, pairs: Sequence[Pair], since: float) -> LookUp:
        """Find which documents no backing index of their data stream holds.

        Args:
            pairs: documents that may be indexed.
            since: a moment of the clock; requests that carry them began before it.

        Raises:
            ApiError, TransportError: the cluster can't be asked now, or its answer is invalid.
        """
        if self._clock() < self._forbidden_until:
            return LookUp(pairs, [], 0.0)
        absent: list[Pair] = []
        undecided: list[Pair] = []
        wait = 0.0
        try:
            if isinstance(pairs, Whole):
                answers = [self._older.settled(stream, since) for stream in pairs.batch.streams]
                if all(settled.absent for settled in answers):
                    return LookUp(pairs, [], 0.0)
                if all(settled.wait > 0 for settled in answers):
                    return LookUp([], pairs, max(settled.wait for settled in answers))
            for stream, some in _by_stream(pairs).items():
                settled = self._older.settled(stream, since)
                if settled.wait > 0:
                    undecided += some
                    wait = max(wait, settled.wait)
                elif settled.absent:
                    absent += some
                else:
                    names = [_name(item) for item, _ in some]
                    there = self._there(stream, names, settled.at)
                    absent += [pair for name, pair in zip(names, some, strict=True) if name not in there]
        except ApiError as error:
            if not lacks_privilege(error):
                raise
            self._throttle.say(
                "forbidden",
                "the API key may not read the data streams: lines that are sent again can't be looked up, "
                "so those indexed before a rollover may be indexed twice; grant `read` on logs-neuroflow.*-*",
                ONCE,
            )
            self._forbidden_until = self._clock() + FORBIDDEN_FOR
            return LookUp(pairs, [], 0.0)
        return LookUp(absent, undecided, wait)

    def _there(self, stream: str, ids: list[str], since: float) -> set[str]:
        if self._refreshed.get(stream, -1.0) <= since:
            # A search sees what was refreshed; what is in flight to the newest index conflicts on create.
            asked_at = self._clock()
            quiet = self._client.options(ignore_status=[403, 404])
            answer = quiet.indices.refresh(index=stream, ignore_unavailable=True)
            asked = f"the request to refresh {stream}"
            if answer.meta.status != 403 and is_there(answer, asked):
                validated(answer, {"_shards?": {}}, asked)
            self._refreshed[stream] = asked_at
        found: set[str] = set()
        for first in range(0, len(ids), MAX_IDS):
            found |= self._found(stream, ids[first : first + MAX_IDS])
        return found

    def _found(self, stream: str, ids: list[str]) -> set[str]:
        asked = f"the search for what {stream} holds"

        def ask(shape: Shape, only: str | None = None) -> dict[str, Any]:
            answer = self._client.search(
                index=stream,
                query={"ids": {"values": ids}},
                size=len(ids),
                source=False,
                sort="_doc",
                # Shows whether an answer lost some of its hits.
                track_total_hits=True,
                ignore_unavailable=True,
                # Otherwise documents of an unavailable shard would count as missing.
                allow_partial_search_results=False,
                filter_path=only,
            )
            hits: dict[str, Any] = validated(answer, shape, asked).get("hits", {})
            return hits

        # With the filter an empty object may mean "none" or an invalid answer: ask again without.
        hits = ask(_FOUND, "hits.total.value,hits.hits._id") or ask(_WHOLE)
        found = [hit["_id"] for hit in hits.get("hits", ())]
        total = hits.get("total", {"value": len(found)})["value"]
        if len(found) < min(total, len(ids)) or not set(found) <= set(ids):
            raise NoAnswerError(f"the answer to {asked} does not match the request (is there a proxy in between?)")
        if total > len(ids) > 1:
            # Some ids exist twice and take the places of others.
            middle = len(ids) // 2
            return self._found(stream, ids[:middle]) | self._found(stream, ids[middle:])
        return set(found)


def _by_stream(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """The documents of each data stream."""
    by_head: defaultdict[bytes, list[Pair]] = defaultdict(list)
    for pair in pairs:
        # The part before the id in {"create":{"_index":"…","_id":"…"}} names the stream.
        by_head[pair[0][: pair[0].index(b',"_id"')]].append(pair)
    return {orjson.loads(head + b"}}")["create"]["_index"]: some for head, some in by_head.items()}


def _name(item: bytes) -> str:
    """The id of an item."""
    name: str = orjson.loads(item[: item.index(b"\n")])["create"]["_id"]
    return name
