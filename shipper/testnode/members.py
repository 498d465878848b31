"""A cluster of several nodes on this machine, each of which can be killed, stopped and started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from shipper.testnode.java import Java
from shipper.testnode.lifecycle import NodeError, Say, ask
from shipper.testnode.process import TAKEN, Ports, ProcessNode

_ATTEMPTS = 3


class Cluster:
    """Nodes that form one cluster; ``nodes`` are in the order of their names (node-0, node-1, …)."""

    def __init__(self, nodes: Sequence[ProcessNode]) -> None:
        self.nodes = tuple(nodes)

    @property
    def urls(self) -> list[str]:
        """The address of each node."""
        return [node.url for node in self.nodes]

    def start(self) -> None:
        """Start all nodes at once: none answers before a majority is there."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: node.start(), self.nodes))

    def elected(self) -> ProcessNode | None:
        """The elected master node; None while there is none, or no node answers."""
        for node in self.nodes:
            if node.pid is None:
                continue
            state = ask(node.url, "/_cluster/state/master_node,nodes?filter_path=master_node,nodes.*.name")
            if state and (found := master(state)) is not None:
                return self.nodes[found]
        return None

    def whole(self) -> bool:
        """Whether every node has joined and every copy of every shard is assigned."""
        for node in self.nodes:
            found = ask(node.url, "/_cluster/health?local=true")
            if found is None or found.get("status") != "green" or found.get("number_of_nodes") != len(self.nodes):
                return False
        return True


@contextmanager
def running(count: int, version: str, java: Java, *, cache: Path, heap: str, say: Say) -> Iterator[Cluster]:
    """A cluster of so many nodes, for the duration of the block.

    Raises:
        NodeError: it did not start.
    """
    with ExitStack() as held:
        for attempt in range(_ATTEMPTS):
            ports = [Ports.free() for _ in range(count)]
            nodes = []
            for settings, own in zip(membership(ports), ports, strict=True):
                node = ProcessNode(
                    version, java, cache=cache, heap=heap, brief=True, settings=settings, ports=own, say=say
                )
                held.callback(node.remove)
                nodes.append(node)
            cluster = Cluster(nodes)
            try:
                cluster.start()
                break
            except NodeError as error:
                held.close()
                if attempt + 1 == _ATTEMPTS or not any(sign in str(error) for sign in TAKEN):
                    raise  # else another process took a port
        yield cluster


def membership(ports: Sequence[Ports]) -> list[dict[str, Any]]:
    """The settings by which each node finds the others; the first ports name the cluster."""
    names = [f"node-{number}" for number in range(len(ports))]
    return [
        {
            "cluster.name": f"neuroflow-{ports[0].http}-{ports[0].transport}",
            "node.name": name,
            "discovery.seed_hosts": [f"127.0.0.1:{one.transport}" for one in ports],
            # Used only until the first election: a node that restarts with its data ignores it.
            "cluster.initial_master_nodes": names,
        }
        for name in names
    ]


def master(state: dict[str, Any]) -> int | None:
    """Number of the master node in an answer of ``_cluster/state``."""
    name = state.get("nodes", {}).get(state.get("master_node"), {}).get("name", "")
    return int(name.removeprefix("node-")) if name else None
