"""When facts are written to run documents: several batches' at once, and before the cursors move over their lines.

A run that is spoken of in every batch need not be written with every batch.  So facts are gathered while documents
are delivered, and written by a thread of its own: at once when nothing was written lately, else about once a second,
and less often where that would be more than a twentieth of what is sent anyway.  The spans of a batch are settled
when its facts are written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from elastic_transport import ApiError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.bulk_request import NO_ANSWER
from shipper.elastic.client import explain, is_genuine
from shipper.elastic.outcomes import Failure, Outcome, judge_request
from shipper.runs.facts import RunFacts, Told
from shipper.runs.gathered import Gathered
from shipper.runs.writer import RunDocuments
from shipper.tail.progress import Span
from shipper.telemetry import log

# From one writing to the next, seconds: at least, and at most.
EVERY = 1.0
AT_MOST = 5.0
# What may be written in between: this part of the bytes of the documents, and so many bytes a second in any case.
PART = 0.05
ALWAYS = 2**16
# So many bytes of facts wait at most; then they are written, and nothing more is taken until they are.
MOST_WAITING = 10 * 2**20


class RunWriter:
    """Gathers facts about runs and writes them.

    Args:
        runs: takes the facts.
        settings: for messages.
        settle: told the spans whose facts are written.
        retry: told why the n-th attempt failed; waits, and answers False when no more are to be made.
        recovered: called when an attempt did well.
        say: told by kind what is to be said once a minute at most.
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
        say: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._settings = settings
        self._settle = settle
        self._retry = retry
        self._recovered = recovered
        self._say = say
        self._clock = clock
        self._gathered = Gathered(MOST_WAITING)
        self._spans: list[Span] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing = self._failing = False
        self._hurried = self._stopping = False
        self._written_at = -AT_MOST
        self._written = 0
        self._delivered = 0

    def add(self, facts: list[Told], spans: list[Span], size: int) -> None:
        """Take what a batch says of runs; waits while too much is waiting already, or can't be written.

        Args:
            facts: of the batch.
            spans: of the batch; settled when the facts are written, at once if there are none.
            size: of the batch's documents, bytes.
        """
        with self._changed:
            self._delivered += size
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
        """Whether nothing waits, or is being written."""
        with self._changed:
            return not self._spans and not self._writing

    def hurry(self) -> None:
        """Write what waits now: nothing more comes for the time being."""
        with self._changed:
            self._hurried = bool(self._spans)
            self._changed.notify_all()

    def stop(self) -> None:
        """From now on write at once whatever comes, and hold nobody up."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def reconnect(self, runs: RunDocuments, settings: Settings) -> None:
        """Write what waits and what comes to another cluster, or with another key."""
        self._runs, self._settings = runs, settings

    def _run(self) -> None:
        while True:
            with self._changed:
                while (wait := self._due()) > 0:
                    if self._stopping and not self._spans:
                        self._thread = None
                        return
                    self._changed.wait(None if wait == float("inf") else wait)
                gathered, self._gathered = self._gathered, Gathered(MOST_WAITING)
                spans, self._spans = self._spans, []
                self._delivered = 0
                self._writing, self._hurried = True, False
                self._changed.notify_all()  # there is room again
            done = False
            try:
                self._written = 0
                done = all(map(self._write, gathered.portions()))
            except Exception as error:  # noqa: BLE001 - a bug must not end the thread silently
                log.error(
                    "run documents could not be written (%s: %s); the lines that tell of them are sent again at the "
                    "next start",
                    type(error).__name__,
                    error,
                )
            if done:
                self._settle(spans)
            with self._changed:
                self._writing = self._failing = False
                self._written_at = self._clock()
                self._changed.notify_all()

    def _due(self) -> float:
        """Seconds until what waits is to be written."""
        if not self._spans:
            return float("inf")
        if self._stopping or self._hurried or self._gathered.full:
            return 0.0
        waited = self._clock() - self._written_at
        if waited < EVERY:
            return EVERY - waited
        if self._written <= PART * self._delivered + ALWAYS * waited:
            return 0.0
        return AT_MOST - waited

    def _write(self, facts: RunFacts) -> bool:
        """Write facts, however often that takes; answers False when the attempts have come to an end before."""
        attempt = 0
        while facts:
            try:
                written = self._runs.write(facts)
            except ApiError as error:
                outcome = judge_request(error.meta.status, genuine=is_genuine(error))
                if error.meta.status == 403 or outcome is Outcome.DEAD:
                    self._lack(explain(error, self._settings))
                    break
                failure = Failure(outcome, f"runs {error.meta.status}", explain(error, self._settings))
            except NO_ANSWER as error:
                reason = explain(error, self._settings)
                failure = Failure(Outcome.RETRY, type(error).__name__, reason, answered=False)
            else:
                self._written += written.sent
                for identity, verdict in written.refused[:1]:
                    self._lack(f"{identity}: {verdict.status} {verdict.kind}: {verdict.reason}")
                facts, why = written.again, written.why
                if why is not None and why.outcome is Outcome.UNAUTHORIZED:
                    self._lack(f"{why.status} {why.kind}: {why.reason}")
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

    def _lack(self, reason: str) -> None:
        """Logs go before: what can't be told to the run documents is in the data streams, and can be told again."""
        self._say(
            "runs lack",
            f"{reason}; run documents in {self._runs.index} are not kept up to date, logs are shipped all the same: "
            "grant `write`, `create_index` and `view_index_metadata` on it, then `neuroflow-ship rebuild-runs`",
        )
