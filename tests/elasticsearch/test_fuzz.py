"""A fuzz run of broken lines through the real sidecar into a real node; ``make fuzz`` is the long one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from shipper.document.unmapped import sanitized
from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.fuzz.trial import trial


def test_fuzz_run_passes(tmp_path: Path, es: Elasticsearch, node: Node, namespace: str) -> None:
    """No dead letter, every line in the index, mappings unchanged, and no copy after the state is deleted."""
    report = trial(tmp_path, es, node.url, namespace, lines=1500, seed=7)
    assert report.faults == []


def test_longest_terms_are_taken(es: Elasticsearch, namespace: str) -> None:
    """Keys of four-byte characters at the maximal depth, with a value of maximal length, are accepted."""
    install(es)
    value: Any = "€" * 8191
    for _ in range(9):
        value = {"\U0001f9e0" * 250: value}
    stamp = {"@timestamp": "2026-11-23T12:44:12Z", "message": "x"}
    docs = [{**stamp, "neuroflow": {"extra": extra}} for extra in (value, sanitized(value))]
    assert [400, 201] == put(es, f"logs-neuroflow.app-{namespace}", docs)


def put(es: Elasticsearch, index: str, docs: list[dict[str, Any]]) -> list[int]:
    """Create documents; gives the outcome of each."""
    create: dict[str, Any] = {"create": {}}
    operations = [part for doc in docs for part in (create, doc)]
    answer = es.bulk(index=index, operations=operations, require_data_stream=True, refresh=True)
    return [item["create"]["status"] for item in answer["items"]]


def test_source_can_be_read(es: Elasticsearch, namespace: str) -> None:
    """The synthetic source of a flattened field is valid JSON."""
    install(es)
    odd: list[dict[str, Any]] = [
        {"status": 1, "status-code": 2, "status.text": "x"},
        {"a": [1, {"b": 2}], "a-": 3},
        {"": 1, " ": 2, ".a": 3, "a..b": 4, "..": 5},
        {"k": {"\U0001f9e0": {"n": None, "u": 1}, "\uff41": 2}},
        {"k": [{"\U0001f9e0": {"n": "x" * 9000}}, {"\U0001f9e0": {"u": 1}, "\ue000": 2}]},
    ]
    stamp = {"@timestamp": "2026-11-23T12:44:12Z", "message": "x"}
    index = f"logs-neuroflow.app-{namespace}"
    assert [201] * len(odd) == put(es, index, [{**stamp, "neuroflow": {"extra": sanitized(extra)}} for extra in odd])
    hits = es.search(index=index, source_includes=["neuroflow.extra"], sort="_doc")["hits"]["hits"]
    assert len(odd) == len(hits)
