"""A cluster with a missing shard: commands never take a partial answer for a complete one."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch, NotFoundError

from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.elasticsearch.test_search import Bench, file_of, line


@pytest.fixture
def bench(es: Elasticsearch, node: Node, namespace: str, tmp_path: Path) -> Bench:
    """A fresh namespace with a line of two streams."""
    install(es)
    bench = Bench(es, node.url, namespace, tmp_path)
    bench.put("pipeline", *file_of(b"in pipeline\n", 7, "mriqc_7_20260302_091500.log"))
    bench.put("app", line(1, "in app"))
    return bench


class Part:
    """The newest backing index of a stream, which stays unassigned until ``put_back``.

    Args:
        es: the cluster.
        stream: it is rolled over.
    """

    def __init__(self, es: Elasticsearch, stream: str) -> None:
        self._es = es
        self._template = f"nowhere-{stream}"
        dataset = stream.rsplit("-", 1)[0]
        template: dict[str, Any] = es.indices.get_index_template(name=dataset)["index_templates"][0]["index_template"]
        es.indices.put_index_template(
            name=self._template,
            index_patterns=[stream],
            priority=900,
            data_stream={},
            composed_of=template["composed_of"],
            ignore_missing_component_templates=template["ignore_missing_component_templates"],
            template={**template["template"], "settings": {"index.routing.allocation.require._name": "nowhere"}},
        )
        self._index = es.indices.rollover(alias=stream, wait_for_active_shards=0)["new_index"]

    def put_back(self) -> None:
        """Let a node take it."""
        here = {"index.routing.allocation.require._name": None}
        self._es.indices.put_settings(index=self._index, settings=here)
        self._es.indices.delete_index_template(name=self._template)


@pytest.fixture
def missing(bench: Bench) -> Iterator[Callable[[str], Part]]:
    """Takes a part of a stream away; at the end it is assigned again."""
    parts: list[Part] = []

    def take_away(dataset: str) -> Part:
        parts.append(Part(bench.es, bench.stream(dataset)))
        return parts[-1]

    yield take_away
    for part in parts:
        with suppress(NotFoundError):
            part.put_back()


@pytest.mark.parametrize(
    ("dataset", "args"), [("app", ("show",)), ("app", ("show", "--tail", "5000")), ("pipeline", ("pipeline", "7"))]
)
def test_half_an_answer_is_an_error(
    bench: Bench, missing: Callable[[str], Part], dataset: str, args: tuple[str, ...]
) -> None:
    """Commands print a sentence instead of a partial result, and exit 3."""
    missing(dataset)
    result = bench.run(*args, code=3)
    assert "" == result.stdout
    assert "is only partly available (503): shards that this needs have no node at the moment" in result.stderr
    assert 1 == len(result.stderr.splitlines())
    assert "{" not in result.stderr


def test_following_waits_for_the_rest(bench: Bench, missing: Callable[[str], Part]) -> None:
    """Started while a shard is missing, it reports that, and prints each line once when it is back."""
    part = missing("app")
    process = bench.start("show", "-f", "--format", "ndjson")
    assert process.stderr is not None
    assert process.stdout is not None
    assert "is only partly available (503)" in (said := process.stderr.readline())
    assert said.endswith("; waiting for it\n")
    part.put_back()
    assert "neuroflow-logs: it is back\n" == process.stderr.readline()
    assert "in app" == json.loads(process.stdout.readline())["message"]
    process.send_signal(signal.SIGINT)
    assert ("", "") == process.communicate()
    assert 0 == process.returncode
