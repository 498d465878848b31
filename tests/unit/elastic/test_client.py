from __future__ import annotations

import gzip
import socket
from pathlib import Path
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, ConnectionTimeout, HttpHeaders, NodeConfig, TlsError, TransportError
from elastic_transport import ConnectionError as TransportConnectionError
from elasticsearch import ApiError

from shipper.config import Elasticsearch
from shipper.elastic.client import connect, explain, is_genuine, reason_of, where
from shipper.elastic.fast_gzip import compress
from shipper.elastic.http_node import FastGzipNode, PlainNode

CERTIFICATE = Path(__file__).parents[2] / "conformance" / "certificate.pem"
SETTINGS = Elasticsearch(hosts=["https://elastic:hunter2@es.lab:9200"], request_timeout=30)


ELASTIC = {"x-elastic-product": "Elasticsearch"}


def refusal(status: int, body: object, headers: dict[str, str] = ELASTIC) -> ApiError:
    """An answer that is an error."""
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(headers), 0.1, NodeConfig("https", "es.lab", 9200))
    return ApiError("refused", meta, body)


OTHER = "(that was a proxy or another service, not Elasticsearch); check hosts and proxy"
REASON = {"error": {"root_cause": [{"type": "security_exception", "reason": "no"}], "type": "outer"}, "status": 401}


PHASE = "search_phase_execution_exception"
MISSING = {
    "error": {"root_cause": [], "type": PHASE, "reason": "", "caused_by": {"type": PHASE, "reason": "missing [a][0]"}}
}


@pytest.mark.parametrize(
    ("sentence", "error"),
    [
        (
            (
                "https://es.lab:9200 rejects the credentials (401): check api_key or username and password; "
                "reason: security_exception: no"
            ),
            refusal(401, REASON),
        ),
        (
            "https://es.lab:9200 refuses this (403): the API key lacks a privilege; reason: security_exception: no",
            refusal(403, REASON),
        ),
        ("https://es.lab:9200 answered 503: busy", refusal(503, "busy")),
        (
            (
                "https://es.lab:9200 is only partly available (503): shards that this needs have no node at the "
                f"moment, for example while one starts; try again later; reason: {PHASE}: missing [a][0]"
            ),
            refusal(503, MISSING),
        ),
        (
            "https://es.lab:9200 answered 403: cluster_block_exception: read-only",
            refusal(403, {"error": {"type": "cluster_block_exception", "reason": "read-only"}}),
        ),
        (
            f"https://es.lab:9200 answered 502: Bad gateway {OTHER}",
            refusal(502, "<html><h1>Bad gateway</h1></html>", {}),
        ),
        (
            f"https://es.lab:9200 answered 302: go to /login {OTHER}",
            refusal(302, None, {"location": "/login"}),
        ),
        (
            "https://es.lab:9200: TLS failed: self-signed; check ca_certs, ca_fingerprint and the host's name",
            TlsError("self-signed"),
        ),
        (
            (
                "https://es.lab:9200: TLS failed: it answers without TLS: write http://, or the port that takes https"
            ),
            TlsError("[SSL: WRONG_VERSION_NUMBER] wrong version number"),
        ),
        (
            (
                "https://es.lab:9200 can't be reached: it closed the connection without an answer (is it stopping, "
                "or does it require a client certificate?)"
            ),
            TransportConnectionError("('Connection aborted.', RemoteDisconnected('Remote end closed connection'))"),
        ),
        ("https://es.lab:9200 did not answer within 30 s", ConnectionTimeout("late")),
        (
            "https://es.lab:9200 can't be reached: connection refused (is it running, is the port right?)",
            TransportConnectionError("<urllib3.connection.HTTPConnection object>: [Errno 111] Connection refused"),
        ),
        (
            "https://es.lab:9200 can't be reached: its name does not resolve",
            TransportConnectionError("[Errno -2] Name or service not known"),
        ),
        ("https://es.lab:9200 can't be reached: reset by peer", TransportConnectionError("reset by peer")),
        ("https://es.lab:9200: strange", TransportError("strange")),
        ("https://es.lab:9200: ValueError: other", ValueError("other")),
    ],
)  # fmt: skip
def test_errors_are_sentences(sentence: str, error: Exception) -> None:
    """The sentence names place, fault and remedy, and never the URL's password."""
    assert sentence == explain(error, SETTINGS)


