"""Three real nodes that stop one after the other: replicas take over, and every line is there once."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch, TransportError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode.members import Cluster
from tests.conformance.harness import PATIENCE, Harness, difference, eventually
from tests.conformance.test_sidecar import expected, write

# A bound on hanging: an election, a boot and a recovery on a machine that does much else.
LONG = 3 * PATIENCE
# A hundred lines at a time, ten times a second; a new file every two seconds; no more than this in all.
STEP, PAUSE, ROTATE_EVERY, MOST = 100, 0.1, 2_000, 15_000


class Writer:
    """Appends numbered lines to a log that it renames now and then, until it is ended."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.written = 0
        self._thread.start()

    def _write(self) -> None:
        rotated = count(1)
        while not self._ended.wait(PAUSE) and self.written < MOST:
            if self.written % ROTATE_EVERY == 0 and self._log.exists():
                self._log.rename(self._log.with_name(f"{self._log.name}.{next(rotated)}"))
            write(self._log, self.written, self.written + STEP)
            self.written += STEP

    def beyond(self, lines: int) -> bool:
        """Whether so many further lines are written, or all."""
        goal = min(self.written + lines, MOST)
        return eventually(lambda: self.written >= goal, LONG)

    def end(self) -> int:
        """The number of written lines."""
        self._ended.set()
        self._thread.join()
        return self.written


@pytest.fixture
def cluster(three_nodes: Cluster) -> Cluster:
    """The three nodes, all of them running."""
    three_nodes.start()
    assert eventually(three_nodes.whole, LONG)
    return three_nodes


@pytest.fixture
def es(cluster: Cluster) -> Iterator[Elasticsearch]:
    """A client that uses the next node when one is down."""
    client = connect(Settings(hosts=cluster.urls, request_timeout=10))
    yield client.options(max_retries=5, retry_on_timeout=True)
    client.close()


@pytest.fixture
def harness(tmp_path: Path, cluster: Cluster, es: Elasticsearch) -> Iterator[Harness]:
    """A harness with the addresses of all three nodes."""
    one = Harness(tmp_path, cluster.urls, f"t{uuid.uuid4().hex[:10]}", es)
    yield one
    one.close()


def found(harness: Harness) -> int:
    """The number of lines; none while a shard is unassigned."""
    try:
        return harness.count("app")
    except TransportError:
        return 0


@contextmanager
def stream(harness: Harness, cluster: Cluster) -> Iterator[Writer]:
    """A sidecar with a steady stream of lines and rotations; afterwards every line is there once."""
    process = harness.start()
    writer = Writer(harness.logs / "neuroflow.log")
    try:
        assert eventually(lambda: found(harness) >= 1_000, LONG)
        # The new stream has its replica: until then its one copy may be where the blow falls.
        assert eventually(cluster.whole, LONG)
        yield writer
    finally:
        written = writer.end()
    shipped = eventually(lambda: found(harness) >= written, LONG)
    code, said = harness.stop(process)
    messages = harness.messages("app")
    assert {} == {text: count for text, count in messages.items() if count > 1}
    assert set() == messages.keys() - expected(written).keys()
    assert set() == expected(written).keys() - messages.keys(), said
    assert shipped
    assert code == 0, said
    counters = harness.status()["counters"]
    assert (written, 0, 0) == (counters["read"], counters["dead"], counters["in_flight"])


def primary(es: Elasticsearch, harness: Harness) -> int:
    """The number of the node with the primary shard."""
    answer = es.search_shards(index=f"logs-neuroflow.app-{harness.namespace}")
    ((shard, *others),) = answer["shards"]
    assert len(others) == 1, "the templates give a replica where there are several nodes"
    names = {identity: node["name"] for identity, node in answer["nodes"].items()}
    held = next(copy["node"] for copy in (shard, *others) if copy["primary"])
    return int(names[held].removeprefix("node-"))


