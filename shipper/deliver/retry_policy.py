"""What the answer to a bulk request means for its documents: done, dead, or sent again.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipper.deliver.batch import Pair
from shipper.deliver.work import Part
from shipper.elastic.outcomes import CREATED, Failure, Outcome, Verdict, may_have_indexed, retry_cause

ACTIONS = {
    Outcome.UNAUTHORIZED: "retrying until that is fixed",
    Outcome.MISSING_TEMPLATE: "installing the index templates again",
}
"""What the sidecar does about a failure, for its log; every other outcome is tried again."""


@dataclass(slots=True)
class Decision:
    """What to do with the documents of one request.

    Attributes:
        acknowledged: documents that this request created.
        duplicate: documents that the index held already.
        dead: item, line and verdict of documents that Elasticsearch rejects permanently.
        resend: documents without an outcome; the last part goes out first.
        failure: why they have no outcome, if the next attempt has to wait; None: send them at once.
        causes: how many documents were sent and are sent again, by cause.
    """

    acknowledged: Sequence[Pair] = ()
    duplicate: list[Pair] = field(default_factory=list)
    dead: list[tuple[bytes, bytes, Verdict]] = field(default_factory=list)
    resend: list[Part] = field(default_factory=list)
    failure: Failure | None = None
    causes: Mapping[str, int] = field(default_factory=dict)


def after_answer(pairs: Sequence[Pair], verdicts: list[Verdict], now: float) -> Decision:
    """Elasticsearch gave a verdict on each document.

    Args:
        pairs: what was sent, at least one.
        verdicts: one for each.
        now: monotonic seconds.
    """
    if verdicts[0] is CREATED and verdicts.count(CREATED) == len(verdicts):
        return Decision(acknowledged=pairs)
    acknowledged: list[Pair] = []
    decision = Decision(acknowledged)
    resend: list[Pair] = []
    causes: Counter[str] = Counter()
    since = None
    for pair, verdict in zip(pairs, verdicts, strict=True):
        outcome = verdict.outcome
        if outcome is Outcome.ACKNOWLEDGED:
            acknowledged.append(pair)
        elif outcome is Outcome.DUPLICATE:
            decision.duplicate.append(pair)
        elif outcome is Outcome.DEAD:
            decision.dead.append((*pair, verdict))
        else:
            resend.append(pair)
            causes[retry_cause(outcome, verdict.status, verdict.kind)] += 1
            since = now if may_have_indexed(verdict.status) else since
            kind = f"{verdict.status} {verdict.kind}"
            decision.failure = Failure(outcome, kind, f"{kind}: {verdict.reason}")
    if resend:
        decision.resend.append(Part(resend, since))
        decision.causes = causes
    return decision


def after_refusal(part: Part, refusal: Verdict, failure: Failure, *, accepted: bool, now: float) -> Decision:
    """The request was refused as a whole: retry later, or in halves until the document to blame stands alone.

    Args:
        part: what was sent; the look-up before it may have been refused instead.
        refusal: the verdict on a single document that is refused like this.
        failure: why; its outcome is that of the request.
        accepted: this cluster has accepted a request before; if not, only a 413 (too large) counts against a
            document.
        now: monotonic seconds.
    """
    # What was refused before was a look-up where ``since`` is set: its documents were not sent.
    causes = {} if part.since is not None else {retry_cause(failure.outcome, refusal.status): len(part.pairs)}
    if failure.outcome is Outcome.DEAD:
        if len(part.pairs) > 1:
            middle = len(part.pairs) // 2
            halves = [Part(half, part.since) for half in (part.pairs[middle:], part.pairs[:middle])]
            return Decision(resend=halves, causes=causes)
        if part.since is None and (refusal.status == 413 or accepted):
            return Decision(dead=[(*part.pairs[0], refusal)])
        failure = failure._replace(outcome=Outcome.RETRY)
    elif part.since is None and may_have_indexed(refusal.status):
        part = part._replace(since=now)
    return Decision(resend=[part], failure=failure, causes=causes)
