"""Sends one bulk request and judges each item of its answer."""

from __future__ import annotations

from typing import Any

from elastic_transport import ApiError, TransportError
from elasticsearch import Elasticsearch

from shipper.elastic.answers import NoAnswerError
from shipper.elastic.client import reason_of
from shipper.elastic.outcomes import CREATED, Outcome, Verdict, judge
from shipper.elastic.packed import Packed

_PARAMS = {
    # Without a template, refuse instead of creating a plain index.
    "require_data_stream": "true",
    # Every item keeps its status: outcomes are matched with items by position.
    "filter_path": "errors,items.*.status,items.*.error,items.*.failure_store",
}
CREATED_ITEM = {"create": {"status": 201}}
"""The item of a document that was created, where ``filter_path`` leaves only its status."""
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
_GZIP_HEADERS = {**_HEADERS, "content-encoding": "gzip"}
# Raised, beside ApiError, for a request without a valid answer.
NO_ANSWER = (TransportError,)


def send(client: Elasticsearch, items: Packed) -> list[Verdict]:
    """Send items; gives the verdict on each.

    Raises:
        ApiError: the request was refused as a whole.
        TransportError: there was no answer, or an invalid one (``NoAnswerError``).
    """
    return verdicts_of(post(client, "/_bulk", _PARAMS, items), len(items))


def post(client: Elasticsearch, path: str, params: dict[str, str], items: Packed) -> Any:
    """Send items; gives the answer.

    Args:
        client: of the cluster.
        path: of the API.
        params: of the request.
        items: each a line of the action, and one of the document if it has one.

    Raises:
        ApiError: the request was refused as a whole.
        TransportError: there was no answer.
    """
    body = items.finish()
    headers = _GZIP_HEADERS if items.gzipped else _HEADERS
    return client.perform_request("POST", path, params=params, headers=headers, body=body).body


def verdicts_of(answer: Any, expected: int) -> list[Verdict]:
    """The verdict on each item of a bulk answer.

    Raises:
        NoAnswerError: it lacks items; the caller sends all again, which is harmless.
    """
    items = items_of(answer, expected)
    if items.count(CREATED_ITEM) == expected:
        return [CREATED] * expected
    return [judge(inner(item)) for item in items]


def items_of(answer: Any, expected: int) -> list[Any]:
    """The items of a bulk answer, one for each that was sent.

    Raises:
        NoAnswerError: their number differs from ``expected``.
    """
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list) or len(items) != expected:
        fault = f"{len(items)} outcomes for {expected} items" if isinstance(items, list) else "it has no items"
        raise NoAnswerError(
            f"the answer to a bulk request can't be understood: {fault} (is there a proxy in between?)"
        )
    return items


def inner(item: Any) -> dict[str, Any]:
    """The result under an item's action; empty where it is no object."""
    result = next(iter(item.values()), None) if isinstance(item, dict) else None
    return result if isinstance(result, dict) else {}


def refusal_of(error: ApiError) -> Verdict:
    """The verdict on a document whose request was refused."""
    status = error.meta.status
    kind = "request_too_large" if status == 413 else "request_refused"
    return Verdict(Outcome.DEAD, status, kind, reason_of(error.body))
