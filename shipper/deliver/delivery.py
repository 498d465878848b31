"""One batch → the cluster, until each of its documents has an outcome; only what failed is sent again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import ParamSpec, TypeVar

from elastic_transport import ApiError, ConnectionTimeout
from elasticsearch import Elasticsearch

from shipper import telemetry
from shipper.config import Elasticsearch as Settings
from shipper.deliver.batch import Batch, Pair, Whole
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.older_requests import waiting_message
from shipper.deliver.rejections import Rejections
from shipper.deliver.retries import Retries
from shipper.deliver.retry_policy import Decision, after_answer, after_refusal
from shipper.deliver.template_gate import TemplateGate
from shipper.deliver.work import Part, Work, parts_of
from shipper.elastic.answers import NoAnswerError
from shipper.elastic.bulk_request import NO_ANSWER, refusal_of, send
from shipper.elastic.client import explain, is_genuine
from shipper.elastic.outcomes import Failure, Outcome, Verdict, judge_request
from shipper.elastic.packed import Packed
from shipper.health.pulse import UnderWay
from shipper.telemetry import Counters

P = ParamSpec("P")
T = TypeVar("T")

# Documents that wait longer than this for an older request are reported, seconds.
REPORT_WAIT_AFTER = 5.0


class Delivery:
    """Sends the documents of batches; several threads may call it.

    Attributes:
        requests: that wait for an answer.

    Args:
        client: of the cluster.
        settings: for messages.
        dead_letters: takes documents that Elasticsearch rejects permanently.
        counters: count every outcome.
        dedupe: looks up documents that may have been sent before.
        templates: holds documents back until the index templates exist.
        retries: waits between attempts and logs failures.
    """

    def __init__(
        self,
        client: Elasticsearch,
        settings: Settings,
        *,
        dead_letters: DeadLetters,
        counters: Counters,
        dedupe: Dedupe,
        templates: TemplateGate,
        retries: Retries,
    ) -> None:
        self.client = client
        self.settings = settings
        self.rejections = Rejections()
        self._dead_letters = dead_letters
        self._counters = counters
        self._dedupe = dedupe
        self._templates = templates
        self._retries = retries
        self._accepted = False
        self.requests = UnderWay()

    def reconnect(self, client: Elasticsearch, settings: Settings) -> None:
        """Send to another cluster, or with another key; documents under way are retried there."""
        self.client, self.settings = client, settings
        self._dedupe.reconnect(client, settings.request_timeout)
        self._accepted = False

    def deliver(self, work: Work) -> bool:
        """Send documents until each has its outcome; False: the rest waits until ``work.due``.

        Raises:
            AbandonedError: a stop ended the retries.
        """
        if work.parts is None:
            work.parts = parts_of(work.batch, self._dedupe.began, time.monotonic())
        while work.parts:
            decision = self._attempt(work.parts.pop(), work)
            self._counters.retry(decision.causes)
            if decision.failure is None:
                work.parts += decision.resend
                continue
            # After the others, whose answers may tell whether the documents or the cluster is to blame.
            work.parts[:0] = decision.resend
            work.attempt += 1
            self.retry(decision.failure, work.attempt)
        self._retries.recovered()
        if work.waiting:
            work.parts, work.waiting = work.waiting, []
            return False
        return True

    def retry(self, failure: Failure, attempt: int) -> None:
        """Report a failure, put missing templates back, and wait before the next attempt.

        Raises:
            AbandonedError: a stop ended the retries.
        """
        self._retries.report(failure)
        if failure.outcome is Outcome.MISSING_TEMPLATE:
            self._templates.restore()
        self._retries.pause(attempt, answered=failure.answered)

    def _attempt(self, part: Part, work: Work) -> Decision:
        """Send or look up documents once."""
        if not self._templates.is_open():  # which is logged by what checks them
            return Decision(resend=[part], failure=Failure(Outcome.RETRY, answered=False))
        try:
            if part.since is not None:
                return self._look_up(part.pairs, part.since, work)
            verdicts = self._send(part.pairs)
        except ApiError as error:
            decision = self._refused(part, error)
        except NO_ANSWER as error:
            failure = Failure(Outcome.RETRY, type(error).__name__, explain(error, self.settings), answered=False)
            # They may have been indexed nevertheless, and the stream may roll over before the next attempt.
            causes = {} if part.since is not None else {_cause_of(error): len(part.pairs)}
            return Decision(resend=[part._replace(since=time.monotonic())], failure=failure, causes=causes)
        else:
            self._accepted = True
            decision = after_answer(part.pairs, verdicts, time.monotonic())
        datasets_of = work.batch.datasets_of
        self._counters.settle(
            acknowledged=datasets_of(decision.acknowledged), duplicate=datasets_of(decision.duplicate)
        )
        self._write_dead_letters(decision.dead, work.batch)
        return decision

    def _send(self, pairs: Sequence[Pair]) -> list[Verdict]:
        items = pairs.batch.items if isinstance(pairs, Whole) else Packed([item for item, _ in pairs])
        began = time.monotonic()
        try:
            return self._answer(send, self.client, items)
        finally:
            self._counters.bulk_seconds.observe(time.monotonic() - began)

    def _answer(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a request gives; notes how long it takes."""
        self.requests.begin(get_ident())
        try:
            return ask(*args, **kwargs)
        finally:
            self.requests.end(get_ident())

    def _look_up(self, pairs: Sequence[Pair], since: float, work: Work) -> Decision:
        """Drop documents that are indexed already; postpone those that an older request may still index."""
        found = self._answer(self._dedupe.look_up, pairs, since)
        unknown = work.batch.datasets_of(found.absent) + work.batch.datasets_of(found.undecided)
        self._counters.settle(duplicate=work.batch.datasets_of(pairs) - unknown)
        if found.undecided:
            now = time.monotonic()
            work.waiting.append(Part(found.undecided, since))
            work.due, work.waits_since = now + found.wait, work.waits_since or now
            if now - work.waits_since > REPORT_WAIT_AFTER:
                self._retries.warn("older requests", f"{waiting_message(len(found.undecided))}; other lines go on")
        return Decision(resend=[Part(found.absent)] if found.absent else [])

    def _refused(self, part: Part, error: ApiError) -> Decision:
        kind, reason = f"request {error.meta.status}", explain(error, self.settings)
        failure = Failure(judge_request(error.meta.status, genuine=is_genuine(error)), kind, reason)
        decision = after_refusal(part, refusal_of(error), failure, accepted=self._accepted, now=time.monotonic())
        if len(decision.resend) > 1:
            self._retries.warn(f"{kind} in halves", f"{reason}; sending {len(part.pairs)} documents in halves")
        return decision

    def _write_dead_letters(self, dead: list[tuple[bytes, bytes, Verdict]], batch: Batch) -> None:
        """Keep rejected documents on disk; retries while the disk can't be written.

        Raises:
            AbandonedError: a stop ended the retries; the documents do not count as dead.
        """
        attempt = 0
        while dead:
            try:
                self._dead_letters.append(dead)
            except OSError as error:
                attempt += 1
                where = self._dead_letters.path
                self._retries.warn("disk", f"{where}: dead letters can't be written: {error.strerror}; trying again")
                self._retries.pause(attempt, answered=True)
                continue
            self._counters.settle(dead=batch.datasets_of(dead))
            self.rejections.add(dead)
            verdict = dead[0][2]
            self._retries.warn(
                f"dead {verdict.status} {verdict.kind}",
                f"{len(dead)} documents were rejected permanently ({verdict.status} {verdict.kind}: "
                f"{verdict.reason}); kept in {self._dead_letters.path}: fix the cause, "
                "then `neuroflow-ship dead-letters replay`",
                telemetry.error,
            )
            return


def _cause_of(error: Exception) -> str:
    """The cause, for the metric, of a request without a valid answer."""
    if isinstance(error, NoAnswerError):
        return "invalid_answer"
    return "timeout" if isinstance(error, ConnectionTimeout) else "connection"
