"""Which roles are put, and how those that stand in their place are described."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from elastic_transport import ApiResponseMeta, BaseNode, HttpHeaders, NodeConfig
from elastic_transport._node import NodeApiResponse
from elasticsearch import ApiError, Elasticsearch

from shipper.elastic.roles import NoRolesError, put_roles, roles

Answer = tuple[int, Any]


class Cluster:
    """Holds roles and gives them back as Elasticsearch 9.5 does; ``refuses`` has its other answers, by method."""

    def __init__(self, **refuses: Answer) -> None:
        self.refuses = refuses
        self.roles: dict[str, Any] = {}
        self.puts: list[str] = []

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """The status and the body."""
        if method in self.refuses:
            return self.refuses[method]
        name = target.rpartition("/")[2].replace("%40", "@").replace("%2C", ",")
        if method == "GET":
            found = {one: self.roles[one] for one in name.split(",") if one in self.roles}
            return (200 if found else 404), found
        self.puts.append(name)
        self.roles[name] = given_back(body)
        return 200, {"role": {"created": True}}

    def client(self) -> Elasticsearch:
        """A client of it."""
        cluster = self

        class Node(BaseNode):
            def __init__(self, config: NodeConfig) -> None:
                super().__init__(config)

            def perform_request(  # type: ignore[override]
                self, method: str, target: str, body: bytes | None = None, **_: Any
            ) -> NodeApiResponse:
                status, answer = cluster.answer(method, target, orjson.loads(body or b"null"))
                headers = HttpHeaders({"x-elastic-product": "Elasticsearch", "content-type": "application/json"})
                meta = ApiResponseMeta(status, "1.1", headers, 0.0, self.config)
                return NodeApiResponse(meta, orjson.dumps(answer))

            def close(self) -> None:
                pass

        return Elasticsearch("http://cluster:9200", node_class=Node, max_retries=0)


def given_back(body: dict[str, Any]) -> dict[str, Any]:
    """A role as it is answered: with keys that nobody gave."""
    indices = [{**one, "allow_restricted_indices": False} for one in body["indices"]]
    return {
        "cluster": [], "applications": [], "run_as": [], **body, "indices": indices,
        "transient_metadata": {"enabled": True},
    }  # fmt: skip


def refusal(status: int, reason: str) -> Answer:
    """An error of Elasticsearch's security."""
    cause = {"type": "security_exception", "reason": reason}
    return status, {"error": {"root_cause": [cause], **cause}, "status": status}


def test_roles_are_put_once() -> None:
    """The first call creates all roles, the second changes nothing."""
    cluster = Cluster()
    assert {"created"} == {change.action for change in put_roles(cluster.client())}
    assert sorted(roles()) == sorted(cluster.puts)
    assert {"unchanged"} == {change.action for change in put_roles(cluster.client())}
    assert len(roles()) == len(cluster.puts)


def test_dry_run_puts_nothing() -> None:
    """It tells what would be created."""
    cluster = Cluster()
    assert {"created"} == {change.action for change in put_roles(cluster.client(), dry_run=True)}
    assert [] == cluster.puts


@pytest.mark.parametrize(
    ("found", "before"),
    [
        ({"indices": [{"names": ["*"], "privileges": ["all"]}]}, "granted `all` on *"),
        ({"cluster": ["all"]}, "granted `all` (cluster)"),
        ({"indices": []}, "lacked `auto_configure` on logs-neuroflow.*-*, `create_doc` on logs-neuroflow.*-*"),
        (
            {"indices": [{"names": ["logs-*"], "privileges": ["read"], "query": "{}", "field_security": {"a": 1}}]},
            "granted `read` on logs-* with field_security, query",
        ),
        ({"run_as": ["elastic"]}, "had the key `run_as`"),
        ({"applications": [{"application": "kibana-.kibana"}]}, "had the key `applications`"),
        ({"description": "another"}, "had another `description`"),
    ],
)
def test_what_replaced_roles_granted(found: dict[str, Any], before: str) -> None:
    """A role that somebody changed is put again, and the change is described."""
    cluster = Cluster()
    put_roles(cluster.client())
    cluster.roles["neuroflow-ship"] |= found
    cluster.puts.clear()
    [changed] = [change for change in put_roles(cluster.client()) if change.action != "unchanged"]
    assert ("neuroflow-ship", "updated", before) == (changed.name, changed.action, changed.before[0])
    assert ["neuroflow-ship"] == cluster.puts
    assert {"unchanged"} == {change.action for change in put_roles(cluster.client())}


