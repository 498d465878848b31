"""A proxy between a sidecar and its cluster that puts faults into some answers."""

from __future__ import annotations

import http.client
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.bending import Answer, bent

_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}


class Bender(ThreadingHTTPServer):
    """An HTTP proxy: every nth answer comes back with a fault.

    Args:
        url: of the cluster.
        every: how often an answer gets a fault, one in so many; 0: never.
        seed: of the faults.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, url: str, every: int, seed: int) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname or "127.0.0.1", parts.port or 9200)
        self.every = every
        self.bent = 0
        self._answers = 0
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def pass_on(self, answer: Answer) -> Answer:
        """The answer as it goes back."""
        with self._lock:
            self._answers += 1
            if not self.every or self._answers % self.every:
                return answer
            self.bent += 1
            return bent(answer, self._dice)

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    server: Bender
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in {"host", "accept-encoding"}
        }
        far = http.client.HTTPConnection(*self.server.target, timeout=60)
        try:
            far.request(self.command, self.path, body, headers)
            response = far.getresponse()
            kept = {name.lower(): value for name, value in response.getheaders() if name.lower() not in _HOP}
            answer = self.server.pass_on(Answer(response.status, kept, response.read()))
        finally:
            far.close()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the parent's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass
