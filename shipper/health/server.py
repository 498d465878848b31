"""Serves metrics and health over HTTP; imported only where an address is configured."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shipper.addresses import listen_address
from shipper.credentials import credential_mask
from shipper.printable import printable

# Connections at once; a further one closes the oldest, so that slow clients can't keep a probe waiting.
MAX_CONNECTIONS = 32
# Seconds that a connection may last: a probe of /readyz may wait for the cluster.
MAX_SECONDS = 30.0
_TEXT = "text/plain; charset=utf-8"


class Health(ThreadingHTTPServer):
    """Serves /metrics, /healthz and /readyz on one address.

    Args:
        listen: host:port; an IPv6 address in brackets, and without a host the loopback.
        metrics: takes an ``Accept`` header; gives the media type and the page of /metrics.
        alive: gives what hangs or has ended within the sidecar, for /healthz; None if nothing.
        ready: gives why documents can't be shipped now, for /readyz; None if they can.

    Raises:
        OSError: the address can't be listened on.
        ValueError: it is invalid.
    """

    daemon_threads = True

    def __init__(
        self,
        listen: str,
        *,
        metrics: Callable[[str], tuple[str, bytes]],
        alive: Callable[[], str | None],
        ready: Callable[[], str | None],
    ) -> None:
        host, port = listen_address(listen)
        self.metrics = metrics
        self.alive = alive
        self.ready = ready
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        # A name may have IPv4 and IPv6 addresses: the system chooses the first.
        self.address_family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        super().__init__((str(address[0]), port), _Page)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, name="telemetry", daemon=True).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; without descriptors, wait a moment instead of trying all the time."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own; the oldest connection makes room."""
        with self._lock:
            while len(self._open) >= MAX_CONNECTIONS:
                self._cut_off(next(iter(self._open)))
            self._open[request] = time.monotonic() + MAX_SECONDS
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Cut off connections that last too long; called twice a second."""
        now = time.monotonic()
        with self._lock:
            for request in [one for one, until in self._open.items() if until < now]:
                self._cut_off(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def _cut_off(self, request: socket.socket) -> None:
        """End a connection, whose thread then closes it."""
        del self._open[request]
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing when a client disconnects."""


class _Page(BaseHTTPRequestHandler):
    server: Health
    server_version, sys_version = "neuroflow-ship", ""
    # Seconds: a connection without a request does not keep its thread.
    timeout = 10.0

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            media_type, page = self.server.metrics(self.headers.get("Accept", ""))
            self._answer(200, page, media_type)
        elif path == "/healthz":
            reason = self.server.alive()
            self._say(503 if reason else 200, reason or "ok")
        elif path == "/readyz":
            reason = self.server.ready()
            self._say(503 if reason else 200, reason or "ready")
        else:
            self._say(404, "try /metrics, /healthz or /readyz")

    do_HEAD = do_GET  # noqa: N815 - the parent's name

    def _refuse(self) -> None:
        self._answer(405, b"GET and HEAD only\n", _TEXT, Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815 - as above

    def _say(self, status: int, text: str) -> None:
        shown = printable(credential_mask.text(text), lines=False)
        self._answer(status, f"{shown}\n".encode(errors="backslashreplace"), _TEXT)

    def _answer(self, status: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Log no requests."""
