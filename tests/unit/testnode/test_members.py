"""The settings of a cluster's nodes, and what is read from their answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.testnode import members
from shipper.testnode.java import Java
from shipper.testnode.lifecycle import NodeError, jvm_options
from shipper.testnode.members import Cluster, master, membership
from shipper.testnode.node import running_cluster
from shipper.testnode.process import Ports, configuration

PORTS = [Ports(20001, 20002), Ports(20003, 20004), Ports(20005, 20006)]


class TestMembership:
    """``membership``."""

    def test_all_know_all(self) -> None:
        """Each node has its own name, and the same cluster, neighbours and initial masters."""
        told = membership(PORTS)
        assert [one["node.name"] for one in told] == ["node-0", "node-1", "node-2"]
        for one in told:
            assert one["discovery.seed_hosts"] == ["127.0.0.1:20002", "127.0.0.1:20004", "127.0.0.1:20006"]
            assert one["cluster.initial_master_nodes"] == ["node-0", "node-1", "node-2"]
        assert len({one["cluster.name"] for one in told}) == 1

    def test_clusters_differ(self) -> None:
        """Two clusters on one machine stay apart."""
        assert membership(PORTS[:2])[0]["cluster.name"] != membership(PORTS[1:])[0]["cluster.name"]


class TestConfiguration:
    """``elasticsearch.yml``."""

    def test_alone(self) -> None:
        """A single node looks for no others; explicit settings take precedence."""
        found = configuration(Path("/n"), PORTS[0], {"network.host": "::1"})
        assert found["discovery.type"] == "single-node"
        assert (found["http.port"], found["transport.port"], found["network.host"]) == (20001, 20002, "::1")
        assert found["path.data"] == "/n/data"

    def test_one_of_several(self) -> None:
        """A node of several is not a single-node cluster, since it would refuse to start."""
        found = configuration(Path("/n"), PORTS[1], membership(PORTS)[1])
        assert "discovery.type" not in found
        assert found["cluster.name"] == membership(PORTS)[0]["cluster.name"]


class TestMaster:
    """The elected master."""

    def test_found(self) -> None:
        """The master's name contains its number."""
        state = {"master_node": "x", "nodes": {"y": {"name": "node-0"}, "x": {"name": "node-2"}}}
        assert master(state) == 2

    @pytest.mark.parametrize("state", [{}, {"master_node": None}, {"master_node": "x", "nodes": {}}])
    def test_none(self, state: dict[str, object]) -> None:
        """During an election there is no master."""
        assert master(state) is None


class TestRunning:
    """Start and end of a cluster, with simulated nodes."""

    @pytest.fixture
    def happened(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The events of the nodes; the first three die of a port in use."""
        told: list[str] = []

        class Fake:
            made = 0

            def __init__(self, *_: object, settings: dict[str, str], **__: object) -> None:
                Fake.made += 1
                self.fails, self.name = Fake.made <= 3, settings["node.name"]

            def start(self) -> None:
                if self.fails and self.name == "node-1":
                    raise NodeError("java.net.BindException: Address already in use")
                told.append("started")

            def remove(self) -> None:
                told.append("removed")

        monkeypatch.setattr(members, "ProcessNode", Fake)
        return told

    def test_taken_ports_are_replaced(self, happened: list[str], tmp_path: Path) -> None:
        """If a port is in use all nodes start again with other ports."""
        java = Java(25, tmp_path)
        with members.running(3, "9", java, cache=tmp_path, heap="1m", say=print) as cluster:
            assert isinstance(cluster, Cluster)
            assert happened == ["started"] * 2 + ["removed"] * 3 + ["started"] * 3
        assert happened[-3:] == ["removed"] * 3


def test_a_brief_life_is_not_optimised() -> None:
    """A short-lived node gets the given heap and the compiler's first tier."""
    assert jvm_options("512m", brief=False) == "-Xms512m -Xmx512m"
    assert jvm_options("512m", brief=True) == "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1"


def test_no_cluster_without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing Java is reported as for one node."""
    monkeypatch.setattr("shipper.testnode.java.installed", lambda *_, **__: [])
    with pytest.raises(NodeError, match="Java: none"):
        running_cluster(environ={"HOME": str(tmp_path)})
