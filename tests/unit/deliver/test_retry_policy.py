"""What answers mean for documents, without a cluster and without a clock."""

from __future__ import annotations

import pytest

from shipper.deliver.retry_policy import Decision, after_answer, after_refusal
from shipper.deliver.work import Part
from shipper.elastic.outcomes import CREATED, EXISTS, Failure, Outcome, Verdict, retry_cause

PAIRS = [(letter.encode(), letter.upper().encode()) for letter in "abcd"]
NOW = 5.0


def test_created_documents_are_done() -> None:
    """Nothing is sent again."""
    assert Decision(acknowledged=PAIRS) == after_answer(PAIRS, [CREATED] * 4, NOW)


def test_only_documents_without_an_outcome_are_sent_again() -> None:
    """Duplicates count as done, rejected ones as dead; a busy cluster's remaining ones are sent again."""
    busy, dead = Verdict(Outcome.RETRY, 429, "busy", "later"), Verdict(Outcome.DEAD, 400, "wrong", "why")
    expected = Decision(
        PAIRS[:1], PAIRS[1:2], [(*PAIRS[2], dead)], [Part(PAIRS[3:])],
        Failure(Outcome.RETRY, "429 busy", "429 busy: later"), {"overloaded": 1},
    )  # fmt: skip
    assert expected == after_answer(PAIRS, [CREATED, EXISTS, dead, busy], NOW)


@pytest.mark.parametrize("status", [408, 500, 503, 0])
def test_documents_that_may_be_indexed_are_looked_up_first(status: int) -> None:
    """After an unclear answer the documents are looked up, with the requests that began before now."""
    verdict = Verdict(Outcome.RETRY, status)
    assert [Part(PAIRS[:1], NOW)] == after_answer(PAIRS[:1], [verdict], NOW).resend
    failure = Failure(Outcome.RETRY, "k", "r")
    refused = after_refusal(Part(PAIRS), Verdict(Outcome.DEAD, status), failure, accepted=True, now=NOW)
    causes = {retry_cause(Outcome.RETRY, status): 4}
    assert Decision(resend=[Part(PAIRS, NOW)], failure=failure, causes=causes) == refused


def refused(part: Part, status: int, *, accepted: bool) -> Decision:
    """A request that Elasticsearch rejects for its content."""
    return after_refusal(
        part, Verdict(Outcome.DEAD, status), Failure(Outcome.DEAD, "k", "r"), accepted=accepted, now=NOW
    )


def test_a_refused_request_is_halved() -> None:
    """It is split immediately, the first half first; maybe sent documents stay marked, and were not sent."""
    assert {"too_large": 4} == refused(Part(PAIRS), 413, accepted=False).causes
    assert Decision(resend=[Part(PAIRS[2:], 1.0), Part(PAIRS[:2], 1.0)]) == refused(
        Part(PAIRS, 1.0), 400, accepted=True
    )


@pytest.mark.parametrize(
    ("status", "since", "accepted", "dead"),
    [(400, None, True, 1), (400, None, False, 0), (413, None, False, 1), (413, 1.0, True, 0), (400, 1.0, True, 0)],
)
def test_a_document_is_dead_when_the_refusal_is_about_it(
    status: int, since: float | None, accepted: bool, dead: int
) -> None:
    """Not before the cluster has accepted any document, unless it is too large; not when its look-up is rejected."""
    decision = refused(Part(PAIRS[:1], since), status, accepted=accepted)
    assert dead == len(decision.dead)
    failure, causes = Failure(Outcome.RETRY, "k", "r"), {} if since else {"refused": 1}
    retried = Decision(resend=[Part(PAIRS[:1], since)], failure=failure, causes=causes)
    assert dead or retried == decision
