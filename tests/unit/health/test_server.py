"""The pages of a running sidecar, asked for by well-behaved and other clients."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from shipper.addresses import listen_address
from shipper.health import server as health_server
from shipper.health.server import MAX_CONNECTIONS, Health


def served(listen: str) -> Health:
    """A server of a ready sidecar."""
    return Health(
        listen,
        metrics=lambda accept: ("text/plain; version=0.0.4", f"# {accept}\n".encode()),
        alive=lambda: None,
        ready=lambda: None,
    )


@pytest.fixture
def health() -> Iterator[Health]:
    """A server of a ready sidecar."""
    server = served("127.0.0.1:0")
    server.start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server: Health, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body of a request."""
    connection = http.client.HTTPConnection(host, server.server_address[1], timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_bug_is_an_answer(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    """An error in what is asked for is answered with 500, and logged by its type and place, once a minute."""
    health.metrics = lambda _: (str(1 / 0), b"")
    for _ in range(2):
        status, body = ask(health, "/metrics")
        assert (500, True) == (status, body.startswith("a bug (ZeroDivisionError in test_server.py:")), body
    assert 1 == caplog.text.count("/metrics can't be answered (ZeroDivisionError in ")
    assert (200, "ok\n") == ask(health, "/healthz")


def test_readiness_follows_the_cluster(health: Health) -> None:
    """Health does not depend on the cluster, only on the sidecar itself; readiness does."""
    assert (200, "ready\n") == ask(health, "/readyz")
    health.ready = lambda: "the cluster can't be reached"
    assert (503, "the cluster can't be reached\n") == ask(health, "/readyz")
    assert (200, "ok\n") == ask(health, "/healthz")
    assert (200, "ok\n") == ask(health, "/healthz?from=probe")
    health.alive = lambda: "the main loop has not turned for 301 s"
    assert (503, "the main loop has not turned for 301 s\n") == ask(health, "/healthz")
    assert 404 == ask(health, "/")[0]


def test_who_hangs_up_is_no_news(health: Health, capsys: pytest.CaptureFixture[str]) -> None:
    """A closed connection gives no traceback, and the next request is answered."""
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", health.server_address[1]), 10) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.sendall(b"GET /metrics HTTP/1.0\r\n")
    assert 200 == ask(health, "/metrics")[0]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nowhere"])
def test_head_is_get_without_a_body(health: Health, path: str) -> None:
    """HEAD has the status and headers of GET."""
    assert (ask(health, path)[0], "") == ask(health, path, "HEAD")
    with socket.create_connection(("127.0.0.1", health.server_address[1]), 10) as one:
        one.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: one.recv(4096), b""))
    assert answer.endswith(b"\r\n\r\n")
    assert f"Content-Length: {len(ask(health, path)[1])}\r\n".encode() in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(health: Health, method: str) -> None:
    """Other methods get a 405 with the allowed ones."""
    assert (405, "GET and HEAD only\n") == ask(health, "/metrics", method)


@pytest.mark.parametrize(
    ("host", "listen"),
    [("127.0.0.1", "127.0.0.1:0"), ("127.0.0.1", ":0"), ("localhost", "localhost:0"), ("::1", "[::1]:0"),
     ("::1", "[::]:0"), ("127.0.0.1", "0.0.0.0:0")],
)  # fmt: skip
def test_addresses_of_every_kind(host: str, listen: str) -> None:
    """Names and addresses of either family are valid; the default host is the loopback."""
    if ":" in host and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    server = served(listen)
    server.start()
    try:
        assert (200, "ok\n") == ask(server, "/healthz", host=host)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "listen",
    ["nonsense", "9479", "127.0.0.1:", ":http", "::1:9479", "[::1]", "[::1:9479", "[x]:1", "a:65536", "a:-1", "a b:1",
     "http://a:1", "u@a:1", "a:1/", ""],
)  # fmt: skip
def test_no_address_is_an_error(listen: str) -> None:
    """Invalid ports and unbracketed IPv6 addresses are refused."""
    with pytest.raises(ValueError, match=r"is not an address; write 127\.0\.0\.1:9479, \[::1\]:9479 or :9479"):
        served(listen)


def test_scoped_addresses_are_addresses() -> None:
    """A link-local address may name its interface."""
    assert ("fe80::1%eth0", 9479) == listen_address("[fe80::1%eth0]:9479")


def test_taken_port_is_an_error() -> None:
    """A port in use raises."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        served(f"127.0.0.1:{other.getsockname()[1]}")


def test_slow_clients_keep_nobody_waiting(health: Health) -> None:
    """Clients that send nothing, or a byte now and then, take the place of each other, not of a probe."""
    with ExitStack() as slow:
        for _ in range(3 * MAX_CONNECTIONS):
            one = slow.enter_context(socket.create_connection(("127.0.0.1", health.server_address[1]), 10))
            one.sendall(b"GET /hea")
        assert (200, "ok\n") == ask(health, "/healthz")
        threads = sum("process_request_thread" in one.name for one in threading.enumerate())
        assert threads < 2 * MAX_CONNECTIONS, "those that were cut off end"


def test_connections_end(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends its request byte by byte is cut off."""
    monkeypatch.setattr(health_server, "MAX_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", health.server_address[1]), 20) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert b"" == one.recv(100)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 4096 + b"\n",
    ],
)
def test_absurd_requests_are_refused(health: Health, request_bytes: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Huge lines and headers, TLS and NULs get an error or nothing; nothing is logged, and the next is answered."""
    with socket.create_connection(("127.0.0.1", health.server_address[1]), 10) as one:
        try:
            one.sendall(request_bytes)
            one.shutdown(socket.SHUT_WR)
            answer = one.recv(100)
        except OSError:
            answer = b""
    assert not answer or answer.startswith((b"HTTP/1.0 4", b"<!DOCTYPE")) or b"Error" in answer, answer
    assert (200, "ok\n") == ask(health, "/healthz")
    assert "" == capfd.readouterr().err


def test_reasons_command_no_terminal(health: Health) -> None:
    """A reason that quotes a proxy's page has no escapes and one line."""
    health.ready = lambda: "a\x1b[31mproxy\nsays"
    assert (503, "aproxy\\nsays\n") == ask(health, "/readyz")
