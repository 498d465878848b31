"""Templates on a real node that no other test uses, since these tests change them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from elastic_transport import Transport
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.assets import assets
from shipper.elastic.capabilities import adapt
from shipper.elastic.client import connect
from shipper.elastic.templates import capabilities_of, install
from shipper.testnode.node import Node
from shipper.views.follow import Follower
from shipper.views.hits import flat

CHANGED = ("neuroflow-ecs", "neuroflow-settings")
"""Component templates that differ from those of the first release."""
EXAMPLE: dict[str, Any] = {
    "@timestamp": "2026-11-23T12:44:12.285994123Z",
    "message": "stage.failed",
    "tags": ["parse_failure", "a"],
    "agent": {"type": "neuroflow-ship", "version": "0.1.0"},
    "data_stream": {"type": "logs", "namespace": "put by the test", "dataset": "put by the test"},
    "ecs": {"version": "8.17.0"},
    "error": {"message": "Memory\nlimit", "type": "MemoryError", "stack_trace": "Traceback …\n" * 2000},
    "event": {"action": "stage.failed", "category": ["process"], "created": "2026-11-23T12:44:13.000Z",
     "dataset": "neuroflow.app", "duration": 12_300_000_000, "kind": "event", "outcome": "failure",
     "timezone": "Asia/Jerusalem", "type": ["end", "error"]},
    "host": {"name": "worker-1"},
    "log": {"file": {"path": "/var/log/neuroflow/" + "x" * 4000}, "flags": ["truncated"], "iostream": "stderr",
     "level": "error", "logger": "workflow.stage", "offset": 2**40},
    "process": {"name": "ForkPoolWorker-2", "pid": 29499},
    "service": {"environment": "production", "name": "neuroflow"},
    "user": {"id": "u1"},
    "neuroflow": {"workflow_run_id": "123", "run_id": "456", "pipeline": "qsiprep", "node": "bold_mask",
     "stage": "qsiprep", "session_id": "ses-01", "subject_id": "789", "context": ["pipeline", "subject_id"],
     "task": {"id": "c47fda2d", "name": "neuroflow.workers.tasks.run_pipeline"}, "generation": "g1",
     "original": base64.b64encode(b"\xff\x00\r\n").decode(),
     "audit": {"entity": "session:12", "entity_type": "session", "entity_id": "12", "old_value": "é" * 8191,
     "new_value": "€" * 9000, "triggered_by": "workflow"},
     "metrics": {"stages_executed": 5, "stages_successful": 4, "stages_failed": 1, "pipelines_queued": 7,
     "pipelines_completed": 6, "pipelines_failed": 1, "total_duration_seconds": 3600.5,
     "started_at": "2026-11-23T11:44:12.000Z", "completed_at": "2026-11-23T12:44:12.000Z",
     "stage_durations": {"qsiprep": "120.5"}}, "extra": {"tasks_queued": "5", "nested": {"path": "€" * 20_000}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def es(own: Node) -> Iterator[Elasticsearch]:
    """A client of a node on which only this module makes streams."""
    client = connect(Settings(hosts=[own.url]))
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _installed(es: Elasticsearch) -> None:
    install(es)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Method and target of every request that is sent."""
    sent: list[str] = []
    send = Transport.perform_request

    def record(self: Transport, method: str, target: str, **options: Any) -> Any:
        sent.append(f"{method} {target.partition('?')[0]}")
        return send(self, method, target, **options)

    monkeypatch.setattr(Transport, "perform_request", record)
    return sent


def put(es: Elasticsearch, index: str, *docs: dict[str, Any]) -> None:
    """Create documents as the sidecar does."""
    create: dict[str, Any] = {"create": {}}
    operations = [part for doc in docs for part in (create, doc)]
    answer = es.bulk(index=index, operations=operations, refresh=True, require_data_stream=True)
    assert [item["create"]["status"] for item in answer["items"]] == [201] * len(docs), answer


def mapped_fields(mapping: dict[str, Any], prefix: str = "") -> set[str]:
    """Full names of all leaf fields of a mapping."""
    found: set[str] = set()
    for name, definition in mapping.get("properties", {}).items():
        inner = mapped_fields(definition, f"{prefix}{name}.")
        found |= inner or {prefix + name}
    return found


