"""A cluster on loopback with prepared answers."""

from __future__ import annotations

import gzip
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

# What a request gets: a status and a body, or what is done instead of answering.
Answer = tuple[int, Any] | Callable[[BaseHTTPRequestHandler], None]


class Cluster(ThreadingHTTPServer):
    """Takes bulk requests; ``answers`` are given in turn, afterwards every item is created. ``tasks`` are running
    bulk requests, ``found`` the ids that a look-up finds; without any, no stream exists.

    ``tasks`` are the bulk requests that run, ``found`` what a look-up finds; without any, no stream is there.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.decide: Callable[[list[str]], Answer] | None = None
        self.requests: list[list[str]] = []
        self.encodings: list[str | None] = []
        self.documents: dict[str, Any] = {}
        self.asked = threading.Semaphore(0)
        self.tasks: list[str] = []
        self.found: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Cluster
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if body == b"\n":
            self._send(400, {"error": {"type": "action_request_validation_exception", "reason": "no requests added"}})
            return
        if not self.path.startswith("/_bulk"):
            self._send(200, {"hits": {"hits": [{"_id": name} for name in self.server.found]}})
            return
        encoding = self.headers.get("content-encoding")
        if encoding == "gzip":
            body = gzip.decompress(body)
        parts = body.split(b"\n")
        assert parts.pop() == b""
        items = [json.loads(part) for part in parts]
        ids = [action["create"]["_id"] for action in items[::2]]
        self.server.requests.append(ids)
        self.server.encodings.append(encoding)
        self.server.documents.update(zip(ids, items[1::2], strict=True))
        answer: Answer
        try:
            answer = self.server.answers.get_nowait()
        except queue.Empty:
            decide = self.server.decide
            answer = (
                decide(ids) if decide else (200, {"errors": False, "items": [{"create": {"status": 201}}] * len(ids)})
            )
        self.server.asked.release()
        if callable(answer):
            answer(self)
            return
        self._send(*answer)

    def do_GET(self) -> None:
        if self.server.tasks and self.path.startswith("/_tasks"):
            tasks = {str(number): {"description": one} for number, one in enumerate(self.server.tasks)}
            self._send(200, {"nodes": {"n": {"tasks": tasks}}})
            return
        if self.server.found:
            body: dict[str, Any] = {"nodes": {}} if self.path.startswith("/_tasks") else {"i": {"settings": {}}}
            self._send(200, body)
            return
        self._send(404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": 404})

    def _send(self, status: int, content: Any) -> None:
        text = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-type", "text/html" if isinstance(content, str) else "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster on loopback."""
    server = Cluster()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