def security(status: int, told: int | None = None, **more: object) -> dict[str, object]:
    """An answer of Elasticsearch's security, without the product header."""
    cause = {"type": "security_exception", "reason": "no", "header": {"WWW-Authenticate": ["ApiKey"]}}
    return {"error": {"root_cause": [cause], **cause}, "status": status if told is None else told, **more}


ASKS = {"www-authenticate": 'Basic realm="security", charset="UTF-8", ApiKey'}


@pytest.mark.parametrize("status", [401, 403])
def test_security_speaks_for_elasticsearch(status: int) -> None:
    """Security's errors lack the product header and are recognised by their content, also below an outer type."""
    assert is_genuine(refusal(status, security(status), {}))
    assert is_genuine(refusal(status, security(status), ASKS))
    outer = {"error": {"root_cause": [{"type": "security_exception"}], "type": "exception"}, "status": status}
    assert is_genuine(refusal(status, outer, {}))
    assert OTHER not in explain(refusal(status, security(status), {}), SETTINGS)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, "<html><h1>401 Authorization Required</h1></html>"),
        (403, {"error": "forbidden"}),
        (403, {"error": {"type": "forbidden", "reason": "waf"}, "status": 403}),
        (403, {"message": "security_exception", "status": 403}),
        (401, {"error": {"root_cause": "security_exception", "type": "security_exception"}, "status": 401}),
        (401, {"error": {"root_cause": [None, "security_exception"], "type": "x"}, "status": 401}),
        (401, security(401, 403)), (400, security(400)), (502, security(502)), (401, None), (401, []),
    ],
)  # fmt: skip
def test_proxies_stay_proxies(status: int, body: object) -> None:
    """Other 401 and 403 answers do not count as Elasticsearch's."""
    assert not is_genuine(refusal(status, body, ASKS))
    assert OTHER in explain(refusal(status, body, ASKS), SETTINGS)


def test_too_large_blames_nobody() -> None:
    """A 413 may come from Elasticsearch or a proxy."""
    sentence = explain(refusal(413, None, {}), SETTINGS)
    assert (
        "https://es.lab:9200 answered 413: the request is larger than Elasticsearch, or a proxy before it, accepts"
        == sentence
    )


