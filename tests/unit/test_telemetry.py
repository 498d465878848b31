from __future__ import annotations

import http.client
import logging
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.health import ASK_EVERY, Health, Readiness, address_of
from shipper.telemetry import ONCE, Counters, Throttle, configure_log, log


@given(steps=st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_read_is_the_sum_of_outcomes(steps: list[tuple[int, float, float]]) -> None:
    """Read is always acknowledged + duplicate + dead + in flight."""
    counters = Counters()
    begun = settled = 0
    for count, share, dead in steps:
        counters.begin(count)
        begun += count
        done = int((begun - settled) * share)
        refused = int(done * dead)
        counters.settle(acknowledged=done - refused, dead=refused)
        settled += done
        now = counters.snapshot()
        assert begun == now["read"] == now["acknowledged"] + now["duplicate"] + now["dead"] + now["in_flight"]
        assert settled == counters.settled


def test_counting_goes_on_after_a_restart() -> None:
    """Counters continue; lines that were in flight are read again."""
    counters = Counters()
    counters.resume({"read": 99, "acknowledged": 5, "duplicate": 2, "dead": 1, "in_flight": 7, "retried": 3})
    expected = {"read": 8, "acknowledged": 5, "duplicate": 2, "dead": 1, "in_flight": 0, "retried": 3}
    assert expected == counters.snapshot()


def test_threads_lose_no_count() -> None:
    """Concurrent updates are all counted."""
    counters = Counters()

    def work() -> None:
        for _ in range(2000):
            counters.begin(1)
            counters.retry(1)
            counters.settle(duplicate=1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = counters.snapshot()
    assert (8000, 8000, 0, 8000) == (now["read"], now["duplicate"], now["in_flight"], now["retried"])


@pytest.fixture
def health() -> Iterator[Health]:
    """A server of a ready sidecar."""
    counters = Counters()
    counters.begin(3)
    counters.settle(acknowledged=2)
    server = Health("127.0.0.1:0", counters, lambda: None)
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


def test_metrics_are_prometheus_text(health: Health) -> None:
    """Each counter has its type; what is in flight is a gauge."""
    status, text = ask(health, "/metrics")
    assert 200 == status
    lines = text.splitlines()
    assert "# TYPE neuroflow_ship_documents_acknowledged counter" in lines
    assert "neuroflow_ship_documents_acknowledged 2" in lines
    assert "# TYPE neuroflow_ship_documents_in_flight gauge" in lines
    assert "neuroflow_ship_documents_in_flight 1" in lines
    assert 2 * len(Counters().snapshot()) == len(lines)


def test_readiness_follows_the_cluster(health: Health) -> None:
    """Health does not depend on the cluster; readiness does."""
    assert (200, "ready\n") == ask(health, "/readyz")
    health.ready = lambda: "the cluster can't be reached"
    assert (503, "the cluster can't be reached\n") == ask(health, "/readyz")
    assert (200, "ok\n") == ask(health, "/healthz")
    assert (200, "ok\n") == ask(health, "/healthz?from=probe")
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
    server = Health(listen, Counters(), lambda: None)
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
        Health(listen, Counters(), lambda: None)


def test_scoped_addresses_are_addresses() -> None:
    """A link-local address may name its interface."""
    assert ("fe80::1%eth0", 9479) == address_of("[fe80::1%eth0]:9479")


def test_taken_port_is_an_error() -> None:
    """A port in use raises."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        Health(f"127.0.0.1:{other.getsockname()[1]}", Counters(), lambda: None)


def test_cluster_is_asked_now_and_then() -> None:
    """Readiness is cached; the sidecar's own errors count immediately."""
    now, asked = 100.0, 0
    silent: str | None = "down"
    trouble: str | None = None

    def ask_cluster() -> str | None:
        nonlocal asked
        asked += 1
        return silent

    ready = Readiness(lambda: trouble, ask_cluster, lambda: now)
    assert ["down", "down"] == [ready(), ready()]
    silent, now = None, now + ASK_EVERY
    assert [None, None] == [ready(), ready()]
    trouble = "refused"
    assert "refused" == ready()
    assert 2 == asked


def test_log_is_one_line_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is one line on standard error in UTC, also after a second set-up."""
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
    monkeypatch.setattr(log, "level", logging.NOTSET)
    configure_log()
    configure_log()
    log.warning("a %s", "sentence")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("Z WARNING a sentence")


def test_log_has_no_credentials(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages, arguments and tracebacks have no credentials."""
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
    monkeypatch.setattr(log, "level", logging.NOTSET)
    configure_log(lambda text: text.replace("hunter2", "***"))
    try:
        int("hunter2")
    except ValueError:
        log.exception("hunter2 and %s", "hunter2")
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "*** and ***" in said
    assert "ValueError: invalid literal for int() with base 10: '***'" in said


def test_a_kind_of_message_is_logged_once_an_interval() -> None:
    """Each kind has its own interval; ``ONCE`` lasts until it is reset."""
    now = 0.0
    throttle = Throttle(lambda: now)
    assert [True, False, True] == [throttle.allows("a"), throttle.allows("a"), throttle.allows("b", ONCE)]
    now = 60.0
    assert [True, False] == [throttle.allows("a"), throttle.allows("b", ONCE)]
    assert [True, False] == [throttle.reset("b"), throttle.reset("b")]
    assert [False, True] == [throttle.allows("a"), throttle.allows("b", ONCE)]
    assert throttle.reset()
    assert [True, True] == [throttle.allows("a"), throttle.allows("b")]


def test_messages_whose_interval_has_passed_take_no_memory() -> None:
    """Of many kinds only those stay that are still throttled."""
    now = 0.0
    throttle = Throttle(lambda: now)
    for now in range(1000):
        throttle.allows(str(now), 9.0)
    assert 20 > throttle.remembered