def test_foreign_roles_are_replaced() -> None:
    """A role of one of our names that somebody else made is named as such."""
    cluster = Cluster()
    cluster.roles["neuroflow-view"] = given_back({"indices": [{"names": ["logs-*"], "privileges": ["read"]}]})
    changes = {change.name: change for change in put_roles(cluster.client())}
    assert ("updated", "was not made by neuroflow-ship", "granted `read` on logs-*") == (
        changes["neuroflow-view"].action,
        *changes["neuroflow-view"].before[:2],
    )
    assert roles()["neuroflow-view"]["indices"][0]["names"] == cluster.roles["neuroflow-view"]["indices"][0]["names"]


def test_order_of_privileges_does_not_matter() -> None:
    """A role that grants the same in other words is unchanged."""
    cluster = Cluster()
    put_roles(cluster.client())
    role = cluster.roles["neuroflow-view"]
    [entry] = role["indices"]
    role["indices"] = [{**entry, "names": [name]} for name in reversed(entry["names"])]
    assert {"unchanged"} == {change.action for change in put_roles(cluster.client())}


def test_roles_of_a_later_release_stay() -> None:
    """They are left alone."""
    cluster = Cluster()
    put_roles(cluster.client())
    cluster.roles["neuroflow-ship"] |= {"metadata": {"managed_by": "neuroflow-ship", "version": 99}, "cluster": ["x"]}
    cluster.puts.clear()
    assert "newer" in {change.action for change in put_roles(cluster.client())}
    assert [] == cluster.puts


def test_roles_of_one_namespace() -> None:
    """They reach its streams and its index of run documents only, and have names of their own."""
    cluster = Cluster()
    put_roles(cluster.client())
    assert {"created"} == {change.action for change in put_roles(cluster.client(), "lab")}
    assert {*roles(), *(f"{name}@lab" for name in roles())} == cluster.roles.keys()
    reached = {name for body in roles("lab").values() for index in body["indices"] for name in index["names"]}
    assert {"logs-neuroflow.*-lab", "neuroflow-runs-lab"} == reached
    assert {"unchanged"} == {change.action for change in put_roles(cluster.client(), "lab")}


@pytest.mark.parametrize(
    ("refuses", "words"),
    [
        ({"GET": refusal(403, "action is unauthorized")}, "lacks the cluster privilege `manage_security`"),
        ({"PUT": refusal(403, "action is unauthorized")}, "lacks the cluster privilege `manage_security`"),
        ({"GET": (400, {"error": "no handler found for uri [/_security/role]"})}, "this cluster has no security"),
        ({"GET": (410, {"error": "not available"})}, "this cluster has no security"),
    ],
)
def test_clusters_that_take_no_roles(refuses: dict[str, Answer], words: str) -> None:
    """A missing privilege and missing security are told apart."""
    with pytest.raises(NoRolesError, match=words):
        put_roles(Cluster(**refuses).client())


@pytest.mark.parametrize("refuses", [{"GET": refusal(401, "wrong password")}, {"PUT": (400, {"error": "no such"})}])
def test_other_errors_are_raised(refuses: dict[str, Answer]) -> None:
    """Wrong credentials, for example, are no missing privilege."""
    with pytest.raises(ApiError):
        put_roles(Cluster(**refuses).client())
