"""How many documents Elasticsearch rejected, by data stream and reason, until somebody takes the numbers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from shipper.elastic.outcomes import Verdict

# Further reasons are counted together.
MAX_REASONS = 100


class Rejection(NamedTuple):
    """A data stream, and the status and type of Elasticsearch's error; not its text, which quotes the document."""

    stream: str
    reason: str


OTHERS = Rejection("", "others")


class Rejections:
    """Counts rejected documents; threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Rejection] = Counter()

    def add(self, dead: Iterable[tuple[bytes, bytes, Verdict]]) -> None:
        """Count documents: each item of a bulk request, its line, and the verdict on it."""
        kinds = Counter(_kind(item, verdict) for item, _, verdict in dead)
        with self._lock:
            for kind, number in kinds.items():
                there = kind in self._counts or len(self._counts) < MAX_REASONS
                self._counts[kind if there else OTHERS] += number

    def take(self) -> dict[Rejection, int]:
        """The numbers since the last call."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken


def _kind(item: bytes, verdict: Verdict) -> Rejection:
    action = orjson.loads(item.partition(b"\n")[0])
    return Rejection(str(action["create"]["_index"]), f"{verdict.status} {verdict.kind}")
