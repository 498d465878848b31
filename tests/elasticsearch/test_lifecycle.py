"""``setup --retention`` and ``--apply`` on a real node of their own, since these tests change its templates.

Elastic's test distribution has no requests about the lifecycle of data streams: of these the stand-in of
``tests/conformance/test_lifecycle.py`` knows the shapes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from shipper.cli.ship import ship
from shipper.config import Elasticsearch as Settings
from shipper.elastic.assets import assets
from shipper.elastic.capabilities import adapt
from shipper.elastic.client import connect
from shipper.elastic.names import run_index
from shipper.elastic.templates import capabilities_of, install
from shipper.runs.index import make_run_index
from shipper.testnode.node import Node
from tests.conformance.harness import Harness, eventually

JSON = {"accept": "application/json", "content-type": "application/json"}


@pytest.fixture(scope="module")
def es(own: Node) -> Iterator[Elasticsearch]:
    """A client of a node on which only this module makes streams."""
    client = connect(Settings(hosts=[own.url]))
    yield client
    client.close()


@pytest.fixture
def lab(es: Elasticsearch, own: Node, tmp_path: Path, namespace: str) -> Iterator[Harness]:
    """A configuration for this node, whose templates are this release's."""
    install(es)
    one = Harness(tmp_path, own.url, namespace)
    yield one
    one.close()
    install(es)
    es.options(ignore_status=404).perform_request("DELETE", "/_component_template/*@custom", headers=JSON)


