"""Each fault of TLS and of the way to the cluster has its own sentence, and the sidecar survives all of them."""

from __future__ import annotations

import signal
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elastic_transport import TransportError
from elasticsearch import ApiError

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect, explain
from tests.certificates import Certificates, Pair, self_signed
from tests.conformance.fake import Fake, page, raw, silence
from tests.conformance.faked import FakedHarness
from tests.conformance.test_sidecar import expected, write
from tests.conformance.watched import Watched


def attempt(settings: Settings) -> str | None:
    """The sentence for what a request meets; None if it is answered."""
    client = connect(settings)
    try:
        client.cluster.health()
    except (ApiError, TransportError) as error:
        return explain(error, settings)
    finally:
        client.close()
    return None


def context(pair: Pair, clients: Path | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's side of TLS.

    Args:
        pair: its certificate.
        clients: the authority whose certificates clients need.
        version: the only one of TLS.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*pair)
    if clients is not None:
        tls.load_verify_locations(clients)
        tls.verify_mode = ssl.CERT_REQUIRED
    if version is not None:
        with warnings.catch_warnings(action="ignore"):  # old versions are deprecated
            tls.minimum_version = tls.maximum_version = version
        if version < ssl.TLSVersion.TLSv1_2:
            tls.set_ciphers("ALL:@SECLEVEL=0")
    return tls


class Case(NamedTuple):
    """A fault: what the server does, what is configured, what is said.

    Attributes:
        said: the part of the sentence that no other fault has.
        server: its side of TLS; None: it speaks none.
        keys: of the configuration, beside the server's address and the right authority.
        host: in the address.
        scheme: in the address, if not the server's.
    """

    said: str
    server: Callable[[Certificates, Path], ssl.SSLContext | None]
    keys: Callable[[Certificates], dict[str, Any]] = lambda _: {}
    host: str = "127.0.0.1"
    scheme: str | None = None


def good(certificates: Certificates, _: Path) -> ssl.SSLContext:
    """A server without a fault."""
    return context(certificates.server)


def asks(version: ssl.TLSVersion) -> Callable[[Certificates, Path], ssl.SSLContext]:
    """A server that requires client certificates."""
    return lambda one, _: context(one.server, one.authority.certificate, version)


def identified(pair: Pair) -> dict[str, Any]:
    """The keys of a client certificate."""
    return {"client_cert": str(pair.certificate), "client_key": str(pair.key)}


OLD, NEW = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CASES = {
    "no authority": Case(
        "its certificate was signed by another authority than those that are trusted: set ca_certs",
        good, lambda _: {"ca_certs": None},
    ),
    "another authority": Case(
        "its certificate was signed by another authority than those that are trusted: set ca_certs",
        good, lambda one: {"ca_certs": str(one.other.certificate)},
    ),
    "expired": Case(
        "its certificate has expired: renew it on the server (and check the clock of this machine)",
        lambda one, _: context(one.authority.signs(first=-30, last=-1)),
    ),
    "not yet valid": Case(
        "its certificate is not valid yet: check the clock of this machine",
        lambda one, _: context(one.authority.signs(first=2)),
    ),
    "another host": Case(
        "its certificate is for another host (Hostname mismatch, certificate is not valid for 'localhost'",
        lambda one, _: context(one.authority.signs("DNS:other.lab")), host="localhost",
    ),
    "another address": Case(
        "its certificate is for another host (IP address mismatch, certificate is not valid for '127.0.0.1'",
        lambda one, _: context(one.authority.signs("DNS:localhost")),
    ),
    "self-signed": Case(
        "its certificate is self-signed, and not trusted: set ca_certs",
        lambda _, folder: context(self_signed(folder / "alone", "localhost")),
    ),
    "another fingerprint": Case(
        "ca_fingerprint is that of another certificate; the server's are \"",
        good, lambda one: {"ca_fingerprint": one.other.own.fingerprint},
    ),
    "old TLS": Case(
        "it accepts older versions of TLS only, and 1.2 is the least: allow TLS 1.2 or 1.3 on the server",
        lambda one, _: context(one.server, version=ssl.TLSVersion.TLSv1_1),
    ),
    "http to https": Case(
        "it closed the connection without an answer (is it stopping, or does it take https:// only?)",
        good, scheme="http",
    ),
    "https to http": Case(
        "it answers without TLS: write http://, or the port that takes https", lambda *_: None, scheme="https",
    ),
    "no client certificate": Case(
        "it requires a client certificate (certificate required): set client_cert and client_key", asks(NEW),
    ),
    "no client certificate, TLS 1.2": Case(
        "it refused the handshake: it requires a client certificate (set client_cert and client_key", asks(OLD),
    ),
    "foreign client certificate": Case(
        "it refuses client_cert, whose authority it does not know",
        asks(NEW), lambda one: identified(one.other.signs("DNS:sidecar")),
    ),
    "foreign client certificate, TLS 1.2": Case(
        "it refuses client_cert, whose authority it does not know",
        asks(OLD), lambda one: identified(one.other.signs("DNS:sidecar")),
    ),
    "expired client certificate": Case(
        "it refuses client_cert, which has expired: renew it",
        asks(NEW), lambda one: identified(one.authority.signs("DNS:sidecar", first=-9, last=-1)),
    ),
    "expired client certificate, TLS 1.2": Case(
        "it refuses client_cert, which has expired: renew it",
        asks(OLD), lambda one: identified(one.authority.signs("DNS:sidecar", first=-9, last=-1)),
    ),
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Fake]:
    """A cluster that a test gives its TLS."""
    one = Fake()
    yield one
    one.down()


def configured(case: Case, fake: Fake, certificates: Certificates) -> dict[str, Any]:
    """The section ``elasticsearch`` of a case."""
    url = fake.url.replace("127.0.0.1", case.host)
    if case.scheme is not None:
        url = f"{case.scheme}://{url.partition('//')[2]}"
    trusted = {"ca_certs": str(certificates.authority.certificate)}
    return {"hosts": [url], "request_timeout": 5, **trusted, **case.keys(certificates)}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_has_its_sentence(server: Fake, certificates: Certificates, tmp_path: Path, name: str) -> None:
    """The sentence names the server, the fault, and what to do."""
    case = CASES[name]
    server.tls = case.server(certificates, tmp_path)
    keys = configured(case, server, certificates)
    said = attempt(Settings.model_validate(keys))
    assert said is not None
    assert said.startswith(keys["hosts"][0])
    assert case.said in said


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("check", ["ca_certs", "ca_fingerprint", "verify_certs"])
def test_a_client_certificate_is_accepted(
    server: Fake, certificates: Certificates, version: ssl.TLSVersion, check: str
) -> None:
    """However the server's own certificate is verified."""
    server.tls = context(certificates.server, certificates.authority.certificate, version)
    keys: dict[str, Any] = {
        "ca_certs": str(certificates.authority.certificate),
        "ca_fingerprint": certificates.server.fingerprint,
        "verify_certs": False,
    }
    settings = Settings(hosts=[server.url], **identified(certificates.client), **{check: keys[check]})
    assert attempt(settings) is None


def test_a_directory_of_authorities(server: Fake, certificates: Certificates, tmp_path: Path) -> None:
    """``ca_certs`` may be a directory in OpenSSL's layout."""
    server.tls = context(certificates.server)
    (tmp_path / "00000000.0").write_bytes(certificates.server.certificate.read_bytes())
    assert attempt(Settings(hosts=[server.url], ca_certs=str(tmp_path))) is not None
    (tmp_path / certificates.authority.hash_name).write_bytes(certificates.authority.certificate.read_bytes())
    assert attempt(Settings(hosts=[server.url], ca_certs=str(tmp_path))) is None


def test_what_does_not_answer_has_its_sentence(server: Fake) -> None:
    """A closed port, an unknown name, silence, a page, and an alert of TLS on a plain connection."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        said = attempt(Settings(hosts=[f"http://127.0.0.1:{deaf.getsockname()[1]}"]))
    assert said is not None
    assert said.endswith("can't be reached: connection refused (is it running, is the port right?)")
    said = attempt(Settings(hosts=["https://nobody.invalid:9200"]))
    assert "https://nobody.invalid:9200 can't be reached: its name does not resolve" == said
    server.otherwise[""] = silence
    assert f"{server.url} did not answer within 0.2 s" == attempt(Settings(hosts=[server.url], request_timeout=0.2))
    server.otherwise[""] = page(502)
    other = "(that was a proxy or another service, not Elasticsearch); check hosts and proxy"
    assert f"{server.url} answered 502: 502 from a proxy {other}" == attempt(Settings(hosts=[server.url]))
    server.otherwise[""] = raw(b"\x15\x03\x01\x00\x02\x02\x50")
    assert f"{server.url} can't be reached: it takes https only: write https://" == attempt(
        Settings(hosts=[server.url])
    )


@pytest.mark.parametrize("name", ["expired", "another host", "no client certificate", "https to http", "old TLS"])
def test_each_fault_is_survived(
    faked: FakedHarness, server: Fake, certificates: Certificates, tmp_path: Path, name: str
) -> None:
    """A running sidecar says it once, waits, and goes on when the server is mended; nothing is lost."""
    case = CASES[name]
    server.tls = good(certificates, tmp_path)
    keys = configured(case._replace(scheme="https"), server, certificates)
    faked.configure(elasticsearch=keys)
    write(faked.log, 0, 5)
    sidecar = Watched(faked)
    assert sidecar.comes(lambda: server.documents == 5), sidecar.said
    server.down()
    server.tls = case.server(certificates, tmp_path)
    server.up()
    write(faked.log, 5, 10)
    assert sidecar.says(case.said), sidecar.said
    assert 5 == server.documents
    server.tls = good(certificates, tmp_path)
    assert sidecar.comes(lambda: server.documents == 10), sidecar.said
    assert expected(10) == server.messages()
    assert "Traceback" not in sidecar.said


def test_a_client_certificate_is_renewed_without_a_restart(
    faked: FakedHarness, server: Fake, certificates: Certificates
) -> None:
    """SIGHUP reads the files again, also under their old names; a start with a refused one waits."""
    server.tls = context(certificates.server, certificates.authority.certificate)
    certificate, key = faked.folder / "client.crt", faked.folder / "client.key"
    key.touch(0o600)

    def put(pair: Pair) -> None:
        certificate.write_bytes(pair.certificate.read_bytes())
        key.write_bytes(pair.key.read_bytes())

    put(certificates.authority.signs("DNS:sidecar", first=-9, last=-1))
    trusted = str(certificates.authority.certificate)
    faked.configure(elasticsearch={"hosts": server.url, "ca_certs": trusted, **identified(Pair(certificate, key))})
    write(faked.log, 0, 5)
    sidecar = Watched(faked)
    assert sidecar.says("it refuses client_cert, which has expired: renew it")
    put(certificates.client)
    sidecar.send(signal.SIGHUP)
    assert sidecar.comes(lambda: server.documents == 5), sidecar.said
    assert expected(5) == server.messages()