def test_real_refusal_is_explained() -> None:
    """A refused connection is explained, as the client words it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings = Elasticsearch(hosts=[f"http://elastic:hunter2@127.0.0.1:{free.getsockname()[1]}"])
        client = connect(settings)
        with pytest.raises(TransportConnectionError) as error:
            client.perform_request("GET", "/")
        client.close()
    sentence = explain(error.value, settings)
    assert "can't be reached: connection refused" in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        ("https://es.lab:9200", SETTINGS),
        ("http://a:1, http://b:2", Elasticsearch(hosts=["http://a:1", "http://u:p@ss@b:2"])),
        ("my-cluster", Elasticsearch(cloud_id="my-cluster:ZXMuaW8kYWJj")),
    ],
)
def test_places_have_no_credentials(place: str, settings: Elasticsearch) -> None:
    """The place is hosts or cloud name, without anything before an @."""
    assert place == where(settings)


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("security_exception: no", REASON),
        ("t: r", {"error": {"type": "t", "reason": "r"}}),
        (f"{PHASE}: missing [a][0]", MISSING),
        ("t: shard",
         {"error": {"type": "x", "reason": None,
         "failed_shards": [{"reason": {"type": "t", "reason": "shard"}}]}}),
        ("t: None", {"error": {"type": "t", "root_cause": [], "failed_shards": []}}),
        ("plain", {"error": "plain"}), ("r", {"reason": "r"}), ("x" * 300, "x" * 1000), ("None", None),
    ],
)  # fmt: skip
def test_reasons_are_found(reason: str, body: object) -> None:
    """The reason is found in error answers of every form."""
    assert reason == reason_of(body)


def test_compression_is_gzip() -> None:
    """The body is valid gzip, and equal bodies give equal bytes."""
    body = b'{"a": 1}\n' * 1000
    assert body == gzip.decompress(compress(body))
    assert len(compress(body)) < len(body) / 10
    assert compress(body) == compress(body)


@pytest.mark.parametrize(
    ("header", "settings"),
    [
        ("ApiKey abc", Elasticsearch(api_key="abc")),
        ("Basic dTpw", Elasticsearch(username="u", password="p")),
        ("Basic asO2cmc6cMOk4oKs", Elasticsearch(username="jörg", password="pä€")),
        (None, Elasticsearch()),
    ],
)
def test_credentials_are_sent(header: str | None, settings: Elasticsearch) -> None:
    """An API key comes before a password, and the client does not retry by itself."""
    client = connect(settings)
    assert header == client._headers.get("authorization")
    assert (0, False) == (client._max_retries, client._retry_on_timeout)
    client.close()


CLOUD = Elasticsearch(cloud_id="my-cluster:ZXMuaW8kYWJj")


def test_every_address_is_its_own() -> None:
    """Each address has its own login, which other hosts do not get; certificates apply to TLS addresses only."""
    hosts = ["https://u:p%C3%A4@a:1/x", "http://b:2", "https://c", "http://token@d:4", "http://other@b:2"]
    client = connect(Elasticsearch(hosts=hosts, ca_certs=str(CERTIFICATE), ca_fingerprint="0F" * 32))
    nodes = sorted(client.transport.node_pool.all(), key=lambda node: node.host)  # the pool shuffles them
    found = {node.base_url: node for node in nodes}
    assert ["https://a:1/x", "http://b:2", "https://c:443", "http://d:4"] == list(found)
    logins = [node.headers.get("authorization") for node in found.values()]
    assert ["Basic dTpww6Q=", None, None, "Basic dG9rZW46"] == logins
    assert [True, False, True, False] == [node.config.ssl_context is not None for node in found.values()]
    assert ["0f" * 32, None, "0f" * 32, None] == [node.config.ssl_assert_fingerprint for node in found.values()]
    client.close()


@pytest.mark.parametrize("settings", [CLOUD, Elasticsearch(hosts=["http://es:9200"])])
def test_a_body_is_compressed_once(monkeypatch: pytest.MonkeyPatch, settings: Elasticsearch) -> None:
    """The client does not compress a body again, also for Elastic Cloud."""
    client = connect(settings)
    (node,) = client.transport.node_pool.all()
    assert isinstance(node, FastGzipNode)
    sent: list[bytes] = []

    def urlopen(*_: object, body: bytes, **__: object) -> None:
        sent.append(body)
        raise TimeoutError

    monkeypatch.setattr(node.pool, "urlopen", urlopen)
    with pytest.raises(TransportConnectionError):
        node.perform_request("POST", "/_bulk", 5000 * b"x")
    assert 5000 * b"x" == gzip.decompress(sent[0])
    client.close()


def test_no_body_is_compressed_where_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its size; the login goes with it all the same."""
    client = connect(Elasticsearch(hosts=["http://u:p@es:9200"]), compressed=False)
    (node,) = client.transport.node_pool.all()
    assert isinstance(node, PlainNode)
    assert "Basic dTpw" == node.headers["authorization"]
    sent: list[dict[str, Any]] = []

    def urlopen(*_: object, body: bytes, headers: dict[str, str], **__: object) -> None:
        sent.append({"body": body, "coding": headers.get("content-encoding")})
        raise TimeoutError

    monkeypatch.setattr(node.pool, "urlopen", urlopen)
    with pytest.raises(TransportConnectionError):
        node.perform_request("POST", "/_bulk", 5000 * b"x")
    assert [{"body": 5000 * b"x", "coding": None}] == sent
    client.close()


def test_cloud_ids_lead_to_a_host() -> None:
    """A cloud id gives a host with TLS and its port."""
    client = connect(CLOUD)
    assert ["https://abc.es.io:443"] == [node.base_url for node in client.transport.node_pool.all()]
    client.close()


def test_what_comes_through_a_tunnel_is_not_the_proxys() -> None:
    """A page behind a tunnel is from something at its other end; without one it is the proxy's."""
    proxy, failed = "http://u:hunter2@proxy.lab:3128", refusal(502, "<html>no</html>", {})
    tunnelled = Elasticsearch(hosts=["https://es.lab:9200"], proxy=proxy)
    assert f"https://es.lab:9200 answered 502: no {OTHER}" == explain(failed, tunnelled)
    forwarded = explain(failed, Elasticsearch(hosts=["http://es.lab:9200"], proxy=proxy))
    said = (
        "http://es.lab:9200 can't be reached: the proxy http://proxy.lab:3128 answers, but can't reach the host (502)"
    )
    assert forwarded.startswith(said)
