"""Whether a request that was sent before can still put documents into a data stream, where a look-up misses them.

Elasticsearch resolves a data stream to its write index when it begins to work on a bulk request.  If the stream rolls
over before that work ends, the documents of the request land in an index that is no longer the write index, and a
``create`` of the same ids meets no conflict.  So a document that an earlier request may carry waits until every
request that began before is over:

* A key with the cluster privilege ``monitor`` sends an empty bulk request the same way: once it is answered, what was
  sent before has arrived.  Then it asks for the running bulk tasks of the stream.  Those that run at the first look
  must have ended.
* Without it, a request counts as over after twice ``request_timeout``.  Nothing waits where the
  write index is older than that, or is the only one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch

from shipper.elastic.answers import NoAnswerError, Shape, validated
from shipper.elastic.client import is_there

# Seconds between two requests for the running tasks.
LIST_INTERVAL = 0.2
# Seconds after a rollover in which a node may still send requests to the old write index.
PUBLISHED = 1.0
# Seconds: a task that still runs so long after ``since`` counts as stuck.
STUCK_AFTER = 600.0
# Seconds for which an answer about the backing indices is reused.
FRESH = 1.0
# .ds-logs-neuroflow.app-default-2026.11.27-000002
_INDICES: Shape = {str: {"settings?": {"index?": {"creation_date?": str}}}}
_CREATED_ON = re.compile(r"-(\d{4})\.(\d{2})\.(\d{2})-\d{6,}$")


def waiting_message(documents: int) -> str:
    """The log message about documents that wait for older requests."""
    return (
        f"{documents} documents wait: a bulk request that was sent before may still index them, and a rollover in "
        "between would index them twice"
    )


class Settled(NamedTuple):
    """Whether older requests to a data stream can still add documents.

    Attributes:
        wait: seconds after which to ask again; 0.0 when no older request can interfere any more.
        at: a look-up that sees everything indexed before this moment (of the clock) is final.
        absent: the stream holds nothing that was sent before.
    """

    wait: float
    at: float = 0.0
    absent: bool = False


class _Backing(NamedTuple):
    """How many backing indices a stream has, as asked at ``at``; the newest one's age as seconds of the epoch."""

    at: float
    indices: int
    created: float | None


