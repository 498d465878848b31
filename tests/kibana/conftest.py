"""A real Kibana: one that the environment names, or one in Docker; without either the tests are skipped with the
reason.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipper.config import Config, Kibana
from shipper.kibana.client import KibanaClient
from shipper.testnode import container
from shipper.testnode.distribution import VERSIONS
from shipper.testnode.process import free_port

URL_VARIABLE = "NEUROFLOW_TEST_KIBANA_URL"
BOOT_SECONDS = 300

Clients = Callable[[str], KibanaClient]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Where Kibana answers; requests need no credentials, or the address contains them."""
    if given := os.environ.get(URL_VARIABLE):
        yield given.rstrip("/")
        return
    if missing := container.missing():
        pytest.skip(f"no Kibana to run against: set {URL_VARIABLE}, or start Docker ({missing})")
    with _in_docker() as started:
        yield started


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Clients]:
    """Makes clients of a space."""
    made: list[KibanaClient] = []

    def make(space: str) -> KibanaClient:
        config = Config(path=Path("neuroflow.yaml"), log_dir=Path("/nowhere"), kibana=Kibana(url=url, space=space))
        made.append(KibanaClient(config, say=lambda _: None))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def space(client: Clients) -> Iterator[str]:
    """A space that no other test uses; it is deleted afterwards with its objects."""
    yield from _space(client)


@pytest.fixture
def other_space(client: Clients) -> Iterator[str]:
    """A second one."""
    yield from _space(client)


def _space(client: Clients) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex[:10]}"
    default = client("default")
    made = default.ask("POST", "/api/spaces/space", {"id": name, "name": name})
    assert made.ok, made.raw
    yield name
    default.ask("DELETE", f"/api/spaces/space/{name}")


@contextmanager
def _in_docker() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - an extra: may be absent
    from testcontainers.core.network import Network  # noqa: PLC0415 - the same

    version, port = VERSIONS[0][0], free_port()
    with Network() as network:
        cluster = DockerContainer(f"elasticsearch:{version}").with_network(network).with_network_aliases("cluster")
        for name, value in {
            "discovery.type": "single-node",
            "xpack.security.enabled": "false",
            "ES_JAVA_OPTS": "-Xms1g -Xmx1g",
        }.items():
            cluster.with_env(name, value)
        kibana = DockerContainer(f"kibana:{version}").with_network(network)
        bound: Any = ("127.0.0.1", port)  # docker takes pairs; testcontainers names ports only
        kibana.ports = {"5601/tcp": bound}
        for name, value in {
            "ELASTICSEARCH_HOSTS": "http://cluster:9200",
            "XPACK_ENCRYPTEDSAVEDOBJECTS_ENCRYPTIONKEY": uuid.uuid4().hex,
            "TELEMETRY_ENABLED": "false",
        }.items():
            kibana.with_env(name, value)
        with cluster, kibana:
            started = f"http://127.0.0.1:{port}"
            _wait_for(started)
            yield started


def _wait_for(url: str) -> None:
    until = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/api/status", timeout=5) as answer:
                if "available" == json.load(answer)["status"]["overall"]["level"]:
                    return
        except (OSError, ValueError, urllib.error.URLError):
            pass
        time.sleep(1)
    pytest.fail(f"Kibana did not come up in its container within {BOOT_SECONDS} s", pytrace=False)
