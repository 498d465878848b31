"""What the answer to a search holds: hits, a count, figures.  Pure."""

from __future__ import annotations

from typing import Any

from elastic_transport import ApiResponse

from shipper.elastic.answers import NoAnswerError, Shape, understood

Hit = dict[str, Any]


def hits_of(answer: ApiResponse[Any], shape: Shape) -> list[Hit]:
    """The hits of a search, each of which has a shape.

    Raises:
        NoAnswerError: it is no answer to a search, or not to this one.
    """
    body = understood(answer, {"pit_id?": str, "hits": {"hits": [shape]}}, "a search")
    hits: list[Hit] = body["hits"]["hits"]
    return hits


def total_of(answer: ApiResponse[Any]) -> int:
    """How many documents a search that counts has found.

    Raises:
        NoAnswerError: it is no answer to such a search.
    """
    body = understood(answer, {"hits": {"total": {"value": int}}}, "a search that counts")
    return int(body["hits"]["total"]["value"])


def aggregations_of(answer: ApiResponse[Any], shape: Shape) -> dict[str, Any]:
    """The aggregations of a search, which have a shape; none where no stream or index exists yet.

    Raises:
        NoAnswerError: it is no answer to such a search.
    """
    asked = "a search for figures"
    body = understood(answer, {"pit_id?": str, "_shards?": {"total?": int}, "aggregations?": shape}, asked)
    # Without a shard there is nothing to aggregate; else an answer without figures would pass for zeros.
    if "aggregations" not in body and body.get("_shards", {}).get("total") != 0:
        raise NoAnswerError(f"the answer to {asked} has none (a proxy in between?)")
    found: dict[str, Any] = body.get("aggregations", {})
    return found
