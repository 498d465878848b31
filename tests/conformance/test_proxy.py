"""Through an HTTP proxy: what it sees, what it refuses, and what does not lead around it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from shipper.config import Elasticsearch as Settings
from tests.certificates import Certificates
from tests.conformance.fake import Fake
from tests.conformance.faked import FakedHarness
from tests.conformance.proxy import Proxy
from tests.conformance.test_sidecar import expected, write
from tests.conformance.test_tls import attempt
from tests.conformance.watched import Watched

LOGIN, ENCODED = "someone:p\u00e4ss w@rd", "someone:p%C3%A4ss%20w%40rd"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy."""
    one = Proxy()
    yield one
    one.down()


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[Fake]:
    """A cluster with TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificates.server)
    one = Fake(tls=tls)
    yield one
    one.down()


def settings(fake: Fake, proxy: str, **keys: Any) -> Settings:
    """A cluster behind a proxy."""
    return Settings(hosts=[fake.url], proxy=proxy, request_timeout=10, **keys)


def test_http_hosts_are_asked_by_absolute_urls(faked: FakedHarness, fake: Fake, proxy: Proxy) -> None:
    """Every request of the sidecar, of commands and of views goes through the proxy, which wants a login."""
    proxy.login = LOGIN
    url = proxy.url.replace("//", f"//{ENCODED}@")
    faked.configure(elasticsearch={"proxy": url, "api_key": "a2V5"})
    write(faked.log, 0, 500)
    done = faked.once()
    assert 0 == done.returncode, done.stderr
    assert expected(500) == fake.messages()
    assert {"ApiKey a2V5"} == set(fake.authorizations)
    assert 0 == faked.run("check").returncode
    assert 1 == faked.run("show", module="shipper.cli.logs").returncode or fake.journal
    assert len(fake.journal) == len(proxy.journal)
    assert {f"{fake.url}/"} == {line.split()[1][: len(fake.url) + 1] for line in proxy.journal}


def test_https_hosts_are_reached_by_tunnels(secure: Fake, proxy: Proxy, certificates: Certificates) -> None:
    """The proxy sees names only; certificates, fingerprints and client certificates count as without it."""
    proxy.login = LOGIN
    url = proxy.url.replace("//", f"//{ENCODED}@")
    trusted = str(certificates.authority.certificate)
    assert attempt(settings(secure, url, ca_certs=trusted)) is None
    assert attempt(settings(secure, url, ca_fingerprint=certificates.server.fingerprint)) is None
    assert attempt(settings(secure, url, verify_certs=False)) is None
    host = secure.url.partition("//")[2]
    assert {f"CONNECT {host}"} == set(proxy.journal)
    assert [] == proxy.clear
    said = attempt(settings(secure, url))
    assert said is not None
    assert f"{secure.url}: TLS failed: its certificate was signed by another authority" in said
    said = attempt(settings(secure, url, ca_fingerprint="0" * 64))
    assert said is not None
    assert "ca_fingerprint is that of another certificate" in said
    assert secure.tls is not None
    secure.tls.load_verify_locations(trusted)
    secure.tls.verify_mode = ssl.CERT_REQUIRED
    pair = {"client_cert": str(certificates.client.certificate), "client_key": str(certificates.client.key)}
    assert attempt(settings(secure, url, ca_certs=trusted, **pair)) is None
    said = attempt(settings(secure, url, ca_certs=trusted))
    assert said is not None
    assert "TLS failed: it requires a client certificate (certificate required): set client_cert" in said


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_what_is_wrong_with_a_proxy_is_told_apart(
    fake: Fake, secure: Fake, proxy: Proxy, certificates: Certificates, *, tls: bool
) -> None:
    """Wrong login, a forbidden host, an unreachable host, and no proxy at all."""
    cluster = secure if tls else fake
    trusted = {"ca_certs": str(certificates.authority.certificate)}

    def said(url: str) -> str:
        sentence = attempt(settings(cluster, url, **trusted))
        assert sentence is not None
        assert "hunter2" not in sentence
        return sentence.removeprefix(f"{cluster.url} can't be reached: the proxy {proxy.url} ")

    proxy.login = "someone:else"
    wrong = proxy.url.replace("//", "//someone:hunter2-hunter2@")
    assert "wants other credentials (407): write user and password into the URL of `proxy`" == said(wrong)
    assert said(proxy.url).startswith("wants other credentials (407)")
    proxy.login = None
    proxy.answers = 403
    assert said(proxy.url).startswith("forbids this host or port (403): let its administrator allow it")
    proxy.answers = None
    cluster.down()
    assert said(proxy.url).startswith("answers, but can't reach the host (502): check the host's name and port")
    proxy.down()
    refused = "is not available: connection refused (is it running, is the port right?); check `proxy`"
    assert refused == said(wrong)
    proxy.up()
    cluster.up()
    assert attempt(settings(cluster, proxy.url, **trusted)) is None


def test_variables_of_the_environment_have_no_effect(
    faked: FakedHarness, fake: Fake, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines go where the configuration says, whatever a shell has set."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.lower(), proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    write(faked.log, 0, 3)
    assert 0 == faked.once().returncode
    assert expected(3) == fake.messages()
    assert [] == proxy.journal


def test_an_outage_of_the_proxy_is_survived(faked: FakedHarness, fake: Fake, proxy: Proxy) -> None:
    """The sidecar waits while the proxy is away or refuses, says so without its password, and loses nothing."""
    url = proxy.url.replace("//", "//someone:hunter2-hunter2@")
    faked.configure(elasticsearch={"proxy": url})
    write(faked.log, 0, 5)
    sidecar = Watched(faked)
    assert sidecar.comes(lambda: fake.documents == 5)
    proxy.down()
    write(faked.log, 5, 10)
    assert sidecar.says(f"the proxy {proxy.url} is not available: connection refused")
    proxy.login = "someone:else"
    proxy.up()
    assert sidecar.says("wants other credentials (407)")
    proxy.login, proxy.answers = None, 502
    assert sidecar.says("answers, but can't reach the host (502)")
    proxy.answers = None
    assert sidecar.comes(lambda: fake.documents == 10), sidecar.said
    assert "hunter2" not in sidecar.said
    assert expected(10) == fake.messages()
