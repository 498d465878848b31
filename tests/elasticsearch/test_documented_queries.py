"""The queries that ``docs/queries.md`` gives for Kibana find what those for ``neuroflow-logs search`` find."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.testnode.node import Node
from shipper.views.views import FAILURES
from tests.conformance.harness import Harness
from tests.elasticsearch.screens import Laboratory
from tests.kibana_emulator.kuery import query_of
from tests.kibana_emulator.mapped import LOGS, RUNS
from tests.kibana_emulator.objects import objects
from tests.pages import DOCS, blocks, code, rows, section

PAGE = DOCS / "queries.md"
HOUR = 3600
LINES = [
    {"event": "pipeline.failed", "level": "error", "run_id": 456, "pipeline": "qsiprep", "error": "killed"},
    {"event": "pipeline.failed", "level": "error", "run_id": 457, "pipeline": "qsirecon", "error": "killed"},
    {"event": "pipeline.completed", "level": "info", "run_id": 458, "pipeline": "qsiprep", "duration": HOUR},
    {"event": "container ended", "level": "info", "exit_code": 137},
]


@pytest.fixture(scope="module")
def shipped(node: Node, es: Elasticsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Lines of which each query of the page finds some and not all."""
    harness = Harness(tmp_path_factory.mktemp("queries"), node.url, f"t{uuid.uuid4().hex[:10]}", es)
    now = datetime.now(UTC).isoformat()
    text = "".join(json.dumps({"@timestamp": now} | one) + "\n" for one in LINES)
    (harness.logs / "neuroflow.log").write_text(text)
    done = harness.once()
    assert 0 == done.returncode, done.stderr
    yield harness
    harness.close()


def messages(harness: Harness, query: dict[str, Any]) -> list[str]:
    """The messages that Discover shows for a request's query."""
    found = harness.es.search(index=f"logs-neuroflow.*-{harness.namespace}", query=query)
    return sorted(hit["_source"]["message"] for hit in found["hits"]["hits"])


@pytest.mark.parametrize("row", rows(section(PAGE, "In Kibana"), "KQL"), ids=lambda row: row["KQL"])
def test_kql_finds_the_same(shipped: Harness, row: dict[str, str]) -> None:
    """Each pair of queries of the table finds the same lines, of which there are some."""
    printed = Laboratory(shipped).rows("search", code(row["`neuroflow-logs search`"]))
    assert 0 < len(printed) < len(LINES)
    assert sorted(one["message"] for one in printed) == messages(shipped, query_of(code(row["KQL"]), LOGS))


def test_failed_runs_of_a_pipeline(shipped: Harness) -> None:
    """The command and the query find the one run of the pipeline that failed."""
    [command] = [block for block in blocks("console", [PAGE]) if "pipeline.failed" in block.text]
    printed = Laboratory(shipped).rows(*shlex.split(command.text.removeprefix("$ "))[1:])
    assert ["456"] == [one["neuroflow.run_id"] for one in printed]
    [more] = [block.text for block in blocks("text", [PAGE]) if "failed_at" in block.text]
    search = objects()["search", f"neuroflow-{FAILURES.name}"]
    assert "neuroflow-runs-state" == search["references"][0]["id"], "which has no time field"
    query = search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]["query"]["query"]
    found = shipped.es.search(index=f"neuroflow-runs-{shipped.namespace}", query=query_of(f"{query} {more}", RUNS))
    assert ["pipeline_run:456"] == [hit["_id"] for hit in found["hits"]["hits"]]
