"""The dashboard *Sidecar* and its rules, over what two hosts reported to a real node."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.config import Redact, Shipper
from shipper.deliver.rejections import Rejection
from shipper.deliver.sender import Sender
from shipper.elastic.templates import install
from shipper.kibana.objects.rules import rules
from shipper.redact.redactor import Redactor
from shipper.sidecar.own_documents import REPORT_EVERY, OwnDocuments
from shipper.tail.clock import Clock
from shipper.tail.lag import Lag
from shipper.tail.tail import Tail
from shipper.telemetry import Counters
from tests.conformance.harness import eventually
from tests.kibana_emulator.lens import Row, chart, charts
from tests.kibana_emulator.objects import objects

DASHBOARD = "neuroflow-sidecar"
COMMON = {"agent": {"type": "neuroflow-ship"}, "ecs": {"version": "8.17.0"}}


class Host:
    """A sidecar that reports what the test tells it to, with a clock of the test's."""

    def __init__(self, es: Elasticsearch, namespace: str, name: str, version: str, began: datetime) -> None:
        self.now = began.timestamp()
        self.lags: list[Lag] = []
        self.not_read: dict[str, str] = {}
        self.rejected: dict[Rejection, int] = {}
        self.counters = Counters()
        sender = SimpleNamespace(connection=lambda: (es, Settings(), lambda: True), rejections=self)
        tail = SimpleNamespace(
            lags=lambda: iter(self.lags), not_read=lambda: self.not_read, unread=lambda: [*self.not_read]
        )
        self._documents = OwnDocuments(
            Shipper.model_validate({"namespace": namespace}),
            COMMON | {"host": {"name": name}, "agent": {"type": "neuroflow-ship", "version": version}},
            sender=cast("Sender", sender),
            tail=cast("Tail", tail),
            counters=self.counters,
            redactor=Redactor(Redact()),
            clock=Clock(lambda: self.now, lambda: int(self.now * 1e9)),
        )
        self._documents.begin()

    def take(self) -> dict[Rejection, int]:
        taken, self.rejected = self.rejected, {}
        return taken

    def minute(self, acknowledged: int = 0) -> None:
        """A minute passes, in which so many documents are acknowledged."""
        self.now += REPORT_EVERY
        self.counters.begin(acknowledged, dataset="app", lines=acknowledged, size=0)
        self.counters.settle(acknowledged={"app": acknowledged})
        self._documents.report_if_due()
        # What waits is replaced by the next report.
        stream = self._documents._stream
        assert stream is not None
        assert eventually(lambda: not stream._waiting)

    def end(self) -> None:
        self._documents.end(10, complete=True)


@pytest.fixture(scope="module")
def reported(es: Elasticsearch) -> str:
    """Ten minutes of two hosts, and of one that fell silent an hour ago; gives the namespace."""
    namespace = f"t{uuid.uuid4().hex[:10]}"
    install(es)
    now = datetime.now(UTC).replace(microsecond=0)  # whole seconds, so that differences are exact
    busy = Host(es, namespace, "busy", "0.2.0", now - timedelta(minutes=11))
    idle = Host(es, namespace, "idle", "0.2.0", now - timedelta(minutes=11))
    silent = Host(es, namespace, "silent", "0.1.0", now - timedelta(minutes=70))
    silent.minute(acknowledged=5)
    busy.not_read = {"/l/a.gz": "is damaged", "/l/b.gz": "is empty"}
    for minute in range(10):
        busy.lags = [Lag("/l/a", "app", 100, busy.now - 900 - minute), Lag("/l/b", "app", 50, busy.now)]
        busy.rejected = {Rejection("logs-neuroflow.app-x", "400 mapping"): 2} if minute < 3 else {}
        busy.minute(acknowledged=600)
        idle.minute()
    busy.rejected = {Rejection("logs-neuroflow.app-x", "400 other"): 1}
    for host in (busy, idle):
        host.end()
    es.indices.refresh(index=f"logs-neuroflow.sidecar-{namespace}")
    return namespace


def rows(es: Elasticsearch, namespace: str, title: str) -> list[Row]:
    """The rows of a chart for this namespace."""
    asked = chart(DASHBOARD, title)
    chosen = {"match_phrase": {"data_stream.namespace": namespace}}
    return asked.rows(dict(es.search(**asked.request(chosen, since="now-24h"))))


