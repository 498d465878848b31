"""What waits for a cluster that takes nothing is bounded, and the newest of it is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.sidecar.own_stream import MAX_EVENTS, OwnStream
from shipper.telemetry import log
from tests.conformance.harness import eventually


class Cluster:
    """A client whose requests are noted; ``opened`` tells whether the templates are there."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.sent: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.fault: Exception | None = None

    def options(self, **_: Any) -> Self:
        return self

    def perform_request(self, method: str, path: str, body: bytes = b"", **_: Any) -> Any:
        if method == "GET":
            assert "/_index_template/logs-neuroflow.sidecar" == path
            return SimpleNamespace(meta=SimpleNamespace(status=200))
        if self.fault is not None:
            raise self.fault
        lines = [json.loads(line) for line in body.splitlines()]
        self.sent += zip(lines[::2], lines[1::2], strict=True)
        return SimpleNamespace(body={"items": [{"create": {"status": 201}}] * (len(lines) // 2)})

    @property
    def numbers(self) -> list[int]:
        """The numbers in what was sent."""
        return [document["number"] for _, document in self.sent]


@pytest.fixture
def cluster() -> Cluster:
    """A cluster whose templates are missing at first."""
    return Cluster()


@pytest.fixture
def stream(cluster: Cluster) -> Iterator[OwnStream]:
    """A stream to it."""
    client = cast("Elasticsearch", cluster)
    one = OwnStream(lambda: (client, Settings(), cluster.opened.is_set), "lab")
    yield one
    one.close(10)


def test_the_newest_are_kept(stream: OwnStream, cluster: Cluster) -> None:
    """Of too many events the oldest are dropped; of what the next replaces, only the last waits."""
    for number in range(MAX_EVENTS + 20):
        stream.put({"number": number})
        stream.put({"number": -number}, replaced_by_next=True)
    cluster.opened.set()
    stream.put({"number": 1000})
    last = MAX_EVENTS + 19
    expected = [*range(22, last + 1), -last, 1000]
    assert eventually(lambda: len(cluster.sent) >= MAX_EVENTS)
    assert expected == cluster.numbers


def test_ids_and_stream(stream: OwnStream, cluster: Cluster) -> None:
    """Each document is created once, under an id of its own, in the namespace's stream."""
    cluster.opened.set()
    for number in range(3):
        stream.put({"number": number})
    stream.namespace = "other"
    stream.put({"number": 3})
    stream.close(10)
    assert [0, 1, 2, 3] == cluster.numbers
    assert ["lab"] * 3 + ["other"] == [document["data_stream"]["namespace"] for _, document in cluster.sent]
    actions = [action["create"] for action, _ in cluster.sent]
    assert [f"logs-neuroflow.sidecar-{name}" for name in ("lab", "lab", "lab", "other")] == [
        action["_index"] for action in actions
    ]
    assert [f"{stream.instance}-{number}" for number in range(1, 5)] == [action["_id"] for action in actions]


def test_a_bug_ends_nothing(stream: OwnStream, cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the program is logged once, what it was about is dropped, and later documents are sent."""
    log.propagate = True
    cluster.opened.set()
    cluster.fault = ZeroDivisionError("secret")
    stream.put({"number": 1})
    assert eventually(lambda: "the sidecar's own documents can't be sent (ZeroDivisionError" in caplog.text)
    cluster.fault = None
    stream.put({"number": 2})
    assert eventually(lambda: [2] == cluster.numbers)
    assert "secret" not in caplog.text