def test_second_run_changes_nothing(es: Elasticsearch, requests: list[str]) -> None:
    """With all templates in place a start sends three look-ups, no GET / and no PUT."""
    changes = install(es)
    assert {change.action for change in changes} == {"unchanged"}
    assert len(changes) == len(assets())
    assert requests == [
        "GET /_nodes/plugins",
        "GET /_component_template/neuroflow-*",
        "GET /_index_template/*neuroflow*",
    ]


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        ("component_template", "neuroflow-retention-audit", "lifecycle"),
        ("component_template", "neuroflow-fields", "mappings"),
        ("component_template", "neuroflow-settings", "settings"),
        ("index_template", "neuroflow-runs", "settings"),
    ],
)
def test_tampered_template_is_put_right(es: Elasticsearch, kind: str, name: str, key: str) -> None:
    """A template that was changed by hand is found and put again, and no other."""
    tampered: dict[str, Any] = {
        "lifecycle": {"data_retention": "9999d"},
        "mappings": {"properties": {"neuroflow": {"properties": {"run_id": {"type": "long"}}}}},
        "settings": {"index": {"mapping": {"ignore_malformed": False}}},
    }
    headers = {"accept": "application/json", "content-type": "application/json"}
    [entry] = es.perform_request("GET", f"/_{kind}/{name}", headers=headers).body[f"{kind}s"]
    body = {k: value for k, value in entry[kind].items() if not k.endswith("_date_millis")}
    body["template"][key] = tampered[key]
    es.perform_request("PUT", f"/_{kind}/{name}", headers=headers, body=body)

    [dry] = [change for change in install(es, dry_run=True) if change.action != "unchanged"]
    [done] = [change for change in install(es) if change.action != "unchanged"]
    assert (done.kind, done.name, done.action) == (kind, name, "updated")
    assert done == dry
    assert {change.action for change in install(es)} == {"unchanged"}


def test_dry_run_puts_nothing(es: Elasticsearch, requests: list[str]) -> None:
    """A dry run reports what is missing, and changes nothing."""
    es.indices.delete_index_template(name="neuroflow-runs")
    requests.clear()
    [change] = [change for change in install(es, dry_run=True) if change.action != "unchanged"]
    assert (change.name, change.action) == ("neuroflow-runs", "created")
    assert not [request for request in requests if not request.startswith("GET ")]
    assert not es.indices.exists_index_template(name="neuroflow-runs")
    install(es)
    assert es.indices.exists_index_template(name="neuroflow-runs")


@pytest.mark.parametrize("dataset", ["app", "workflow", "celery", "pipeline", "audit"])
def test_full_document_is_taken_whole(es: Elasticsearch, namespace: str, dataset: str) -> None:
    """Every mapped field accepts its value, and every value comes back."""
    stream = {"type": "logs", "dataset": f"neuroflow.{dataset}", "namespace": namespace}
    doc = {**EXAMPLE, "data_stream": stream}
    index = f"logs-neuroflow.{dataset}-{namespace}"
    put(es, index, doc)
    [hit] = es.search(index=index)["hits"]["hits"]
    # Too long to be a term: stored and shown, only not searchable.
    too_long = {"error.stack_trace", "neuroflow.audit.new_value"}
    assert set(hit.get("_ignored", ())) <= too_long
    assert flat(hit["_source"]) == flat(doc)
    [mapping] = es.indices.get_mapping(index=index).body.values()
    covered = {
        field
        for field in mapped_fields(mapping["mappings"])
        if any(leaf == field or leaf.startswith(f"{field}.") for leaf in flat(doc))
    }
    assert covered == mapped_fields(mapping["mappings"])


def test_unknown_field_leaves_the_mapping_alone(es: Elasticsearch, namespace: str) -> None:
    """An unmapped key does not change the mapping and is accepted, even with conflicting types."""
    index = f"logs-neuroflow.app-{namespace}"
    base = {"@timestamp": "2026-11-23T12:44:12Z", "message": "x"}
    put(es, index, base)
    before = es.indices.get_mapping(index=index).body
    put(
        es,
        index,
        {**base, "surprise": 1, "neuroflow": {"surprise": {"deep": True}}},
        {**base, "surprise": {"now": "an object"}, "2026-01-01": "2026-01-01"},
        {**base, "process": {"pid": "not a number"}, "event": {"created": "not a date"}},
    )
    assert es.indices.get_mapping(index=index).body == before
    assert es.count(index=index)["count"] == 4