def setup(lab: Harness, *options: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(ship, ["--config", str(lab.config), "setup", *options])


def about(result: Result, name: str) -> list[str]:
    """The lines of an output that name a stream or a template."""
    return [line for line in result.output.splitlines() if name in line]


def older(es: Elasticsearch, **settings: Any) -> None:
    """Put the templates of an older release: without some fields, and with other settings."""
    able = capabilities_of(es)
    for asset in assets():
        if asset.name not in ("neuroflow-ecs", "neuroflow-settings"):
            continue
        former = adapt(deepcopy(asset.body), able)
        template = former["template"]
        if "mappings" in template:
            del template["mappings"]["properties"]["event"]["properties"]["timezone"]
        else:
            template["settings"]["index"] |= settings
        es.cluster.put_component_template(
            name=asset.name, template=template, version=1, meta={"managed_by": "neuroflow-ship", "version": 1}
        )


def put(es: Elasticsearch, index: str, **fields: Any) -> None:
    """Create a document."""
    es.index(
        index=index, op_type="create", refresh=True,
        document={"@timestamp": "2026-11-27T00:00:00Z", "message": "x", **fields},
    )  # fmt: skip


def backing(es: Elasticsearch, index: str) -> list[str]:
    """The backing indices, the write index last."""
    return sorted(es.indices.get_settings(index=index).body)


def test_retention_outlives_the_next_setup(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """It is put beside what the lab's template has, counts for new streams, and a setup without it leaves it."""
    name = "logs-neuroflow.audit@custom"
    template = {"settings": {"index": {"refresh_interval": "7s"}}, "mappings": {"_meta": {"owner": "lab"}}}
    es.cluster.put_component_template(name=name, template=template, version=7, meta={"who": "lab"})
    result = setup(lab, "--retention", "audit=7300d", "--retention", "celery=unlimited")
    assert 0 == result.exit_code, result.output
    (entry,) = es.cluster.get_component_template(name=name)["component_templates"]
    found = entry["component_template"]
    assert (7, {"who": "lab"}) == (found["version"], found["_meta"])
    assert {"index": {"refresh_interval": "7s"}} == found["template"]["settings"]
    assert {"_meta": {"owner": "lab"}} == found["template"]["mappings"]
    assert 0 == setup(lab).exit_code
    kept = {
        dataset: es.perform_request(
            "POST", f"/_index_template/_simulate_index/logs-neuroflow.{dataset}-{namespace}", headers=JSON
        )
        .body["template"]["lifecycle"]
        .get("data_retention")
        for dataset in ("audit", "celery", "app")
    }
    assert {"audit": "7300d", "celery": None, "app": "90d"} == kept
    assert [] == [line for line in setup(lab, "--retention", "audit=7300d").output.splitlines() if "done" in line]


def test_a_shorter_retention_needs_an_agreement(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """Without --yes nothing is changed, and what would be deleted is told."""
    stream = f"logs-neuroflow.app-{namespace}"
    put(es, stream)
    es.indices.rollover(alias=stream)
    result = setup(lab, "--retention", "app=1h")
    assert 1 == result.exit_code
    assert [
        "nothing is deleted at once; an index is deleted 1h after its rollover" in line
        for line in about(result, "shorter")
    ]
    assert "--yes" in result.output
    assert not es.cluster.exists_component_template(name="logs-neuroflow.app@custom")
    result = setup(lab, "--retention", "app=1h", "--dry-run")
    assert 0 == result.exit_code
    assert not es.cluster.exists_component_template(name="logs-neuroflow.app@custom")
    result = setup(lab, "--retention", "app=1h", "--yes")
    assert es.cluster.exists_component_template(name="logs-neuroflow.app@custom")
    # This distribution can't change the lifecycle of a stream: the command says so, and that the rest was done.
    assert 1 == result.exit_code
    assert ["failed"] == [line.split()[0] for line in about(result, stream) if "shorter" not in line]


def test_a_fresh_stream_needs_nothing(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """What the templates of this release made is as they say, the index of run documents included."""
    for dataset in ("app", "workflow", "celery", "pipeline", "audit"):
        put(es, f"logs-neuroflow.{dataset}-{namespace}")
    make_run_index(es, run_index(namespace))
    result = setup(lab, "--apply")
    assert (0, 0) == (result.exit_code, result.output.count("done")), result.output
    assert "nothing to do" in result.output


def test_new_fields_reach_an_existing_stream(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """They are in the mapping of its write index, a dry run only says so, and a second run has nothing to do."""
    stream = f"logs-neuroflow.app-{namespace}"
    older(es)
    put(es, stream)
    dry = setup(lab, "--apply", "--dry-run")
    assert [] == about(dry, "event.timezone")  # the templates are still the older ones
    assert 0 == setup(lab).exit_code
    dry = setup(lab, "--apply", "--dry-run")
    assert [f"would do   {stream}: new fields event.timezone"] == about(dry, "event.timezone")
    result = setup(lab, "--apply")
    assert (0, [f"done       {stream}: new fields event.timezone"]) == (
        result.exit_code,
        about(result, "event.timezone"),
    )
    put(es, stream, event={"timezone": "UTC"})
    assert 1 == es.count(index=stream, query={"term": {"event.timezone": "UTC"}})["count"]
    assert 1 == len(backing(es, stream))
    assert "nothing to do" in setup(lab, "--apply").output


def test_another_order_comes_with_a_lazy_rollover(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """The next document goes into an index with the order of this release; after that there is nothing to do."""
    stream = f"logs-neuroflow.app-{namespace}"
    older(es, sort={"field": ["service.name", "@timestamp"], "order": ["asc", "desc"]})
    put(es, stream)
    result = setup(lab, "--apply")
    assert 0 == result.exit_code
    assert ["rolls over with the next document" in line for line in about(result, f"done       {stream}")] == [True]
    assert 1 == len(backing(es, stream))
    put(es, stream, event={"timezone": "UTC"})
    *_, newest = backing(es, stream)
    assert 2 == len(backing(es, stream))
    settings = es.indices.get_settings(index=newest)[newest]["settings"]["index"]
    assert ["@timestamp"] == settings["sort"]["field"]
    assert 1 == es.count(index=stream, query={"term": {"event.timezone": "UTC"}})["count"]
    assert "nothing to do" in setup(lab, "--apply").output


def test_an_older_sidecar_beside_a_newer_one(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """Templates of a later release stay as they are, and --apply brings their fields to a stream."""
    stream = f"logs-neuroflow.app-{namespace}"
    put(es, stream)
    (asset,) = (one for one in assets() if one.name == "neuroflow-ecs")
    template = adapt(deepcopy(asset.body), capabilities_of(es))["template"]
    template["mappings"]["properties"]["event"]["properties"]["later"] = {"type": "keyword", "ignore_above": 1024}
    es.cluster.put_component_template(
        name=asset.name, template=template, version=9999, meta={"managed_by": "neuroflow-ship", "version": 9999}
    )
    try:
        result = setup(lab, "--apply")
        assert 0 == result.exit_code, result.output
        assert ["newer"] == [line.split()[0] for line in about(result, "neuroflow-ecs")]
        assert [f"done       {stream}: new fields event.later"] == about(result, "event.later")
        assert 0 == lab.once().returncode
        (entry,) = es.cluster.get_component_template(name=asset.name)["component_templates"]
        assert 9999 == entry["component_template"]["version"]
    finally:
        es.cluster.put_component_template(name=asset.name, template=template, version=1)


def test_a_stream_of_somebody_elses_template_is_left_alone(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """Where another index template wins, its mapping is not brought to the stream."""
    stream = f"logs-neuroflow.app-{namespace}"
    put(es, stream)
    es.indices.put_index_template(
        name="foreign", index_patterns=["logs-neuroflow.app-*"], priority=900, data_stream={},
        template={"mappings": {"properties": {"neuroflow": {"type": "flattened"}}}},
    )  # fmt: skip
    try:
        result = setup(lab, "--apply")
    finally:
        es.indices.delete_index_template(name="foreign")
    assert [f"skipped    {stream}: left alone: the template in force for it is not neuroflow-ship's"] == about(
        result, f"skipped    {stream}"
    )
    assert 1 == len(backing(es, stream))


def test_the_index_of_run_documents_gets_new_fields(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """Fields that an older release did not have are added; a field of another type is named with what to do."""
    index = run_index(namespace)
    es.indices.create(
        index=index, mappings={"dynamic": False, "properties": {"kind": {"type": "keyword", "ignore_above": 1024}}}
    )
    result = setup(lab, "--apply")
    assert 0 == result.exit_code, result.output
    mapping = es.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    assert {"status", "neuroflow"} <= set(mapping)
    assert "nothing to do" in setup(lab, "--apply").output


def test_exactly_once_while_streams_are_upgraded(es: Elasticsearch, lab: Harness, namespace: str) -> None:
    """A sidecar ships, is killed and goes on while streams roll over: each line is in the index once."""
    stream = f"logs-neuroflow.app-{namespace}"
    older(es, sort={"field": ["service.name", "@timestamp"], "order": ["asc", "desc"]})
    lab.configure(batch={"max_events": 50})
    log = lab.logs / "neuroflow.log"
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            with log.open("a") as file:
                for _ in range(20):
                    line = {"event": f"n{written}", "level": "info", "timestamp": "2026-11-27T10:00:00.000001Z"}
                    file.write(json.dumps(line) + "\n")
                    written += 1
            stop.wait(0.1)

    writer = threading.Thread(target=write)
    process = lab.start(command=lab.command("--no-setup"))
    writer.start()
    try:
        assert eventually(lambda: bool(es.indices.exists(index=stream)) and _count(es, stream) > 100)
        for turn in range(3):
            older(es, sort={"field": ["service.name", "@timestamp"], "order": ["asc", "desc"]})
            if turn:
                es.indices.rollover(alias=stream)
            assert 0 == setup(lab, "--apply").exit_code
            if turn == 1:
                lab.kill(process)
                process = lab.start(command=lab.command("--no-setup"))
    finally:
        stop.set()
        writer.join()
    assert eventually(lambda: _count(es, stream) >= written)
    assert 0 == lab.stop(process)[0]
    found = es.search(
        index=stream, size=0, track_total_hits=True,
        aggs={"lines": {"cardinality": {"field": "log.offset", "precision_threshold": 40000}}},
    )  # fmt: skip
    assert written == found["hits"]["total"]["value"]
    assert 4 <= len(backing(es, stream))


def _count(es: Elasticsearch, stream: str) -> int:
    es.indices.refresh(index=stream)
    return int(es.count(index=stream)["count"])
