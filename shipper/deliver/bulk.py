"""Batches → the cluster, several at once, until every document has its outcome.

Retries for ever with jittered back-off, and only what failed; a stop wakes every wait.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
from elastic_transport import ApiError, TransportError
from elasticsearch import Elasticsearch
from elasticsearch.exceptions import SerializationError

from shipper.cluster import explain, reason_of
from shipper.config import Elasticsearch as Settings
from shipper.deliver.batch import Batch
from shipper.deliver.dead_letters import DeadLetters, Letter
from shipper.deliver.outcomes import WELL, Outcome, Verdict, delay, judge, judge_request
from shipper.deliver.recovery import Recovery
from shipper.tail.progress import Span
from shipper.telemetry import Counters, log

_PARAMS = {
    # Without a template no plain index may be made in the data stream's place.
    "require_data_stream": "true",
    # Every item keeps its status, so that outcomes can be matched with items by their place.
    "filter_path": "errors,items.*.status,items.*.error,items.*.failure_store",
}
_CREATED = {"create": {"status": 201}}
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}


class AbandonedError(Exception):
    """A stop ended the retries before the cluster had answered."""


def send_letters(client: Elasticsearch, letters: list[Letter]) -> list[Verdict]:
    """Send dead letters again; gives the verdict on each.

    Raises:
        ApiError, TransportError: the request as a whole failed.
    """
    body = b"".join(letter.item() for letter in letters)
    answer = client.perform_request("POST", "/_bulk", params=_PARAMS, headers=_HEADERS, body=body).body
    return verdicts_of(answer, len(letters))


def verdicts_of(answer: Any, expected: int) -> list[Verdict]:
    """The verdict on each item of a bulk answer.

    Raises:
        TransportError: it does not speak of every item; all are sent again, which is harmless.
    """
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != expected:
        raise TransportError("the answer to a bulk request is not one (a proxy in between?)")
    if items.count(_CREATED) == expected:
        return [WELL] * expected
    return [judge(_inner(item)) for item in items]


def _inner(item: Any) -> dict[str, Any]:
    """What an item of the answer says under its action; nothing known where it is no object."""
    inner = next(iter(item.values()), None) if isinstance(item, dict) else None
    return inner if isinstance(inner, dict) else {}


def _jittered(attempt: int) -> float:
    return delay(attempt, random.random())  # noqa: S311 - jitter, no secret


class Sender:
    """A few threads, each with one request under way.

    Args:
        client: of the cluster.
        settings: for messages.
        in_flight: how many requests at once.
        dead_letters: takes what will never be accepted.
        counters: are told every outcome.
        recovery: knows which documents of a doubtful batch are there already.
        restore: puts the templates, before the first request and again when a data stream can't be made for want
            of one; answers False when the cluster could not be asked.
        wake: set whenever outcomes are ready.
        wait_for: seconds to wait after so many failed attempts.
    """

    def __init__(
        self,
        client: Elasticsearch,
        settings: Settings,
        *,
        in_flight: int,
        dead_letters: DeadLetters,
        counters: Counters,
        recovery: Recovery,
        restore: Callable[[], bool],
        wake: threading.Event,
        wait_for: Callable[[int], float] | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._dead_letters = dead_letters
        self._counters = counters
        self._recovery = recovery
        self._restore = restore
        self._wake = wake
        self._wait_for = wait_for or _jittered
        # One more may wait, so that a thread that has its answer finds the next batch ready.
        self._room = threading.BoundedSemaphore(in_flight + 1)
        self._work: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[list[Span]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._nudge = threading.Event()
        self._deadline = float("inf")
        self._under_way = 0
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._prepared = False
        self._preparing = threading.Lock()
        self.trouble = False
        self.broken = False
        self._threads = [
            threading.Thread(target=self._run, name=f"bulk-{number}", daemon=True) for number in range(in_flight)
        ]
        for thread in self._threads:
            thread.start()

    def prepare(self) -> bool:
        """Whether the templates are there: without them a stream would be made after somebody else's."""
        with self._preparing:
            self._prepared = self._prepared or self._restore()
            return self._prepared

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch; answers whether there was room: a slow cluster stops the reading here."""
        if not self._room.acquire(blocking=False):
            return False
        with self._lock:
            self._under_way += 1
        self._work.put(batch)
        return True

    def acknowledged(self) -> list[Span]:
        """The spans that were settled since the last call."""
        spans: list[Span] = []
        while not self._done.empty():
            spans += self._done.get()
        return spans

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        with self._lock:
            return self._under_way == 0 and self._done.empty()

    def stop(self, deadline: float) -> None:
        """Give up retrying at ``deadline`` (monotonic seconds), or at once where nobody answers."""
        self._deadline = deadline
        self._stop.set()
        self._nudge.set()
        for _ in self._threads:
            self._work.put(None)

    def reconnect(self, client: Elasticsearch, settings: Settings, restore: Callable[[], bool]) -> None:
        """Send what waits and what comes to another cluster, or with another key; what is under way is asked again.

        Args:
            client: of the cluster from now on.
            settings: for messages.
            restore: puts the templates there.
        """
        with self._preparing:
            self._client, self._settings, self._restore = client, settings, restore
            self._recovery.reconnect(client)
            self._prepared = False
        self._said.clear()
        self._nudge.set()

    def _run(self) -> None:
        while (batch := self._work.get()) is not None:
            try:
                self._deliver(batch)
                self._done.put(batch.spans)
            except AbandonedError:
                pass
            except Exception as error:  # noqa: BLE001 - a bug must not end the thread silently
                self.broken = True
                log.error(
                    "a batch could not be delivered (%s: %s); its lines are sent again at the next start",
                    type(error).__name__,
                    error,
                )
            finally:
                del batch  # waiting for the next one must not keep the megabytes of this one
                with self._lock:
                    self._under_way -= 1
                self._room.release()
                self._wake.set()

    def _deliver(self, batch: Batch) -> None:
        pending = list(zip(batch.items, batch.raws, strict=True))
        doubtful = batch.doubtful
        attempt = 0
        while pending:
            if not self.prepare():
                attempt += 1
                self.trouble = True
                self._pause(attempt, len(pending), answered=False)
                continue
            try:
                if doubtful:
                    unknown = self._recovery.unknown(pending)
                    self._counters.settle(duplicate=len(pending) - len(unknown))
                    pending, doubtful = unknown, False
                    continue
                body = b"".join([item for item, _ in pending])
                answer = self._client.perform_request(
                    "POST", "/_bulk", params=_PARAMS, headers=_HEADERS, body=body
                ).body
                verdicts = verdicts_of(answer, len(pending))
            except ApiError as error:
                outcome = judge_request(error.meta.status)
                if outcome is Outcome.DEAD:
                    self._take_apart(pending, error)
                    return
                attempt += 1
                self._trouble(explain(error, self._settings), outcome)
                self._pause(attempt, len(pending), answered=True)
                continue
            except (TransportError, SerializationError, orjson.JSONDecodeError, UnicodeDecodeError) as error:
                attempt += 1
                self._trouble(explain(error, self._settings), Outcome.RETRY)
                self._pause(attempt, len(pending), answered=False)
                continue
            pending, reason = self._settle(pending, verdicts)
            if pending:
                attempt += 1
                self._trouble(reason[1], reason[0])
                self._pause(attempt, len(pending), answered=True)
        self._recovered()

    def _settle(
        self, pending: list[tuple[bytes, bytes]], verdicts: list[Verdict]
    ) -> tuple[list[tuple[bytes, bytes]], tuple[Outcome, str]]:
        if verdicts[0] is WELL and verdicts.count(WELL) == len(verdicts):
            self._counters.settle(acknowledged=len(verdicts))
            return [], (Outcome.RETRY, "")
        again: list[tuple[bytes, bytes]] = []
        dead: list[tuple[bytes, bytes, Verdict]] = []
        acknowledged = duplicate = 0
        reason = (Outcome.RETRY, "")
        for pair, verdict in zip(pending, verdicts, strict=True):
            outcome = verdict.outcome
            if outcome is Outcome.ACKNOWLEDGED:
                acknowledged += 1
            elif outcome is Outcome.DUPLICATE:
                duplicate += 1
            elif outcome is Outcome.DEAD:
                dead.append((*pair, verdict))
            else:
                again.append(pair)
                reason = (outcome, f"{verdict.status} {verdict.kind}: {verdict.reason}")
        self._counters.settle(acknowledged=acknowledged, duplicate=duplicate)
        self._bury(dead)
        return again, reason

    def _bury(self, dead: list[tuple[bytes, bytes, Verdict]]) -> None:
        attempt = 0
        while dead:
            try:
                self._dead_letters.append(dead)
            except OSError as error:
                attempt += 1
                self._say(f"{self._dead_letters.path}: dead letters can't be written: {error.strerror}; trying again")
                self._pause(attempt, 0, answered=True)
                continue
            self._counters.settle(dead=len(dead))
            verdict = dead[0][2]
            log.error(
                "%d documents were refused for good (%d %s: %s); kept in %s: mend the cause, then "
                "`neuroflow-ship dead-letters replay`",
                len(dead), verdict.status, verdict.kind, verdict.reason, self._dead_letters.path,
            )  # fmt: skip
            return

    def _take_apart(self, pending: list[tuple[bytes, bytes]], error: ApiError) -> None:
        """A request refused whole: halves, until the item that is to blame stands alone."""
        if len(pending) == 1:
            status = error.meta.status
            kind = "request_too_large" if status == 413 else "request_refused"
            self._bury([(*pending[0], Verdict(Outcome.DEAD, status, kind, reason_of(error.body)))])
            return
        self._say(f"{explain(error, self._settings)}; sending {len(pending)} documents in halves")
        middle = len(pending) // 2
        for part in (pending[:middle], pending[middle:]):
            self._deliver(Batch([item for item, _ in part], [raw for _, raw in part]))

    def _pause(self, attempt: int, documents: int, *, answered: bool) -> None:
        """Wait before the next attempt; a stop wakes it.

        Raises:
            AbandonedError: stopping, and either nobody answers or the deadline has passed.
        """
        self._counters.retry(documents)
        wait = self._wait_for(attempt)
        if self._stop.is_set():
            if not answered or time.monotonic() + wait >= self._deadline:
                raise AbandonedError
            time.sleep(min(wait, max(0.0, self._deadline - time.monotonic())))
        else:
            self._nudge.wait(wait)
            if not self._stop.is_set():
                self._nudge.clear()

    def _trouble(self, reason: str, outcome: Outcome) -> None:
        self.trouble = True
        what = {
            Outcome.PAUSE: "waiting until that is mended",
            Outcome.NO_STREAM: "putting the index templates back",
        }.get(outcome, "trying again")
        self._say(f"{reason}; {what}, nothing is lost")
        if outcome is Outcome.NO_STREAM:
            self._restore()

    def _recovered(self) -> None:
        if self.trouble:
            self.trouble = False
            self._said.clear()
            log.info("the cluster takes documents again")

    def _say(self, message: str) -> None:
        """Once a minute is enough for the same sentence."""
        now = time.monotonic()
        if now - self._said.get(message, -60.0) >= 60:
            self._said[message] = now
            log.warning("%s", message)
