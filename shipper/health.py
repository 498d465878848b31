"""Health and counters over HTTP, for those who watch the sidecar; imported only where an address is configured."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shipper.telemetry import Counters


class Health(ThreadingHTTPServer):
    """Serves /metrics (Prometheus text), /healthz and /readyz on one address.

    Args:
        listen: host:port.
        counters: what /metrics shows.
        ready: whether the cluster took something lately, for /readyz.

    Raises:
        OSError: the address can't be listened on.
        ValueError: it is no address.
    """

    daemon_threads = True

    def __init__(self, listen: str, counters: Counters, ready: Callable[[], bool]) -> None:
        host, _, port = listen.rpartition(":")
        self.counters = counters
        self.ready = ready
        super().__init__((host.strip("[]") or "127.0.0.1", int(port)), _Page)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up while we answer is no news."""

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, name="telemetry", daemon=True).start()


class _Page(BaseHTTPRequestHandler):
    server: Health
    # Whoever connects and asks nothing does not keep a thread.
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
            ready = self.server.ready()
            self._answer(200 if ready else 503, "ready\n" if ready else "the cluster does not take documents\n")
        else:
            self._answer(404, "try /metrics, /healthz or /readyz\n")

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Requests for health are no news."""
