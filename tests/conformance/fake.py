"""A programmable Elasticsearch on loopback: truthful unless a test asks for a fault.

Truthful means what the shipper relies on: ``create`` is unique inside one backing index only, ``require_data_stream``
wants a template, ids are found across the backing indices, every answer carries the product's header.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

MODULES = [{"name": name} for name in ("mapper-extras", "constant-keyword", "wildcard", "data-streams")]
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}


class Exchange:
    """One request and the ways to answer it."""

    def __init__(self, fake: Fake, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        parts = urlsplit(handler.path)
        self.fake = fake
        self.method = handler.command
        self.path = unquote(parts.path)
        self.params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.body = body
        self.authorization = handler.headers.get("Authorization")
        self.encoding = handler.headers.get("Content-Encoding")
        self._handler = handler

    @property
    def items(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Data stream, id and document of each item of a bulk request; run documents are not among them."""
        return [
            (action["create"]["_index"], action["create"]["_id"], document)
            for action, document in self.pairs
            if "create" in action
        ]

    @property
    def pairs(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Action and body of each item."""
        lines = [json.loads(line) for line in self.body.splitlines()]
        return list(zip(lines[::2], lines[1::2], strict=True))

    def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Answer; text and bytes as they are, everything else as JSON under the request's ``filter_path``."""
        if not isinstance(body, str | bytes):
            wanted = self.params.get("filter_path")
            if wanted and status < 300:
                body = left(body, [one.split(".") for one in wanted.split(",")]) or {}
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        self._handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **(PRODUCT if headers is None else headers)}.items():
            self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(len(data)))
        self._handler.end_headers()
        self._handler.wfile.write(data)

    def send_raw(self, data: bytes) -> None:
        """Answer with these bytes, whatever protocol that is, and end the connection."""
        self._handler.wfile.write(data)
        self._handler.close_connection = True

    def hold(self) -> None:
        """Send nothing until the other side or the fake closes the connection."""
        self._handler.connection.settimeout(60)
        with suppress(OSError):
            self._handler.connection.recv(1)
        self._handler.close_connection = True


Answer = Callable[[Exchange], None]
# What becomes of one document: a status (201 is stored), or all that its item of the answer says.
Decide = Callable[[str, dict[str, Any]], int | dict[str, Any]]


def refuse(status: int, kind: str = "an_exception", reason: str = "because") -> Answer:
    """Elasticsearch refuses the whole request."""
    error = {"type": kind, "reason": reason}
    return lambda one: one.send(status, {"error": {"root_cause": [error], **error}, "status": status})


def say(status: int, body: Any, **headers: str) -> Answer:
    """Any answer, without the product's header unless it is given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda one: one.send(status, body, named)


def product(status: int, body: Any) -> Answer:
    """Any answer, with Elasticsearch's header."""
    return lambda one: one.send(status, body)


def page(status: int) -> Answer:
    """A proxy's page."""
    return say(status, f"<html><h1>{status} from a proxy</h1></html>", Content_Type="text/html")


def raw(data: bytes) -> Answer:
    """Bytes of another protocol, or a part of an answer; then the connection ends."""
    return lambda one: one.send_raw(data)


def silence(one: Exchange) -> None:
    """Never answer."""
    one.hold()


def accepted_but(answer: Answer) -> Answer:
    """The documents are created, but the answer is another."""

    def act(one: Exchange) -> None:
        one.fake.index(one.items)
        answer(one)

    return act


def slow(seconds: float) -> Answer:
    """The true answer, late."""

    def act(one: Exchange) -> None:
        time.sleep(seconds)
        one.fake.answer(one)

    return act


CUT = raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
NO_ANSWER = raw(b"")


