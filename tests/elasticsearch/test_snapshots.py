"""The requests of the documentation that save and restore run documents, on a node with a repository."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect, send_json
from shipper.testnode.node import running_node
from tests.conformance.harness import Harness
from tests.elasticsearch.lab import APPLICATION_LOG, WORKFLOW_LOG
from tests.pages import DOCS, blocks

pytestmark = [pytest.mark.elasticsearch, pytest.mark.second_node]

INDEX = "neuroflow-runs-default"
REQUESTS = [block.text for block in blocks("json", [DOCS / "operations.md"]) if "_snapshot" in block.text]


@pytest.fixture
def repository() -> Iterator[Path]:
    """A directory for snapshots."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)  # the node's user is another one where the tests run as root
    yield path
    shutil.rmtree(path)


@pytest.fixture
def lab(tmp_path: Path, repository: Path) -> Iterator[Harness]:
    """A configuration for a node of its own, in the namespace of the documentation."""
    with running_node(heap="512m", brief=True, settings={"path.repo": [str(repository)]}) as node:
        one = Harness(tmp_path, node.url, "default")
        yield one
        one.close()


def requested(es: Elasticsearch, text: str, repository: Path) -> None:
    """Send a request of the documentation."""
    line, _, body = text.replace("/mnt/backup", str(repository)).partition("\n")
    method, path = line.split()
    send_json(es, method, f"/{path}", json.loads(body) if body.strip() else None)


def views(lab: Harness) -> list[str]:
    """What the views that read run documents print."""
    module = "shipper.cli.logs"
    return [
        lab.ask(*arguments, "--format", "json", module=module).stdout
        for arguments in (["workflow", "--list"], ["workflow", "1"], ["stats", "pipelines"], ["stats", "failures"])
    ]


def test_snapshot_and_restore(lab: Harness, repository: Path) -> None:
    """After the index is deleted and restored, the views answer the same, and a sidecar goes on with it."""
    register, take, restore = REQUESTS
    for name, lines in (("workflow.log", WORKFLOW_LOG), ("neuroflow.log", APPLICATION_LOG)):
        (lab.logs / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert 0 == lab.once().returncode
    es = connect(Settings(hosts=[str(lab.url)]))
    before = views(lab)
    assert all(map(json.loads, before))
    requested(es, register, repository)
    requested(es, take, repository)
    es.indices.delete(index=INDEX)
    requested(es, restore, repository)
    assert before == views(lab)
    with (lab.logs / "workflow.log").open("a") as file:
        file.write(json.dumps({**WORKFLOW_LOG[-1], "event": "workflow.failed", "@timestamp": "2026-11-23T15:00:00Z"}))
    assert 0 == lab.once().returncode
    (changed,) = [
        one for one in json.loads(views(lab)[0]) if one["status"] == "failed" and one not in json.loads(before[0])
    ]
    assert "10" == changed["neuroflow.workflow_run_id"]
    es.close()
