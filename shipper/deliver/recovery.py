"""Which documents are there already, in a backing index that is no longer written to.

``_id`` is unique only inside one backing index: after a rollover the same id can be created again
(elastic/elasticsearch#44794).  So what may have been sent before an unclean stop, or before the state was lost,
is looked up across the data stream first.  Steady state pays nothing, and a stream that never rolled over pays
next to nothing: there the conflict on create says the same.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

import orjson
from elasticsearch import ApiError, Elasticsearch

Pair = tuple[bytes, bytes]
MOST_IDS = 5000
# How long a stream that has one backing index is taken to have no more, seconds.
SINGLE_FOR = 5.0


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
        self._refreshed: set[str] = set()
        self._single_until: dict[str, float] = {}
        self._forbidden = False

    def reconnect(self, client: Elasticsearch) -> None:
        """Ask this cluster from now on; what the other one said does not count."""
        self._client = client
        self._refreshed.clear()
        self._single_until.clear()
        self._forbidden = False

    def unknown(self, pairs: list[Pair]) -> list[Pair]:
        """Those of (item, line) that no backing index of their data stream holds yet.

        Raises:
            ApiError, TransportError: the cluster can't be asked just now.
        """
        if self._forbidden:
            return pairs
        try:
            # What stands before the id in {"create":{"_index":"…","_id":"…"}} names the stream.
            streams = {item[: item.index(b',"_id"')] for item, _ in pairs}
            rolled_over = {head for head in streams if self._rolled_over(_stream(head))}
            if not rolled_over:
                return pairs
            wanted: defaultdict[str, list[str]] = defaultdict(list)
            names = [_name(item) for item, _ in pairs]
            for stream, identity in names:
                wanted[stream].append(identity)
            there = {stream: self._there(stream, ids) for stream, ids in wanted.items()}
        except ApiError as error:
            if error.meta.status not in {401, 403}:
                raise
            self._forbidden = True
            self._warn(
                "the key may not read the data streams: lines sent again after this restart can't be looked up, "
                "so those indexed before a rollover would be there twice (grant `read` on logs-neuroflow.*-*)"
            )
            return pairs
        return [pair for pair, (stream, identity) in zip(pairs, names, strict=True) if identity not in there[stream]]

    def _rolled_over(self, stream: str) -> bool:
        """Whether a data stream has more than one backing index."""
        if self._clock() < self._single_until.get(stream, 0.0):
            return False
        quiet = self._client.options(ignore_status=404)
        backing = quiet.indices.get_settings(index=stream, filter_path="*.settings.index.uuid").body
        if len(backing) < 2 or "error" in backing:
            self._single_until[stream] = self._clock() + SINGLE_FOR
            return False
        return True

    def _there(self, stream: str, ids: list[str]) -> set[str]:
        if stream not in self._refreshed:
            # A search sees what was refreshed; what is in flight to the newest index conflicts on create.
            self._client.options(ignore_status=404).indices.refresh(index=stream, ignore_unavailable=True)
            self._refreshed.add(stream)
        found: set[str] = set()
        for first in range(0, len(ids), MOST_IDS):
            part = ids[first : first + MOST_IDS]
            answer = self._client.search(
                index=stream,
                query={"ids": {"values": part}},
                size=len(part),
                source=False,
                sort="_doc",
                track_total_hits=False,
                ignore_unavailable=True,
                filter_path="hits.hits._id",
            )
            found.update(hit["_id"] for hit in answer.body.get("hits", {}).get("hits", ()))
        return found


def _stream(head: bytes) -> str:
    """The data stream in the beginning of an action."""
    name: str = orjson.loads(head + b"}}")["create"]["_index"]
    return name


def _name(item: bytes) -> tuple[str, str]:
    """Data stream and id of an item."""
    action = orjson.loads(item[: item.index(b"\n")])["create"]
    return action["_index"], action["_id"]
