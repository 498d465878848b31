"""The node of the tests: it answers, keeps its data over a kill, and leaves no process or file behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode.lifecycle import health
from shipper.testnode.node import Node, NodeError, running_node

pytestmark = pytest.mark.elasticsearch

PARENT = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background jobs
from shipper.testnode.node import running_node
with running_node(own=True, heap="512m") as node:
    print(node.url, node.pid, node.data if hasattr(node, "data") else "", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def client(own: Node) -> Iterator[Elasticsearch]:
    """A client of the node of our own."""
    made = connect(Settings(hosts=[own.url]))
    yield made
    made.close()


def _until(true: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    pytest.fail(f"still not: {what}")


def test_the_shared_node_answers(node: Node, es: Elasticsearch) -> None:
    """The session's node says where it came from and is healthy."""
    assert node.origin
    assert es.cluster.health()["status"] in {"green", "yellow"}


def test_a_namespace_is_cleared_afterwards(es: Elasticsearch, namespace: str, request: pytest.FixtureRequest) -> None:
    """After a test its documents are deleted (streams: where the node can delete them)."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9_.]*", namespace)
    index = f"neuroflow-runs-{namespace}"
    es.index(index=index, document={"status": "running"})
    fixture: Any = request._fixture_defs["namespace"]  # no public way to end one early
    fixture.finish(request)
    assert not es.indices.exists(index=index)


def test_settings_reach_the_node(client: Elasticsearch) -> None:
    """``settings`` appear in the node's configuration."""
    (found,) = client.nodes.info()["nodes"].values()
    assert found["attributes"]["rough"] == "true"


def test_data_and_address_survive_a_kill(own: Node, client: Elasticsearch) -> None:
    """After SIGKILL the node answers at the same URL with all acknowledged data."""
    client.index(index="kept", id="1", document={"n": 1})
    url, before = own.url, own.pid
    own.kill()
    assert health(own.url) is None
    own.start()
    own.start()  # of what runs: nothing
    assert own.url == url
    assert own.pid != before or before is None
    assert client.get(index="kept", id="1")["_source"] == {"n": 1}


def test_data_survives_a_restart(own: Node, client: Elasticsearch) -> None:
    """An orderly restart keeps the data."""
    client.index(index="kept", id="2", document={"n": 2})
    own.restart()
    assert client.get(index="kept", id="2")["_source"] == {"n": 2}


# SIGTERM ends Python as SIGKILL does: without a chance to clean up.
@pytest.mark.second_node
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_stays_when_the_parent_ends(number: signal.Signals) -> None:
    """However the process that started a node ends, node and folder are removed."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        url, pid, data = parent.stdout.readline().rstrip("\n").split(" ", 2)
        if pid == "None":
            pytest.skip("in Docker the daemon's reaper does this")
        folder = Path(data).parents[1]
        assert folder.is_dir()
        parent.send_signal(number)
        parent.wait()
        _until(lambda: not folder.exists(), f"{folder} deleted")
        _until(lambda: health(url) is None, f"{url} silent")
        _until(lambda: not Path(f"/tmp/.java_pid{pid}").exists(), "no socket left in /tmp")
    finally:
        parent.kill()
        parent.communicate()


@pytest.mark.second_node
def test_a_node_that_dies_while_booting_tells_why() -> None:
    """The error contains the last lines of the node's log."""
    with (
        pytest.raises(NodeError, match=r"no\.such\.setting"),
        running_node(heap="512m", settings={"no.such.setting": 1}),
    ):
        pytest.fail("it should not have started")


def test_a_named_node_is_never_ended(node: Node) -> None:
    """A node that the environment names is used unchanged and keeps running."""
    with running_node(environ={"NEUROFLOW_TEST_ES_URL": node.url}) as given:
        assert given.url == node.url
        assert "NEUROFLOW_TEST_ES_URL" in given.origin
        with pytest.raises(NodeError, match="belongs to somebody else"):
            given.kill()
    assert health(node.url) is not None
