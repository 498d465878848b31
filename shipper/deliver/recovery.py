"""Which documents are there already, in a backing index that is no longer written to.

``_id`` is unique only inside one backing index: after a rollover the same id can be created again
(elastic/elasticsearch#44794).  So what may have been sent before an unclean stop, before the state was lost, or
in a request that had no clear answer, is looked up across the data stream first.  Steady state pays nothing, and a
stream that never rolled over pays next to nothing: there the conflict on create says the same.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson
from elastic_transport import ApiResponse
from elasticsearch import ApiError, Elasticsearch

from shipper.answers import NoAnswerError, Shape, understood
from shipper.cluster import is_there

Pair = tuple[bytes, bytes]
MOST_IDS = 5000
# How long a stream that has one backing index is taken to have no more, seconds.
SINGLE_FOR = 5.0
_INDICES: Shape = {str: {}}
_FOUND: Shape = {"hits?": {"total?": {"value": int}, "hits?": [{"_id": str}]}}


class Recovery:
    """Looks up ids before they are sent.

    Args:
        client: of the cluster.
        warn: told once, in a sentence, when the key may not look.
        clock: monotonic seconds.
    """

    def __init__(
        self, client: Elasticsearch, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._warn = warn
        self._clock = clock
        self._refreshed: dict[str, float] = {}
        self._single: dict[str, float] = {}
        self._forbidden = False

    def reconnect(self, client: Elasticsearch) -> None:
        """Ask this cluster from now on; what the other one said does not count."""
        self._client = client
        self._refreshed.clear()
        self._single.clear()
        self._forbidden = False

    def unknown(self, pairs: list[Pair], since: float = 0.0) -> list[Pair]:
        """Those of (item, line) that no backing index of their data stream holds yet.

        Args:
            pairs: what may be there.
            since: until when they may have been indexed (of the clock): nothing found out before that counts.

        Raises:
            ApiError, TransportError: the cluster can't be asked just now.
        """
        if self._forbidden:
            return pairs
        try:
            # What stands before the id in {"create":{"_index":"…","_id":"…"}} names the stream.
            streams = {item[: item.index(b',"_id"')] for item, _ in pairs}
            rolled_over = {head for head in streams if self._rolled_over(_stream(head), since)}
            if not rolled_over:
                return pairs
            wanted: defaultdict[str, list[str]] = defaultdict(list)
            names = [_name(item) for item, _ in pairs]
            for stream, identity in names:
                wanted[stream].append(identity)
            there = {stream: self._there(stream, ids, since) for stream, ids in wanted.items()}
        except ApiError as error:
            if error.meta.status not in {401, 403}:
                raise
            self._forbidden = True
            self._warn(
                "the key may not read the data streams: lines that are sent again can't be looked up, "
                "so those indexed before a rollover would be there twice (grant `read` on logs-neuroflow.*-*)"
            )
            return pairs
        return [pair for pair, (stream, identity) in zip(pairs, names, strict=True) if identity not in there[stream]]

    def _rolled_over(self, stream: str, since: float) -> bool:
        """Whether a data stream has more than one backing index."""
        seen = self._single.get(stream, -SINGLE_FOR)
        if seen >= since and self._clock() < seen + SINGLE_FOR:
            return False
        asked_at = self._clock()
        quiet = self._client.options(ignore_status=[403, 404])
        asked = f"the request for the indices of {stream}"

        def ask() -> ApiResponse[Any]:
            return quiet.indices.get_settings(index=stream, filter_path="*.settings.index.uuid,status")

        answer = ask()
        if answer.meta.status == 403:
            return True  # who may not ask for this may read all the same
        indices = is_there(answer, asked) and (
            understood(answer, _INDICES, asked) or understood(ask(), _INDICES, asked)
        )
        if not indices or len(indices) < 2:
            self._single[stream] = asked_at
            return False
        return True

    def _there(self, stream: str, ids: list[str], since: float) -> set[str]:
        if self._refreshed.get(stream, -1.0) < since:
            # A search sees what was refreshed; what is in flight to the newest index conflicts on create.
            asked_at = self._clock()
            quiet = self._client.options(ignore_status=[403, 404])
            answer = quiet.indices.refresh(index=stream, ignore_unavailable=True)
            asked = f"the request to refresh {stream}"
            if answer.meta.status != 403 and is_there(answer, asked):
                understood(answer, {"_shards?": {}}, asked)
            self._refreshed[stream] = asked_at
        found: set[str] = set()
        for first in range(0, len(ids), MOST_IDS):
            found |= self._found(stream, ids[first : first + MOST_IDS])
        return found

    def _found(self, stream: str, ids: list[str]) -> set[str]:
        asked = f"the search for what {stream} holds"

        def ask() -> dict[str, Any]:
            answer = self._client.search(
                index=stream,
                query={"ids": {"values": ids}},
                size=len(ids),
                source=False,
                sort="_doc",
                # An answer that lost some of its hits must not pass for a whole one.
                track_total_hits=True,
                ignore_unavailable=True,
                # What is in a shard that is not there just now would be taken for missing.
                allow_partial_search_results=False,
                filter_path="hits.total.value,hits.hits._id",
            )
            hits: dict[str, Any] = understood(answer, _FOUND, asked).get("hits", {})
            return hits

        # An answer that says nothing at all would pass for "none of them": it is asked for once more.
        hits = ask() or ask()
        found = [hit["_id"] for hit in hits.get("hits", ())]
        total = hits.get("total", {"value": len(found)})["value"]
        if len(found) < min(total, len(ids)) or not set(found) <= set(ids):
            raise NoAnswerError(f"the answer to {asked} is to another question (a proxy in between?)")
        return set(found)


def _stream(head: bytes) -> str:
    """The data stream in the beginning of an action."""
    name: str = orjson.loads(head + b"}}")["create"]["_index"]
    return name


def _name(item: bytes) -> tuple[str, str]:
    """Data stream and id of an item."""
    action = orjson.loads(item[: item.index(b"\n")])["create"]
    return action["_index"], action["_id"]
