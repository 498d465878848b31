"""A storm of broken lines through the real sidecar into a real node; ``make storm`` is the long one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from shipper.demo.node import Node
from shipper.document.extra import tame
from shipper.install.templates import install
from tests.storm.trial import trial


def test_storm_passes(tmp_path: Path, es: Elasticsearch, node: Node, namespace: str) -> None:
    """No dead letter, every line found again, no mapping grown, and nothing twice when the state is lost."""
    report = trial(tmp_path, es, node.url, namespace, lines=3000, seed=7)
    assert report.faults == []


def test_longest_terms_are_taken(es: Elasticsearch, namespace: str) -> None:
    """Keys of four bytes a character on the longest way, above the longest value that is indexed: taken if tamed."""
    install(es)
    value: Any = "€" * 8191
    for _ in range(9):
        value = {"\U0001f9e0" * 250: value}
    stamp = {"@timestamp": "2026-11-23T12:44:12Z", "message": "x"}
    docs = [{**stamp, "neuroflow": {"extra": extra}} for extra in (value, tame(value))]
    create: dict[str, Any] = {"create": {}}
    answer = es.bulk(
        index=f"logs-neuroflow.app-{namespace}",
        operations=[part for doc in docs for part in (create, doc)],
        require_data_stream=True,
    )
    assert [400, 201] == [item["create"]["status"] for item in answer["items"]]
