"""Documents in the failure stores of the data streams, as dead letters, for ``dead-letters list``.

Elasticsearch keeps a rejected document there itself, where the cluster and the stream have a failure store: with the
reason, which the answer to the bulk request does not give.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch

from shipper.deliver.dead_letters import Letter
from shipper.elastic.answers import Shape, validated
from shipper.elastic.client import is_genuine

# So many of the newest are listed.
MAX_LISTED = 1000
PATIENCE = 10
KIND = "failure_store"
"""Of a dead letter that was rejected into the failure store."""

# What a pipeline put into a document may have any shape.
_FAILURES: Shape = {"hits": {"total?": {"value": int}, "hits": [{"_source": {}}]}}


class Failures(NamedTuple):
    """The newest documents of the failure stores, oldest first, and how many there are in all."""

    letters: list[Letter]
    total: int


def failures(client: Elasticsearch, namespace: str) -> Failures:
    """Read the failure stores of a namespace's data streams; empty where the cluster has none.

    Raises:
        elasticsearch.ApiError: the key may not read them (``read_failure_store``), or the cluster has a problem.
        elastic_transport.TransportError: the cluster can't be reached, or its answer is invalid.
    """
    try:
        answer = client.options(request_timeout=PATIENCE, max_retries=0).search(
            index=f"logs-neuroflow.*-{namespace}::failures",
            sort=[{"@timestamp": {"order": "desc", "unmapped_type": "date"}}],
            size=MAX_LISTED,
            track_total_hits=True,
            ignore_unavailable=True,
            allow_no_indices=True,
        )
    except ApiError as error:
        if error.meta.status in (400, 404) and is_genuine(error):
            return Failures([], 0)  # before 8.19, `::failures` is no name
        raise
    hits = validated(answer, _FAILURES, "the search of the failure stores")["hits"]
    letters = [_letter(hit["_source"]) for hit in reversed(hits["hits"])]
    return Failures(letters, max(len(letters), hits.get("total", {}).get("value", 0)))


def _letter(source: dict[str, Any]) -> Letter:
    document = _part(source, "document", "source")
    error = _part(source, "error")
    log = _part(document, "log")
    offset = log.get("offset")
    return Letter(
        time=str(source.get("@timestamp", "")),
        status=201,
        kind=str(error.get("type", KIND)),
        reason=str(error.get("message", "")),
        stream=str(_part(source, "document").get("index", "")),
        id=str(_part(source, "document").get("id", "")),
        path=str(_part(log, "file").get("path", "")),
        offset=offset if isinstance(offset, int) else 0,
        line=str(document.get("message", "")),
        document=document,
    )


def _part(node: Any, *names: str) -> dict[str, Any]:
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def merged(local: Iterable[Letter], stored: Iterable[Letter]) -> Iterator[tuple[Letter, bool]]:
    """Every dead letter once, with whether it is in the failure store only.

    A local one that was rejected into the failure store gets the reason that is there.
    """
    there = {(letter.stream, letter.id): letter for letter in stored}
    for letter in local:
        twin = there.pop((letter.stream, letter.id), None)
        if twin is not None and letter.kind == KIND:
            yield letter._replace(kind=twin.kind, reason=twin.reason), False
        else:
            yield letter, False
    for letter in there.values():
        yield letter, True
