"""Keys that lines have besides the fields of the mapping."""

from __future__ import annotations

from collections.abc import Sequence

from elasticsearch import Elasticsearch

from shipper.elastic.search_answers import hits_of


def has_key(client: Elasticsearch, index: Sequence[str], field: str) -> bool:
    """Whether any line has a value in this field.

    Raises:
        elasticsearch.ApiError: the cluster refused.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    answer = client.search(
        index=list(index),
        query={"bool": {"filter": [{"exists": {"field": field}}]}},
        size=1,
        source=False,
        terminate_after=1,
        ignore_unavailable=True,
        allow_partial_search_results=False,
        track_total_hits=False,
    )
    return bool(hits_of(answer, {"_id": str}))
