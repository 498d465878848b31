"""Where a node comes from, and the error if there is none."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from shipper.testnode import container, java, node
from shipper.testnode.java import Java
from shipper.testnode.lifecycle import health
from shipper.testnode.node import NodeError, advice, running_node
from shipper.testnode.process import free_port

J25, J11 = Java(25, Path("/j25")), Java(11, Path("/j11"))


def test_advice_names_what_would_do_and_what_is_there() -> None:
    """The error lists three ways, and what each lacks here."""
    text = advice([J11], (), maven=True, docker="Docker: no daemon answers")
    assert "set NEUROFLOW_TEST_ES_URL, or start Docker, or install Java 17 or newer" in text
    assert "only Java 11 (/j11)" in text
    assert "Docker: no daemon answers" in text


def test_advice_without_anything() -> None:
    """The error without Java and Maven."""
    text = advice([], (), maven=False, docker=None)
    assert "Java: none" in text
    assert "no mvn on the PATH" in text


def test_advice_with_a_cached_version_that_does_not_fit() -> None:
    """The error lists the cached versions."""
    assert "the cache holds only 9.5.3" in advice([J11], ("9.5.3",), maven=False, docker=None)
    assert "Java 25 (/j25)" in advice([J25], (), maven=False, docker=None)


def test_nothing_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Docker, Java and Maven the error gives that advice."""
    monkeypatch.setattr(container, "missing", lambda: "Docker: no daemon answers")
    monkeypatch.setattr(java, "installed", lambda *_, **__: [])
    with (
        pytest.raises(NodeError, match="no Elasticsearch to run against"),
        running_node(environ={"HOME": str(tmp_path)}),
    ):
        pytest.fail("there is none")


def test_a_failing_docker_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Docker cannot run the image, this is reported, and the next way is tried."""

    class Refusing:
        def __init__(self, **_: object) -> None:
            raise RuntimeError("no such image")

    said: list[str] = []
    monkeypatch.setattr(container, "missing", lambda: None)
    monkeypatch.setattr(node, "ContainerNode", Refusing)
    monkeypatch.setattr(java, "installed", lambda *_, **__: [])
    with (
        pytest.raises(NodeError, match="no such image"),
        running_node(environ={"HOME": str(tmp_path)}, say=said.append),
    ):
        pytest.fail("there is none")
    assert "no such image" in said[0]


def test_a_named_node_that_is_not_there() -> None:
    """The error names variable and address without the password."""
    url = f"http://elastic:secret@127.0.0.1:{free_port()}"
    with (
        pytest.raises(NodeError, match="NEUROFLOW_TEST_ES_URL names 127") as caught,
        running_node(environ={"NEUROFLOW_TEST_ES_URL": url}),
    ):
        pytest.fail("there is none")
    assert "secret" not in str(caught.value)


def test_health_of_nothing() -> None:
    """A closed port and another service both give no health."""
    assert health(f"http://127.0.0.1:{free_port()}") is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        assert health(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.2) is None


def test_free_ports_are_below_the_ephemeral_range() -> None:
    """No other program gets a node's port while it is down."""
    assert 20000 <= free_port() < 32000


def test_docker_is_looked_for_quietly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a daemon there is no warning about open sockets."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert (container.missing() or "").startswith("Docker: ")
