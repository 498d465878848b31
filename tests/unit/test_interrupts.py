"""Ctrl-C ends a command, whatever error a library makes of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import click
import pytest
from click.testing import CliRunner
from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import NodeConfig

from shipper.cli.exit_codes import INTERRUPTED
from shipper.cli.failure import Commands, Failure
from shipper.cli.following import pause
from shipper.cli.reading import Session, answering
from shipper.config import Elasticsearch
from shipper.elastic.client import connect
from shipper.elastic.http_node import DirectNode
from shipper.interrupts import interrupted
from shipper.views.polling import follow


def raised(*errors: BaseException, suppress: bool = False) -> BaseException:
    """The last of some errors, each raised while the one before was being handled."""
    for before, error in pairwise(errors):
        error.__context__, error.__suppress_context__ = before, suppress
    return errors[-1]


@pytest.mark.parametrize("suppress", [False, True])
def test_a_chain_is_followed_to_its_beginning(suppress: bool) -> None:
    """An error that replaced a KeyboardInterrupt is recognised, also where ``from None`` hides it."""
    assert interrupted(raised(KeyboardInterrupt(), OSError("a"), ValueError("b"), suppress=suppress))
    assert not interrupted(raised(OSError("a"), ValueError("b"), suppress=suppress))


def test_a_cause_counts_as_well() -> None:
    """What an error was raised ``from`` is looked at too; a chain that bites its tail ends."""
    error, cause = ValueError(), KeyError()
    error.__cause__, cause.__cause__ = cause, error
    assert not interrupted(error)
    cause.__cause__ = KeyboardInterrupt()
    assert interrupted(error)


def interrupt_pool(node: Any) -> None:
    """Let Ctrl-C come while the pool is asked for a connection; urllib3 then puts back what it never took."""

    def take(**_options: Any) -> None:
        raise KeyboardInterrupt

    node.pool._get_conn = take


def test_a_node_gives_the_interrupt_and_no_error() -> None:
    """Of ``FullPoolError``, which urllib3 raises in place of a KeyboardInterrupt, the node makes one again."""
    node = DirectNode(NodeConfig("http", "127.0.0.1", 9))
    interrupt_pool(node)
    with pytest.raises(KeyboardInterrupt):
        node.perform_request("GET", "/")


def test_a_client_does_not_try_again() -> None:
    """Following ends at an interrupted request; the client does not take it for an outage."""
    client = connect(Elasticsearch(hosts=["http://127.0.0.1:9"], request_timeout=1))
    for node in client.transport.node_pool.all():
        interrupt_pool(node)
    told: list[Exception | None] = []

    class Following:
        def poll(self) -> Any:
            client.perform_request("GET", "/", headers={"accept": "application/json"})

        def outage(self) -> None:
            raise AssertionError

    follower: Any = Following()
    with pytest.raises(KeyboardInterrupt):
        next(follow(follower, lambda _: pause(0), told.append))
    assert [] == told


WRAPPED: list[Callable[[], BaseException]] = [
    KeyboardInterrupt,
    lambda: raised(KeyboardInterrupt(), TransportConnectionError("Pool reached maximum size")),
    lambda: raised(KeyboardInterrupt(), OSError(28, "No space left", "/state")),
    lambda: raised(KeyboardInterrupt(), Failure("can't be reached", 3), suppress=True),
    lambda: raised(KeyboardInterrupt(), ValueError("a bug")),
]


@pytest.mark.parametrize("error", WRAPPED)
def test_a_command_of_the_sidecar_ends_with_130(error: Callable[[], BaseException]) -> None:
    """Ctrl-C ends a command of ``neuroflow-ship`` with 130 and without a word."""

    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def run() -> None:
        raise error()

    result = CliRunner().invoke(group, ["run"])
    assert (INTERRUPTED, "") == (result.exit_code, result.output)


@pytest.mark.parametrize("error", WRAPPED)
def test_a_view_ends_with_130(error: Callable[[], BaseException]) -> None:
    """Ctrl-C ends a command of ``neuroflow-logs`` with 130 and without a word."""

    @click.command()
    @answering
    def show(_session: Session, **_options: Any) -> int:
        raise error()

    result = CliRunner().invoke(show, [])
    assert (INTERRUPTED, "") == (result.exit_code, result.output)
