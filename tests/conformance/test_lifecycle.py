"""``setup --retention`` and ``--apply`` with the requests about data streams that the test distribution lacks.

The shapes are those of Elasticsearch's reference for ``GET _data_stream``, ``PUT _data_stream/_lifecycle`` and
``PUT _data_stream/_options``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipper.elastic.assets import assets
from shipper.elastic.capabilities import FULL, adapt
from tests.conformance.fake import Exchange, Fake
from tests.conformance.faked import FakedHarness

DAY = 86_400_000
STREAM = "logs-neuroflow.audit-fake"
INDICES = {f".ds-{STREAM}-00000{number}": day * DAY for number, day in ((1, 0), (2, 30), (3, 60))}
WRITE = max(INDICES)


class Streams:
    """One data stream of a cluster with all features, and its requests."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.settings: dict[str, Any] = {}
        self.described: dict[str, Any] = {
            "name": STREAM, "timestamp_field": {"name": "@timestamp"}, "generation": 3, "status": "GREEN",
            "template": "logs-neuroflow.audit", "rollover_on_write": False,
            "lifecycle": {"enabled": True, "data_retention": "3650d", "effective_retention": "3650d",
                          "retention_determined_by": "data_stream_configuration"},
            "failure_store": {"enabled": True, "rollover_on_write": True, "indices": []},
        }  # fmt: skip
        self.sent: list[tuple[str, Any]] = []
        fake.otherwise = {
            f"GET /{STREAM}/_settings": lambda one: one.send(200, self._settings()),
            f"GET /{WRITE}/_mapping": lambda one: one.send(200, {WRITE: {"mappings": self._template()["mappings"]}}),
            f"GET /_data_stream/{STREAM}": lambda one: one.send(200, {"data_streams": [self.described]}),
            f"POST /_index_template/_simulate_index/{STREAM}": lambda one: one.send(
                200, {"template": self._template()}
            ),
            "PUT /_data_stream/": self._put,
        }

    def _settings(self) -> dict[str, Any]:
        common = {"index.mode": "logsdb", "index.sort.field": ["@timestamp"], "index.sort.order": ["desc"],
                  "index.sort.missing": ["_last"], "index.mapping.ignore_malformed": "true",
                  "index.auto_expand_replicas": "0-1", **self.settings}  # fmt: skip
        return {
            name: {"settings": {**common, "index.creation_date": str(created)}} for name, created in INDICES.items()
        }

    def _template(self) -> dict[str, Any]:
        """What the component templates make together, those of the lab at last."""
        bodies = {asset.name: adapt(asset.body, FULL)["template"] for asset in assets()}
        parts = [bodies[name] for name in ("neuroflow-settings", "neuroflow-ecs", "neuroflow-fields")]
        properties = {name: field for part in parts[1:] for name, field in part["mappings"]["properties"].items()}
        custom = self.fake.templates.get("/_component_template/logs-neuroflow.audit@custom", {"template": {}})
        lifecycle = bodies["neuroflow-retention-audit"]["lifecycle"] | custom["template"].get("lifecycle", {})
        return {**parts[0], "mappings": {**parts[1]["mappings"], "properties": properties}, "lifecycle": lifecycle}

    def _put(self, one: Exchange) -> None:
        body = json.loads(one.body)
        self.sent.append((one.path, body))
        if one.path.endswith("_lifecycle"):
            self.described["lifecycle"] = body
        else:
            self.described["failure_store"]["enabled"] = body["failure_store"]["enabled"]
        one.send(200, {"acknowledged": True})


@pytest.fixture
def streams(faked: FakedHarness) -> Streams:
    """A data stream of the stand-in."""
    return Streams(faked.fake)


def test_a_shorter_retention_of_the_audit_trail(streams: Streams, faked: FakedHarness) -> None:
    """What it deletes is told, nothing is done without --yes, then template and stream have it, and once."""
    refused = faked.ask("setup", "--retention", "audit=365d")
    assert 1 == refused.returncode
    assert (
        f"shorter    {STREAM}: Elasticsearch deletes 2 of 3 indices within minutes (.ds-{STREAM}-000001, "
        f".ds-{STREAM}-000002); an index is deleted 365d after its rollover"
    ) in refused.stdout
    assert "again with --yes" in refused.stderr
    assert [] == streams.sent
    done = faked.ask("setup", "--retention", "audit=365d", "--yes")
    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"done       {STREAM}: documents are kept for 365d instead of 3650d" in done.stdout
    assert [(f"/_data_stream/{STREAM}/_lifecycle", {"enabled": True, "data_retention": "365d"})] == streams.sent
    again = faked.ask("setup", "--retention", "audit=365d")
    assert (0, 1) == (again.returncode, len(streams.sent)), again.stdout
    assert 0 == faked.ask("setup").returncode
    applied = faked.ask("setup", "--apply")
    assert "nothing to do" in applied.stdout
    assert 1 == len(streams.sent)


def test_the_failure_store_of_an_existing_stream(streams: Streams, faked: FakedHarness) -> None:
    """A stream that is older than its template's failure store gets one."""
    streams.described["failure_store"]["enabled"] = False
    applied = faked.ask("setup", "--apply")
    assert f"done       {STREAM}: failure store switched on" in applied.stdout
    assert [(f"/_data_stream/{STREAM}/_options", {"failure_store": {"enabled": True}})] == streams.sent
    assert "nothing to do" in faked.ask("setup", "--apply").stdout


def test_a_stream_that_ilm_manages(streams: Streams, faked: FakedHarness) -> None:
    """Its retention is left to the policy, by both options, and neither ``setup`` nor ``check`` calls that wrong."""
    streams.settings = {"index.lifecycle.name": "tiers"}
    del streams.described["lifecycle"]
    streams.described |= {"ilm_policy": "tiers", "next_generation_managed_by": "Index Lifecycle Management"}
    for options in (["--apply"], ["--retention", "audit=9000d"]):
        done = faked.ask("setup", *options)
        assert 0 == done.returncode, done.stdout + done.stderr
        assert "wrong" not in done.stdout + done.stderr
    assert [] == streams.sent
    assert f"skipped    {STREAM}: the ILM policy tiers manages it" in done.stdout
    assert "wrong" not in faked.ask("check").stdout
