from __future__ import annotations

from typing import Any

import pytest

from shipper.elastic.capabilities import (
    FULL,
    SERVERLESS,
    Capabilities,
    adapt,
    capabilities,
    equivalents,
    variants,
)

FULL_MODULES = ("mapper-extras", "constant-keyword", "wildcard", "data-streams")


def nodes(*described: tuple[str, tuple[str, ...]]) -> dict[str, Any]:
    """The answer of ``GET _nodes/plugins`` for nodes of these versions and modules."""
    return {
        "nodes": {
            f"node{at}": {"version": version, "modules": [{"name": name} for name in modules]}
            for at, (version, modules) in enumerate(described)
        }
    }


def test_full_node_lacks_nothing() -> None:
    """A full distribution takes the templates as they are."""
    able = capabilities(nodes(("9.5.3", FULL_MODULES)))
    assert able == Capabilities(frozenset(), failure_store=True, skippers=True)


def test_small_distribution_lacks_types_and_failure_store() -> None:
    """The test distribution has none of the optional modules."""
    able = capabilities(nodes(("9.5.3", ("transport-netty4",))))
    assert able.missing_types == {"match_only_text", "constant_keyword", "wildcard"}
    assert able.failure_store is False


def test_mixed_cluster_is_as_poor_as_its_poorest_node() -> None:
    """A cluster has only the capabilities that all its nodes have."""
    without_wildcard = tuple(name for name in FULL_MODULES if name != "wildcard")
    able = capabilities(nodes(("9.5.3", FULL_MODULES), ("8.17.0", without_wildcard)))
    assert able == Capabilities(frozenset({"wildcard"}), failure_store=False)


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ("8.17.4", False), ("8.18.9", False), ("8.19.0", True), ("9.0.8", False), ("9.1.0-SNAPSHOT", True),
        ("10.0.0", True), ("?", False),
    ],
)  # fmt: skip
def test_failure_store_by_version(version: str, has: bool) -> None:
    """It came with 8.19 and 9.1; 9.0 is older than 8.19."""
    assert capabilities(nodes((version, FULL_MODULES))).failure_store is has


def test_no_description_means_full() -> None:
    """A cluster that lists no modules counts as complete."""
    assert capabilities({}) == FULL
    assert capabilities({"nodes": {"a": {"version": "9.5.3"}}}) == FULL


def test_adapt_replaces_types_and_only_types() -> None:
    """A type is replaced with its parameters; a field named "type" stays."""
    body = {
        "version": 1,
        "template": {"mappings": {"properties": {"type": {"type": "constant_keyword", "value": "logs"},
         "error": {"properties": {"type": {"type": "keyword"}, "stack_trace": {"type": "wildcard"}}},
         "message": {"type": "match_only_text"}}}, "data_stream_options": {"failure_store": {"enabled": True}}},
    }  # fmt: skip
    able = Capabilities(frozenset({"constant_keyword", "wildcard", "match_only_text"}), failure_store=False)
    adapted = adapt(body, able)
    assert adapted["template"] == {
        "mappings": {
            "properties": {
                "type": {"type": "keyword"},
                "error": {"properties": {"type": {"type": "keyword"},
                 "stack_trace": {"type": "keyword", "ignore_above": 8191}}},
                "message": {"type": "text"},
            }
        }
    }  # fmt: skip
    assert "data_stream_options" in body["template"], "the given body was changed"  # type: ignore[operator]


def test_adapt_leaves_a_full_cluster_alone() -> None:
    """On a complete cluster the templates stay unchanged."""
    body = {"template": {"data_stream_options": {}, "mappings": {"properties": {"a": {"type": "wildcard"}}}}}
    assert adapt(body, FULL) == body


