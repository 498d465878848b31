"""A node of Elastic's test distribution: a process of this machine, with data and ports of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shipper.testnode import distribution
from shipper.testnode.java import Java
from shipper.testnode.lifecycle import Node, NodeError, Say, health, jvm_options
from shipper.testnode.sandbox import Sandbox

# Below the range for outgoing connections, so that a killed node finds its ports free when it restarts.
_PORTS = range(20000, 32000)
#: Messages of a node that ends because another process has its port.
TAKEN = ("BindHttpException", "BindTransportException", "Address already in use")
_BOOT_SECONDS = 300
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Ports:
    """The ports of a node for HTTP and for other nodes."""

    http: int
    transport: int

    @classmethod
    def free(cls) -> Ports:
        """Two ports that are free now."""
        http, transport = free_port(), free_port()
        while transport == http:
            transport = free_port()
        return cls(http, transport)


class ProcessNode(Node):
    """One node of the test distribution in a sandbox of its own, on fixed ``ports`` or on free ones."""

    def __init__(
        self,
        version: str,
        java: Java,
        *,
        cache: Path,
        heap: str = "1g",
        brief: bool = False,
        settings: Mapping[str, Any] | None = None,
        ports: Ports | None = None,
        say: Say,
    ) -> None:
        self.origin = f"Elastic's test distribution {version} on {java}"
        self._java, self._settings, self._say = java, dict(settings or {}), say
        self._options = jvm_options(heap, brief=brief)
        self._process: subprocess.Popen[bytes] | None = None
        self._placed = ports is not None
        self._sandbox = Sandbox()
        try:
            self._home = distribution.provide(version, cache, self._sandbox.node, java=java, say=say)
            for name in ("data", "logs", "tmp"):
                (self._sandbox.node / name).mkdir(exist_ok=True)
            self._sandbox.hand_over()
        except BaseException:
            self._sandbox.remove()
            raise
        self._console = self._sandbox.node / "logs/console.log"
        self._pid_file = self._sandbox.node / "pid"
        self._take(ports or Ports.free())

    @property
    def data(self) -> Path:
        """The folder that holds its indices."""
        return self._sandbox.node / "data"

    @property
    def config(self) -> Path:
        """The folder of its configuration; it reads users and roles of the file realm again while it runs."""
        return self._home / "config"

    def start(self) -> None:
        """Start it and wait until it answers; ports are chosen at the first start and kept.

        Raises:
            NodeError: it ended while booting (with the last lines of its log), or did not answer.
        """
        if self._process is not None:
            return
        for attempt in range(5):
            self._launch()
            try:
                self._wait()
            except NodeError as error:
                self.kill()
                taken = any(sign in str(error) for sign in TAKEN)
                if not taken or self._placed or attempt == 4:
                    raise
                self._take(Ports.free())  # another process took a port
            else:
                self._placed = True
                return

    def stop(self) -> None:
        """Shut it down in order; kill it if that takes more than a minute."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._say(f"Elasticsearch did not stop within {_STOP_SECONDS} s; killing it")
        self.kill()

    def kill(self) -> None:
        """Kill it with SIGKILL; data and ports stay for the next ``start``."""
        if self._process is None:
            return
        self._sandbox.end(self._process, self._running_pid())
        self._process = self.pid = None

    def remove(self) -> None:
        """Kill it and delete its folder."""
        try:
            self.kill()
        finally:
            self._sandbox.remove()

    def _take(self, ports: Ports) -> None:
        document = configuration(self._sandbox.node, ports, self._settings)
        scheme = "https" if document.get("xpack.security.http.ssl.enabled") else "http"
        self.url = f"{scheme}://127.0.0.1:{ports.http}"
        self._cluster = document["cluster.name"]
        (self._home / "config/elasticsearch.yml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def _launch(self) -> None:
        self._say(f"starting Elasticsearch on {self.url} …")
        folder = self._sandbox.node
        self._console.unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)
        # Without options for other Elasticsearches and Java programs.
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ES_", "JAVA_", "JDK_", "CLI_JAVA_"))
        }
        environ |= {
            "ES_JAVA_HOME": str(self._java.home),
            "ES_JAVA_OPTS": f"{self._options} -XX:-UsePerfData",
            "ES_TMPDIR": str(folder / "tmp"),
            "CLI_JAVA_OPTS": f"-XX:-UsePerfData -Djava.io.tmpdir={folder / 'tmp'}",
            "HOME": str(folder),
        }
        self._process = self._sandbox.spawn(
            [str(self._home / "bin/elasticsearch"), "-p", str(self._pid_file)],
            environ=environ,
            cwd=self._home,
            console=self._console,
        )

    def _wait(self) -> None:
        process = self._process
        assert process is not None
        until = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                raise NodeError(f"Elasticsearch ended while booting ({process.returncode}); its log:\n{self._tail()}")
            found = health(self.url)
            if found and found.get("cluster_name") == self._cluster and found.get("status") != "red":
                self.pid = self._running_pid()
                return
            time.sleep(0.1)
        raise NodeError(f"Elasticsearch did not answer within {_BOOT_SECONDS} s; its log:\n{self._tail()}")

    def _running_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None

    def _tail(self, lines: int = 25) -> str:
        try:
            text = self._console.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return f"(none: {error})"
        return "\n".join(text.splitlines()[-lines:])


def configuration(folder: Path, ports: Ports, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``elasticsearch.yml``; ``settings`` take precedence."""
    found = {
        # The name distinguishes our node from another one that got the port first.
        "cluster.name": f"neuroflow-{ports.http}-{os.getpid()}",
        "network.host": "127.0.0.1",
        "http.port": ports.http,
        "transport.port": ports.transport,
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "xpack.security.enabled": False,
        "cluster.routing.allocation.disk.threshold_enabled": False,  # run on a full disk, too
        "action.destructive_requires_name": False,  # tests clean up by pattern
        # This distribution can't delete data streams, so those of all tests accumulate.
        "cluster.max_shards_per_node": 20000,
    }
    if "discovery.seed_hosts" not in settings:
        found["discovery.type"] = "single-node"  # no bootstrap checks, no search for others
    return found | dict(settings)


def free_port() -> int:
    """A port of this machine that is free now."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NodeError("no free port found between 20000 and 32000")
