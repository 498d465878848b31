"""A real node that requires client certificates."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elastic_transport import TransportError
from elasticsearch import ApiError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode import container, distribution, node, process
from shipper.testnode.node import NodeError
from shipper.testnode.process import ProcessNode
from tests.certificates import Certificates, Pair
from tests.conformance.harness import Harness
from tests.elasticsearch.secured import ADMIN, SECURITY

TLS = {
    "xpack.security.authc.anonymous.roles": "anybody",  # the certificate alone decides
    "xpack.security.http.ssl.enabled": True,
    "xpack.security.http.ssl.certificate": "http.crt",
    "xpack.security.http.ssl.key": "http.key",
    "xpack.security.http.ssl.certificate_authorities": ["clients.crt"],
    "xpack.security.http.ssl.client_authentication": "required",
}


def identified(pair: Pair, certificates: Certificates) -> dict[str, Any]:
    """The keys of the section ``elasticsearch``, apart from the address."""
    trusted = str(certificates.authority.certificate)
    return {"ca_certs": trusted, "client_cert": str(pair.certificate), "client_key": str(pair.key)}


@pytest.fixture(scope="module")
def guarded(certificates: Certificates) -> Iterator[ProcessNode]:
    """The node."""

    def health(url: str, timeout: float = 5) -> dict[str, Any] | None:
        settings = Settings(hosts=[url], request_timeout=timeout, **identified(certificates.client, certificates))
        client = connect(settings)
        try:
            return dict(client.cluster.health().body)
        except (ApiError, TransportError):
            return None
        finally:
            client.close()

    try:
        version, java = node._distribution(os.environ, "Docker: not used")
    except NodeError as error:
        if container.missing() is None:
            pytest.skip(f"certificates are put into the folder of the test distribution, not into Docker: {error}")
        pytest.fail(str(error), pytrace=False)
    cache = distribution.cache_folder(os.environ)
    settings = SECURITY | TLS
    one = ProcessNode(version, java, cache=cache, heap="512m", brief=True, settings=settings, say=lambda _: None)
    patch = pytest.MonkeyPatch()
    patch.setattr(process, "health", health)
    try:
        (one.config / "roles.yml").write_text(f"anybody: {json.dumps(ADMIN)}\n")
        for name, path in (
            ("http.crt", certificates.server.certificate),
            ("http.key", certificates.server.key),
            ("clients.crt", certificates.authority.certificate),
        ):
            (one.config / name).write_bytes(path.read_bytes())
            (one.config / name).chmod(0o644)  # of an account that is not ours
        one.start()
        yield one
    finally:
        patch.undo()
        one.remove()


def configured(folder: Path, one: ProcessNode, timeout: float = 1, **keys: Any) -> Harness:
    """Log files, and a configuration with these keys of the section ``elasticsearch``."""
    harness = Harness(folder, one.url, "certificates")
    harness.configure(host_name="lab", shutdown_timeout=timeout)
    document = json.loads(harness.config.read_text())
    document["elasticsearch"] |= keys
    harness.config.write_text(json.dumps(document))
    (harness.logs / "neuroflow.log").write_text("".join(f'{{"event": "n{number}"}}\n' for number in range(5)))
    return harness


def test_only_with_a_certificate(guarded: ProcessNode, certificates: Certificates, tmp_path: Path) -> None:
    """Without it, and with a foreign or expired one, commands say so; with a good one everything is shipped."""
    trusted: dict[str, Any] = {"ca_certs": str(certificates.authority.certificate)}
    harness = configured(tmp_path, guarded, **trusted)
    for command in (["setup"], ["--once"]):
        done = harness.run(*command)
        assert 3 == done.returncode
        assert "requires a client certificate" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    for wrong in (certificates.other.signs("DNS:x"), certificates.authority.signs("DNS:x", first=-9, last=-1)):
        done = configured(tmp_path, guarded, **identified(wrong, certificates)).run("setup")
        assert 3 == done.returncode
        assert "client_cert" in done.stderr, done.stderr
    keys = identified(certificates.client, certificates)
    harness = configured(tmp_path, guarded, timeout=60, **keys)
    done = harness.run("--once")
    assert 0 == done.returncode, done.stderr
    done = harness.run("show", module="shipper.cli.logs")
    assert (0, 5) == (done.returncode, sum(f"n{number}" in done.stdout for number in range(5))), done.stderr