class TestThreeNodes:
    def test_a_node_is_killed_and_comes_back(self, harness: Harness, es: Elasticsearch, cluster: Cluster) -> None:
        """The primary's node is killed: a replica takes over, and the node comes back."""
        with stream(harness, cluster) as writer:
            node = cluster.nodes[primary(es, harness)]
            node.kill()
            assert writer.beyond(3_000)
            node.start()
            assert eventually(cluster.whole, LONG)

    def test_the_elected_master_is_killed(self, harness: Harness, cluster: Cluster) -> None:
        """Another master is elected, and nothing is dropped meanwhile."""
        with stream(harness, cluster) as writer:
            master = cluster.elected()
            assert master is not None
            master.kill()
            assert eventually(lambda: cluster.elected() not in {None, master}, LONG)
            assert writer.beyond(2_000)

    def test_a_rolling_restart(self, harness: Harness, cluster: Cluster) -> None:
        """All nodes restart, one after the other, each when the cluster is green."""
        with stream(harness, cluster):
            for node in cluster.nodes:
                node.restart()
                assert eventually(cluster.whole, LONG)

    def test_two_of_three_are_killed(self, harness: Harness, cluster: Cluster) -> None:
        """Without a majority the sidecar waits until the nodes are back."""
        with stream(harness, cluster) as writer:
            for node in cluster.nodes[1:]:
                node.kill()
            assert writer.beyond(2_000)
            cluster.start()  # both: either may hold the only copy that is up to date

    def test_the_first_host_is_down_at_the_start(self, harness: Harness, cluster: Cluster) -> None:
        """``--once`` uses the other hosts and exits 0."""
        cluster.nodes[0].stop()
        write(harness.logs / "neuroflow.log", 0, 1_000)
        result = harness.once()
        assert result.returncode == 0, result.stderr
        assert expected(1_000) == harness.messages("app")


class Held:
    """A stream whose write index accepts requests without finishing them, since they wait for a replica.

    Args:
        harness: whose stream ``app``; it has documents.
        es: to the cluster.
        node: the node with the primary shard.
    """

    def __init__(self, harness: Harness, es: Elasticsearch, node: int) -> None:
        self._es = es
        self._stream = f"logs-neuroflow.app-{harness.namespace}"
        (self._index,) = es.indices.get_settings(index=self._stream)
        for settings in (
            {"auto_expand_replicas": False, "number_of_replicas": 0},
            {"routing.allocation.require._name": f"node-{node}", "number_of_replicas": 1},
            {"write.wait_for_active_shards": 2},
        ):
            es.indices.put_settings(index=self._index, settings=settings)

    def under_way(self) -> bool:
        """Whether the cluster works on a bulk request to the stream."""
        params = {"actions": "indices:data/write/bulk", "detailed": "true"}
        answer = self._es.perform_request(
            "GET", "/_tasks", params=params, headers={"accept": "application/json"}
        ).body
        tasks = [task for node in answer["nodes"].values() for task in node["tasks"].values()]
        return any(self._stream in task["description"] for task in tasks)

    def roll_over(self) -> None:
        """Make another index the write index; the request goes on in the old one."""
        assert eventually(self.under_way)
        self._es.indices.rollover(alias=self._stream)
        assert self.under_way()

    def let_go(self) -> None:
        """The old index finishes its requests."""
        assert self.under_way()
        self._es.indices.put_settings(index=self._index, settings={"routing.allocation.require._name": None})


@pytest.fixture
def held(harness: Harness, es: Elasticsearch, cluster: Cluster) -> Held:
    """Ten lines are shipped, then the index is held and 290 more are written."""
    harness.configure(request_timeout=3)
    write(harness.logs / "neuroflow.log", 0, 10)
    assert harness.once().returncode == 0
    assert eventually(cluster.whole, LONG)
    held = Held(harness, es, primary(es, harness))
    write(harness.logs / "neuroflow.log", 10, 300)
    return held


def each_line_once(harness: Harness, held: Held) -> None:
    """All 300 lines arrive, and none twice."""
    assert eventually(lambda: found(harness) >= 300 and not held.under_way(), LONG)
    assert not difference(Counter(expected(300)), harness.messages("app"))


class TestRolloverUnderWay:
    """A stream rolls over during a request, whose documents arrive in the old index, later."""

    def test_killed(self, harness: Harness, held: Held) -> None:
        """Documents of the killed process are found when they arrive; unsent lines do not wait for them."""
        process = harness.start()
        held.roll_over()
        harness.kill(process)
        process = harness.start()
        write(harness.logs / "workflow.log", 0, 1)
        assert eventually(lambda: harness.count("workflow") == 1, LONG)
        held.let_go()
        each_line_once(harness, held)
        assert harness.stop(process)[0] == 0

    def test_timed_out(self, harness: Harness, held: Held) -> None:
        """The same after a time-out instead of a kill."""
        with (harness.folder / "said").open("w+") as said:
            process = harness.start(said=said)
            held.roll_over()
            assert eventually(lambda: "did not answer within 3 s" in (harness.folder / "said").read_text())
            write(harness.logs / "workflow.log", 0, 1)
            assert eventually(lambda: harness.count("workflow") == 1, LONG)
            held.let_go()
            each_line_once(harness, held)
            assert harness.stop(process)[0] == 0
