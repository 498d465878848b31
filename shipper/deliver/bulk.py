"""Batches → the cluster, several at once, until every document has its outcome.

Retries for ever with jittered back-off, and only what failed; a stop wakes every wait.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.cluster import explain, is_genuine
from shipper.config import Elasticsearch as Settings
from shipper.deliver.backlog import Backlog
from shipper.deliver.batch import Batch
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.outcomes import WELL, Outcome, Verdict, delay, is_unclear, judge_request
from shipper.deliver.recovery import Pair, Recovery
from shipper.deliver.request import NO_ANSWER, refusal_of, send
from shipper.deliver.run_documents import RunDocuments
from shipper.deliver.set_aside import SetAside
from shipper.document.facts import RunFacts
from shipper.tail.progress import Span
from shipper.telemetry import Counters, log

# How often it is looked whether the templates are still there, while documents are sent, seconds.
LOOK_EVERY = 60.0
# How long a start waits for the templates before it begins to read, seconds.
PREPARE_PATIENCE = 5.0
# How long documents may wait for an older request before that is said, seconds.
SAY_WAITING_AFTER = 5.0


class AbandonedError(Exception):
    """A stop ended the retries before the cluster had answered."""


class _Part(NamedTuple):
    """Documents that go out together; if ``since`` is set, a request that began before then may carry them, too."""

    pairs: list[Pair]
    since: float | None = None


@dataclass(slots=True)
class _Work:
    """What is left to do for a batch.

    Attributes:
        batch: what it carries.
        parts: its documents without an outcome; None before any was sent.
        waiting: those that an older request may still bring; looked up again at ``due`` (monotonic).
        attempt: how often it has failed.
        waits_since: when it was first postponed.
    """

    batch: Batch
    parts: list[_Part] | None = None
    waiting: list[_Part] = field(default_factory=list)
    due: float = 0.0
    attempt: int = 0
    waits_since: float = 0.0


class _Trouble(NamedTuple):
    """Why an attempt has to be made again; without a reason somebody else has said it."""

    outcome: Outcome
    kind: str = ""
    reason: str = ""
    answered: bool = True


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
        runs: takes what the documents say of runs, once they are delivered.
        restore: puts the templates, before the first request, now and then while documents are sent, and when a
            data stream can't be made for want of one; answers False when the cluster could not be asked.
        wake: set whenever outcomes are ready.
        wait_for: seconds to wait after so many failed attempts.
        look_every: seconds from one look after the templates to the next.
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
        runs: RunDocuments,
        restore: Callable[[], bool],
        wake: threading.Event,
        wait_for: Callable[[int], float] | None = None,
        look_every: float | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._dead_letters = dead_letters
        self._counters = counters
        self._recovery = recovery
        self._runs = runs
        self._restore = restore
        self._wake = wake
        self._wait_for = wait_for or _jittered
        # One more may wait, so that a thread that has its answer finds the next batch ready.
        self._backlog: Backlog[_Work] = Backlog(in_flight + 1, most_postponed=in_flight + 1)
        self._done: queue.SimpleQueue[list[Span]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._nudge = threading.Event()
        self._deadline = float("inf")
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._complained = False
        self._troubled: set[int] = set()
        self._taken = False
        self._prepared = False
        self._preparing = threading.Lock()
        self._look_every = LOOK_EVERY if look_every is None else look_every
        self._look_at = 0.0
        self._aside = SetAside()
        self.broken = False
        self._threads = [
            threading.Thread(target=self._run, name=f"bulk-{number}", daemon=True) for number in range(in_flight)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def trouble(self) -> bool:
        """Whether some documents can't be delivered at the moment."""
        return bool(self._troubled)

    def reach(self) -> tuple[Elasticsearch, Settings, Callable[[], bool]]:
        """Where documents go now, and what puts the templates there and gives whether they are."""
        return self._client, self._settings, self._prepare

    def prepare(self, stopping: threading.Event) -> None:
        """Put the templates; a cluster that takes its time over it does not hold up the reading, nor a stop."""
        thread = threading.Thread(target=self._prepare, name="prepare", daemon=True)
        thread.start()
        patience = time.monotonic() + PREPARE_PATIENCE
        while thread.is_alive() and time.monotonic() < patience and not stopping.is_set():
            thread.join(0.05)

    def _prepare(self) -> bool:
        """Whether the templates are there: without them a stream would be made after somebody else's."""
        if self._prepared and time.monotonic() < self._look_at:
            return True
        # Nobody waits for the one who only looks whether they still are there.
        if not self._preparing.acquire(blocking=not self._prepared):
            return True
        try:
            if not self._prepared or time.monotonic() >= self._look_at:
                restore = self._restore
                prepared = restore() or self._prepared
                if restore is self._restore:  # else it was another cluster's answer
                    self._prepared = prepared
                self._look_at = time.monotonic() + self._look_every
            return self._prepared
        finally:
            self._preparing.release()

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch; answers whether there was room: a slow cluster stops the reading here."""
        return self._backlog.offer(_Work(batch))

    def _parts_of(self, batch: Batch) -> list[_Part]:
        """Its documents: those that an earlier run may have sent, and those that nobody has sent."""
        pairs = list(zip(batch.items, batch.raws, strict=True))
        doubtful = [pair for first, last in batch.doubtful for pair in pairs[first:last]]
        edges = [0, *(edge for span in batch.doubtful for edge in span), len(pairs)]
        certain = [pair for first, last in zip(edges[::2], edges[1::2], strict=True) for pair in pairs[first:last]]
        # The last is sent first.  Blank lines make no documents, only a span.
        parts = [_Part(certain), _Part(doubtful, self._recovery.began)]
        return [part for part in parts if part.pairs]

    def acknowledged(self) -> list[Span]:
        """The spans that were settled since the last call."""
        spans: list[Span] = []
        while not self._done.empty():
            spans += self._done.get()
        return spans

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._backlog.empty and self._done.empty()

    @property
    def waits(self) -> bool:
        """Whether documents wait for the end of an older request."""
        return self._backlog.waits

    def stop(self, deadline: float) -> None:
        """Give up retrying at ``deadline`` (monotonic seconds), or at once where nobody answers."""
        self._deadline = deadline
        self._stop.set()
        self._nudge.set()
        self._backlog.stop(deadline)

    def reconnect(
        self, client: Elasticsearch, settings: Settings, runs: RunDocuments, restore: Callable[[], bool]
    ) -> None:
        """Send what waits and what comes to another cluster, or with another key; what is under way is asked again.

        Args:
            client: of the cluster from now on.
            settings: for messages.
            runs: takes what the documents say of runs, there.
            restore: puts the templates there.
        """
        self._client, self._settings, self._runs, self._restore = client, settings, runs, restore
        self._recovery.reconnect(client, settings.request_timeout)
        self._prepared = self._taken = False
        with self._lock:
            self._said.clear()
        self._nudge.set()

    def _run(self) -> None:
        while (work := self._backlog.take()) is not None:
            failures = 0
            try:
                if not self._deliver(work):
                    self._backlog.postpone(work, work.due)
                    continue
                self._done.put(work.batch.spans)
                self._aside.delivered()
            except AbandonedError:
                pass
            except Exception as error:  # noqa: BLE001 - a bug must neither end the thread nor silence other batches
                failures = self._aside.take(work.batch, error)
                self.broken = self._aside.full
            if failures:
                self._stop.wait(self._wait_for(failures))
                with self._lock:
                    self._troubled.discard(threading.get_ident())
            self._backlog.finish(work)
            del work  # waiting for the next one must not keep the megabytes of this one
            self._wake.set()

    def _deliver(self, work: _Work) -> bool:
        """Send documents until each has its outcome; gives whether they have: else the rest waits until it is due."""
        if work.parts is None:
            work.parts = self._parts_of(work.batch)
        while work.parts:
            more, trouble = self._attempt(work.parts.pop(), work)
            if trouble is None:
                work.parts += more
                continue
            # Behind the others: these may tell whether the documents or the cluster is to blame.
            work.parts[:0] = more
            work.attempt += 1
            self._trouble(trouble)
            self._pause(work.attempt, sum(len(part.pairs) for part in more), answered=trouble.answered)
        self._recovered()
        if work.waiting:
            work.parts, work.waiting = work.waiting, []
            return False
        if work.batch.facts:
            self._tell_runs(work.batch.facts)
        return True

    def _tell_runs(self, facts: RunFacts) -> None:
        """Bring the run documents up to date, before the cursors move over the lines that tell of them."""
        attempt = 0
        while facts:
            try:
                written = self._runs.write(facts)
            except ApiError as error:
                outcome = judge_request(error.meta.status, genuine=is_genuine(error))
                if error.meta.status == 403 or outcome is Outcome.DEAD:
                    self._runs_lack(explain(error, self._settings))
                    return
                trouble = _Trouble(outcome, f"runs {error.meta.status}", explain(error, self._settings))
            except NO_ANSWER as error:
                reason = explain(error, self._settings)
                trouble = _Trouble(Outcome.RETRY, type(error).__name__, reason, answered=False)
            else:
                for identity, verdict in written.refused[:1]:
                    self._runs_lack(f"{identity}: {verdict.status} {verdict.kind}: {verdict.reason}")
                facts, why = written.again, written.why
                if why is not None and why.outcome is Outcome.PAUSE:
                    self._runs_lack(f"{why.status} {why.kind}: {why.reason}")
                    return
                reason = f"{self._runs.index}: {why.status} {why.kind}: {why.reason}" if why else ""
                trouble = _Trouble(Outcome.RETRY, "runs", reason)
            if facts:
                attempt += 1
                self._trouble(trouble)
                self._pause(attempt, 0, answered=trouble.answered)
        self._recovered()

    def _runs_lack(self, reason: str) -> None:
        """Logs go before: what can't be told to the run documents is in the data streams, and can be told again."""
        self._say(
            "runs lack",
            f"{reason}; run documents in {self._runs.index} are not kept up to date, logs are shipped all the same: "
            "grant `write`, `create_index` and `view_index_metadata` on it, then `neuroflow-ship rebuild-runs`",
        )

    def _attempt(self, part: _Part, work: _Work) -> tuple[list[_Part], _Trouble | None]:
        """Send documents once; gives what has to be sent again, and why unless that is at once."""
        if not self._prepare():
            return [part], _Trouble(Outcome.RETRY, answered=False)
        try:
            if part.since is not None:
                return self._look_up(part.pairs, part.since, work), None
            verdicts = send(self._client, [item for item, _ in part.pairs])
        except ApiError as error:
            return self._refused(part, error)
        except NO_ANSWER as error:
            trouble = _Trouble(Outcome.RETRY, type(error).__name__, explain(error, self._settings), answered=False)
            # They may have been taken all the same, and the stream may be rolled over before the next attempt.
            return [part._replace(since=time.monotonic())], trouble
        self._taken = True
        return self._settle(part.pairs, verdicts)

    def _look_up(self, pairs: list[Pair], since: float, work: _Work) -> list[_Part]:
        """What has to be sent of documents that may have been sent before; what is undecided waits."""
        found = self._recovery.look_up(pairs, since)
        self._counters.settle(duplicate=len(pairs) - len(found.unknown) - len(found.undecided))
        if found.undecided:
            now = time.monotonic()
            work.waiting.append(_Part(found.undecided, since))
            work.due, work.waits_since = now + found.wait, work.waits_since or now
            if now - work.waits_since > SAY_WAITING_AFTER:
                self._say(
                    "older requests",
                    f"{len(found.undecided)} documents wait: a request that was sent before may still bring them, "
                    "so they could be there twice after a rollover; other lines are shipped meanwhile",
                )
        return [_Part(found.unknown)] if found.unknown else []

    def _refused(self, part: _Part, error: ApiError) -> tuple[list[_Part], _Trouble | None]:
        """A request refused whole: later again, or in halves, until the item that is to blame stands alone."""
        status = error.meta.status
        outcome = judge_request(status, genuine=is_genuine(error))
        kind, reason = f"request {status}", explain(error, self._settings)
        if outcome is Outcome.DEAD:
            if len(part.pairs) > 1:
                self._say(f"{kind} in halves", f"{reason}; sending {len(part.pairs)} documents in halves")
                middle = len(part.pairs) // 2
                return [_Part(half, part.since) for half in (part.pairs[middle:], part.pairs[:middle])], None
            # A cluster that has never taken a request says nothing about the document by refusing this one.
            if part.since is None and (status == 413 or self._taken):
                self._bury([(*part.pairs[0], refusal_of(error))])
                return [], None
            outcome = Outcome.RETRY
        elif part.since is None and is_unclear(status):
            part = part._replace(since=time.monotonic())
        return [part], _Trouble(outcome, kind, reason)

    def _settle(self, pairs: list[Pair], verdicts: list[Verdict]) -> tuple[list[_Part], _Trouble | None]:
        if verdicts[0] is WELL and verdicts.count(WELL) == len(verdicts):
            self._counters.settle(acknowledged=len(verdicts))
            return [], None
        again: list[Pair] = []
        since = None
        dead: list[tuple[bytes, bytes, Verdict]] = []
        acknowledged = duplicate = 0
        trouble = None
        for pair, verdict in zip(pairs, verdicts, strict=True):
            outcome = verdict.outcome
            if outcome is Outcome.ACKNOWLEDGED:
                acknowledged += 1
            elif outcome is Outcome.DUPLICATE:
                duplicate += 1
            elif outcome is Outcome.DEAD:
                dead.append((*pair, verdict))
            else:
                again.append(pair)
                since = time.monotonic() if is_unclear(verdict.status) else since
                kind = f"{verdict.status} {verdict.kind}"
                trouble = _Trouble(outcome, kind, f"{kind}: {verdict.reason}")
        self._counters.settle(acknowledged=acknowledged, duplicate=duplicate)
        self._bury(dead)
        return [_Part(again, since)] if again else [], trouble

    def _bury(self, dead: list[tuple[bytes, bytes, Verdict]]) -> None:
        attempt = 0
        while dead:
            try:
                self._dead_letters.append(dead)
            except OSError as error:
                attempt += 1
                where = self._dead_letters.path
                self._say("disk", f"{where}: dead letters can't be written: {error.strerror}; trying again")
                self._pause(attempt, 0, answered=True)
                continue
            self._counters.settle(dead=len(dead))
            verdict = dead[0][2]
            self._say(
                f"dead {verdict.status} {verdict.kind}",
                f"{len(dead)} documents were refused for good ({verdict.status} {verdict.kind}: {verdict.reason}); "
                f"kept in {self._dead_letters.path}: mend the cause, then `neuroflow-ship dead-letters replay`",
                log.error,
            )
            return

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

    def _trouble(self, trouble: _Trouble) -> None:
        with self._lock:
            self._troubled.add(threading.get_ident())
        if trouble.reason:
            what = {
                Outcome.PAUSE: "waiting until that is mended",
                Outcome.NO_STREAM: "putting the index templates back",
            }.get(trouble.outcome, "trying again")
            self._say(trouble.kind, f"{trouble.reason}; {what}, nothing is lost")
            self._complained = True
        if trouble.outcome is Outcome.NO_STREAM:
            self._restore()

    def _recovered(self) -> None:
        with self._lock:
            self._troubled.discard(threading.get_ident())
            better = self._complained and not self._troubled
            self._complained = self._complained and not better
        if better:
            log.info("the cluster takes documents again")

    def _say(self, kind: str, message: str, say: Callable[..., None] = log.warning) -> None:
        """Once a minute is enough for the same, however its numbers change and whatever recovers in between."""
        now = time.monotonic()
        with self._lock:
            if now - self._said.get(kind, -60.0) < 60:
                return
            self._said[kind] = now
        say("%s", message)