@pytest.mark.parametrize(
    ("version", "mode"), [("8.12.2", None), ("8.16.6", None), ("8.17.0", "logsdb"), ("9.5.3", "logsdb")]
)
def test_older_nodes_store_logs_as_any_index(version: str, mode: str | None) -> None:
    """Before 8.17 the logsdb mode is left out, since the node rejects it; other settings stay."""
    settings = {"index": {"mode": "logsdb", "sort": {"field": ["service.name"]}}}
    adapted = adapt({"template": {"settings": settings}}, capabilities(nodes((version, FULL_MODULES))))
    left = adapted["template"]["settings"]["index"]
    assert (mode, {"field": ["service.name"]}) == (left.get("mode"), left["sort"])


SETTINGS = {"mode": "logsdb", "auto_expand_replicas": "0-1", "number_of_shards": 1, "sort": {"field": ["@timestamp"]}}


def test_a_project_chooses_shards_and_replicas() -> None:
    """Elastic Cloud Serverless gets the settings that it takes."""
    body = {"priority": 250, "template": {"settings": {"index": SETTINGS}, "mappings": {"dynamic": False}}}
    adapted = adapt(body, SERVERLESS)
    assert {"mode": "logsdb", "sort": {"field": ["@timestamp"]}} == adapted["template"]["settings"]["index"]
    assert (250, {"dynamic": False}) == (adapted["priority"], adapted["template"]["mappings"])
    assert SETTINGS == body["template"]["settings"]["index"]  # type: ignore[index] # known


def test_a_cluster_that_tells_nothing_is_tried() -> None:
    """Without the failure store, without the settings, without both; one that tells its capabilities is not."""
    options = {"failure_store": {"enabled": True}}
    body = {"template": {"settings": {"index": SETTINGS}, "data_stream_options": options}}
    tried = [
        ("data_stream_options" in one["template"], "number_of_shards" in one["template"]["settings"]["index"])
        for one in variants(body, FULL)
    ]
    assert [(True, True), (False, True), (True, False), (False, False)] == tried
    assert [body] == variants(body, Capabilities(failure_store=True))
    plain: dict[str, Any] = {"template": {"mappings": {}}}
    assert [plain] == variants(plain, FULL)


READ_AT: dict[str, Any] = {
    "template": {"mappings": {"properties": {"event": {"properties": {"created": {"type": "date"}}}}}}
}


def created_in(body: dict[str, Any]) -> dict[str, Any]:
    """How a template maps the time of reading."""
    found: dict[str, Any] = body["template"]["mappings"]["properties"]["event"]["properties"]["created"]
    return found


@pytest.mark.parametrize(
    ("versions", "indexed"),
    [
        (["9.4.0"], False), (["9.5.3", "10.0.0"], False), (["9.3.9"], True), (["8.19.21"], True),
        (["9.5.3", "8.19.21"], True), (["?"], True),
    ],
)  # fmt: skip
def test_time_of_reading_has_an_index_where_nodes_need_one(versions: list[str], indexed: bool) -> None:
    """Nodes since 9.4 find its ranges without an index; in a mixed cluster the others need one."""
    able = capabilities(nodes(*((version, FULL_MODULES) for version in versions)))
    assert ({"type": "date"} if indexed else {"type": "date", "index": False}) == created_in(adapt(READ_AT, able))
    assert {"type": "date"} == created_in(READ_AT), "the given body was changed"


def test_templates_without_that_field_stay() -> None:
    """Of other templates nothing is changed."""
    for mappings in ({}, {"properties": {"event": {"properties": {"kind": {"type": "keyword"}}}}}):
        body = {"template": {"mappings": mappings}}
        assert body == adapt(body, Capabilities(failure_store=True, skippers=True))


def test_who_sees_no_versions_accepts_both() -> None:
    """A key that may not see versions leaves alone what one that may has installed; it puts the index itself."""
    assert [True, False] == ["index" not in created_in(form) for form in equivalents(READ_AT, FULL)]
    assert [READ_AT] == variants(READ_AT, FULL)
    assert [READ_AT] == equivalents(READ_AT, Capabilities(failure_store=True))
