"""Compares the index with the lines that were written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from elasticsearch import Elasticsearch

from shipper.views.hits import flat
from tests.fuzz.inside import marks_in
from tests.fuzz.limits import Fields, fields_of

# A document may have megabytes.
_PAGE = 200
# Where a mapping in logsdb says nothing else; Elasticsearch does not show what is as usual.
_USUAL = 8191


@dataclass
class Verdict:
    """What is there.

    Attributes:
        documents: of the data streams.
        runs: documents of the runs.
        marks: how often each mark was found, in different documents.
        too_long: field → how often it holds a value that is only stored, because it is too long to be searched for.
        unindexed: field → an example of a value that is not searchable though it is not too long.
    """

    documents: int = 0
    runs: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    too_long: Counter[str] = field(default_factory=Counter)
    unindexed: dict[str, str] = field(default_factory=dict)


def judge(es: Elasticsearch, namespace: str) -> Verdict:
    """Read everything in a namespace."""
    verdict = Verdict()
    for index in (f"logs-neuroflow.*-{namespace}", f"neuroflow-runs-{namespace}"):
        of_index = mappings(es, index)
        for hit in hits(es, index):
            source = hit["_source"]
            if "kind" in source:
                verdict.runs += 1
            else:
                verdict.documents += 1
                verdict.marks.update(marks_in(source))
            for name in hit.get("_ignored", ()):
                if name.endswith(".number"):
                    continue  # an id as a number, for ordering; one that is none is found as the text that it is
                values = flat({key: value for key, value in source.items() if key != "facts"}).get(name)
                longest = of_index[hit["_index"]][name].get("ignore_above", _USUAL)
                if any(len(str(one).encode("utf-16-le")) // 2 > longest for one in _each(values)):
                    verdict.too_long[name] += 1
                else:
                    verdict.unindexed.setdefault(name, f"{hit['_id']}: {values!r:.200}")
    return verdict


def mappings(es: Elasticsearch, index: str) -> dict[str, Fields]:
    """Every index of a pattern with its mapped fields."""
    found = es.indices.get_mapping(index=index, allow_no_indices=True).body
    return {name: fields_of(one["mappings"]) for name, one in found.items()}


def hits(es: Elasticsearch, index: str) -> Iterator[dict[str, Any]]:
    """Every document, copies included."""
    refreshed = es.indices.refresh(index=index)["_shards"]
    assert not refreshed["failed"], refreshed
    point = es.open_point_in_time(index=index, keep_alive="5m")["id"]
    after = None
    try:
        while True:
            body: dict[str, Any] = {"size": _PAGE, "pit": {"id": point, "keep_alive": "5m"}, "sort": ["_shard_doc"]}
            # To pick from the source it has to be read, and a synthetic one may be no JSON that can be.
            body["source_excludes"] = ["nothing"]
            if after:
                body["search_after"] = after
            # A shard that fails would look like one that has no more.
            answer = es.search(**body, allow_partial_search_results=False)
            found = answer["hits"]["hits"]
            if not found:
                return
            yield from found
            after = found[-1]["sort"]
    finally:
        es.close_point_in_time(id=point)


def _each(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]
