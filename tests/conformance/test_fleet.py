"""Three real nodes and four sidecars at once, in two namespaces: every host's lines are there once."""

from __future__ import annotations

import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch, TransportError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode.members import Cluster
from tests.conformance.harness import Harness, difference, eventually
from tests.conformance.test_sidecar import expected
from tests.conformance.test_three_nodes import LONG, Writer

SHIPPING = "shipping /"
HOSTS = ("neuro-01", "neuro-02", "neuro-03", "neuro-04")


class Host:
    """A machine of the fleet: its log, which is written all the time, and its sidecar."""

    def __init__(self, name: str, harness: Harness) -> None:
        self.name = name
        self.harness = harness
        harness.configure(host_name=name)
        self.writer = Writer(harness.logs / "neuroflow.log")
        self.start()

    def start(self) -> None:
        """Start the sidecar, and wait until it ships: before, SIGTERM just ends it."""
        said = self.harness.folder / "said"
        before = said.read_text().count(SHIPPING) if said.exists() else 0
        with said.open("a") as output:
            self.process: subprocess.Popen[str] = self.harness.start(said=output)
        assert eventually(lambda: said.read_text().count(SHIPPING) > before, LONG), said.read_text()

    def kill(self) -> None:
        """SIGKILL the sidecar."""
        self.harness.kill(self.process)

    def stop(self) -> str:
        """End the sidecar; everything that was read must be acknowledged."""
        code, _ = self.harness.stop(self.process)
        output = (self.harness.folder / "said").read_text()
        assert 0 == code, f"{self.name}: {output}"
        return output

    def messages(self) -> Counter[str]:
        """The messages of this host, with their numbers."""
        of_all = self.harness.documents("app")
        return Counter(document["message"] for document in of_all if document["host"]["name"] == self.name)


@pytest.fixture
def es(three_nodes: Cluster) -> Iterator[Elasticsearch]:
    """A client that uses the next node when one is down."""
    three_nodes.start()
    assert eventually(three_nodes.whole, LONG)
    client = connect(Settings(hosts=three_nodes.urls, request_timeout=10))
    yield client.options(max_retries=5, retry_on_timeout=True)
    client.close()


@pytest.fixture
def fleet(tmp_path: Path, three_nodes: Cluster, es: Elasticsearch) -> Iterator[list[Host]]:
    """Four hosts; the first two share a namespace, and so do the others."""
    prefix = f"t{uuid.uuid4().hex[:10]}"
    hosts: list[Host] = []
    try:
        for number, name in enumerate(HOSTS):
            folder = tmp_path / name
            folder.mkdir()
            hosts.append(Host(name, Harness(folder, three_nodes.urls, f"{prefix}.{number // 2}", es)))
        yield hosts
    finally:
        for host in hosts:
            host.writer.end()
            host.harness.close()


def test_a_fleet(fleet: list[Host], es: Elasticsearch, three_nodes: Cluster) -> None:
    """A node is killed, a sidecar is killed, streams roll over in between: no line is lost, none comes twice."""
    namespaces = list(dict.fromkeys(host.harness.namespace for host in fleet))

    def there(namespace: str) -> int:
        try:
            return next(host.harness for host in fleet if host.harness.namespace == namespace).count("app")
        except TransportError:
            return 0  # a shard is unassigned for a moment

    assert all(eventually(lambda one=one: there(one) >= 1_000, LONG) for one in namespaces)  # type: ignore[misc]
    assert eventually(three_nodes.whole, LONG)  # each stream has its replica
    for namespace in namespaces:
        es.indices.rollover(alias=f"logs-neuroflow.app-{namespace}")
    fleet[0].kill()
    assert eventually(three_nodes.whole, LONG)
    lost = three_nodes.nodes[-1]
    lost.kill()
    assert fleet[0].writer.beyond(1_000)
    fleet[0].start()
    es.indices.rollover(alias=f"logs-neuroflow.app-{namespaces[0]}")
    assert fleet[3].writer.beyond(1_000)
    lost.start()
    assert eventually(three_nodes.whole, LONG)
    fleet[3].kill()
    es.indices.rollover(alias=f"logs-neuroflow.app-{namespaces[1]}")
    fleet[3].start()
    written = {host.name: host.writer.end() for host in fleet}
    for namespace in namespaces:
        total = sum(written[host.name] for host in fleet if host.harness.namespace == namespace)
        assert eventually(lambda namespace=namespace, total=total: there(namespace) >= total, LONG)  # type: ignore[misc]
    output = {host.name: host.stop() for host in fleet}
    wrong = {host.name: difference(Counter(expected(written[host.name])), host.messages()) for host in fleet}
    assert {name: {} for name in HOSTS} == wrong, output
