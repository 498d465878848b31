"""A cluster and its sender in memory. The real look-up (``shipper.deliver.dedupe``), over a stand-in client,
decides which documents exist already.

What may be there already is decided by the real look-up (``shipper.deliver.dedupe``), which asks a stand-in client.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self, cast

import orjson
from elasticsearch import Elasticsearch

from shipper.config import Config
from shipper.deliver.batch import Batch, Pair
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.sender import Sender
from shipper.deliver.work import parts_of
from shipper.redact.redactor import Redactor
from shipper.sidecar.sidecar import Sidecar
from shipper.tail.clock import Clock
from shipper.tail.progress import Span
from shipper.tail.state.store import CursorStore
from shipper.telemetry import Counters

ROOM = 2
STREAM = "stream"


class Stream:
    """A data stream: ids are unique inside each backing index only, as in Elasticsearch.

    ``documents`` are all that were created, in order; ``late`` are requests that were routed to a backing index and
    have not put their documents into it yet, or that are still on their way to the cluster.  What is created is found
    after a refresh.
    """

    def __init__(self) -> None:
        self.backing: list[dict[str, str]] = [{}]
        self.documents: list[dict[str, Any]] = []
        self.late: list[tuple[dict[str, str] | None, list[bytes]]] = []
        self.found: set[str] = set()

    def create(self, items: list[bytes], index: dict[str, str] | None = None) -> int:
        """Create the missing documents in the write index, or in the given one; gives how many."""
        index = self.backing[-1] if index is None else index
        created = 0
        for item in items:
            action, document = (orjson.loads(part) for part in item.splitlines())
            name = action["create"]["_id"]
            assert document["log"]["offset"] >= 0
            if name not in index:
                index[name] = document["message"]
                self.documents.append(document)
                created += 1
        return created

    def hang(self, items: list[bytes], *, arrived: bool = True) -> None:
        """Send a request that chooses its index when it arrives, and creates its documents when it lands."""
        self.late.append((self.backing[-1] if arrived else None, items))

    def arrive(self) -> None:
        self.late = [(self.backing[-1] if index is None else index, items) for index, items in self.late]

    def land(self) -> None:
        """The oldest request creates its documents and ends."""
        self.arrive()
        index, items = self.late.pop(0)
        self.create(items, index)

    def messages(self) -> Counter[str]:
        return Counter(message for one in self.backing for message in one.values())


class _Client:
    """The requests of a look-up, answered from a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.indices = SimpleNamespace(get_settings=self._settings, refresh=self._refresh)

    def options(self, **_: Any) -> Self:
        return self

    def perform_request(self, method: str, path: str, **_: Any) -> Any:
        if (method, path) == ("POST", "/_bulk"):
            return self._stream.arrive()
        assert ("GET", "/_tasks") == (method, path)
        arrived = [items for index, items in self._stream.late if index is not None]
        tasks = {str(id(items)): {"description": f"indices[{STREAM}]"} for items in arrived}
        return SimpleNamespace(body={"nodes": {"n": {"tasks": tasks}}})

    def _settings(self, **_: Any) -> Any:
        body: dict[str, Any] = {str(number): {"settings": {}} for number in range(len(self._stream.backing))}
        return SimpleNamespace(body=body, meta=SimpleNamespace(status=200))

    def _refresh(self, **_: Any) -> Any:
        self._stream.found = {name for index in self._stream.backing for name in index}
        return SimpleNamespace(body={}, meta=SimpleNamespace(status=200))

    def search(self, *, query: Any, **_: Any) -> Any:
        hits = [{"_id": name} for name in query["ids"]["values"] if name in self._stream.found]
        return SimpleNamespace(body={"hits": {"hits": hits}})


@dataclass
class _Request:
    """A batch in flight: the documents without an outcome, and the time of the first doubt."""

    spans: list[Span]
    certain: list[Pair]
    maybe_sent: list[Pair] = field(default_factory=list)
    since: float = 0.0

    @property
    def items(self) -> list[bytes]:
        return [item for item, _ in (*self.maybe_sent, *self.certain)]


