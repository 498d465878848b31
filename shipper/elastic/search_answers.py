"""Searches, and extracts hits, totals and aggregations from the answers; invalid answers raise NoAnswerError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elastic_transport import ApiResponse
from elasticsearch import Elasticsearch

from shipper.elastic.answers import NoAnswerError, Shape, validated

Hit = dict[str, Any]
Query = dict[str, Any]


def search(client: Elasticsearch, index: Sequence[str], query: Query, **options: Any) -> ApiResponse[Any]:
    """Search streams and indices, which need not exist; a partial answer, which would look complete, is an error."""
    return client.search(
        index=list(index), query=query, ignore_unavailable=True, allow_partial_search_results=False, **options
    )


def any_document(client: Elasticsearch, index: Sequence[str], query: Query) -> bool:
    """Whether any document matches."""
    answer = search(client, index, query, size=1, source=False, terminate_after=1, track_total_hits=False)
    return bool(hits_of(answer, {"_id": str}))


def hits_of(answer: ApiResponse[Any], shape: Shape) -> list[Hit]:
    """The hits of a search."""
    body = validated(answer, {"pit_id?": str, "hits": {"hits": [shape]}}, "a search")
    hits: list[Hit] = body["hits"]["hits"]
    return hits


def total_of(answer: ApiResponse[Any]) -> int:
    """The number of documents that match, from a search with ``track_total_hits``."""
    body = validated(answer, {"hits": {"total": {"value": int}}}, "a search that counts")
    return int(body["hits"]["total"]["value"])


def aggregations_of(answer: ApiResponse[Any], shape: Shape) -> dict[str, Any]:
    """The aggregations of a search; empty where no stream or index exists yet."""
    request = "a search for figures"
    body = validated(answer, {"pit_id?": str, "_shards?": {"total?": int}, "aggregations?": shape}, request)
    # Aggregations may be missing only where no shard was searched; otherwise their absence would count as zeros.
    if "aggregations" not in body and body.get("_shards", {}).get("total") != 0:
        raise NoAnswerError(f"the answer to {request} has none (is there a proxy in between?)")
    found: dict[str, Any] = body.get("aggregations", {})
    return found
