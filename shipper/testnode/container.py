"""A node in a Docker container, where a daemon answers."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from shipper.testnode.distribution import VERSIONS
from shipper.testnode.lifecycle import Node, NodeError, Say, health, jvm_options
from shipper.testnode.process import free_port

_BOOT_SECONDS = 300


def missing() -> str | None:
    """Why Docker can't be used, as a sentence; None if a daemon answers."""
    try:
        from testcontainers.core.docker_client import (  # noqa: PLC0415 - an extra: may be absent
            DockerClient,
            get_docker_host,
        )
    except ImportError:
        return "Docker: testcontainers is not installed"
    try:
        # First without the library, which leaves its sockets open when there is no daemon.
        _probe_socket(get_docker_host() or "unix:///var/run/docker.sock")
        client = DockerClient().client
        try:
            client.ping()
        finally:
            client.close()
    except Exception as error:  # noqa: BLE001 - no socket, no rights, a broken context: each its own type
        return f"Docker: no daemon answers ({str(error).splitlines()[0][:120]})"
    return None


def _probe_socket(host: str) -> None:
    parts = urlsplit(host)
    if parts.scheme in {"unix", "http+unix"}:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(unquote(parts.netloc) + parts.path)
    elif parts.scheme in {"tcp", "http", "https"}:
        socket.create_connection((parts.hostname or "", parts.port or 2375), timeout=5).close()


class ContainerNode(Node):
    """One node of the official image; its data lives as long as the container."""

    def __init__(
        self, *, heap: str = "1g", brief: bool = False, settings: Mapping[str, Any] | None = None, say: Say
    ) -> None:
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - an extra: may be absent

        version = VERSIONS[0][0]
        self.origin = f"a Docker container of Elasticsearch {version}"
        self._say = say
        self._started = False
        self._container = DockerContainer(f"elasticsearch:{version}")
        host = self._container.get_container_host_ip()
        port = free_port()
        self.url = f"http://{host}:{port}"
        # A fixed port, so that a restart keeps it; bound to all addresses only if the daemon is on another host.
        local = host in {"localhost", "127.0.0.1"}
        bound: Any = ("127.0.0.1", port) if local else port  # docker takes pairs; testcontainers names ports only
        self._container.ports = {"9200/tcp": bound}
        environ = {
            "discovery.type": "single-node",
            "xpack.security.enabled": False,
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "action.destructive_requires_name": False,
            "ingest.geoip.downloader.enabled": False,
            "ES_JAVA_OPTS": jvm_options(heap, brief=brief),
            **(settings or {}),
        }
        for name, value in environ.items():
            self._container.with_env(name, str(value).lower() if isinstance(value, bool) else str(value))

    def start(self) -> None:
        """Create the container, or start it again, and wait until it answers."""
        self._say(f"starting Elasticsearch in Docker on {self.url} …")
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        until = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < until:
            found = health(self.url)
            if found and found.get("status") != "red":
                return
            wrapped = self._container.get_wrapped_container()
            wrapped.reload()
            if wrapped.status in {"exited", "dead"}:
                break
            time.sleep(0.2)
        log = self._container.get_wrapped_container().logs(tail=25).decode(errors="replace")
        raise NodeError(f"Elasticsearch did not start in its container; its log:\n{log}")

    def stop(self) -> None:
        """Shut it down in order; the container stays."""
        self._container.get_wrapped_container().stop(timeout=60)

    def kill(self) -> None:
        """End it with SIGKILL; the container stays."""
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        """Delete the container and its data (testcontainers' reaper does it if this process is killed)."""
        with contextlib.suppress(Exception):  # never started, or gone already
            self._container.stop()
