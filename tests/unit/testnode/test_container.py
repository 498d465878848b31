"""A node in Docker, with a stand-in for the container, since these tests run without a daemon."""

from __future__ import annotations

import http.server
import threading
from typing import Any

import pytest
import testcontainers.core.container

from shipper.testnode.container import ContainerNode
from shipper.testnode.lifecycle import NodeError


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers like a healthy cluster."""

    def do_GET(self) -> None:
        body = b'{"status":"green"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
        pass


class Container:
    """The used part of testcontainers and docker-py."""

    made: list[Container]

    def __init__(self, image: str) -> None:
        self.image = image
        self.env: dict[str, str] = {}
        self.ports: dict[str, Any] = {}
        self.did: list[str] = []
        self.status = "created"
        self.dies = False
        self._server: http.server.HTTPServer | None = None
        Container.made.append(self)

    def get_container_host_ip(self) -> str:
        return "localhost"

    def with_env(self, key: str, value: str) -> None:
        self.env[key] = value

    def get_wrapped_container(self) -> Container:
        """The stand-in for docker-py's object too."""
        return self

    def start(self) -> None:
        """Serve the port, unless it must die."""
        self.did.append("start")
        self.status = "exited" if self.dies else "running"
        if not self.dies:
            self._server = http.server.HTTPServer(self.ports["9200/tcp"], Healthy)
            threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self) -> None:
        self.did.append("kill")
        self._end()

    def stop(self, timeout: int | None = None) -> None:
        """With a time-out stop, as docker-py does; without one remove, as testcontainers does."""
        self.did.append("stop" if timeout else "remove")
        self._end()

    def reload(self) -> None:
        pass

    def logs(self, tail: int) -> bytes:
        return b"\n".join([b"bootstrap check failure"] * tail)

    def _end(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Container]:
    """The containers that were made."""
    Container.made = []
    monkeypatch.setattr(testcontainers.core.container, "DockerContainer", Container)
    return Container.made


def test_a_life(made: list[Container]) -> None:
    """With its fixed port the node answers at the same address after a kill and a stop."""
    said: list[str] = []
    node = ContainerNode(heap="512m", settings={"a.b": 3}, say=said.append)
    (container,) = made
    node.start()
    assert node.url == f"http://localhost:{container.ports['9200/tcp'][1]}"
    assert container.ports["9200/tcp"][0] == "127.0.0.1"
    node.kill()
    node.start()
    node.restart()
    node.remove()
    assert container.did == ["start", "kill", "start", "stop", "start", "remove"]
    assert container.image.startswith("elasticsearch:")
    assert container.env["xpack.security.enabled"] == "false"
    assert container.env["ES_JAVA_OPTS"] == "-Xms512m -Xmx512m"
    assert container.env["a.b"] == "3"
    assert "Docker" in said[0]


def test_death_while_booting(made: list[Container]) -> None:
    """The error contains the container's log."""
    node = ContainerNode(say=lambda _: None)
    made[0].dies = True
    with pytest.raises(NodeError, match="bootstrap check failure"):
        node.start()
    node.remove()
