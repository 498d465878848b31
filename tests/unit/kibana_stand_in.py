"""A stand-in for Kibana: a server that answers like the real one for objects and rules. Ids are unique over all
spaces; an import into a second space makes copies with other ids, whose origin is ours. An import that must
refuse an object writes nothing and answers 200.

Ids are taken once in all spaces together; an import into a second space makes copies with other ids, whose origin
is ours.  An import that could not take something writes nothing and says so with status 200.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

Reply = tuple[int, dict[str, str], bytes]

ACTION_KEYS = {"id", "group", "params", "frequency", "uuid", "alerts_filter", "use_alert_data_for_template"}
PUT_KEYS = {"name", "tags", "schedule", "throttle", "params", "actions", "notify_when"}
POST_KEYS = PUT_KEYS | {"rule_type_id", "consumer", "enabled"}
TYPES = {"tag", "index-pattern", "search", "dashboard"}
DEFAULTS = {"excludeHitsFromPreviousRun": True, "aggType": "count", "groupBy": "all"}


def problem(status: int, message: str, **more: object) -> Reply:
    """An error of Kibana's own."""
    body = {"statusCode": status, "error": "Some Name", "message": message, **more}
    return status, {"content-type": "application/json", "kbn-name": "stand-in"}, orjson.dumps(body)


def page(status: int, text: str, **headers: str) -> Reply:
    """A proxy's page."""
    return status, {"content-type": "text/html", **headers}, f"<html><title>{text}</title></html>".encode()


