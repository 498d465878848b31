"""Whether a query can be run at all, before anything is printed."""

from __future__ import annotations

from collections.abc import Sequence

from elasticsearch import BadRequestError, Elasticsearch

from shipper.cluster import reason_of
from shipper.search.conditions import Query


def try_out(client: Elasticsearch, index: Sequence[str], query: Query) -> bool:
    """Let the cluster read a query and find one line at most; whether there was one.

    Raises:
        elasticsearch.ApiError: it refused the query (400), or anything else.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    answer = client.search(
        index=list(index),
        query={"bool": {"filter": [query]}},
        size=1,
        source=False,
        terminate_after=1,
        ignore_unavailable=True,
        allow_partial_search_results=False,
        track_total_hits=False,
    )
    return bool(answer["hits"]["hits"])


def has_key(client: Elasticsearch, index: Sequence[str], field: str) -> bool:
    """Whether any line has something under this key.

    Raises:
        elasticsearch.ApiError: the cluster refused.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    return try_out(client, index, {"exists": {"field": field}})


def refused_as_too_wide(error: BadRequestError) -> bool:
    """Whether a query was refused because a pattern in it stands for too many words."""
    return "too many" in reason_of(error.body) or "too_many" in reason_of(error.body)
