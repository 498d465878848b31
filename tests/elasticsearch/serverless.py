"""A real node behaving like a project of Elastic Cloud Serverless.

The answers are those that projects are reported to give (OpenCTI-Platform/connectors#5155, elastic-labs#450); the
settings are Elastic's list (elasticsearch, docs/reference/elasticsearch/index-settings/serverless.md).
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from shipper.elastic.capabilities import SUBSTITUTES, Capabilities, adapt

ABSENT = re.compile(r"/_(nodes|cluster|cat|tasks|ilm|slm|snapshot|xpack)\b")
SETTINGS = re.compile(
    r"index\.(codec|default_pipeline|final_pipeline|hidden|mode|query\.default_field|refresh_interval|sort\..*"
    r"|blocks\..*|mapping\.(coerce|ignore_above|ignore_malformed|source\.mode|synthetic_source_keep|total_fields\..*)"
    r"|lifecycle\.origination_date|time_series\..*|look_ahead_time|look_back_time|routing_path|similarity\..*"
    r"|analysis\..*)"
)
# A project has all types of fields; a node of the test distribution does not.
_NODE = Capabilities(missing_types=frozenset(SUBSTITUTES))


class Project:
    """An HTTP server in front of a node.

    Attributes:
        journal: ``METHOD /path`` and status of every answer.

    Args:
        node: its URL.
    """

    def __init__(self, node: str) -> None:
        self.node = urlsplit(node)
        self.journal: list[tuple[str, int]] = []
        self.mappings: dict[str, Any] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.project = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """The project's endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """Status, headers and body of the answer to a request."""
        path = urlsplit(target).path
        if ABSENT.match(path):
            reason = f"Request for uri [{target}] with method [{method}] exists but is not available"
            return refused(410, "api_not_available_exception", f"{reason} when running in serverless mode")
        if method == "PUT" and body and headers.get("content-encoding") != "gzip":
            put = json.loads(body)
            template = put.get("template", {}) if path.startswith("/_") else put
            if absent := sorted(name for name in flat(template.get("settings", {})) if not SETTINGS.fullmatch(name)):
                reason = f"Settings [{','.join(absent)}] are not available when running in serverless mode"
                return refused(400, "illegal_argument_exception", reason)
            if "mappings" in template:
                self.mappings[path] = template["mappings"]
                template |= adapt({"template": template}, _NODE)["template"]
            body = json.dumps(put).encode()
            headers = {name: value for name, value in headers.items() if name != "content-length"}
        connection = http.client.HTTPConnection(self.node.hostname or "", self.node.port, timeout=60)
        try:
            connection.request(method, target, body, headers)
            got = connection.getresponse()
            data = got.read()
        finally:
            connection.close()
        return got.status, got.getheaders(), self._with_types(path, data) if got.status == 200 else data

    def _with_types(self, path: str, data: bytes) -> bytes:
        """The answer with the mappings that were put."""
        kind = path.split("/")[1].removeprefix("_")
        if kind not in {"component_template", "index_template"} or b"_templates" not in data:
            return data
        found = json.loads(data)
        for entry in found.get(f"{kind}s", ()):
            mappings = self.mappings.get(f"/_{kind}/{entry['name']}")
            if mappings is not None and "mappings" in entry.get(kind, {}).get("template", {}):
                entry[kind]["template"]["mappings"] = mappings
        return json.dumps(found).encode()


def refused(status: int, kind: str, reason: str) -> tuple[int, Any, bytes]:
    """A refusal by Elasticsearch."""
    error = {"type": kind, "reason": reason}
    headers = [("X-Elastic-Product", "Elasticsearch"), ("Content-Type", "application/json")]
    return status, headers, json.dumps({"error": {"root_cause": [error], **error}, "status": status}).encode()


def flat(settings: dict[str, Any], above: str = "") -> Iterator[str]:
    """The full names of settings."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}" if f"{above}{name}".startswith("index.") else f"index.{above}{name}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    project: Project

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        project = self.server.project
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "connection"}
        if self.command == "PUT" and headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
            del headers["content-encoding"], headers["content-length"]
        status, told, data = project.answer(self.command, self.path, headers, body)
        project.journal.append((f"{self.command} {urlsplit(self.path).path}", status))
        self.send_response(status)
        for name, value in told:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the parent's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass
