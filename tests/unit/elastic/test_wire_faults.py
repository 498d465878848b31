"""Answers whose HTTP is faulty, and headers that the client reads by itself."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from elastic_transport import TransportError
from elasticsearch import ElasticsearchWarning

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect, explain
from tests.conformance.fake import Fake, raw

BODY = b'{"count": 7}'
OK = b"HTTP/1.1 200 OK\r\nx-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
ZIPPED = OK + b"content-encoding: gzip\r\n"


def whole(head: bytes, body: bytes) -> bytes:
    """An answer with the right length, which says that the fake closes the connection then."""
    return head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Fake, Any, Settings]]:
    """A fake and its client."""
    fake = Fake()
    settings = Settings(hosts=[fake.url], request_timeout=5)
    client = connect(settings)
    yield fake, client, settings
    client.close()
    fake.down()


def ask(client: Any) -> Any:
    """One request."""
    return client.perform_request("GET", "/_count", headers={"accept": "application/json"}).body


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"-5\r\n" + BODY,
        CHUNKED + b"zz\r\n" + BODY,
        CHUNKED + b"\r\n\r\n",
        CHUNKED + b"%x\r\n" % (len(BODY) + 9) + BODY,
        CHUNKED + b"ffffffffffffffffff\r\n" + BODY,
        OK + b"content-length: 1000\r\n\r\n" + BODY,
        whole(ZIPPED, BODY),
        whole(OK + b"content-encoding: deflate\r\n", BODY),
        ZIPPED + b"content-length: 99\r\n\r\n" + gzip.compress(BODY, mtime=0)[:-5],
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-a: " + 70_000 * b"a" + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x00" * 200,
        b"",
    ],
    ids=[
        "negative chunk",
        "no number",
        "no size",
        "short chunk",
        "endless chunk",
        "short",
        "no gzip",
        "no deflate",
        "half a gzip",
        "no status",
        "long header",
        "another protocol",
        "zeros",
        "nothing",
    ],
)
def test_faulty_http_is_no_answer(cluster: tuple[Fake, Any, Settings], answer: bytes) -> None:
    """Whatever Python's modules raise while they read it, it is an error of the transport, and one sentence."""
    fake, client, settings = cluster
    fake.otherwise = {"GET /_count": raw(answer)}
    with pytest.raises(TransportError) as caught:
        ask(client)
    assert "\n" not in explain(caught.value, settings)
    fake.otherwise = {"GET /_count": raw(whole(OK, BODY))}
    assert {"count": 7} == ask(client)


@pytest.mark.parametrize(
    "warning", [b'299 Elasticsearch-9.5.3-abc "deprecated [x]"', b'110 - "Response is Stale"', b'"', b"", b"no text"]
)
def test_a_warning_in_a_header_is_not_printed(cluster: tuple[Fake, Any, Settings], warning: bytes) -> None:
    """Elasticsearch's deprecations, and what proxies add, write no line of source to standard error."""
    fake, client, _ = cluster
    fake.otherwise = {"GET /_count": raw(whole(OK + b"warning: " + warning + b"\r\n", BODY))}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ElasticsearchWarning)
        assert {"count": 7} == ask(client)