def test_streams_of_the_release_before_go_on(es: Elasticsearch, namespace: str) -> None:
    """Their indices take the documents of this release; after a rollover they have its mapping and its order."""
    able = capabilities_of(es)
    for asset in assets():
        if asset.name in CHANGED:
            former = adapt(deepcopy(asset.body), able)
            former["version"] = former["_meta"]["version"] = 1
            template = former["template"]
            if "mappings" in template:
                template["mappings"]["properties"]["event"]["properties"] |= {
                    "created": {"type": "date"},
                    "duration": {"type": "long"},
                }
            else:
                sort = {"field": ["service.name", "@timestamp"], "order": ["asc", "desc"]}
                template["settings"]["index"]["sort"] = sort
            es.cluster.put_component_template(name=asset.name, template=template, version=1, meta=former["_meta"])
    index = f"logs-neuroflow.app-{namespace}"
    read_at = "2026-11-23T12:44:13Z"
    document = {"@timestamp": "2026-11-23T12:44:12Z", "message": "x", "event": {"created": read_at, "duration": 5}}
    put(es, index, document)
    assert {"updated"} == {change.action for change in install(es) if change.name in CHANGED}
    put(es, index, document)
    es.indices.rollover(alias=index)
    put(es, index, document)
    for field, least in (("event.duration", 5), ("event.created", read_at)):
        assert 3 == es.count(index=index, query={"range": {field: {"gte": least}}})["count"]
    indexed, sorts = [], []
    for backing in sorted(es.indices.get(index=index).body):
        described = es.indices.get(index=backing).body[backing]
        event = described["mappings"]["properties"]["event"]["properties"]
        indexed.append({field: event[field].get("index", True) for field in ("created", "duration")})
        sorts.append(described["settings"]["index"]["sort"]["field"])
    assert [{"created": True, "duration": True}, {"created": not able.skippers, "duration": False}] == indexed
    assert [["service.name", "@timestamp"], ["@timestamp"]] == sorts


def test_following_needs_no_expensive_queries(es: Elasticsearch, namespace: str) -> None:
    """The time of reading is found by ranges, with or without an index, also where a cluster forbids to read all."""
    index = f"logs-neuroflow.app-{namespace}"
    follower = Follower(es, [index], {"match_all": {}})
    put(es, index, {"@timestamp": "2026-11-23T12:44:12Z", "message": "old", "event": {"created": "2026-11-23"}})
    es.cluster.put_settings(persistent={"search.allow_expensive_queries": False})
    try:
        with follower.snapshot() as snapshot:
            follower.start(snapshot)
        put(es, index, {"@timestamp": "2026-11-23T12:44:12Z", "message": "new", "event": {"created": "2099-01-01"}})
        assert ["new"] == [hit["_source"]["message"] for page in follower.poll() for hit in page]
    finally:
        es.cluster.put_settings(persistent={"search.allow_expensive_queries": None})


def test_streams_are_stored_as_logs(es: Elasticsearch, namespace: str) -> None:
    """The backing index is logsdb, sorted newest first."""
    index = f"logs-neuroflow.celery-{namespace}"
    put(es, index, {"@timestamp": "2026-11-23T12:44:12Z", "message": "x"})
    [backing] = es.indices.get_settings(index=index).body.values()
    settings = backing["settings"]["index"]
    assert settings["mode"] == "logsdb"
    assert settings["sort"] == {"field": ["@timestamp"], "order": ["desc"], "missing": ["_last"]}
    assert settings["auto_expand_replicas"] == "0-1"


def test_only_pipeline_logs_are_read_by_offset(es: Elasticsearch, namespace: str) -> None:
    """Pages of a pipeline log begin at an offset: there it has an index, elsewhere that would be a waste."""
    indexed = {}
    for dataset in ("app", "pipeline"):
        put(es, f"logs-neuroflow.{dataset}-{namespace}", {"@timestamp": "2026-11-23T12:44:12Z", "message": "x"})
        [mapping] = es.indices.get_mapping(index=f"logs-neuroflow.{dataset}-{namespace}").body.values()
        offset = mapping["mappings"]["properties"]["log"]["properties"]["offset"]
        indexed[dataset] = offset.get("index", True)
    assert {"app": False, "pipeline": True} == indexed


def test_retention_is_each_streams_own(es: Elasticsearch) -> None:
    """Operational logs are kept for months, pipeline output a year, the audit trail ten years."""
    kept = {
        dataset: es.perform_request(
            "POST", f"/_index_template/_simulate/logs-neuroflow.{dataset}", headers={"accept": "application/json"}
        ).body["template"]["lifecycle"]["data_retention"]
        for dataset in ("app", "workflow", "celery", "pipeline", "audit")
    }
    assert kept == {"app": "90d", "workflow": "90d", "celery": "90d", "pipeline": "365d", "audit": "3650d"}


def test_run_documents_have_a_plain_index(es: Elasticsearch, namespace: str) -> None:
    """A run document can be overwritten, and is found by its newest state."""
    index = f"neuroflow-runs-{namespace}"
    for fields in (
        {"kind": "pipeline_run", "queued_at": "2026-11-23T12:00:00Z", "neuroflow": {"run_id": "456"}},
        {"status": "failed", "failed_at": "2026-11-23T12:01:00Z", "error": {"message": "Memory limit"}},
    ):
        es.update(index=index, id="pipeline_run:456", doc=fields, doc_as_upsert=True, refresh=True)
    found = es.search(
        index=index,
        query={"bool": {"filter": [{"term": {"status": "failed"}}, {"term": {"neuroflow.run_id": "456"}}]}},
    )["hits"]["hits"]
    assert [hit["_id"] for hit in found] == ["pipeline_run:456"]
    assert found[0]["_source"]["queued_at"] == "2026-11-23T12:00:00Z"