class Fake:
    """The cluster.

    Attributes:
        next: what the coming bulk requests get, one each.
        always: what every bulk request gets that ``next`` has nothing for; None is the truth.
        otherwise: the same for requests by the beginning of ``METHOD /path``, bulk requests among them.
        decide: what becomes of each document.
        max_body: larger bodies (unpacked) are refused with 413, bytes.
        templates: by ``/_index_template/name`` and ``/_component_template/name``.
        streams: the backing indices of each data stream, documents by id.
        created: when the newest backing index of a data stream was made, seconds of the epoch; others don't tell.
        tasks: the bulk requests that run, description by id; None: nobody may ask.
        runs: the run documents by id.
        journal: ``METHOD /path`` of every request.
        authorizations: what every bulk request said of who sends it.
        tls: of connections that begin from now on; None: they are plain.
        encodings: how the body of every bulk request was compressed; None: it was not.
        bulks: the ids of every bulk request.
        together: the most bulk requests that were under way at once.
        largest: the largest body, unpacked, bytes.

    Args:
        certificate: and key, of one who speaks TLS.
        tls: the same, with whatever else belongs to it.
    """

    def __init__(self, certificate: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.next: deque[Answer] = deque()
        self.always: Answer | None = None
        self.otherwise: dict[str, Answer] = {}
        self.decide: Decide = lambda _id, _document: 201
        self.max_body = 100 * 2**20
        self.templates: dict[str, Any] = {}
        self.streams: dict[str, list[dict[str, dict[str, Any]]]] = {}
        self.created: dict[str, float] = {}
        self.tasks: dict[str, str] | None = None
        self.runs: dict[str, dict[str, Any]] = {}
        self.journal: list[str] = []
        self.authorizations: list[str | None] = []
        self.encodings: list[str | None] = []
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
        self.tls = tls
        self.bulks: list[list[str]] = []
        self.together = 0
        self.largest = 0
        self._under_way = 0
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        """The address, also while it is down."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._port}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(self, self._port)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and close the open ones."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    def rollover(self, stream: str) -> None:
        """Add a backing index; documents in older ones are found, and their ids can be created again."""
        with self._lock:
            self.streams[stream].append({})

    def messages(self) -> Counter[str]:
        """Each message with its number of documents, over all streams and backing indices."""
        with self._lock:
            return Counter(
                document["message"]
                for backing in self.streams.values()
                for index in backing
                for document in index.values()
            )

    @property
    def documents(self) -> int:
        """The number of documents, copies included."""
        return self.messages().total()

    def handle(self, one: Exchange) -> None:
        """Answer a request: with the fault that the test asked for, otherwise truthfully."""
        line = f"{one.method} {one.path}"
        fault = next((answer for start, answer in self.otherwise.items() if line.startswith(start)), None)
        bulk = one.path == "/_bulk" and bool(one.body.strip())
        with self._lock:
            self.journal.append(line)
            if bulk:
                self.bulks.append([name for _, name, _ in one.items])
                self.authorizations.append(one.authorization)
                self.encodings.append(one.encoding)
                self.largest = max(self.largest, len(one.body))
                self._under_way += 1
                self.together = max(self.together, self._under_way)
                if fault is None:
                    fault = self.next.popleft() if self.next else self.always
        try:
            (fault or self.answer)(one)
        finally:
            if bulk:
                with self._lock:
                    self._under_way -= 1

    def answer(self, one: Exchange) -> None:
        """The true answer."""
        name, _, action = one.path.removeprefix("/").partition("/")
        if one.path == "/_bulk":
            if not one.body.strip():
                return refuse(400, "action_request_validation_exception", "no requests added")(one)
            if len(one.body) > self.max_body:
                return refuse(413, "content_too_long_exception", "too large")(one)
            return one.send(200, self.index(one.items))
        if action == "_bulk":
            return one.send(200, self._write_runs(one.pairs))
        if name in {"_index_template", "_component_template"}:
            return self._template(one, name.removeprefix("_"), action)
        if one.path == "/_nodes/plugins":
            return one.send(200, {"nodes": {"n": {"version": "9.5.3", "modules": MODULES}}})
        if one.path == "/_cluster/health":
            return one.send(200, {"status": "green", "number_of_nodes": 1})
        if one.path == "/_tasks" and self.tasks is not None:
            tasks = {name: {"description": description} for name, description in self.tasks.items()}
            return one.send(200, {"nodes": {"n": {"name": "node-0", "tasks": tasks}} if tasks else {}})
        backing = [index for stream, part in self.streams.items() if fnmatch(stream, name) for index in part]
        if action == "_refresh":
            return one.send(200, {"_shards": {"failed": 0}})
        if action == "_settings" and backing:
            indices: list[dict[str, Any]] = [{"uuid": str(number)} for number in range(len(backing))]
            if name in self.created:
                indices[-1]["creation_date"] = str(int(self.created[name] * 1000))
            return one.send(200, {f".ds-{index['uuid']}": {"settings": {"index": index}} for index in indices})
        if action == "_search" and one.body:
            wanted = json.loads(one.body)["query"]["ids"]["values"]
            return one.send(200, {"hits": {"hits": [{"_id": i} for index in backing for i in wanted if i in index]}})
        # Among what is not there: GET /, which a key of few privileges may not call.
        return refuse(405 if one.path == "/" else 404, "index_not_found_exception", f"no such index [{name}]")(one)

    def index(self, items: list[tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
        """Create what can be created; gives the answer to the bulk request."""
        with self._lock:
            outcomes = [self._item(*item) for item in items]
        errors = any(outcome["status"] > 201 for outcome in outcomes)
        return {"took": 1, "errors": errors, "items": [{"create": outcome} for outcome in outcomes]}

    def _item(self, stream: str, name: str, document: dict[str, Any]) -> dict[str, Any]:
        wanted = [body["index_patterns"] for path, body in self.templates.items() if "_index_template" in path]
        if stream not in self.streams and not any(fnmatch(stream, one) for patterns in wanted for one in patterns):
            return _error(404, "index_not_found_exception", f"no such index [{stream}] and it is no data stream")
        decided = self.decide(name, document)
        if not isinstance(decided, int):
            return decided
        newest = self.streams.setdefault(stream, [{}])[-1]
        if decided == 201 and name in newest:
            return _error(409, "version_conflict_engine_exception", "document already exists")
        if decided == 201:
            newest[name] = document
            return {"_index": stream, "_id": name, "result": "created", "status": 201}
        return _error(decided, f"error_{decided}", "because")

    def _write_runs(self, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
        """Merge facts, or create or replace a document."""
        items = []
        with self._lock:
            for action, body in pairs:
                ((kind, about),) = action.items()
                if kind == "create" and about["_id"] in self.runs:
                    items.append({kind: _error(409, "version_conflict_engine_exception", "document already exists")})
                    continue
                if kind == "update":
                    source = self.runs.setdefault(about["_id"], {"facts": {}})
                    source["facts"] |= body["doc"]["facts"]
                else:
                    self.runs[about["_id"]] = body
                source = self.runs[about["_id"]]
                items.append({kind: {"status": 200, "_seq_no": 1, "_primary_term": 1, "get": {"_source": source}}})
        return {"took": 1, "errors": False, "items": items}

    def _template(self, one: Exchange, kind: str, name: str) -> None:
        start = f"/_{kind}/"
        with self._lock:
            if one.method == "PUT":
                self.templates[one.path] = json.loads(one.body)
                return one.send(200, {"acknowledged": True})
            found = [
                {"name": path.removeprefix(start), kind: body}
                for path, body in self.templates.items()
                if path.startswith(start) and fnmatch(path.removeprefix(start), name or "*")
            ]
        return one.send(200 if found else 404, {f"{kind}s": found})


def _error(status: int, kind: str, reason: str) -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": reason}}


def left(node: Any, wanted: list[list[str]]) -> Any:
    """The part of an answer that ``filter_path`` keeps; None if nothing.

    Args:
        node: of the answer.
        wanted: the paths below it, each as its parts.
    """
    if [] in wanted:
        return node
    if isinstance(node, list):
        return [kept for one in node if (kept := left(one, wanted)) is not None] or None
    if not isinstance(node, dict):
        return None
    parts = {key: left(value, [one[1:] for one in wanted if one[0] in {key, "*"}]) for key, value in node.items()}
    return {key: value for key, value in parts.items() if value is not None} or None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, fake: Fake, port: int) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.fake.tls is not None:
            connection = self.fake.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a killed client's closed connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Handle the requests of one connection, after the handshake of TLS."""
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.settimeout(60)
            try:
                self.connection.do_handshake()
            except OSError:
                # Until the client has read why: a connection that is closed with unread data is reset.
                with suppress(OSError):
                    socket.socket.shutdown(self.connection, socket.SHUT_WR)
                    while socket.socket.recv(self.connection, 4096):
                        pass
                return
            self.connection.settimeout(None)
        super().handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.fake.handle(Exchange(self.server.fake, self, body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the parent's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass
