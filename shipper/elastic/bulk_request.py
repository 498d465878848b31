"""One bulk request: how it is asked, and what its answer says of each item."""

from __future__ import annotations

from typing import Any

from elastic_transport import ApiError, TransportError
from elasticsearch import Elasticsearch

from shipper.elastic.answers import NoAnswerError
from shipper.elastic.client import reason_of
from shipper.elastic.outcomes import CREATED, Outcome, Verdict, judge

_PARAMS = {
    # Without a template no plain index may be made in the data stream's place.
    "require_data_stream": "true",
    # Every item keeps its status, so that outcomes can be matched with items by their place.
    "filter_path": "errors,items.*.status,items.*.error,items.*.failure_store",
}
_CREATED = {"create": {"status": 201}}
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
# What a request without an answer, or with one that can't be understood, raises beside ApiError.
NO_ANSWER = (TransportError,)


def send(client: Elasticsearch, items: list[bytes]) -> list[Verdict]:
    """Send items; gives the verdict on each.

    Raises:
        ApiError: the request was refused as a whole.
        TransportError: there was no answer, or none that can be understood (``NoAnswerError``).
    """
    body = b"".join(items)
    answer = client.perform_request("POST", "/_bulk", params=_PARAMS, headers=_HEADERS, body=body).body
    return verdicts_of(answer, len(items))


def verdicts_of(answer: Any, expected: int) -> list[Verdict]:
    """The verdict on each item of a bulk answer.

    Raises:
        NoAnswerError: it does not speak of every item; all are sent again, which is harmless.
    """
    items = items_of(answer, expected)
    if items.count(_CREATED) == expected:
        return [CREATED] * expected
    return [judge(inner(item)) for item in items]


def items_of(answer: Any, expected: int) -> list[Any]:
    """The items of a bulk answer, one for each that was sent.

    Raises:
        NoAnswerError: it does not speak of every item.  What one item says is judged for that item alone.
    """
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != expected:
        said = f"{len(items)} outcomes for {expected} items" if isinstance(items, list) else "it has no items"
        raise NoAnswerError(f"the answer to a bulk request can't be understood: {said} (a proxy in between?)")
    return items


def inner(item: Any) -> dict[str, Any]:
    """What an item of the answer says under its action; nothing known where it is no object."""
    said = next(iter(item.values()), None) if isinstance(item, dict) else None
    return said if isinstance(said, dict) else {}


def refusal_of(error: ApiError) -> Verdict:
    """The verdict on a document that can't even be asked for."""
    status = error.meta.status
    kind = "request_too_large" if status == 413 else "request_refused"
    return Verdict(Outcome.DEAD, status, kind, reason_of(error.body))
