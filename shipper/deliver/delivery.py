"""One batch → the cluster, until each of its documents has an outcome; only what failed is sent again."""

from __future__ import annotations

import time

from elastic_transport import ApiError
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.deliver.dead_letters import DeadLetters
from shipper.deliver.dedupe import Dedupe, Pair
from shipper.deliver.older_requests import waiting_message
from shipper.deliver.rejections import Rejections
from shipper.deliver.retries import Retries
from shipper.deliver.retry_policy import Decision, after_answer, after_refusal
from shipper.deliver.template_gate import TemplateGate
from shipper.deliver.work import Part, Work, parts_of
from shipper.elastic.bulk_request import NO_ANSWER, refusal_of, send
from shipper.elastic.client import explain, is_genuine
from shipper.elastic.outcomes import Failure, Outcome, Verdict, judge_request
from shipper.telemetry import Counters, log

# Documents that wait longer than this for an older request are reported, seconds.
REPORT_WAIT_AFTER = 5.0


class Delivery:
    """Sends the documents of batches; several threads may call it.

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
            if decision.failure is None:
                work.parts += decision.resend
                continue
            # After the others, whose answers may tell whether the documents or the cluster is to blame.
            work.parts[:0] = decision.resend
            work.attempt += 1
            self.retry(decision.failure, work.attempt, sum(len(part.pairs) for part in decision.resend))
        self._retries.recovered()
        if work.waiting:
            work.parts, work.waiting = work.waiting, []
            return False
        return True

    def retry(self, failure: Failure, attempt: int, documents: int = 0) -> None:
        """Report a failure, put missing templates back, and wait before the next attempt.

        Raises:
            AbandonedError: a stop ended the retries.
        """
        self._retries.report(failure)
        if failure.outcome is Outcome.MISSING_TEMPLATE:
            self._templates.restore()
        self._counters.retry(documents)
        self._retries.pause(attempt, answered=failure.answered)

    def _attempt(self, part: Part, work: Work) -> Decision:
        """Send or look up documents once."""
        if not self._templates.is_open():  # which is logged by what checks them
            return Decision(resend=[part], failure=Failure(Outcome.RETRY, answered=False))
        try:
            if part.since is not None:
                return self._look_up(part.pairs, part.since, work)
            verdicts = send(self.client, [item for item, _ in part.pairs])
        except ApiError as error:
            decision = self._refused(part, error)
        except NO_ANSWER as error:
            failure = Failure(Outcome.RETRY, type(error).__name__, explain(error, self.settings), answered=False)
            # They may have been indexed nevertheless, and the stream may roll over before the next attempt.
            return Decision(resend=[part._replace(since=time.monotonic())], failure=failure)
        else:
            self._accepted = True
            decision = after_answer(part.pairs, verdicts, time.monotonic())
        self._counters.settle(acknowledged=decision.acknowledged, duplicate=decision.duplicate)
        self._write_dead_letters(decision.dead)
        return decision

    def _look_up(self, pairs: list[Pair], since: float, work: Work) -> Decision:
        """Drop documents that are indexed already; postpone those that an older request may still index."""
        found = self._dedupe.look_up(pairs, since)
        self._counters.settle(duplicate=len(pairs) - len(found.absent) - len(found.undecided))
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

    def _write_dead_letters(self, dead: list[tuple[bytes, bytes, Verdict]]) -> None:
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
            self._counters.settle(dead=len(dead))
            self.rejections.add(dead)
            verdict = dead[0][2]
            self._retries.warn(
                f"dead {verdict.status} {verdict.kind}",
                f"{len(dead)} documents were rejected permanently ({verdict.status} {verdict.kind}: "
                f"{verdict.reason}); kept in {self._dead_letters.path}: fix the cause, "
                "then `neuroflow-ship dead-letters replay`",
                log.error,
            )
            return
