"""One node for all processes of a parallel run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shipper.testnode.lifecycle import GivenNode, Node, NodeError
from tests import shared_node
from tests.shared_node import Keeper, PendingNode

URL = "http://127.0.0.1:9"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Events of the nodes that replace real ones."""
    happened: list[str] = []

    @contextmanager
    def running_node(**_: object) -> Iterator[Node]:
        happened.append("started")
        yield GivenNode(URL, "a test")
        happened.append("ended")

    monkeypatch.setattr(shared_node, "running_node", running_node)
    return happened


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test's keeper apart from that of this run."""
    monkeypatch.setenv(shared_node.KEEPER_VARIABLE, "")


def test_one_node_for_all_who_ask(told: list[str]) -> None:
    """The first request starts the node, the second gets the same, and it ends with the keeper."""
    with Keeper(print):
        asked = [PendingNode(), PendingNode()]
        assert [one.node().url for one in asked] == [URL, URL]
        for one in asked:
            one.close()
        assert told == ["started"]
    assert told == ["started", "ended"]


def test_nobody_asks(told: list[str]) -> None:
    """Without a request no node starts."""
    with Keeper(print):
        pass
    assert told == []


def test_none_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request gets the reason why there is no node."""

    def running_node(**_: object) -> object:
        raise NodeError("install Java")

    monkeypatch.setattr(shared_node, "running_node", running_node)
    with Keeper(print):
        for _ in range(2):
            asked = PendingNode()
            with pytest.raises(NodeError, match="install Java"):
                asked.node()
            asked.close()


def test_who_left_again_harms_nobody(told: list[str]) -> None:
    """A process that dies before its answer does not disturb the others."""
    with Keeper(print):
        PendingNode().close()
        asked = PendingNode()
        assert asked.node().url == URL
        asked.close()
    assert told == ["started", "ended"]
