"""Judges Elasticsearch's answers for each document.  Pure.

A 409 on create is a duplicate, not an error; a 429 inside a 200 is retried, not dropped; a 201 that used the failure
store is a rejected document.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class Outcome(Enum):
    """The outcome of sending one document."""

    ACKNOWLEDGED = "acknowledged"
    DUPLICATE = "duplicate"
    """It exists under the same id."""
    RETRY = "retry"
    """A later attempt may succeed."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403: retried until the key is fixed; never dropped."""
    MISSING_TEMPLATE = "missing template"
    """The index template is missing; retried when it is restored."""
    DEAD = "dead"
    """Rejected permanently."""


class Verdict(NamedTuple):
    """An outcome and, unless it is a success, the reason that the cluster gave."""

    outcome: Outcome
    status: int = 201
    kind: str = ""
    reason: str = ""


class Failure(NamedTuple):
    """Why a request has to be sent again.

    Attributes:
        outcome: RETRY, or one that names what is missing.
        kind: failures of one kind are logged once a minute.
        reason: for the log; empty where the failure is logged elsewhere.
        answered: whether there was an answer.
    """

    outcome: Outcome
    kind: str = ""
    reason: str = ""
    answered: bool = True


CREATED = Verdict(Outcome.ACKNOWLEDGED)
EXISTS = Verdict(Outcome.DUPLICATE, 409)
# Operators and the disk watermark block an index and lift the block again; a cluster at its shard limit answers
# validation_exception when a data stream is to be created.
_PASSING = frozenset({
    "cluster_block_exception", "unavailable_shards_exception", "index_closed_exception", "validation_exception",
})  # fmt: skip

# Characters of one reason, which goes into the log and into each dead letter.
_MAX_REASON = 2000


def judge(item: dict[str, Any]) -> Verdict:
    """The outcome of one item of a bulk answer (the object under ``create``).

    Without a valid status or error the document is looked up and sent again.
    """
    status = item.get("status")
    if type(status) is not int or not 100 <= status < 600:
        return Verdict(
            Outcome.RETRY, 0, "no_status", "the answer gives no status for it (is there a proxy in between?)"
        )
    if status in {200, 201} and item.get("failure_store") != "used":
        return CREATED
    if status == 409:
        return EXISTS
    error = item.get("error")
    if not (isinstance(error, dict) and isinstance(error.get("type"), str)):
        if status >= 300:
            return Verdict(Outcome.RETRY, 0, "no_error", f"{status} without a reason (is there a proxy in between?)")
        error = {}
    kind, reason = error.get("type", ""), _reason(error)
    if status in {200, 201}:
        return Verdict(Outcome.DEAD, status, "failure_store", "rejected into the failure store of its data stream")
    if status in {401, 403}:
        outcome = Outcome.RETRY if kind in _PASSING else Outcome.UNAUTHORIZED
    elif status == 404 and kind == "index_not_found_exception":
        outcome = Outcome.MISSING_TEMPLATE
    elif 400 <= status < 500 and status not in {408, 429} and kind not in _PASSING:
        outcome = Outcome.DEAD
    else:
        outcome = Outcome.RETRY
    return Verdict(outcome, status, kind, reason)


def judge_request(status: int, *, genuine: bool = True) -> Outcome:
    """The outcome of a whole request that was refused; DEAD: send its items one by one.

    Args:
        status: of the answer.
        genuine: the answer is Elasticsearch's; from a proxy or another service only 401, 403 and 413 count.
    """
    if status in {401, 403}:
        return Outcome.UNAUTHORIZED
    if status == 413 or (genuine and status in {400, 422}):
        return Outcome.DEAD
    if status == 404 and genuine:
        return Outcome.MISSING_TEMPLATE
    return Outcome.RETRY


RETRY_CAUSES = (
    "connection", "timeout", "invalid_answer", "overloaded", "server_error", "blocked", "unauthorized",
    "missing_template", "too_large", "refused",
)  # fmt: skip
"""Why documents are sent again, for the metric."""


def retry_cause(outcome: Outcome, status: int, kind: str = "") -> str:
    """The cause, one of ``RETRY_CAUSES``, for which a document or a request is sent again.

    Args:
        outcome: of the document or the request.
        status: of its answer.
        kind: of its error.
    """
    if outcome is Outcome.UNAUTHORIZED:
        return "unauthorized"
    if outcome is Outcome.MISSING_TEMPLATE:
        return "missing_template"
    if kind in _PASSING and status < 500:
        return "blocked"
    if status >= 500:
        return "server_error"
    return {408: "timeout", 413: "too_large", 429: "overloaded", 400: "refused", 422: "refused"}.get(
        status, "invalid_answer"
    )


def may_have_indexed(status: int) -> bool:
    """Whether documents may have been indexed despite this status."""
    return status in {0, 408} or status >= 500 or status < 300


def _reason(error: dict[str, Any]) -> str:
    parts: list[str] = []
    cause: Any = error
    while isinstance(cause, dict) and len(parts) < 4:
        parts.append(str(cause.get("reason"))[:_MAX_REASON])
        cause = cause.get("caused_by")
    return "; ".join(parts)


def delay(attempt: int, chance: float) -> float:
    """Seconds to wait before attempt ``attempt`` + 1: doubling from half a second to a minute, half of it by chance.

    Args:
        attempt: how often it has failed, from 1.
        chance: between 0 and 1, so that many shippers don't retry in step.
    """
    return float(min(60.0, 0.5 * 2 ** min(attempt - 1, 10)) * (0.5 + chance / 2))