class OlderRequests:
    """Tells when requests that began before a moment are over.

    Args:
        client: the cluster.
        request_timeout: how long a request may take, seconds.
        clock: monotonic seconds.
        wall: seconds of the epoch; compared with when the cluster made the write index.
    """

    def __init__(
        self,
        client: Elasticsearch,
        request_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._over_after = 2 * request_timeout
        self._clock = clock
        self._wall = wall
        self._may_list = True
        self._settled: dict[str, Settled] = {}
        self._backing: dict[str, _Backing] = {}
        self._running: dict[str, tuple[float, frozenset[str]]] = {}
        self._arrived = -1.0

    def settled(self, stream: str, since: float) -> Settled:
        """Whether requests that began before ``since`` (of the clock) can still add documents to a stream.

        Raises:
            ApiError, TransportError: the cluster can't be asked just now.
        """
        proved = self._settled.get(stream)
        if proved is not None and proved.at > since:
            return proved
        running = self._tasks(stream, since) if self._may_list and self._clock() < since + STUCK_AFTER else None
        if running:
            return Settled(LIST_INTERVAL)
        listed_at = self._clock()
        backing = self._backing_of(stream, max(since, listed_at - FRESH))
        if not backing.indices:
            found = self._settled[stream] = Settled(0.0, backing.at, absent=True)
            return found
        now, limit = self._clock(), self._over_after if running is None else PUBLISHED
        age = inf if backing.created is None else self._wall() - backing.created
        if backing.indices > 1 and (wait := min(limit - age, since + limit - now)) > 0:
            return Settled(wait)
        if running is None:
            # Another rollover may follow while an older request is under way: this is asked again.
            return Settled(0.0, since if backing.indices == 1 or age - (now - since) >= limit else now)
        found = self._settled[stream] = Settled(0.0, listed_at)
        return found

    def _tasks(self, stream: str, since: float) -> frozenset[str] | None:
        """The bulk requests in the first listing after ``since`` that still run; None: unknown."""
        first_at, first = self._running.get(stream, (-1.0, frozenset()))
        if first_at > since and not first:
            return first
        if self._arrived <= since:
            self._follow()
        running = self._list(stream)
        if running is None:
            return None
        asked_at = self._clock()
        if first_at > since:
            asked_at, running = first_at, first & running
        self._running[stream] = asked_at, running
        return running

    def _list(self, stream: str) -> frozenset[str] | None:
        try:
            answer = self._client.perform_request(
                "GET",
                "/_tasks",
                params={"actions": "indices:data/write/bulk*", "detailed": "true"},
                headers={"accept": "application/json"},
            )
        except ApiError as error:
            if error.meta.status >= 500 or error.meta.status in {401, 408, 429}:
                raise
            self._may_list = False
            return None
        return _tasks_of(answer.body, stream)

    def _follow(self) -> None:
        """Send an empty bulk request, so that those sent before it have arrived.

        A proxy may hold a request back: a stream can roll over before the cluster sees it.
        """
        sent_at = self._clock()
        headers = {"content-type": "application/x-ndjson", "accept": "application/json"}
        try:
            self._client.perform_request("POST", "/_bulk", headers=headers, body=b"\n")
        except ApiError as error:
            if error.meta.status not in {400, 403}:
                raise
        self._arrived = sent_at

    def _backing_of(self, stream: str, after: float) -> _Backing:
        cached = self._backing.get(stream)
        if cached is not None and cached.at >= after:
            return cached
        asked_at = self._clock()
        quiet = self._client.options(ignore_status=[403, 404])
        wanted = "*.settings.index.creation_date,*.settings.index.uuid"
        answer = quiet.indices.get_settings(index=stream, filter_path=wanted)
        asked = f"the request for the indices of {stream}"
        if not is_there(answer, asked):
            backing = _Backing(asked_at, 0, None)
        elif answer.meta.status == 403:
            backing = self._by_names(stream, asked_at)
        else:
            indices = validated(answer, _INDICES, asked)
            if not indices:
                raise NoAnswerError(f"the answer to {asked} names none (is there a proxy in between?)")
            created = [int(date) for one in indices.values() if (date := _date_of(one)) is not None]
            backing = _Backing(asked_at, len(indices), max(created) / 1000 if created else None)
        self._backing[stream] = backing
        return backing

    def _by_names(self, stream: str, asked_at: float) -> _Backing:
        """For a key that may only read: the names of backing indices hold the day of their creation."""
        quiet = self._client.options(ignore_status=[404])
        body = quiet.field_caps(index=stream, fields="@timestamp", filter_path="indices").body
        names = body.get("indices") if isinstance(body, dict) else None
        if not isinstance(names, list) or not names:
            return _Backing(asked_at, 2, None)
        days = [day for name in names if (day := _end_of_day(str(name))) is not None]
        return _Backing(asked_at, len(names), max(days, default=None))


def _tasks_of(body: Any, stream: str) -> frozenset[str] | None:
    """Ids of the tasks in an answer that write to a stream, or may; None if the answer is invalid or incomplete."""
    nodes = body.get("nodes") if isinstance(body, dict) else None
    if not isinstance(nodes, dict) or body.get("node_failures") or body.get("task_failures"):
        return None
    found = set()
    for node in nodes.values():
        tasks = node.get("tasks") if isinstance(node, dict) else None
        if not isinstance(tasks, dict):
            return None
        for name, task in tasks.items():
            description = task.get("description") if isinstance(task, dict) else None
            if not isinstance(description, str) or stream in description:
                found.add(name)
    return frozenset(found)


def _date_of(index: dict[str, Any]) -> str | None:
    """When an index was created, milliseconds of the epoch; None where the answer lacks it."""
    date = index.get("settings", {}).get("index", {}).get("creation_date")
    return date if date is not None and date.isdecimal() and len(date) < 16 else None


def _end_of_day(name: str) -> float | None:
    """The end of the day in a backing index's name, seconds of the epoch."""
    found = _CREATED_ON.search(name)
    try:
        day = datetime(*map(int, found.groups()), tzinfo=UTC) if found else None  # type: ignore[arg-type,misc] # 3 groups
    except ValueError:
        day = None
    return (day + timedelta(days=1)).timestamp() if day else None