@dataclass
class Request:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class KibanaStandIn:
    """The state of a Kibana, and its requests.

    Attributes:
        url: where it listens, with the base path.
        now: the time of the last write; each write has another one.
        newer: whether it stores dashboards in a newer form.
        instead: answers that are given first, one a request.
        always: fixed answers by method and path.
    """

    url: str = ""
    base: str = ""
    spaces: set[str] = field(default_factory=lambda: {"default"})
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    newer: bool = False
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    instead: deque[Reply] = field(default_factory=deque)
    always: dict[tuple[str, str], Reply] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def asked(self, method: str, part: str) -> int:
        """How many requests of a method had this in their path."""
        return sum(one.method == method and part in one.path for one in self.requests)

    def write(self, kind: str, name: str, **attributes: Any) -> None:
        """Change attributes of an object, as Kibana's editors and Discover do."""
        self.now += timedelta(milliseconds=1)
        one = self.objects[kind, name]
        one["attributes"] = {**one["attributes"], **attributes}
        one["updated_at"] = self._time()

    def _time(self) -> str:
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        self.requests.append(Request(method, target, headers))
        if self.instead:
            return self.instead.popleft()
        path = urlsplit(target).path
        if not path.startswith(f"{self.base}/"):
            return problem(404, "Not Found")
        path, space = path.removeprefix(self.base), "default"
        if path.startswith("/s/"):
            _, _, space, path = path.split("/", 3)
            path = f"/{path}"
        if fixed := self.always.get((method, path)):
            return fixed
        if method != "GET" and "kbn-xsrf" not in headers:
            return problem(400, "Request must contain a kbn-xsrf header.")
        match method, path.split("/")[2:]:
            case "GET", ["spaces", "space", name]:
                return self._json({"id": name}) if name in self.spaces else problem(404, "Not Found")
            case "POST", ["saved_objects", "_export"]:
                return self._export(space, orjson.loads(body))
            case "POST", ["saved_objects", "_import"]:
                assert ["true"] == parse_qs(urlsplit(target).query)["overwrite"]
                return self._import(space, _file(headers["content-type"], body))
            case "GET", ["alerting", "_health"]:
                return self._json({"is_sufficiently_secure": True, "has_permanent_encryption_key": True})
            case _, ["alerting", "rule", name]:
                return self._rule(method, space, name, orjson.loads(body) if body else None)
        return problem(404, "Not Found")

    @staticmethod
    def _json(body: object) -> Reply:
        return 200, {"content-type": "application/json", "kbn-name": "stand-in"}, orjson.dumps(body)

    def _export(self, space: str, asked: dict[str, Any]) -> Reply:
        here = {key: one for key, one in self.objects.items() if one["space"] == space}
        if "objects" in asked:
            keys = [(one["type"], one["id"]) for one in asked["objects"]]
            if missing := [key for key in keys if key not in here]:
                errors = [
                    {"type": kind, "id": name, "error": {"statusCode": 404, "error": "Not Found", "message": "…"}}
                    for kind, name in missing
                ]
                return problem(400, "Error fetching objects to export", attributes={"objects": errors})
            found = [here[key] for key in keys]
        else:
            wanted = {(ref["type"], ref["id"]) for ref in asked.get("hasReference", ())}
            found = [
                one
                for (kind, _), one in here.items()
                if kind in asked["type"]
                and (not wanted or wanted & {(ref["type"], ref["id"]) for ref in one["references"]})
            ]
        lines = [orjson.dumps({key: value for key, value in one.items() if key != "space"}) for one in found]
        return 200, {"content-type": "application/ndjson", "kbn-name": "stand-in"}, b"\n".join(lines)

    def _import(self, space: str, lines: bytes) -> Reply:
        given = [one for one in map(orjson.loads, lines.splitlines()) if "exportedCount" not in one]
        errors = [error for one in given if (error := self._error(one, space, given))]
        if not errors:
            self.now += timedelta(milliseconds=1)
            ids = {(one["type"], one["id"]): self._destination(one, space) for one in given}
            for one in given:
                self._write(one, space, ids)
        good = [{"type": one["type"], "id": one["id"], "meta": {}} for one in given]
        return self._json(
            {"success": not errors, "successCount": len(good), "successResults": good, "errors": errors}
        )

    def _error(self, one: dict[str, Any], space: str, given: list[dict[str, Any]]) -> dict[str, Any] | None:
        what = {"type": one["type"], "id": one["id"], "meta": {"title": one["attributes"].get("title")}}
        if one["type"] not in TYPES:
            return {**what, "error": {"type": "unsupported_type"}}
        known = {(other["type"], other["id"]) for other in given} | {
            key for key, stored in self.objects.items() if stored["space"] == space
        }
        missing = [
            {"type": ref["type"], "id": ref["id"]}
            for ref in one["references"]
            if ref["type"] in {"index-pattern", "search"} and (ref["type"], ref["id"]) not in known
        ]
        return {**what, "error": {"type": "missing_references", "references": missing}} if missing else None

    def _destination(self, one: dict[str, Any], space: str) -> str:
        there = self.objects.get((one["type"], one["id"]))
        if there is None or there["space"] == space:
            return str(one["id"])
        copies = (
            key[1]
            for key, stored in self.objects.items()
            if key[0] == one["type"] and stored["space"] == space and stored.get("originId") == one["id"]
        )
        return next(copies, str(uuid.uuid4()))

    def _write(self, one: dict[str, Any], space: str, ids: dict[tuple[str, str], str]) -> None:
        name = ids[one["type"], one["id"]]
        stored = {
            **one,
            "id": name,
            "space": space,
            "updated_at": self._time(),
            "version": "WzEsMV0=",
            "references": [
                {**ref, "id": ids.get((ref["type"], ref["id"]), ref["id"])} for ref in reversed(one["references"])
            ],
        }
        if name != one["id"]:
            stored["originId"] = one["id"]
        if self.newer and one["type"] == "dashboard":
            stored |= {"typeMigrationVersion": "10.3.0", "attributes": {"panels": [], "title": "…"}}
        self.objects[one["type"], name] = stored

    def _rule(self, method: str, space: str, name: str, body: Any) -> Reply:
        there = self.rules.get(name)
        here = there if there and there["space"] == space else None
        if method == "POST":
            if there:
                return problem(409, f"Saved object [alert/{name}] conflict")
            if odd := set(body) - POST_KEYS:
                return problem(400, f"[request body.{min(odd)}]: definition for this key is missing")
            self.rules[name] = {"space": space, "id": name, "enabled": True, "tags": []}
        elif here is None:
            return problem(404, f"Saved object [alert/{name}] not found")
        if method == "PUT" and (odd := set(body) - PUT_KEYS):
            return problem(400, f"[request body.{min(odd)}]: definition for this key is missing")
        if method in {"POST", "PUT"}:
            if any(set(action) - ACTION_KEYS for action in body.get("actions", ())):
                return problem(400, "[request body.actions.0.connector_type_id]: definition for this key is missing")
            actions = [{**action, "connector_type_id": ".server-log"} for action in body.get("actions", ())]
            self.rules[name] |= {**body, "params": {**DEFAULTS, **body["params"]}, "actions": actions}
        stored = self.rules[name]
        return self._json({key: value for key, value in stored.items() if key != "space"})


@contextmanager
def running(kibana: KibanaStandIn) -> Iterator[KibanaStandIn]:
    """Serve it on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # 40 ms a request otherwise: head and body are two packets

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, answer = kibana.answer(self.command, self.path, headers, body)
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _do  # noqa: N815 - names of the library's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kibana.url = f"http://127.0.0.1:{server.server_address[1]}{kibana.base}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield kibana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _file(content_type: str, body: bytes) -> bytes:
    form = message_from_bytes(f"content-type: {content_type}\r\n\r\n".encode() + body)
    _, part = form.walk()
    assert "file" == part.get_param("name", header="content-disposition")
    assert str(part.get_filename()).endswith(".ndjson")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload
