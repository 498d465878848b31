"""What an existing data stream needs to be as its template says."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shipper.elastic.steps import Remark, Step
from shipper.elastic.streams import Index, Stream
from shipper.elastic.upgrade import of_templates

NAME = "logs-neuroflow.app-lab"
MAPPINGS: dict[str, Any] = {
    "dynamic": "false",
    "properties": {
        "message": {"type": "match_only_text"},
        "data_stream": {"properties": {"namespace": {"type": "constant_keyword"}}},
        "event": {"properties": {"action": {"type": "keyword", "ignore_above": 1024}}},
    },
}
SETTINGS = {"index": {"mode": "logsdb", "auto_expand_replicas": "0-1", "sort": {"field": ["@timestamp"]}}}
TEMPLATE: dict[str, Any] = {
    "settings": SETTINGS, "mappings": MAPPINGS, "lifecycle": {"enabled": True, "data_retention": "90d"},
    "data_stream_options": {"failure_store": {"enabled": True}},
}  # fmt: skip
DESCRIBED: dict[str, Any] = {
    "name": NAME, "lifecycle": {"enabled": True, "data_retention": "90d"}, "failure_store": {"enabled": True},
    "rollover_on_write": False,
}  # fmt: skip


def stream(**changes: Any) -> Stream:
    """A stream as its template says, as the cluster spells that, except for these changes."""
    mappings = deepcopy(MAPPINGS)
    mappings["properties"]["data_stream"]["properties"]["namespace"]["value"] = "lab"
    settings = {
        "index.mode": "logsdb", "index.auto_expand_replicas": "0-1", "index.sort.field": "@timestamp",
        "index.number_of_replicas": "0", "index.uuid": "x",
    }  # fmt: skip
    return Stream(**{
        "name": NAME, "indices": (Index(".ds-1", 0),), "settings": settings, "mappings": mappings,
        "described": DESCRIBED, **changes,
    })  # fmt: skip


def template(**fields: Any) -> dict[str, Any]:
    """The template with other fields."""
    return {**TEMPLATE, "mappings": {**MAPPINGS, "properties": MAPPINGS["properties"] | fields}}


def steps(one: Stream, wanted: dict[str, Any]) -> list[tuple[str, str, object]]:
    """The requests that are planned."""
    return [(step.method, step.path, step.body) for step in of_templates(one, wanted, 0) if isinstance(step, Step)]


def test_nothing_to_do() -> None:
    """A stream that is as its template says needs nothing, however the cluster spells its values."""
    assert [] == of_templates(stream(), TEMPLATE, 0)


def test_new_fields_are_put() -> None:
    """New fields, and parameters that can be changed, go into the write index; a refusal leads to a rollover."""
    event = {"properties": {"action": {"type": "keyword", "ignore_above": 99}, "kind": {"type": "keyword"}}}
    wanted = template(event=event)
    (step,) = of_templates(stream(), wanted, 0)
    assert isinstance(step, Step)
    assert f"/{NAME}/_mapping?write_index_only=true" == step.path
    assert {
        "properties": wanted["mappings"]["properties"] and {"event": wanted["mappings"]["properties"]["event"]}
    } == step.body
    assert step.otherwise is not None
    assert f"/{NAME}/_rollover?lazy=true" == step.otherwise.path


@pytest.mark.parametrize(
    "field", [{"type": "text"}, {"type": "match_only_text", "index": False}, {"properties": {"a": {"type": "long"}}}]
)
def test_changed_fields_need_a_rollover(field: dict[str, Any]) -> None:
    """A field that is indexed in another way comes with the next backing index, and new ones with it."""
    wanted = template(message=field, more={"type": "long"})
    assert [("POST", f"/{NAME}/_rollover?lazy=true", None)] == steps(stream(), wanted)
    (step,) = of_templates(stream(), wanted, 0)
    assert isinstance(step, Step)
    assert step.otherwise is not None
    assert f"/{NAME}/_rollover" == step.otherwise.path


@pytest.mark.parametrize("change", [{"mode": "standard"}, {"sort": {"field": ["a", "@timestamp"]}}, {"codec": "x"}])
def test_changed_settings_need_a_rollover(change: dict[str, Any]) -> None:
    """So does an order on disk, a storage mode, a codec."""
    wanted = {**TEMPLATE, "settings": {"index": SETTINGS["index"] | change}}
    assert [("POST", f"/{NAME}/_rollover?lazy=true", None)] == steps(stream(), wanted)


def test_a_rollover_is_asked_for_once() -> None:
    """While a lazy rollover waits for a document there is nothing to do."""
    waits = stream(described={**DESCRIBED, "rollover_on_write": True})
    assert [Remark] == [type(one) for one in of_templates(waits, template(message={"type": "text"}), 0)]


def test_settings_that_an_index_takes_are_put() -> None:
    """The number of replicas may follow the nodes; where shards are allocated is the cluster's."""
    wanted = {
        **TEMPLATE,
        "settings": {"index": SETTINGS["index"] | {"auto_expand_replicas": "0-all", "routing": {"x": 1}}},
    }
    assert [("PUT", "/.ds-1/_settings", {"index.auto_expand_replicas": "0-all"})] == steps(stream(), wanted)


def test_retention_and_failure_store() -> None:
    """Both are put where the stream has others; a stream that ILM manages keeps its retention."""
    bare = {"name": NAME, "failure_store": {"enabled": False}}
    assert [
        ("PUT", f"/_data_stream/{NAME}/_lifecycle", {"data_retention": "90d"}),
        ("PUT", f"/_data_stream/{NAME}/_options", {"failure_store": {"enabled": True}}),
    ] == steps(stream(described=bare), TEMPLATE)
    with_policy = {**stream().settings, "index.lifecycle.name": "tiers"}
    assert [
        ("PUT", f"/_data_stream/{NAME}/_options", {"failure_store": {"enabled": True}}),
    ] == steps(stream(described=bare, settings=with_policy), TEMPLATE)


def test_a_cluster_that_does_not_tell() -> None:
    """Without the description of the stream its retention stays as it is, which is said."""
    (remark,) = of_templates(stream(described=None), TEMPLATE, 0)
    assert isinstance(remark, Remark)
    assert "does not tell its retention" in remark.text
