from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.elastic.outcomes import Outcome, delay, judge, judge_request, may_have_indexed


def item(status: int, kind: str = "some_exception") -> dict[str, Any]:
    """A rejected item."""
    return {"status": status, "error": {"type": kind, "reason": "why"}}


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (Outcome.ACKNOWLEDGED, {"status": 201}),
        (Outcome.ACKNOWLEDGED, {"status": 200}),
        (Outcome.ACKNOWLEDGED, {"status": 201, "failure_store": "not_applicable_or_unknown"}),
        (Outcome.DEAD, {"status": 201, "failure_store": "used"}),
        (Outcome.DUPLICATE, item(409, "version_conflict_engine_exception")),
        (Outcome.RETRY, item(429, "es_rejected_execution_exception")),
        (Outcome.RETRY, item(500)),
        (Outcome.RETRY, item(503, "unavailable_shards_exception")),
        (Outcome.RETRY, item(408)),
        (Outcome.RETRY, item(403, "cluster_block_exception")),
        (Outcome.RETRY, item(400, "index_closed_exception")),
        (Outcome.RETRY, item(400, "validation_exception")),
        (Outcome.RETRY, {}), (Outcome.RETRY, {"status": "201"}), (Outcome.RETRY, {"status": [201]}),
        (Outcome.RETRY, {"status": 302}),
        (Outcome.UNAUTHORIZED, item(401, "security_exception")),
        (Outcome.UNAUTHORIZED, item(403, "security_exception")),
        (Outcome.MISSING_TEMPLATE, item(404, "index_not_found_exception")),
        (Outcome.DEAD, item(404, "document_missing_exception")),
        (Outcome.DEAD, item(400, "document_parsing_exception")),
        # Not what Elasticsearch says of a document that it refuses: it is asked again.
        (Outcome.RETRY, {"status": 400}),
        (Outcome.RETRY, {"status": 400, "error": None}),
        (Outcome.RETRY, {"status": 400, "error": "text"}),
        (Outcome.RETRY, {"status": 400, "error": {"reason": "why"}}),
        (Outcome.RETRY, {"status": 404, "error": {"type": ["index_not_found_exception"]}}),
        (Outcome.RETRY, {"status": True}), (Outcome.RETRY, {"status": 201.0}), (Outcome.RETRY, {"status": 10**6}),
        (Outcome.RETRY, {"status": None}),
    ],
)  # fmt: skip
def test_items_are_judged_by_themselves(outcome: Outcome, answer: dict[str, Any]) -> None:
    """Each item is created, exists, retryable, unauthorized, without a template, or dead."""
    assert outcome is judge(answer).outcome


def test_reasons_go_to_the_cause() -> None:
    """The innermost reason is reported."""
    error = {"type": "document_parsing_exception", "reason": "outer", "caused_by": {"reason": "inner"}}
    verdict = judge({"status": 400, "error": error})
    assert (400, "document_parsing_exception", "outer; inner") == verdict[1:]


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        (Outcome.UNAUTHORIZED, (401, 403)),
        (Outcome.DEAD, (400, 413, 422)),
        (Outcome.MISSING_TEMPLATE, (404,)),
        (Outcome.RETRY, (408, 429, 500, 502, 503, 504, 507, 301, 405, 406, 415)),
    ],
)
def test_requests_are_judged_as_a_whole(outcome: Outcome, statuses: tuple[int, ...]) -> None:
    """Except for a rejected body, the status decides for all items."""
    assert {outcome} == {judge_request(status) for status in statuses}


def test_only_elasticsearch_judges_documents() -> None:
    """A 400 of a proxy is retried; a 413 counts as too large."""
    assert [Outcome.RETRY, Outcome.DEAD] == [judge_request(status, genuine=False) for status in (400, 413)]


@pytest.mark.parametrize(("status", "unclear"), [(200, True), (408, True), (504, True), (429, False), (403, False)])
def test_some_answers_leave_open_what_became_of_the_documents(status: int, *, unclear: bool) -> None:
    """After a gateway's time-out the documents count as maybe sent."""
    assert unclear is may_have_indexed(status)


@given(attempt=st.integers(1, 10**6), chance=st.floats(0, 1))
def test_delay_is_bounded(attempt: int, chance: float) -> None:
    """Between a quarter of a second and a minute, growing, half of it by chance."""
    wait = delay(attempt, chance)
    assert 0.25 <= wait <= 60.0
    assert delay(attempt, 0.0) <= wait <= delay(attempt, 1.0) == 2 * delay(attempt, 0.0)
    assert wait <= delay(attempt + 1, chance)
    assert [0.5, 1.0, 2.0, 60.0] == [delay(n, 1.0) for n in (1, 2, 3, 8)]
