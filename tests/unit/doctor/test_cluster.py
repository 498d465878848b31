"""Findings about a cluster, by its answers."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.config import Elasticsearch as Settings
from shipper.doctor.asking import Answer
from shipper.doctor.cluster import (
    block_findings,
    clock_finding,
    clock_of,
    cluster_block_findings,
    disk_findings,
    flat_settings,
    health_findings,
    shard_findings,
    version_finding,
)
from shipper.doctor.finding import Severity
from shipper.doctor.hosts import Reached, host_findings, protection_findings
from shipper.doctor.key import Privileges, excess_of, key_findings
from shipper.doctor.templates import in_force_findings, installed_findings, stream_findings
from shipper.elastic.in_force import InForce
from shipper.elastic.names import streams_of
from shipper.elastic.privileges import NEEDS, Lack, lacking
from shipper.elastic.steps import Remark, Step
from shipper.elastic.templates import Action, Change

H = "http://es:9200"


def test_clock_is_read_from_a_refusal() -> None:
    """The resolved name counts before the header of a proxy."""
    named = Answer(404, {"error": {"reason": "no such index [logs-neuroflow.app-clock-2026.11.27.16.05.28.250]"}})
    assert (1795795528.25, 0.001) == clock_of(named)
    dated = Answer(403, "refused", date="Fri, 27 Nov 2026 16:05:28 GMT")
    assert (1795795528.0, 1.0) == clock_of(dated)
    assert None is clock_of(Answer(403, "refused")) is clock_of(Answer(403, "", date="yesterday"))


@pytest.mark.parametrize(("told", "before", "after", "name", "said"), [
    ((100.0, 0.001), 99.9, 100.1, "clock", "differ by less than 5 s"),
    ((100.0, 0.001), 80.0, 101.0, "clock", ""),
    ((104.0, 0.001), 95.0, 100.0, "clock", ""),
    ((160.0, 0.001), 99.0, 100.0, "clock-skew", "60 s behind the cluster's"),
    ((40.0, 1.0), 99.0, 100.0, "clock-skew", "58 s ahead of the cluster's"),
    (None, 1.0, 2.0, "clock-unseen", ""),
])  # fmt: skip
def test_skew(told: tuple[float, float] | None, before: float, after: float, name: str, said: str) -> None:
    """What the request took, and the precision of the answer, is no skew."""
    finding = clock_finding(H, told, before, after)
    assert (name, True) == (finding.name, said in finding.sentence), finding


def versions(*numbers: str) -> Answer:
    """An answer of _nodes."""
    return Answer(200, {"nodes": {str(at): {"version": number} for at, number in enumerate(numbers)}})


OPENSEARCH = Answer(200, {"version": {"number": "2.19.0", "distribution": "opensearch"}}, genuine=False)


@pytest.mark.parametrize(("nodes", "root", "name"), [
    (versions("9.5.3", "8.13.0"), None, "version"),
    (versions("9.5.3", "8.12.9"), None, "version-too-old"),
    (Answer(403, {}), Answer(200, {"version": {"number": "7.17.9"}}), "version-too-old"),
    (Answer(403, {}), OPENSEARCH, "not-elasticsearch"),
    (Answer(410, {}), Answer(200, {"version": {"number": "8.11.0", "build_flavor": "serverless"}}), "version"),
    (Answer(403, {}), Answer(405, "no"), "version-unseen"),
])  # fmt: skip
def test_version(nodes: Answer, root: Answer | None, name: str) -> None:
    """The oldest node counts; without the privilege ``GET /`` is asked."""
    assert name == version_finding(H, nodes, root).name


@pytest.mark.parametrize(("shards", "limit", "expected"), [
    (100, "1000", [("shards", Severity.OK)]), (1990, "1000", [("shard-limit", Severity.WARNING)]),
    (2000, 1000, [("shard-limit", Severity.ERROR)]), (100, None, []),
])  # fmt: skip
def test_shard_limit(shards: int, limit: Any, expected: list[tuple[str, Severity]]) -> None:
    """Room for all streams and their rollovers, by the limit of all nodes."""
    health = {"number_of_data_nodes": 2, "active_shards": shards, "unassigned_shards": 0}
    assert expected == [(one.name, one.severity) for one in shard_findings(H, health, limit)]


def test_settings_of_a_cluster() -> None:
    """What was set counts before defaults."""
    body = {"persistent": {"cluster": {"blocks": {"read_only": "true"}}},
            "defaults": {"cluster": {"blocks": {"read_only": "false"}, "max_shards_per_node": "1000"}}}  # fmt: skip
    assert "1000" == flat_settings(body)["cluster.max_shards_per_node"]
    [finding] = cluster_block_findings(H, flat_settings(body))
    assert "cluster.blocks.read_only is set" in finding.sentence
    assert [] == list(cluster_block_findings(H, flat_settings({})))


G = 2**30
DEFAULTS = {"watermark.high": "90%", "watermark.high.max_headroom": "150GB", "watermark.flood_stage": "95%",
            "watermark.flood_stage.max_headroom": "100GB", "threshold_enabled": "true"}  # fmt: skip


@pytest.mark.parametrize(("changed", "free", "size", "said"), [
    ({}, 26 * G, 100 * G, None),
    ({}, 9 * G, 100 * G, "over the watermark `high` Elasticsearch moves shards away"),
    ({}, 4 * G, 100 * G, "over the watermark `flood_stage` Elasticsearch makes indices read-only"),
    # A large disk is not full at 95 per cent: the head room counts.
    ({}, 200 * G, 10_000 * G, None),
    ({}, 120 * G, 10_000 * G, "moves shards away"),
    ({}, 90 * G, 10_000 * G, "read-only"),
    ({"watermark.flood_stage": "30gb"}, 29 * G, 100 * G, "read-only"),
    ({"watermark.high": "0.5", "watermark.high.max_headroom": "-1"}, 40 * G, 100 * G, "moves shards away"),
    ({"watermark.high": "75%", "watermark.high.max_headroom": "-1"}, 20 * G, 100 * G, "moves shards away"),
    ({"threshold_enabled": "false"}, 1 * G, 100 * G, None),
    ({"watermark.flood_stage": "much", "watermark.high": None}, 4 * G, 100 * G, "read-only"),
])  # fmt: skip
def test_disks(changed: dict[str, str | None], free: int, size: int, said: str | None) -> None:
    """A disk is nearly full by the cluster's own watermarks: a percentage with head room, a ratio, or free bytes."""
    rows = [{"node": "a", "disk.avail": str(free), "disk.total": str(size)}, {"node": "UNASSIGNED"}]
    [finding] = disk_findings(H, rows, DEFAULTS | changed)
    assert ("disks" if said is None else "cluster-disk") == finding.name
    assert said is None or said in finding.sentence


