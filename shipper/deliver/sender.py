"""Batches → the cluster, several at once, until every document has its outcome.

Retries for ever with jittered back-off, and only what failed; a stop wakes every wait.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.deliver.backlog import Backlog
from shipper.deliver.batch import Batch
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.dedupe import Pair, Recovery
from shipper.deliver.set_aside import SetAside
from shipper.deliver.work import Part, Work, parts_of
from shipper.elastic.bulk_request import NO_ANSWER, refusal_of, send
from shipper.elastic.client import explain, is_genuine
from shipper.elastic.outcomes import WELL, Outcome, Verdict, delay, is_unclear, judge_request
from shipper.runs.schedule import Failure, RunWriter
from shipper.runs.writer import RunDocuments
from shipper.tail.progress import Span
from shipper.telemetry import Counters, Throttle, log

# How often it is looked whether the templates are still there, while documents are sent, seconds.
LOOK_EVERY = 60.0
# How long a start waits for the templates before it begins to read, seconds.
PREPARE_PATIENCE = 5.0
# How long documents may wait for an older request before that is said, seconds.
SAY_WAITING_AFTER = 5.0


class AbandonedError(Exception):
    """A stop ended the retries before the cluster had answered."""


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
        restore: puts the templates: at first, now and then, and when one is missing; False: it could not ask.
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
        self._run_writer = RunWriter(
            runs,
            settings,
            settle=self._settle_spans,
            retry=self._retry_runs,
            recovered=self._recovered,
            say=self._say,
        )
        self._restore = restore
        self._wake = wake
        self._wait_for = wait_for or _jittered
        # One more may wait, so that a thread that has its answer finds the next batch ready.
        self._backlog: Backlog[Work] = Backlog(in_flight + 1, most_postponed=in_flight + 1)
        self._done: queue.SimpleQueue[list[Span]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._nudge = threading.Event()
        self._deadline = float("inf")
        self._lock = threading.Lock()
        self._throttle = Throttle()
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
        return self._backlog.offer(Work(batch))

    def acknowledged(self) -> list[Span]:
        """The spans that were settled since the last call."""
        spans: list[Span] = []
        while not self._done.empty():
            spans += self._done.get()
        return spans

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, run documents included."""
        return not self.sending and self._run_writer.idle and self._done.empty()

    @property
    def sending(self) -> bool:
        """Whether documents are under way."""
        return not self._backlog.empty

    @property
    def waits(self) -> bool:
        """Whether documents wait for the end of an older request."""
        return self._backlog.waits

    def hurry(self) -> None:
        """Nothing more comes for the time being: what waits for more of its kind does not wait any longer."""
        self._run_writer.hurry()

    def stop(self, deadline: float) -> None:
        """Give up retrying at ``deadline`` (monotonic seconds), or at once where nobody answers."""
        self._deadline = deadline
        self._stop.set()
        self._nudge.set()
        self._backlog.stop(deadline)
        self._run_writer.stop()

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
        self._client, self._settings, self._restore = client, settings, restore
        self._run_writer.reconnect(runs, settings)
        self._recovery.reconnect(client, settings.request_timeout)
        self._prepared = self._taken = False
        self._throttle.reset()
        self._nudge.set()

    def _run(self) -> None:
        while (work := self._backlog.take()) is not None:
            failures = 0
            try:
                if not self._deliver(work):
                    self._backlog.postpone(work, work.due)
                    continue
                self._run_writer.add(work.batch.facts, work.batch.spans, work.batch.size)
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

    def _deliver(self, work: Work) -> bool:
        """Send documents until each has its outcome; gives whether they have: else the rest waits until it is due."""
        if work.parts is None:
            work.parts = parts_of(work.batch, self._recovery.began, time.monotonic())
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
        return True

    def _settle_spans(self, spans: list[Span]) -> None:
        self._done.put(spans)
        self._wake.set()

    def _retry_runs(self, failure: Failure, attempt: int) -> bool:
        """Wait until run documents are tried again; False when a stop has ended that."""
        self._trouble(_Trouble(*failure))
        try:
            self._pause(attempt, 0, answered=failure.answered)
        except AbandonedError:
            return False
        return True

    def _attempt(self, part: Part, work: Work) -> tuple[list[Part], _Trouble | None]:
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

    def _look_up(self, pairs: list[Pair], since: float, work: Work) -> list[Part]:
        """What has to be sent of documents that may have been sent before; what is undecided waits."""
        found = self._recovery.look_up(pairs, since)
        self._counters.settle(duplicate=len(pairs) - len(found.unknown) - len(found.undecided))
        if found.undecided:
            now = time.monotonic()
            work.waiting.append(Part(found.undecided, since))
            work.due, work.waits_since = now + found.wait, work.waits_since or now
            if now - work.waits_since > SAY_WAITING_AFTER:
                self._say(
                    "older requests",
                    f"{len(found.undecided)} documents wait: a request that was sent before may still bring them, "
                    "so they could be there twice after a rollover; other lines are shipped meanwhile",
                )
        return [Part(found.unknown)] if found.unknown else []

    def _refused(self, part: Part, error: ApiError) -> tuple[list[Part], _Trouble | None]:
        """A request refused whole: later again, or in halves, until the item that is to blame stands alone."""
        status = error.meta.status
        outcome = judge_request(status, genuine=is_genuine(error))
        kind, reason = f"request {status}", explain(error, self._settings)
        if outcome is Outcome.DEAD:
            if len(part.pairs) > 1:
                self._say(f"{kind} in halves", f"{reason}; sending {len(part.pairs)} documents in halves")
                middle = len(part.pairs) // 2
                return [Part(half, part.since) for half in (part.pairs[middle:], part.pairs[:middle])], None
            # A cluster that has never taken a request says nothing about the document by refusing this one.
            if part.since is None and (status == 413 or self._taken):
                self._bury([(*part.pairs[0], refusal_of(error))])
                return [], None
            outcome = Outcome.RETRY
        elif part.since is None and is_unclear(status):
            part = part._replace(since=time.monotonic())
        return [part], _Trouble(outcome, kind, reason)

    def _settle(self, pairs: list[Pair], verdicts: list[Verdict]) -> tuple[list[Part], _Trouble | None]:
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
        return [Part(again, since)] if again else [], trouble

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
        if self._throttle.allows(kind):
            say("%s", message)
