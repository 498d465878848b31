"""The real Elasticsearch that tests share, and a namespace of its own for each of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import BadRequestError, Elasticsearch

from shipper.cluster import connect
from shipper.config import Elasticsearch as Settings
from shipper.demo.node import Node, NodeError, running_node


@pytest.hookimpl(tryfirst=True)  # before -m deselects by the mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the node, so that ``-m "not elasticsearch"`` leaves it out."""
    for item in items:
        if "node" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.elasticsearch)


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """The shared node.  Without one the tests fail, saying what lacks: a skip would look like success."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", flush=True)  # noqa: T201 - a download of a minute must not look like a hang

    try:
        with running_node(say=say) as running:
            say(f"Elasticsearch: {running.origin}")
            yield running
            return
    except NodeError as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="session")
def es(node: Node) -> Iterator[Elasticsearch]:
    """A client of the shared node."""
    client = connect(Settings(hosts=[node.url]))
    yield client
    client.close()


@pytest.fixture
def namespace(es: Elasticsearch) -> Iterator[str]:
    """A namespace that no other test uses; its streams and its run documents are deleted afterwards.

    Elastic's test distribution has no way to delete a data stream (``DELETE _data_stream`` is unknown to it,
    and the newest backing index can't be deleted or closed by itself); there they go with the node.
    """
    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    try:
        es.indices.delete_data_stream(name=f"logs-neuroflow.*-{name}", expand_wildcards="all")
    except BadRequestError as error:
        if "no handler found" not in str(error):
            raise
    es.indices.delete(index=f"neuroflow-runs-{name}", ignore_unavailable=True)
