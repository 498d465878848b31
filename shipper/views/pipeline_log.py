"""The log file of a pipeline run, restored byte for byte from its documents."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from shipper.elastic.answers import NoAnswerError, Shape, number
from shipper.elastic.names import run_index, streams_of
from shipper.elastic.search_answers import Hit, aggregations_of, any_document, search
from shipper.query.conditions import Query, every
from shipper.views.snapshot import Snapshot
from shipper.views.views import sort

# {pipeline}_{run}_{date}_{time}.log and run_{run}_{date}_{time}.log, with any suffix of a rotation.
_NAME = re.compile(r"_(?P<run>\d+)_(?P<stamp>\d{8}_\d{6})\.log")
_STAMP = re.compile(r"_(\d{8})_(\d{6})\.log")

# The maximum of attempts of one run; the latest read are among them.
ATTEMPTS = 1000
_ATTEMPTS: Shape = {
    "generations": {
        "buckets": [{"key": str, "path": {"buckets": [{"key": str}]}, "created": {"value": (number, None)}}]
    }
}


@dataclass(frozen=True)
class Attempt:
    """One log file that has lines of the run.

    Attributes:
        generation: of the file.
        path: its name.
        created: when its last line was read, in milliseconds since 1970.
    """

    generation: str
    path: str
    created: float


def attempts(client: Elasticsearch, namespace: str, run_id: int, span: Iterable[Query] = ()) -> list[Attempt]:
    """The log files that have lines of a run, within a span of time if one is given."""
    answer = search(
        client,
        streams_of(namespace, ["pipeline"]),
        every([{"term": {"neuroflow.run_id": str(run_id)}}, *span]),
        size=0,
        aggs={
            "generations": {
                "terms": {"field": "neuroflow.generation", "size": ATTEMPTS, "order": {"created": "desc"}},
                "aggs": {
                    "created": {"max": {"field": "event.created"}},
                    "path": {"terms": {"field": "log.file.path", "size": 1}},
                },
            }
        },
    )
    buckets = aggregations_of(answer, _ATTEMPTS).get("generations", {}).get("buckets", [])
    return [
        Attempt(
            generation=bucket["key"],
            path=next((path["key"] for path in bucket["path"]["buckets"]), ""),
            created=bucket["created"]["value"] or 0.0,
        )
        for bucket in buckets
    ]


def latest(found: Iterable[Attempt], run_id: int) -> Attempt | None:
    """The attempt to show: the newest of the files named after the run, else the newest that mentions it."""

    def rank(attempt: Attempt) -> tuple[bool, str, float, str]:
        stamp = _STAMP.search(attempt.path)
        return (
            _named_after(attempt, run_id),
            "".join(stamp.groups()) if stamp else "",
            attempt.created,
            attempt.generation,
        )

    return max(found, key=rank, default=None)


def documents(
    client: Elasticsearch, namespace: str, attempt: Attempt, run_id: int, source: bool | list[str] = True
) -> Iterator[list[Hit]]:
    """The documents of an attempt in the order of the file, in pages."""
    conditions: list[Query] = [{"term": {"neuroflow.generation": attempt.generation}}]
    if not _named_after(attempt, run_id):
        # A file shared by several runs; in a file of its own every line belongs to the run.
        conditions.append({"term": {"neuroflow.run_id": str(run_id)}})
    last = None
    with Snapshot(client, streams_of(namespace, ["pipeline"])) as snapshot:
        order = sort(["log.offset"], newest_first=False)
        for hits in snapshot.pages(every(conditions), order, source=source):
            fresh = []
            for hit in hits:
                # Ids are unique only inside one backing index: after a rollover a line may be there twice.
                if hit["_id"] != last:
                    fresh.append(hit)
                last = hit["_id"]
            yield fresh


def content(hits: Iterable[Hit]) -> bytes:
    """The bytes of the file from which these documents were made.

    Raises:
        NoAnswerError: one of them does not have its line.
    """
    return b"".join(_line(hit["_source"]) for hit in hits)


# The fields that `content` needs; fetching all fields would take most of the time.
CONTENT_FIELDS = ["message", "neuroflow.original"]


def exists(client: Elasticsearch, namespace: str, run_id: int) -> bool:
    """Whether any document is about the run."""
    about = [
        {"term": {"neuroflow.run_id": str(run_id)}},
        {"term": {"neuroflow.audit.entity": f"pipeline_run:{run_id}"}},
        {"ids": {"values": [f"pipeline_run:{run_id}"]}},
    ]
    query = {"bool": {"should": about, "minimum_should_match": 1}}
    return any_document(client, [*streams_of(namespace), run_index(namespace)], query)


def _named_after(attempt: Attempt, run_id: int) -> bool:
    found = _NAME.search(attempt.path)
    return found is not None and int(found["run"]) == run_id


def _line(source: dict[str, Any]) -> bytes:
    neuroflow: Any = source.get("neuroflow", _NOTHING)
    message: Any = source.get("message")
    try:
        original = neuroflow.get("original")
        if original is not None:
            return base64.b64decode(original, validate=True)
        # A lone surrogate can't come from a file, but a stored one must not stop the output.
        return str.encode(message, "utf-8", "surrogatepass") + b"\n"
    except (AttributeError, TypeError, ValueError):
        raise NoAnswerError("a line of the log can't be understood (is there a proxy in between?)") from None


_NOTHING: dict[str, Any] = {}