def test_disks_that_are_not_told() -> None:
    """A page of a proxy is no disk; without settings Elasticsearch's defaults count; a red cluster is named."""
    assert [] == list(disk_findings(H, "a page", {}))
    rows = [{"node": "a", "disk.avail": "4", "disk.total": "100"}]
    assert ["cluster-disk"] == [one.name for one in disk_findings(H, rows, {})]
    assert ["cluster-red"] == [one.name for one in health_findings(H, {"status": "red"})]
    assert [] == list(health_findings(H, {"status": "yellow"}))


def test_only_the_write_index_may_not_be_blocked() -> None:
    """A block on an older backing index does no harm."""
    blocked = {"settings": {"index.blocks.read_only_allow_delete": "true"}}
    free: dict[str, Any] = {"settings": {}}
    old = {".ds-logs-x-2026.11.01-000001": blocked, ".ds-logs-x-2026.11.02-000002": free}
    assert [] == list(block_findings("logs-x", old))
    new = {".ds-logs-x-2026.11.01-000001": free, ".ds-logs-x-2026.11.02-000002": blocked}
    [finding] = block_findings("logs-x", new)
    assert ("index-read-only", True) == (finding.name, "index.blocks.read_only_allow_delete: null" in finding.do)


@pytest.mark.parametrize(("block", "severity", "do"), [
    ("read_only_allow_delete", "error", "make room on the nodes' disks"),
    ("read_only", "error", "find out who set it"),
    ("write", "error", "find out who set it"),
    ("read", "warning", "find out who set it"),
])  # fmt: skip
def test_blocks_are_told_apart(block: str, severity: str, do: str) -> None:
    """A full disk sets one of them; the others somebody set, and reading alone stops no documents."""
    [finding] = block_findings("logs-x", {"i": {"settings": {f"index.blocks.{block}": "true"}}})
    assert severity == finding.severity.word
    assert finding.do.startswith(do)


def test_hosts() -> None:
    """One address that does not answer is a warning beside one that does; an absent key is named."""
    settings = Settings(hosts=["http://a:1"])
    good, bad = Reached("a", None, "green", settings), Reached("b", "tls", "TLS failed", settings)
    assert [("cluster", 0), ("tls", 2)] == [
        (one.name, one.severity) for one in host_findings([good, bad], no_key=False)
    ]
    assert [("tls", 3)] == [(one.name, one.severity) for one in host_findings([bad], no_key=False)]
    refused = Reached("b", "credentials", "401", settings)
    [finding] = host_findings([refused], no_key=True)
    assert "no credentials are configured" in finding.do


