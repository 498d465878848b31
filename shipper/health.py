"""Serves health and counters over HTTP; imported only where an address is configured."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shipper.telemetry import Counters

# Seconds: /readyz asks the cluster at most this often.
ASK_EVERY = 10.0


class Readiness:
    """Finds out why the sidecar is not ready, by asking the cluster at most every ``ASK_EVERY`` seconds."""

    def __init__(
        self,
        trouble: Callable[[], str | None],
        ask: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trouble = trouble
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._unavailable: str | None = None

    def __call__(self) -> str | None:
        """Why it is not ready; None where it is."""
        with self._lock:  # concurrent probes share one request
            if self._clock() >= self._until:
                self._unavailable = self._ask()
                self._until = self._clock() + ASK_EVERY
        return self._unavailable or self._trouble()


class Health(ThreadingHTTPServer):
    """Serves /metrics (Prometheus text), /healthz and /readyz on one address.

    Args:
        listen: host:port; an IPv6 address in brackets, and without a host the loopback.
        counters: what /metrics shows.
        ready: gives why documents can't be shipped now, for /readyz; None if they can.

    Raises:
        OSError: the address can't be listened on.
        ValueError: it is invalid.
    """

    daemon_threads = True

    def __init__(self, listen: str, counters: Counters, ready: Callable[[], str | None]) -> None:
        host, port = address_of(listen)
        self.counters = counters
        self.ready = ready
        # A name may have IPv4 and IPv6 addresses: the system chooses the first.
        self.address_family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        super().__init__((str(address[0]), port), _Page)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing when a client disconnects."""

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, name="telemetry", daemon=True).start()


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9479``, ``[::1]:9479``, ``localhost:9479`` or ``:9479`` (the loopback).

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(
        r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s:\[\]/@]*)):(?P<port>[0-9]{1,5})", listen
    )
    if found is None or int(found["port"]) > 65535:
        raise ValueError("is not an address; write 127.0.0.1:9479, [::1]:9479 or :9479, the port between 0 and 65535")
    return found["six"] or found["host"] or "127.0.0.1", int(found["port"])


class _Page(BaseHTTPRequestHandler):
    server: Health
    # Seconds: a connection without a request does not keep its thread.
    timeout = 10.0

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            lines = []
            for name, value in self.server.counters.snapshot().items():
                kind = "gauge" if name == "in_flight" else "counter"
                lines.append(f"# TYPE neuroflow_ship_documents_{name} {kind}")
                lines.append(f"neuroflow_ship_documents_{name} {value}")
            self._answer(200, "\n".join(lines) + "\n")
        elif path == "/healthz":
            self._answer(200, "ok\n")
        elif path == "/readyz":
            reason = self.server.ready()
            self._answer(503 if reason else 200, f"{reason or 'ready'}\n")
        else:
            self._answer(404, "try /metrics, /healthz or /readyz\n")

    do_HEAD = do_GET  # noqa: N815 - the parent's name

    def _refuse(self) -> None:
        self._answer(405, "GET and HEAD only\n", Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815 - as above

    def _answer(self, status: int, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Log no requests."""
