"""The decisions of `install`, with prepared answers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from elastic_transport import ApiResponseMeta, BaseNode, HttpHeaders, NodeConfig
from elastic_transport._node import NodeApiResponse
from elasticsearch import AuthenticationException, BadRequestError, Elasticsearch

from shipper.elastic.assets import assets
from shipper.elastic.templates import install, same

Answer = tuple[int, dict[str, Any]]


class Cluster:
    """Keeps what is put; ``refuse`` may answer a request (method, path, body) instead."""

    def __init__(self, refuse: Callable[[str, str, Any], Answer | None] = lambda *_: None) -> None:
        self.refuse = refuse
        self.kept: dict[str, Any] = {}
        self.puts: list[str] = []

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if refused := self.refuse(method, path, body):
            return refused
        if path == "/_nodes/plugins":
            names = ("mapper-extras", "constant-keyword", "wildcard", "data-streams")
            return 200, {"nodes": {"a": {"version": "9.5.3", "modules": [{"name": name} for name in names]}}}
        kind = path.split("/")[1].removeprefix("_")
        if method == "PUT":
            self.puts.append(path)
            self.kept[path] = body
            return 200, {"acknowledged": True}
        found = [
            {"name": key.rsplit("/", 1)[1], kind: kept} for key, kept in self.kept.items() if f"/_{kind}/" in key
        ]
        return (200 if found else 404), {f"{kind}s": found}

    def client(self) -> Elasticsearch:
        cluster = self

        class Node(BaseNode):
            def __init__(self, config: NodeConfig) -> None:
                super().__init__(config)

            def perform_request(  # type: ignore[override]
                self, method: str, target: str, body: bytes | None = None, **_: Any
            ) -> NodeApiResponse:
                status, said = cluster.answer(method, target.partition("?")[0], orjson.loads(body or b"null"))
                headers = HttpHeaders({"x-elastic-product": "Elasticsearch", "content-type": "application/json"})
                return NodeApiResponse(ApiResponseMeta(status, "1.1", headers, 0.0, self.config), orjson.dumps(said))

            def close(self) -> None:
                pass

        return Elasticsearch("http://cluster:9200", node_class=Node, max_retries=0)


def actions(cluster: Cluster) -> set[str]:
    """The kinds of change that an installation makes."""
    return {change.action for change in install(cluster.client())}


def test_everything_is_put_once() -> None:
    """On an empty cluster everything is created, component templates first; a second run changes nothing."""
    cluster = Cluster()
    assert actions(cluster) == {"created"}
    assert cluster.puts == [f"/_{asset.kind}/{asset.name}" for asset in assets()]
    assert actions(cluster) == {"unchanged"}
    assert len(cluster.puts) == len(assets())


def test_forbidden_look_at_the_nodes_means_full() -> None:
    """A key that may not list plugins installs the complete templates."""
    cluster = Cluster(lambda _, path, __: (403, {"error": "no"}) if path == "/_nodes/plugins" else None)
    assert actions(cluster) == {"created"}
    ecs = cluster.kept["/_component_template/neuroflow-ecs"]["template"]["mappings"]["properties"]
    assert ecs["message"] == {"type": "match_only_text"}
    assert actions(cluster) == {"unchanged"}


def test_refused_failure_store_is_left_out() -> None:
    """A cluster that rejects the option gets the template without it, and no update at the next start."""

    def refuse(method: str, path: str, body: Any) -> Answer | None:
        if path == "/_nodes/plugins":
            return 403, {"error": "no"}
        if method == "PUT" and "data_stream_options" in body["template"]:
            return 400, {"error": {"type": "x_content_parse_exception", "reason": "unknown field"}}
        return None

    cluster = Cluster(refuse)
    assert actions(cluster) == {"created"}
    assert "data_stream_options" not in cluster.kept["/_component_template/neuroflow-settings"]["template"]
    assert actions(cluster) == {"unchanged"}


def test_other_refusals_are_errors() -> None:
    """Any other refusal is raised."""
    cluster = Cluster(lambda method, _, __: (400, {"error": "bad"}) if method == "PUT" else None)
    with pytest.raises(BadRequestError):
        install(cluster.client())
    with pytest.raises(AuthenticationException):
        install(Cluster(lambda *_: (401, {"error": "who?"})).client())


def test_later_release_is_left_alone() -> None:
    """An older sidecar keeps templates of a newer release; another owner's version does not count."""
    cluster = Cluster()
    install(cluster.client())
    runs = cluster.kept["/_index_template/neuroflow-runs"]
    later = {**runs, "version": runs["version"] + 1, "priority": 999}
    cluster.kept["/_index_template/neuroflow-runs"] = later
    [change] = [change for change in install(cluster.client()) if change.action != "unchanged"]
    assert (change.name, change.action) == ("neuroflow-runs", "newer")
    cluster.kept["/_index_template/neuroflow-runs"] = {**later, "_meta": {"managed_by": "somebody"}}
    [change] = [change for change in install(cluster.client()) if change.action != "unchanged"]
    assert (change.name, change.action) == ("neuroflow-runs", "updated")


def test_the_clusters_spelling_is_the_same() -> None:
    """Nested settings, numbers as text, defaults and timestamps do not count as differences."""
    wanted = {
        "version": 1, "data_stream": {},
        "template": {"settings": {"index.mode": "logsdb", "index": {"sort": {"field": ["a"]}, "x": True, "n": 1}},
         "mappings": {"dynamic": False}, "lifecycle": {"data_retention": "90d"}},
    }  # fmt: skip
    found = {
        "version": 1, "created_date_millis": 1795446056417,
        "data_stream": {"hidden": False},
        "template": {"settings": {"index": {"mode": "logsdb", "sort.field": ["a"], "x": "true", "n": "1"}},
         "mappings": {"dynamic": "false"}, "lifecycle": {"enabled": True, "data_retention": "90d"}},
    }  # fmt: skip
    assert same(wanted, found)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"priority": 3}, {"composed_of": ["mine"]}, {"data_stream": None},
        {"template": {"settings": {"index": {"mode": "logsdb", "more": 1}}}},
        {"template": {"settings": {"index": {"mode": "standard"}}}}, {"template": {"settings": {}}},
        {"template": {"settings": {"index.mode": "logsdb"}, "mappings": {"dynamic": True}}},
    ],
)  # fmt: skip
def test_differences_are_seen(change: dict[str, Any]) -> None:
    """Missing, additional and changed parts are differences."""
    wanted = {"version": 1, "data_stream": {}, "template": {"settings": {"index": {"mode": "logsdb"}}}}
    assert same(wanted, wanted)
    assert not same(wanted, {**wanted, **change})
