"""The counting sink in Python, where no C compiler is there: see ``sink.c`` for what it does and takes."""

from __future__ import annotations

import argparse
import gzip
import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.conformance.fake import left

NUMBER = re.compile(rb"seq-(\d+)")
RUNS = "neuroflow-runs"
MODULES = [{"name": name} for name in ("mapper-extras", "constant-keyword", "wildcard", "data-streams")]
VERSION = {"number": "8.19.0", "build_flavor": "default", "lucene_version": "9.12.2"}
REFRESHED = {"_shards": {"total": 1, "successful": 1, "failed": 0}}
READS: dict[str, Any] = {
    "/": {"name": "sink", "cluster_name": "sink", "version": VERSION, "tagline": "You Know, for Search"},
    "/_nodes/plugins": {"nodes": {"sink": {"version": "8.19.0", "modules": MODULES}}},
    "/_cluster/health": {"status": "green", "number_of_nodes": 1},
    "/_license": {"license": {"status": "active", "type": "basic", "uid": "sink"}},
}


class Received:
    """Everything that has come.

    Args:
        lines: how many will be sent.
        keep: file for the bodies of lines.
    """

    def __init__(self, lines: int, keep: Path | None = None) -> None:
        self._lines = lines
        self._keep = keep
        self._seen = bytearray(lines)
        self._ids: set[str] = set()
        self._runs: dict[str, dict[str, Any]] = {}
        self._seq_no = 0
        self.tally: Counter[str] = Counter()
        self.lock = threading.Lock()

    def told(self) -> dict[str, int]:
        """The tally, as GET /_sink answers it."""
        names = (
            "documents", "doubled", "unnumbered", "unexpected", "conflicts", "run_writes", "run_bytes",
            "run_conflicts", "bulks", "wire_bytes", "body_bytes", "first_ns", "last_ns",
        )  # fmt: skip
        with self.lock:
            return {name: self.tally[name] for name in names} | {"missing": self._seen.count(0)}

    def bulk(self, body: bytes, index: str) -> list[dict[str, Any]]:
        """Take a body; gives the items of the answer."""
        parts, items, any_line = body.splitlines(), [], False
        with self.lock:
            for action, source in zip(parts[::2], parts[1::2], strict=True):
                ((kind, about),) = json.loads(action).items()
                result = {"_index": about.get("_index", index), "_id": about.get("_id", "none")}
                if result["_index"].startswith(RUNS):
                    self.tally["run_bytes"] += len(action) + len(source) + 2
                    result |= self._write_run(kind, about, json.loads(source))
                else:
                    any_line = True
                    result |= self._take(kind, about.get("_id"), source)
                items.append({kind: result})
            if any_line:
                self.tally["last_ns"] = time.monotonic_ns()
                self.tally["first_ns"] = self.tally["first_ns"] or self.tally["last_ns"]
                if self._keep is not None:
                    with self._keep.open("ab") as file:
                        file.write(body)
        return items

    def _take(self, kind: str, name: str | None, source: bytes) -> dict[str, Any]:
        if name in self._ids:
            self.tally["conflicts"] += 1
            return _written("updated", 1, 0) if kind == "index" else _refused(409)
        if name is not None:
            self._ids.add(name)
        self.tally["documents"] += 1
        number = NUMBER.search(source)
        if number is None:
            self.tally["unnumbered"] += 1
        elif int(number[1]) >= self._lines:
            self.tally["unexpected"] += 1
        else:
            self.tally["doubled"] += self._seen[int(number[1])]
            self._seen[int(number[1])] = 1
        return _written("created", 1, self.tally["documents"])

    def _write_run(self, kind: str, about: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        self.tally["run_writes"] += 1
        there = self._runs.get(about["_id"])
        seq_no = about.get("if_seq_no")
        if (seq_no is not None and (there is None or there["seq_no"] != seq_no)) or (there and kind == "create"):
            self.tally["run_conflicts"] += 1
            return _refused(409)
        before = there["source"] if there else None
        source: dict[str, Any] | None = body
        if kind == "update":
            source = body.get("upsert", body["doc"] if body.get("doc_as_upsert") else None)
            if there:
                source = _merged(there["source"], body["doc"])
            if source is None:
                return _refused(404)
        result = "noop" if there and kind == "update" and source == before else "updated" if there else "created"
        if result != "noop":
            version = there["version"] + 1 if there else 1
            there = self._runs[about["_id"]] = {"source": source, "seq_no": self._seq_no, "version": version}
            self._seq_no += 1
        assert there is not None
        answer = _written(result, there["version"], there["seq_no"])
        if kind == "update" and (wanted := body.get("_source")):
            source = there["source"]
            answer["get"] = {"_source": source if wanted is True else {name: source.get(name) for name in wanted}}
        return answer


def _written(result: str, version: int, seq_no: int) -> dict[str, Any]:
    status = 201 if result == "created" else 200
    return {"_version": version, "result": result, "_seq_no": seq_no, "_primary_term": 1, "status": status}


def _refused(status: int) -> dict[str, Any]:
    kind = "version_conflict_engine_exception" if status == 409 else "document_missing_exception"
    return {"status": status, "error": {"type": kind, "reason": kind}}


def _merged(into: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(into[key], value) if isinstance(value, dict) and isinstance(into.get(key), dict) else value
        for key, value in other.items()
    }
    return {**into, **both}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    received: Received
    delay = 0.0

    def _handle(self) -> None:
        data = self._body()
        body = gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data
        parts = urlsplit(self.path)
        path, status = parts.path.rstrip("/") or "/", 200
        answer: Any = None
        if path == "/_sink":
            answer = self.received.told()
        else:
            with self.received.lock:
                tally = self.received.tally
                tally["wire_bytes"] += len(data) + len(self.requestline) + len(str(self.headers)) + 2
                tally["body_bytes"] += len(body)
                tally["bulks"] += path.endswith("/_bulk")
        if path.endswith("/_bulk") and not body.strip():
            reason = {"type": "action_request_validation_exception", "reason": "no requests added"}
            status, answer = 400, {"error": reason, "status": 400}
        elif path.endswith("/_bulk"):
            items = self.received.bulk(body, path[1:].partition("/")[0])
            errors = any(one["status"] > 299 for item in items for one in item.values())
            answer = {"took": 1, "errors": errors, "items": items}
            time.sleep(self.delay)
            if wanted := parse_qs(parts.query).get("filter_path"):
                answer = left(answer, [one.split(".") for one in wanted[0].split(",")]) or {}
        elif path.endswith("/_settings") and path.startswith(f"/{RUNS}"):
            answer = {path[1:].partition("/")[0]: {"settings": {"index": {"uuid": "sink"}}}}
        elif answer is None:
            answer = REFRESHED if path.endswith("/_refresh") else READS.get(path, {"acknowledged": True})
            if "acknowledged" in answer and self.command in {"GET", "HEAD"}:
                status, answer = 404, {"error": {"type": "resource_not_found_exception"}, "status": 404}
        self._answer(status, json.dumps(answer).encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("X-elastic-product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = _handle  # noqa: N815 - the parent's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Nobody reads it."""


def main() -> None:
    """Print the port, and serve until SIGTERM."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, required=True)
    options.add_argument("--delay-ms", type=int, default=0)
    options.add_argument("--keep", type=Path)
    asked = options.parse_args()
    _Handler.received = Received(asked.lines, asked.keep)
    _Handler.delay = asked.delay_ms / 1000
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
