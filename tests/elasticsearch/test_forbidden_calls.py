"""What the shipping roles can't do: each call is refused by a real node with security, and nothing has changed."""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from elasticsearch import ApiError, Elasticsearch, ElasticsearchWarning

from tests.elasticsearch.role_work import RoleLab
from tests.elasticsearch.secured import SecuredNode

Body = dict[str, Any] | list[dict[str, Any]] | None


class Call(NamedTuple):
    """A request; ``{stream}``, ``{index}``, ``{id}`` and ``{runs}`` stand for a stream with documents, its backing
    index, the id of a document in it, and the index of run documents. A list is the body of a bulk request.
    """

    method: str
    path: str
    body: Body = None


ALL: dict[str, Any] = {"query": {"match_all": {}}}
ITEM = {"_index": "{index}", "_id": "{id}"}
DOCUMENT = {"@timestamp": "2026-11-27T01:00:00Z", "message": "changed"}
ROLE = {"cluster": ["all"]}

# Whoever ships may not change what is there, nor anything around it.
CHANGES = [
    Call("DELETE", "/{stream}"),
    Call("DELETE", "/{index}"),
    Call("DELETE", "/logs-*"),
    Call("DELETE", "/{index}/_doc/{id}"),
    Call("PUT", "/{index}/_doc/{id}?if_seq_no=0&if_primary_term=1", DOCUMENT),
    Call("POST", "/{index}/_update/{id}", {"doc": DOCUMENT}),
    Call("POST", "/_bulk", [{"delete": ITEM}]),
    Call("POST", "/_bulk", [{"index": {**ITEM, "if_seq_no": 0, "if_primary_term": 1}}, DOCUMENT]),
    Call("POST", "/_bulk", [{"update": ITEM}, {"doc": DOCUMENT}]),
    Call("PUT", "/{stream}/_mapping", {"properties": {"secret": {"type": "keyword"}}}),
    Call("PUT", "/{stream}/_settings", {"index": {"number_of_replicas": 3}}),
    Call("PUT", "/{index}/_block/write"),
    Call("POST", "/{index}/_close"),
    Call("POST", "/{stream}/_rollover"),
    Call("POST", "/{stream}/_flush"),
    Call("POST", "/{stream}/_forcemerge"),
    Call("POST", "/{stream}/_cache/clear"),
    Call("PUT", "/{index}/_clone/copy"),
    Call("POST", "/_aliases", {"actions": [{"add": {"index": "{stream}", "alias": "mine"}}]}),
    Call("PUT", "/{index}/_alias/mine"),
    Call("DELETE", "/{runs}"),
    Call("POST", "/_bulk", [{"delete": {"_index": "{runs}", "_id": "pipeline_run:2"}}]),
    Call("DELETE", "/{runs}/_doc/pipeline_run:2"),
    Call("PUT", "/{runs}/_settings", {"index": {"number_of_replicas": 3}}),
    Call("PUT", "/of-others"),
    Call("POST", "/of-others/_doc", DOCUMENT),
    Call("POST", "/_bulk", [{"create": {"_index": "logs-of.others-lab"}}, DOCUMENT]),
    Call("POST", "/_bulk", [{"create": {"_index": "logs-neuroflowx.app-lab"}}, DOCUMENT]),
    Call("POST", "/_bulk", [{"create": {"_index": ".security"}}, DOCUMENT]),
    Call("PUT", "/_index_template/logs-neuroflow.app", {"index_patterns": ["logs-neuroflow.app-*"]}),
    Call("DELETE", "/_index_template/logs-neuroflow.app"),
    Call("PUT", "/_component_template/neuroflow-ecs", {"template": {}}),
    Call("PUT", "/_ingest/pipeline/mine", {"processors": []}),
    Call("PUT", "/_scripts/mine", {"script": {"lang": "painless", "source": "1"}}),
    Call("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 1}}),
    Call("POST", "/_cluster/reroute"),
    Call("POST", "/_tasks/_cancel"),
    Call("PUT", "/_snapshot/mine", {"type": "fs", "settings": {"location": "/tmp"}}),
    Call("PUT", "/_security/role/neuroflow-ship", ROLE),
    Call("DELETE", "/_security/role/neuroflow-ship"),
    Call("PUT", "/_security/user/mine", {"password": "long-enough", "roles": ["superuser"]}),
    Call("POST", "/_security/api_key", {"name": "mine"}),
]
# Nor read what is none of its business: other indices, users, the cluster's settings.
READS_OF_OTHERS = [
    Call("GET", "/of-others/_search", ALL),
    Call("GET", "/.security/_search", ALL),
    Call("GET", "/{runs}/_search", ALL),
    Call("GET", "/{runs}/_doc/pipeline_run:2"),
    Call("GET", "/_security/user"),
    Call("GET", "/_security/role"),
    Call("GET", "/_security/api_key"),
    Call("GET", "/_snapshot/_all"),
]
# With the role that creates only, nothing can be read at all, nor are run documents in reach.
READS = [
    Call("GET", "/_search", ALL),
    Call("GET", "/{stream}/_search", ALL),
    Call("GET", "/{stream}/_search?scroll=1m", ALL),
    Call("GET", "/{stream}/_count"),
    Call("POST", "/{stream}/_pit?keep_alive=1m"),
    Call("GET", "/{index}/_doc/{id}"),
    Call("GET", "/{index}/_source/{id}"),
    Call("POST", "/_mget", {"docs": [ITEM]}),
    Call("GET", "/{index}/_explain/{id}", ALL),
    Call("GET", "/{index}/_termvectors/{id}"),
    Call("GET", "/{stream}/_validate/query", ALL),
    Call("GET", "/{stream}/_field_caps?fields=*"),
    Call("GET", "/{stream}/_mapping"),
    Call("GET", "/{stream}/_settings"),
    Call("GET", "/{stream}/_stats"),
    Call("GET", "/_cluster/health"),
    Call("GET", "/_cluster/state"),
    Call("GET", "/_cluster/settings"),
    Call("GET", "/_nodes"),
    Call("GET", "/_nodes/stats"),
    Call("GET", "/_tasks"),
    Call("GET", "/_index_template"),
    Call("GET", "/_component_template"),
    Call("PUT", "/neuroflow-runs-mine"),
    Call("PUT", "/{runs}/_mapping", {"properties": {"secret": {"type": "keyword"}}}),
    Call("POST", "/_bulk", [{"create": {"_index": "{runs}", "_id": "x"}}, DOCUMENT]),
    Call("POST", "/_bulk", [{"update": {"_index": "{runs}", "_id": "pipeline_run:2"}}, {"doc": DOCUMENT}]),
]
# What the test distribution has no handler for: the privileges of these actions are asked for.
ACTIONS = (
    "indices:data/write/update/byquery",
    "indices:data/write/delete/byquery",
    "indices:data/write/reindex",
    "indices:admin/data_stream/delete",
    "indices:admin/data_stream/modify",
    "indices:admin/data_stream/lifecycle/put",
    "indices:admin/ilm/remove_policy",
    "cluster:admin/ilm/put",
)


class Target(NamedTuple):
    """Documents that somebody may want to change, and how they were."""

    node: SecuredNode
    names: dict[str, str]
    before: list[Any]


@pytest.fixture(scope="module")
def target(role_node: SecuredNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A stream with documents, run documents, and an index of others."""
    folder: Path = tmp_path_factory.mktemp("forbidden")
    lab = RoleLab(folder, role_node, f"t{uuid.uuid4().hex[:10]}")
    lab.logs_of_a_day()
    lab.es.index(index="of-others", id="1", document=DOCUMENT, refresh=True)
    stream = f"logs-neuroflow.app-{lab.namespace}"
    [hit] = lab.es.search(index=stream, size=1)["hits"]["hits"]
    names = {"stream": stream, "index": hit["_index"], "id": hit["_id"], "runs": lab.run_index}
    yield Target(role_node, names, state(lab.es, names))
    lab.es.indices.delete(index="of-others")
    lab.close()


def state(es: Elasticsearch, names: dict[str, str]) -> list[Any]:
    """All that the calls would change."""
    found: list[Any] = []
    for name in (names["stream"], names["runs"], "of-others"):
        es.indices.refresh(index=name)
        hits = es.search(index=name, size=1000, sort="_doc", version=True)["hits"]["hits"]
        found.append(sorted((hit["_index"], hit["_id"], hit["_version"]) for hit in hits))
        found.append(es.indices.get_mapping(index=name).body)
        found.append(es.indices.get_settings(index=name).body)
    found.append(sorted(es.indices.get_alias(index="*")))
    return found


def refused(client: Elasticsearch, call: Call, names: dict[str, str]) -> list[tuple[int, str]]:
    """The status of the answer, or of each of its items, with the reason."""

    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    headers = {"accept": "application/json", "content-type": "application/json"}
    body: Any = call.body and orjson.loads(filled(json.dumps(call.body)))
    if isinstance(body, list):
        body, headers["content-type"] = b"".join(orjson.dumps(one) + b"\n" for one in body), "application/x-ndjson"
    try:
        with warnings.catch_warnings(action="ignore", category=ElasticsearchWarning):  # .security is a system index
            answer: Any = client.perform_request(call.method, filled(call.path), headers=headers, body=body).body
    except ApiError as error:
        return [(error.meta.status, str(error.body))]
    found = [item for one in answer.get("items", ()) for item in one.values()] or answer.get("docs") or [answer]
    # An item of _mget has no status.
    return [(item.get("status", 403 if "error" in item else 200), str(item)) for item in found]


CASES = [
    *(("neuroflow-ship", call) for call in (*CHANGES, *READS_OF_OTHERS, *READS)),
    *(("neuroflow-ship-lookup", call) for call in (*CHANGES, *READS_OF_OTHERS)),
]


@pytest.mark.parametrize(("user", "call"), CASES, ids=[f"{user} {call.method} {call.path}" for user, call in CASES])
def test_call_is_refused(target: Target, user: str, call: Call) -> None:
    """The answer is 403, because the role does not grant the action."""
    with target.node.client(user) as client:
        for status, reason in refused(client, call, target.names):
            assert (403, True) == (status, "is unauthorized for user" in reason), reason


@pytest.mark.parametrize("user", ["neuroflow-ship", "neuroflow-ship-lookup"])
def test_actions_of_other_modules_are_not_granted(target: Target, user: str) -> None:
    """What this node can't do, a full one would refuse."""
    index = [{"names": [target.names["stream"]], "privileges": [one for one in ACTIONS if one.startswith("indices")]}]
    cluster = [one for one in ACTIONS if one.startswith("cluster")]
    with target.node.client(user) as client:
        answer = client.security.has_privileges(cluster=cluster, index=index).body
    granted = answer["cluster"] | answer["index"][target.names["stream"]]
    assert dict.fromkeys(ACTIONS, False) == granted


def test_nothing_has_changed(target: Target) -> None:
    """After all these calls documents, mappings, settings and aliases are as before."""
    with target.node.client("admin") as admin:
        assert target.before == state(admin, target.names)
