"""``check`` on a real node: blocks, the shard limit, templates that are missing or of another release, versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.elastic.templates import install
from shipper.testnode.node import Node
from tests.elasticsearch.test_foreign_templates import Lab

# A template that no stream of these tests uses: such a one can be deleted.
UNUSED = "logs-neuroflow.audit"


@pytest.fixture
def es(own: Node) -> Iterator[Elasticsearch]:
    """A client of a node whose templates and limits a test may change."""
    client = connect(Settings(hosts=[own.url]))
    yield client
    client.close()


@pytest.fixture
def lab(own: Node, es: Elasticsearch, tmp_path: Path) -> Lab:
    """A lab on a node with this release's templates."""
    install(es)
    return Lab(own, es, tmp_path)


def checked(lab: Lab) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the last finding of each name."""
    done = lab.ship("check", "--json")
    return done.exit_code, {one["name"]: one for one in json.loads(done.stdout)["findings"]}


def test_a_good_cluster(lab: Lab) -> None:
    """Clock, version, shards, disks and templates are seen, before and after the first line."""
    for _ in range(2):
        code, found = checked(lab)
        assert 0 == code, found
        assert {"cluster", "clock", "version", "shards", "templates", "file"} <= found.keys()
        assert {"check-failed", "templates-missing", "clock-unseen", "version-unseen"} & found.keys() == set()
        assert 0 == lab.once().returncode


def test_read_only_index(lab: Lab) -> None:
    """What Elasticsearch does when a disk is full stops the documents, and is named with the remedy."""
    assert 0 == lab.once().returncode
    block = {"index.blocks.read_only_allow_delete": True}
    lab.es.indices.put_settings(index=lab.app, settings=block)
    code, found = checked(lab)
    assert 1 == code
    assert lab.app == found["index-read-only"]["subject"]
    assert "index.blocks.read_only_allow_delete: null" in found["index-read-only"]["do"]
    lab.es.indices.put_settings(index=lab.app, settings={"index.blocks.read_only_allow_delete": None})
    assert "index-read-only" not in checked(lab)[1]


@pytest.mark.parametrize(("block", "code", "said"), [
    ("write", 1, "takes no documents"), ("read", 0, "can't be searched"), ("metadata", 0, "can't be read or changed"),
])  # fmt: skip
def test_blocks_that_somebody_set(lab: Lab, block: str, code: int, said: str) -> None:
    """Each is named with what it stops, and is not taken for a full disk, a weak key or a proxy."""
    assert 0 == lab.once().returncode
    lab.es.indices.put_settings(index=lab.app, settings={f"index.blocks.{block}": True})
    try:
        there, found = checked(lab)
        assert (code, True) == (there, said in found["index-read-only"]["sentence"])
        assert "find out who set it" in found["index-read-only"]["do"]
        assert {"check-failed", "blocks-unseen", "template-overruled"} & found.keys() == set()
    finally:
        lab.es.indices.put_settings(index=lab.app, settings={f"index.blocks.{block}": None})


def test_watermarks_of_the_cluster(lab: Lab) -> None:
    """Disks are judged by the watermarks that are set, here as free bytes that no disk has."""
    disk = "cluster.routing.allocation.disk"
    marks = {
        f"{disk}.watermark.low": "900pb",
        f"{disk}.watermark.high": "900pb",
        f"{disk}.watermark.flood_stage": "1b",
    }
    settings = {f"{disk}.threshold_enabled": True, **marks}
    assert "cluster-disk" not in checked(lab)[1]
    lab.es.cluster.put_settings(persistent=settings)
    try:
        assert "moves shards away from it" in checked(lab)[1]["cluster-disk"]["sentence"]
    finally:
        lab.es.cluster.put_settings(persistent=dict.fromkeys(settings))


def test_shard_limit_and_read_only_cluster(lab: Lab) -> None:
    """A full cluster and a read-only one are errors."""
    assert 0 == lab.once().returncode
    put = lab.es.cluster.put_settings
    put(persistent={"cluster.max_shards_per_node": 1})
    try:
        code, found = checked(lab)
        assert (1, "error") == (code, found["shard-limit"]["severity"])
        put(persistent={"cluster.max_shards_per_node": None})
        put(persistent={"cluster.blocks.read_only_allow_delete": True})
        code, found = checked(lab)
        assert (1, True) == (code, "read_only_allow_delete" in found["cluster-read-only"]["sentence"])
    finally:
        # A blocked cluster takes a request that removes the block, and nothing else.
        put(persistent={"cluster.blocks.read_only_allow_delete": None})
        put(persistent={"cluster.max_shards_per_node": None})
    assert 0 == checked(lab)[0]


def test_templates_of_other_releases(lab: Lab) -> None:
    """A missing, an older and a newer one are told apart."""
    lab.delete("index_template", UNUSED)
    assert UNUSED in checked(lab)[1]["templates-missing"]["sentence"]
    install(lab.es)
    headers = {"accept": "application/json"}
    answer = lab.es.perform_request("GET", f"/_index_template/{UNUSED}", headers=headers)
    body = answer.body["index_templates"][0]["index_template"]
    body = {key: value for key, value in body.items() if not key.endswith(("_date", "_date_millis"))}
    for version, name in ((body["version"] - 1, "templates-older"), (10**6, "templates-newer")):
        lab.put("index_template", UNUSED, {**body, "version": version})
        found = checked(lab)[1]
        assert UNUSED in found[name]["sentence"], found
    lab.delete("index_template", UNUSED)
    install(lab.es)
    assert {"templates-missing", "templates-older", "templates-newer"} & checked(lab)[1].keys() == set()
