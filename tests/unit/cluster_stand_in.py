"""What stands for a cluster and its sender: a few dictionaries that answer when they are told to."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import orjson

from shipper.deliver.batch import Batch
from shipper.tail.progress import Span
from shipper.telemetry import Counters

ROOM = 2


class Stream:
    """A data stream: ids are unique inside each backing index only, as in Elasticsearch.

    ``documents`` are all that were created, in order.
    """

    def __init__(self) -> None:
        self.backing: list[dict[str, str]] = [{}]
        self.documents: list[dict[str, Any]] = []

    def take(self, batch: Batch) -> tuple[int, int]:
        """Create every item, a doubtful batch's after looking its ids up; gives how many were new, and were not."""
        created = 0
        for item in batch.items:
            action, document = (orjson.loads(part) for part in item.splitlines())
            name, message = action["create"]["_id"], orjson.loads(item.splitlines()[1])["message"]
            assert document["log"]["offset"] >= 0
            if name in self.backing[-1] or (batch.doubtful and any(name in one for one in self.backing)):
                continue
            self.backing[-1][name] = message
            self.documents.append(document)
            created += 1
        return created, len(batch.items) - created

    def messages(self) -> Counter[str]:
        """How often each message is there."""
        return Counter(message for one in self.backing for message in one.values())


class Cluster:
    """What a sidecar sends to; answers at once, or keeps what it got while it is away."""

    def __init__(self, stream: Stream, counters: Counters) -> None:
        self.stream = stream
        self.counters = counters
        self.away = False
        self.trouble = False
        self.broken = False
        self.waiting: deque[Batch] = deque()
        self.done: list[Span] = []

    def offer(self, batch: Batch) -> bool:
        """Take a batch if there is room."""
        if len(self.waiting) >= ROOM:
            return False
        self.waiting.append(batch)
        self.work()
        return True

    def work(self) -> None:
        """Answer what waits, unless the cluster is away."""
        while self.waiting and not self.away:
            batch = self.waiting.popleft()
            created, there = self.stream.take(batch)
            self.counters.settle(acknowledged=created, duplicate=there)
            self.done += batch.spans

    def acknowledged(self) -> list[Span]:
        """What was settled since."""
        done, self.done = self.done, []
        return done

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.waiting and not self.done

    @property
    def sending(self) -> bool:
        """Whether something waits for its answer."""
        return bool(self.waiting)

    def hurry(self) -> None:
        """Nothing is held back here."""

    def stop(self, deadline: float) -> None:
        """Nobody answers any more: what waits stays unacknowledged."""
        assert deadline > 0
        self.waiting.clear()