class Cluster:
    """Takes the batches of a sidecar; answers immediately, or keeps them while it is away."""

    def __init__(self, stream: Stream, counters: Counters, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.stream = stream
        self.counters = counters
        self.away = False
        self.failing = False
        self.broken = False
        self.waiting: deque[_Request] = deque()
        self.aside: list[_Request] = []
        self.done: list[Span] = []
        self._clock = clock
        client = cast("Elasticsearch", _Client(stream))
        self._dedupe = Dedupe(client, lambda _: None, request_timeout=1, clock=clock)

    @property
    def waits(self) -> bool:
        """Whether a request waits for an older one."""
        return bool(self.aside)

    def offer(self, batch: Batch) -> bool:
        """Take a batch if there is room."""
        if len(self.waiting) >= ROOM:
            return False
        parts = parts_of(batch, self._dedupe.began, self._clock())
        request = _Request(batch.spans, [])
        for part in parts:
            pairs = [(_named(item), raw) for item, raw in part.pairs]
            if part.since is None:
                request.certain += pairs
            else:
                request.maybe_sent += pairs
                request.since = max(request.since, part.since)
        self.waiting.append(request)
        self.work()
        return True

    def work(self) -> None:
        """Answer all waiting requests, unless the cluster is away."""
        if self.away:
            return
        aside, self.aside = self.aside, []
        self.waiting.extendleft(reversed(aside))
        while self.waiting:
            self._answer(self.waiting.popleft())

    def _answer(self, request: _Request) -> None:
        items = self.sent(request)
        created = self.stream.create(items)
        self.counters.settle(acknowledged={"app": created}, duplicate={"app": len(items) - created})
        request.certain = []
        if request.maybe_sent:
            self.aside.append(request)
        else:
            self.done += request.spans

    def sent(self, request: _Request) -> list[bytes]:
        """The documents that a request creates, after looking up the maybe sent ones."""
        if request.maybe_sent:
            found = self._dedupe.look_up(request.maybe_sent, request.since)
            there = len(request.maybe_sent) - len(found.absent) - len(found.undecided)
            self.counters.settle(duplicate={"app": there})
            request.certain, request.maybe_sent = [*found.absent, *request.certain], [*found.undecided]
        return [item for item, _ in request.certain]

    def time_out(self, *, arrived: bool) -> None:
        """All requests in flight end without an answer: their documents count as maybe sent."""
        for request in self.waiting:
            self.stream.hang(self.sent(request), arrived=arrived)
            request.maybe_sent, request.certain = [*request.maybe_sent, *request.certain], []
            request.since = self._clock()

    def acknowledged(self) -> list[Span]:
        """The spans that are settled since the last call."""
        self.work()
        done, self.done = self.done, []
        return done

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.aside and not self.done

    def trouble(self) -> str | None:
        return None

    def hung(self) -> str | None:
        return None

    @property
    def sending(self) -> bool:
        return bool(self.waiting)

    def hurry(self) -> None:
        pass

    @property
    def gave_up(self) -> bool:
        return self.away

    def hasten(self, deadline: float) -> None:
        pass

    def stop(self, deadline: float) -> None:
        """Drop what waits; it stays unacknowledged."""
        assert deadline > 0
        self.waiting.clear()
        self.aside.clear()


def _named(item: bytes) -> bytes:
    """An item for the only stream."""
    action, document = item.splitlines()
    name = orjson.loads(action)["create"]["_id"]
    return orjson.dumps({"create": {"_index": STREAM, "_id": name}}) + b"\n" + document + b"\n"


class Run:
    """One run of a sidecar over real files, with a stand-in for the cluster and a simulated clock.

    Args:
        config: the configuration.
        stream: where it ships to.
        clock: monotonic seconds.
        warn: takes the warnings of the store.
        wall_ns: the wall clock, nanoseconds.
        once: ship what there is, and stop.
    """

    def __init__(
        self,
        config: Config,
        stream: Stream,
        clock: Callable[[], float],
        warn: Callable[[str], None],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        once: bool = False,
    ) -> None:
        redactor = Redactor(config.shipper.redact)
        self.store = CursorStore(config.shipper.state_dir, warn, redactor.conceal)
        redactor.recall(self.store.known())
        self.counters = Counters()
        self.cluster = Cluster(stream, self.counters, clock)
        self.sidecar = Sidecar(
            config,
            store=self.store,
            sender=cast("Sender", self.cluster),
            counters=self.counters,
            wake=threading.Event(),
            clock=Clock(clock, wall_ns),
            once=once,
            redactor=redactor,
        )

    def stop(self) -> bool:
        """SIGTERM; gives whether everything read is acknowledged."""
        self.sidecar.stop()
        complete = self.sidecar.drain()
        self.store.close(clean=complete)
        return complete

    def kill(self) -> None:
        """SIGKILL: open files are closed."""
        for generation in self.sidecar._tail._generations:
            if generation.active_reader is not None:
                generation.close()
        self.store.close()
