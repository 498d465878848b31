"""The real Elasticsearch that tests share, and a namespace of its own for each of them."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from elasticsearch import BadRequestError, Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode import container
from shipper.testnode.lifecycle import Say
from shipper.testnode.node import URL_VARIABLE, Cluster, Node, NodeError, running_cluster, running_node
from tests.certificates import certificates  # noqa: F401 - a fixture
from tests.shared_node import KEEPER_VARIABLE, Keeper, PendingNode

# Fixtures that start nodes, and the modules that use them or start some by themselves.  Their tests come one after
# the other, in one process: clusters booting side by side are slow enough to be waited for in vain.
_STARTING = {"guarded", "own", "role_node", "secured", "three_nodes"}
_STARTERS = (
    "tests/conformance/test_fleet.py", "tests/conformance/test_three_nodes.py", "tests/elasticsearch/test_absence.py",
    "tests/elasticsearch/test_check.py",
    "tests/elasticsearch/test_client_certificate.py",
    "tests/elasticsearch/test_following.py", "tests/elasticsearch/test_forbidden_calls.py",
    "tests/elasticsearch/test_foreign_templates.py", "tests/elasticsearch/test_install.py",
    "tests/elasticsearch/test_lifecycle.py", "tests/elasticsearch/test_node.py",
    "tests/elasticsearch/test_privileges.py", "tests/elasticsearch/test_revoked_rights.py",
    "tests/elasticsearch/test_roles.py", "tests/elasticsearch/test_serverless.py",
    "tests/elasticsearch/test_snapshots.py", "tests/kibana/test_kibana.py",
)  # fmt: skip

# Modules whose tests share what takes long to make (a namespace full of documents): one process takes all of one.
_SHARING = "tests/elasticsearch/"
# So much of the tests that need no node is done while it boots; the rest comes last, to keep every process busy.
_LEAD = 0.2

# `make test` takes quick, `make test-all` full.  No example fails because the machine is busy: a deadline in
# milliseconds is a timed assertion.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=60)
hypothesis.settings.register_profile("full", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("quick")

_KEEPER = pytest.StashKey[Keeper]()
_PENDING = pytest.StashKey[PendingNode]()


def pytest_configure(config: pytest.Config) -> None:
    """A process that only starts test processes keeps their node."""
    starts_others = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if starts_others and URL_VARIABLE not in os.environ:
        config.stash[_KEEPER] = Keeper(_aloud(config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Release the node; the process that keeps it waits until all others have released it."""
    if asked := config.stash.get(_PENDING, None):
        asked.close()
    if keeper := config.stash.get(_KEEPER, None):
        keeper.close()


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A free process takes the next test; one process takes all tests that start nodes. One process also takes a
    whole module whose tests share what takes long to make.

    ``--dist loadgroup`` would say the same, but xdist 3.8 can't tell the groups apart under pytest 9.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - nobody else needs xdist

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # published without types
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(_STARTERS):
                return "nodes"
            return nodeid.partition("::")[0] if nodeid.startswith(_SHARING) else nodeid

    config.option.loadscopereorder = False  # they have their order
    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)  # before -m deselects by the mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a node, so that ``-m "not elasticsearch"`` omits them, and put them behind the
    first of the others, during which the node boots. Most of them wait, so they come before the rest.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"node", *_STARTING}:
            item.add_marker(pytest.mark.elasticsearch)
        if fixtures & _STARTING:
            item.add_marker(pytest.mark.second_node)
        if fixtures & _STARTING and not item.nodeid.startswith(_STARTERS):
            raise pytest.UsageError(f"{item.nodeid} starts a node: name its module in _STARTERS, tests/conftest.py")
    waiting = [item for item in items if item.get_closest_marker("elasticsearch")]
    waiting.sort(key=lambda item: (not item.nodeid.startswith(_STARTERS), not item.nodeid.startswith(_SHARING)))
    others = [item for item in items if not item.get_closest_marker("elasticsearch")]
    lead = int(_LEAD * len(others))
    items[:] = [*others[:lead], *waiting, *others[lead:]]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from scanning thousands of collected tests, which live until the end."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ask for the node now, so that it boots while tests run that need none."""
    if KEEPER_VARIABLE in os.environ and any(item.get_closest_marker("elasticsearch") for item in session.items):
        session.config.stash[_PENDING] = PendingNode()


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """The shared node.  Without one the tests fail, saying what lacks: a skip would look like success."""
    try:
        if asked := request.config.stash.get(_PENDING, None):
            yield asked.node()
            return
        with running_node(brief=True, say=(say := _aloud(request.config))) as running:
            say(f"Elasticsearch: {running.origin}")
            yield running
            return
    except NodeError as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="session")
def own(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A second node, which tests may stop or reconfigure without disturbing others."""
    try:
        say, settings = _aloud(request.config), {"node.attr.rough": True}
        with running_node(heap="512m", brief=True, settings=settings, say=say) as running:
            yield running
            return
    except NodeError as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="module")
def three_nodes(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of three nodes; a test that stops one starts it again."""
    try:
        with running_cluster(3, say=_aloud(request.config)) as running:
            yield running
            return
    except NodeError as error:
        missing = str(error)
    if container.missing() is None:
        pytest.skip(f"Docker would run one node, but several need Elastic's test distribution: {missing}")
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


def _aloud(config: pytest.Config) -> Say:
    """Prints at once: a download of a minute must not look like a hang."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", flush=True)  # noqa: T201 - into the run's own output

    return say