def test_figures(es: Elasticsearch, reported: str) -> None:
    """Hosts, lag, rejected documents and files are counted once, over all reports."""
    figures = {
        title: rows(es, reported, title)[0]["n"]
        for title in ("Hosts that report", "Longest lag", "Rejected documents", "Files not read")
    }
    assert {"Hosts that report": 3, "Longest lag": 969, "Rejected documents": 7, "Files not read": 2} == figures


def test_lag_and_throughput(es: Elasticsearch, reported: str) -> None:
    """By host: the oldest line, and documents a second."""
    lag = {one["host"]: one["lag"] for one in rows(es, reported, "Lag by host")}
    assert (0, 0) == (lag["idle"], lag["silent"])
    assert 900 < lag["busy"]
    found = rows(es, reported, "Throughput by host")
    assert {10.0} == {one["rate"] for one in found if one["host"] == "busy"}
    assert {0.0} == {one["rate"] for one in found if one["host"] == "idle"}


def test_a_silent_host_differs_from_an_idle_one(es: Elasticsearch, reported: str) -> None:
    """The idle one reported a minute ago and acknowledged nothing; the silent one an hour ago."""
    found = {one["host"]: one for one in rows(es, reported, "Silent hosts")}
    assert found["idle"]["acknowledged"] is None
    assert found["idle"]["reported"] == found["busy"]["reported"]
    assert found["idle"]["reported"] - found["silent"]["reported"] > 50 * 60 * 1000
    assert found["silent"]["acknowledged"] is not None


def test_tables(es: Elasticsearch, reported: str) -> None:
    """Rejected documents by reason, files with theirs, versions with their hosts."""
    rejected = {(one["host"], one["reason"]): one["n"] for one in rows(es, reported, "Rejected documents by reason")}
    assert {("busy", "400 mapping"): 6, ("busy", "400 other"): 1} == rejected
    unread = [(one["path"], one["reason"]) for one in rows(es, reported, "Files that are not read")]
    assert [("/l/a.gz", "is damaged"), ("/l/b.gz", "is empty")] == sorted(unread)
    assert {"0.1.0": 1, "0.2.0": 2} == {one["version"]: one["hosts"] for one in rows(es, reported, "Versions")}


def test_no_chart_is_empty(es: Elasticsearch, reported: str) -> None:
    """Every chart has rows."""
    assert {True} == {bool(rows(es, reported, one.title)) for one in charts(DASHBOARD)}


@pytest.mark.parametrize("identity", ["neuroflow-dead-letters", "neuroflow-lag"])
def test_rules(es: Elasticsearch, reported: str, identity: str) -> None:
    """Within its window each rule finds the host that is behind and whose documents are rejected, and no other."""
    [params] = [rule["params"] for rule in rules() if rule["id"] == identity]
    window = {"range": {params["timeField"]: {"gte": f"now-{params['timeWindowSize']}{params['timeWindowUnit']}"}}}
    chosen = {"term": {"data_stream.namespace": reported}}
    found = es.search(
        index=params["index"],
        query={"bool": {"filter": [params["esQuery"]["query"], window, chosen]}},
        size=0,
        aggs={"groupAgg": {"terms": {"field": params["termField"], "size": params["termSize"]}}},
    )["aggregations"]["groupAgg"]["buckets"]
    assert ["busy"] == [one["key"] for one in found]
    assert params["threshold"][0] <= found[0]["doc_count"]


def test_logs_are_without_them(es: Elasticsearch, reported: str) -> None:
    """The data view of logs, and so Discover, shows none of these documents."""
    chosen = {"term": {"data_stream.namespace": reported}}
    title = objects()["index-pattern", "neuroflow-logs"]["attributes"]["title"]
    assert (
        0
        == es.count(index=title, query=chosen)["count"]
        < es.count(index="logs-neuroflow.*-*", query=chosen)["count"]
    )


def test_documents_are_mapped(es: Elasticsearch, reported: str) -> None:
    """Nothing of a report is outside of the mapping, so all of it can be searched."""
    index = f"logs-neuroflow.sidecar-{reported}"
    answer: Any = es.indices.get_mapping(index=index)
    [mapping] = [one["mappings"]["properties"] for one in answer.body.values()]
    for hit in es.search(index=index, size=100)["hits"]["hits"]:
        own = hit["_source"]["neuroflow"]["sidecar"]
        assert own.keys() <= mapping["neuroflow"]["properties"]["sidecar"]["properties"].keys(), json.dumps(own)
