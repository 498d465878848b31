"""When facts are written to run documents: those of several batches at once, before the cursors pass their lines.

Facts are gathered while documents are delivered.  A thread writes them at once if it has not written lately, else
about once a second, and less often (at the latest every five seconds) where that would exceed a twentieth of the
bytes that are sent anyway.  Many new pipeline runs are written earlier, since waiting saves nothing there.  The spans
of a batch are settled when all its facts are written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from elastic_transport import ApiError

from shipper import telemetry
from shipper.config import Elasticsearch as Settings
from shipper.document.fact_templates import SomeFacts
from shipper.elastic.bulk_request import NO_ANSWER
from shipper.elastic.client import explain, is_genuine, lacks_privilege
from shipper.elastic.outcomes import Failure, Outcome, judge_request
from shipper.runs.facts import WaitingFacts
from shipper.runs.gathered import Gathered
from shipper.runs.writer import RunDocuments
from shipper.tail.progress import Span
from shipper.telemetry import Counters, Throttle

MIN_INTERVAL, MAX_INTERVAL = 1.0, 5.0
"""Seconds from one write to the next."""
BYTES_SHARE = 0.05
"""Part of the delivered bytes that may be written as run documents, beside ``FREE_BYTES_PER_SECOND``."""
FREE_BYTES_PER_SECOND = 2**16
MAX_PENDING_BYTES = 10 * 2**20
"""Bytes of facts that wait at most; then they are written, and ``add`` waits."""


class _Pace:
    """How long facts wait, from what was written and delivered; times in seconds, sizes in bytes."""

    def __init__(self) -> None:
        self.written_at = -MAX_INTERVAL
        self.written = 0
        self.delivered = 0

    def wait(self, now: float) -> float:
        """Seconds until the next write."""
        waited = now - self.written_at
        if waited < MIN_INTERVAL:
            return MIN_INTERVAL - waited
        if self.written <= BYTES_SHARE * self.delivered + FREE_BYTES_PER_SECOND * waited:
            return 0.0
        return MAX_INTERVAL - waited


class RunWriter:
    """Gathers facts about runs and writes them in a thread of its own.

    Args:
        runs: writes the facts.
        settings: for messages.
        settle: takes the spans whose facts are written.
        retry: takes why the n-th attempt failed; waits, and gives False to end the attempts.
        recovered: called after an attempt that succeeded.
        rested: called after ``settle``, when a write has ended and ``idle`` may have changed.
        say: takes the kind and the text of a warning that is logged once a minute at most.
        counters: count the documents written.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        runs: RunDocuments,
        settings: Settings,
        *,
        settle: Callable[[list[Span]], None],
        retry: Callable[[Failure, int], bool],
        recovered: Callable[[], None],
        rested: Callable[[], None],
        say: Callable[[str, str], object],
        counters: Counters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._settings = settings
        self._settle = settle
        self._retry = retry
        self._recovered = recovered
        self._rested = rested
        self._say = say
        self._bugs = Throttle(telemetry.error)
        self._counters = counters
        self._clock = clock
        self._gathered = Gathered(MAX_PENDING_BYTES)
        self._spans: list[Span] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing = self._failing = False
        self._flush_now = self._stopping = False
        self._pace = _Pace()

    def add(self, facts: list[SomeFacts], spans: list[Span], size: int) -> None:
        """Add the facts of a batch; blocks while too many wait already, or can't be written.

        Args:
            facts: of the batch.
            spans: of the batch; settled when the facts are written, at once if there are none.
            size: of the batch's documents, bytes.
        """
        with self._changed:
            self._pace.delivered += size
            if facts:
                while (self._failing or self._gathered.full) and not self._stopping:
                    self._changed.wait()
                self._gathered.add(facts)
                self._spans += spans
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="runs", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
        if not facts:
            self._settle(spans)

    @property
    def idle(self) -> bool:
        """Whether no facts wait or are being written."""
        with self._changed:
            return not self._spans and not self._writing

    @property
    def ended(self) -> bool:
        """Whether the thread has ended though it should not."""
        thread = self._thread
        return thread is not None and not thread.is_alive()

    def hurry(self) -> None:
        """Write the waiting facts now, because no batch follows for the time being."""
        with self._changed:
            self._flush_now = self._writing or bool(self._spans)
            self._changed.notify_all()

    def stop(self) -> None:
        """Write facts at once from now on; ``add`` does not block any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def reconnect(self, runs: RunDocuments, settings: Settings) -> None:
        """Write waiting and later facts to another cluster, or with another key."""
        self._runs, self._settings = runs, settings

    def _run(self) -> None:
        while True:
            with self._changed:
                while (wait := self._due()) > 0:
                    if self._stopping and not self._spans:
                        self._thread = None
                        return
                    self._changed.wait(None if wait == float("inf") else wait)
                gathered, spans, whole = self._take()
                self._writing = True
                self._changed.notify_all()  # there is room again
            done, written = False, self._pace.written
            try:
                done = all(map(self._write, gathered.portions()))
            except Exception as error:  # noqa: BLE001 - a bug must not end the thread silently
                self._bugs.say(
                    type(error).__name__,
                    f"writing run documents failed ({type(error).__name__}: {error}); their lines are read and sent "
                    "again after a restart",
                )
            if done and whole:
                self._settle(spans)
            with self._changed:
                self._writing = self._failing = False
                if whole:
                    self._pace.written_at = self._clock()
                else:
                    self._pace.written = written
                    self._spans[:0] = spans if done else []
                self._changed.notify_all()
            self._rested()

    def _take(self) -> tuple[Gathered, list[Span], bool]:
        """Remove facts that are due, and all spans; gives whether these are settled when those are written."""
        spans, self._spans = self._spans, []
        if self._gathered.others and self._all_due() > 0:
            return self._gathered.take_stories(), spans, False
        gathered, self._gathered = self._gathered, Gathered(MAX_PENDING_BYTES)
        self._pace.delivered = self._pace.written = 0
        self._flush_now = False
        return gathered, spans, True

    def _due(self) -> float:
        """Seconds until waiting facts are written; infinite if none wait."""
        if not self._spans:
            return float("inf")
        return 0.0 if self._gathered.many_stories else self._all_due()

    def _all_due(self) -> float:
        """Seconds until all waiting facts are written."""
        if self._stopping or self._flush_now or self._gathered.many_others:
            return 0.0
        return self._pace.wait(self._clock())

    def _write(self, facts: WaitingFacts) -> bool:
        """Write facts, in as many attempts as it takes; gives False if the attempts end before that."""
        attempt = 0
        while facts:
            try:
                written = self._runs.write(facts)
            except ApiError as error:
                outcome = judge_request(error.meta.status, genuine=is_genuine(error))
                if lacks_privilege(error) or outcome is Outcome.DEAD:
                    self._warn_behind(explain(error, self._settings))
                    break
                failure = Failure(outcome, f"runs {error.meta.status}", explain(error, self._settings))
            except NO_ANSWER as error:
                reason = explain(error, self._settings)
                failure = Failure(Outcome.RETRY, type(error).__name__, reason, answered=False)
            else:
                self._pace.written += written.sent
                self._counters.add("run_documents_written", written.documents)
                for identity, verdict in written.refused[:1]:
                    self._warn_behind(f"{identity}: {verdict.status} {verdict.kind}: {verdict.reason}")
                facts, why = written.retry, written.why
                if why is not None and why.outcome is Outcome.UNAUTHORIZED:
                    self._warn_behind(f"{why.status} {why.kind}: {why.reason}")
                    break
                reason = f"{self._runs.index}: {why.status} {why.kind}: {why.reason}" if why else ""
                failure = Failure(Outcome.RETRY, "runs", reason)
            if facts:
                attempt += 1
                with self._changed:
                    self._failing = True
                if not self._retry(failure, attempt):
                    return False
        self._recovered()
        return True

    def _warn_behind(self, reason: str) -> None:
        """Warn that run documents lack facts, which are in the data streams, so that ``rebuild-runs`` finds them."""
        self._say(
            "runs lack",
            f"{reason}; run documents in {self._runs.index} are not updated, logs are still shipped: grant "
            "`create_index`, `index` and `view_index_metadata` on it, then run `neuroflow-ship rebuild-runs`",
        )
