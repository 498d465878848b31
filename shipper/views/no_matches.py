"""Why a search found nothing: with ``ignore_unavailable`` unreadable streams look like missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from elasticsearch import ApiError, Elasticsearch, NotFoundError, TransportError

from shipper.elastic.answers import validated
from shipper.elastic.client import is_genuine
from shipper.elastic.search_answers import total_of


class Absence(Enum):
    """Why a search found nothing."""

    MISSING = "there is no such stream or index yet"
    EMPTY = "it is there and holds nothing"
    UNMATCHED = "it holds documents, and none of them matches"


def absence(client: Elasticsearch, index: Sequence[str]) -> Absence:
    """Search each name by itself after a search with ``ignore_unavailable`` found nothing.

    With ``ignore_unavailable`` Elasticsearch also leaves out, silently, what the key may not read.

    Raises:
        elasticsearch.AuthorizationException: the key may not read one of them.
        elasticsearch.ApiError: the cluster refused.
        elastic_transport.TransportError: the cluster can't be reached.
    """
    found = Absence.MISSING
    for name in index:
        try:
            answer = client.search(index=name, size=0, track_total_hits=1, allow_partial_search_results=False)
        except NotFoundError as error:
            if not is_genuine(error):
                raise  # a proxy's answer
            continue
        if total_of(answer):
            found = Absence.UNMATCHED
        elif found is Absence.MISSING:
            found = Absence.EMPTY
    return found


def unreadable(client: Elasticsearch, index: Sequence[str]) -> list[str]:
    """Those of these names that the key may not read; none where the cluster does not tell."""
    try:
        answer = client.security.has_privileges(index=[{"names": list(index), "privileges": ["read"]}])
        granted = validated(answer, {"index": {str: {"read": bool}}}, "the request for the key's privileges")["index"]
    except (ApiError, TransportError):
        return []
    return [name for name in index if granted.get(name, {}).get("read") is False]