@pytest.mark.parametrize(("said", "keys"), [
    (None, {"hosts": ["https://es:9200"], "api_key": "k"}),
    ("verify_certs is false", {"hosts": ["https://es:9200"], "verify_certs": False}),
    (None, {"hosts": ["https://es:9200"], "verify_certs": False, "ca_fingerprint": "ab" * 32}),
    (None, {"hosts": ["http://localhost:9200", "http://127.0.0.1:9200", "http://[::1]:9200"], "api_key": "k"}),
    (None, {"hosts": ["http://es:9200"]}),
    ("go to es without TLS", {"hosts": ["http://localhost:9200", "http://es:9200"], "api_key": "k"}),
    ("go to es without TLS", {"hosts": ["http://user:pass@es:9200"]}),
])  # fmt: skip
def test_what_others_can_read(said: str | None, keys: dict[str, Any]) -> None:
    """Certificates that are not verified, and a key without TLS, except on this machine."""
    found = list(protection_findings(Settings.model_validate(keys)))
    assert (said is not None) == bool(found)
    assert said is None or said in found[0].sentence


ALL = {
    "cluster": {"all": True, "manage": True, "manage_security": True},
    "index": {
        "*": {"all": True, "read": True}, "logs-*": {"all": True}, "s": {"all": True, "delete": True},
        "r": {"all": True},
    },
}  # fmt: skip


@pytest.mark.parametrize(("answer", "excess"), [
    (ALL, (("`all` (cluster)", "`all` on all indices"), True)),
    ({"cluster": {"all": False}, "index": {"*": {"read": False}, "s": {"delete": False}}}, ((), False)),
    ({"index": {"s": {"delete": True, "manage": False}}}, (("`delete` on logs-neuroflow.*-*",), False)),
    ({"index": {"*": {"all": False}, "logs-*": {"all": False, "read": True, "write": True}, "s": {"delete": True}}},
     (("`read` on logs-* (logs of others)", "`write` on logs-* (logs of others)"), True)),
    ({"cluster": {"manage_api_key": True}, "index": {"r": {"all": True, "delete": True}}},
     (("`manage_api_key` (cluster)", "`all` on neuroflow-runs-*"), True)),
    ({}, ((), False)),
])  # fmt: skip
def test_key_too_strong(answer: dict[str, Any], excess: tuple[tuple[str, ...], bool]) -> None:
    """What nobody needs is named once, the widest privilege only."""
    assert excess == excess_of(answer, "s", "r")


def test_key_too_weak() -> None:
    """What stops shipping is an error, what the sidecar needs a warning, other work's privileges a note."""
    lacks = [Lack(need, ("`x`",)) for need in NEEDS]
    severities = [one.severity for one in key_findings(Privileges(lacks), H, "lab")]
    assert Severity.ERROR == severities[0]
    assert {Severity.WARNING, Severity.NOTE} == set(severities[1:])
    assert 2 == severities.count(Severity.WARNING)
    assert (False, True) == (Privileges(lacks).may_install, Privileges(None).may_install)
    assert ["privileges-unseen"] == [one.name for one in key_findings(Privileges(None), H, "lab")]


def test_key_for_some_of_the_streams() -> None:
    """The streams that it may not write to are named, and that the others are shipped; so is the namespace."""
    streams = streams_of("lab")
    index = {name: {"auto_configure": True, "create_doc": name != streams[1]} for name in streams}
    lacked = lacking({"has_all_requested": False, "index": index}, streams, "neuroflow-runs-lab")
    finding = next(one for one in key_findings(Privileges(lacked), H, "lab") if one.name == "key-too-weak")
    assert f"lacks `create_doc` on {streams[1]}; their documents are not shipped" in finding.sentence
    assert "shipper.namespace (lab)" in finding.do


@pytest.mark.parametrize("may", [True, False])
def test_templates(may: bool) -> None:
    """What the sidecar installs by itself is a note; what it may not is an error, or a warning for older ones."""
    actions: tuple[tuple[str, Action], ...] = (
        ("a", "created"),
        ("b", "updated"),
        ("c", "newer"),
        ("d", "unchanged"),
    )
    changes = [Change("index_template", name, action) for name, action in actions]
    found = [(one.name, one.severity.word) for one in installed_findings(changes, may_install=may)]
    assert [
        ("templates-missing", "note" if may else "error"),
        ("templates-older", "note" if may else "warning"),
        ("templates-newer", "note"),
    ] == found
    assert [] == list(installed_findings(changes[3:], may_install=may))


def test_streams_of_another_release() -> None:
    """What setup would do to existing streams is a note; what it leaves alone is not."""
    steps: list[Step | Remark] = [Step("s", "new fields a, b", "PUT", "/s/_mapping"), Remark("t", "left alone")]
    [finding] = stream_findings(steps)
    assert ("streams-older", Severity.NOTE, "s") == (finding.name, finding.severity, finding.subject)
    assert "new fields a, b" in finding.sentence


def test_what_is_in_force() -> None:
    """Foreign templates and wrong indices are errors, remarks are notes, and nothing is good."""
    found = list(in_force_findings(InForce(["t"], ["i"], ["r"]), "n"))
    assert ["template-overruled", "index-mapped-otherwise", "templates-remark"] == [one.name for one in found]
    assert ["templates"] == [one.name for one in in_force_findings(InForce(), "n")]
