"""Answers of Kibana, or of a proxy in front of it, as messages for the reader.  Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from elastic_transport import ConnectionTimeout, TlsError, TransportError

from shipper.elastic.answers import Shape, json_of, mismatch
from shipper.elastic.connection_faults import Way, fault_of

_REFERENCE: Shape = {"type": str, "id": str, "name?": str}
OBJECT: Shape = {**_REFERENCE, "originId?": str, "attributes?": {}, "references?": [_REFERENCE]}
"""The parts of a saved object in an export that are read."""
RULE: Shape = {"name": str, "actions?": [{}]}
"""The parts of a rule that are read."""
IMPORTED: Shape = {
    "success": bool,
    "errors?": [{"error?": {"type?": str, "destinations?": [{}], "references?": [{}], "output?": {"payload?": {}}}}],
}
"""The result of an import."""
MISSING: Shape = {"attributes": {"objects": [{"type": str, "id": str, "error?": {}}]}}
"""The answer to an export of objects of which some don't exist."""


class KibanaError(Exception):
    """Kibana can't be reached, or refuses; the message is for the reader and says what to do now."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    @property
    def from_kibana(self) -> bool:
        """Whether Kibana itself answered: its header or, where a proxy removes headers, its kind of error body."""
        body = self.json
        return "kbn-name" in self.headers or (isinstance(body, dict) and "statusCode" in body)

    @property
    def json(self) -> Any:
        """The body if it is JSON, else None."""
        try:
            return json_of(self.raw)
        except ValueError:
            return None

    @property
    def lines(self) -> list[dict[str, Any]] | None:
        """The body if it is an export (a JSON object a line), else None."""
        try:
            found = [json_of(line) for line in self.raw.splitlines() if line.strip()]
        except ValueError:
            return None
        return found if all(isinstance(one, dict) for one in found) else None


def fits(found: Any, shape: Shape) -> bool:
    """Whether a body has the expected shape; a proxy may have answered instead of Kibana."""
    return mismatch(found, shape) is None


def is_starting(answer: Answer) -> bool:
    """Whether to retry in a while: Kibana or its cluster is not ready, or overloaded."""
    return answer.status in {429, 503}


def refusal(answer: Answer, place: str, *, needs: str) -> str:
    """Why a request failed, and what to do; ``needs`` is the privilege for it."""
    status, message = answer.status, message_of(answer)
    if answer.headers.get("x-elastic-product"):
        return f"{place} is Elasticsearch, not Kibana: kibana.url is Kibana's own address (mostly port 5601)"
    if answer.ok and answer.from_kibana:
        return f"{place} answered {status}, but with an unexpected body{_quoted(message)}"
    if 300 <= status < 400:
        # The query may hold a ticket.
        to = re.sub(r"//.*@", "//", re.sub(r"[?#].*", "", answer.headers.get("location", "elsewhere")))
        return f"{place} redirects to {to} ({status}): set kibana.url to Kibana's own address"
    if status == 401:
        return (
            f"{place}: authentication failed (401): check kibana.api_key or, without one, api_key or username and "
            f"password under elasticsearch{_quoted(message)}"
        )
    if status == 429:
        return f"{place} is overloaded (429): try again in some minutes{_quoted(message)}"
    if status == 503:
        return f"{place} is still not ready (503): look at Kibana's log{_quoted(message)}"
    if not answer.from_kibana:
        is_page = "html" in answer.headers.get("content-type", "") or answer.raw.lstrip()[:1] == b"<"
        what = "a web page" if is_page else "something else"
        return (
            f"{place} answered {status} with {what} instead of Kibana's JSON (a proxy, a login page?): "
            f"check kibana.url{_quoted(message)}"
        )
    if status == 403:
        return f"{place} forbids this (403): the key or user needs {needs}{_quoted(message)}"
    if status == 404:
        return (
            f"{place} has no such API (404): check the path in kibana.url (Kibana may have a base path), "
            f"and that Kibana is 8.12 or newer{_quoted(message)}"
        )
    if status == 413:
        return (
            f"{place} refuses a body of this size (413): raise savedObjects.maxImportPayloadBytes, or the limit of "
            f"the proxy in front of it{_quoted(message)}"
        )
    if status == 422:
        return f"{place} can't import these objects (422), probably because it is too old for them{_quoted(message)}"
    if status >= 500:
        return f"{place} failed ({status}): look at Kibana's log{_quoted(message)}"
    return f"{place} answered {status}{_quoted(message)}"


def unreachable(error: TransportError, place: str, way: Way) -> str:
    """Why there was no answer, and what to do."""
    fault = fault_of(error, way)
    if fault is None:
        return f"{place}: {error.message}"
    if isinstance(error, TlsError):
        return f"{place}{fault} (of the keys, those under kibana count before those under elasticsearch)"
    if isinstance(error, ConnectionTimeout):
        return f"{place}{fault}: try again, or raise elasticsearch.request_timeout"
    return f"{place}{fault}; check kibana.url"


def import_refusals(body: Mapping[str, Any]) -> list[str]:
    """A message for every object that an import refused (its status is 200 nevertheless)."""
    found = [_refused(entry) for entry in body.get("errors") or ()]
    if not found and not body.get("success"):
        return ["the import failed without a reason: look at Kibana's log"]
    return found


def message_of(answer: Answer) -> str:
    """The message in an answer, without markup, 300 characters at most."""
    body = answer.json
    if isinstance(body, dict):
        text = str(body.get("message") or body.get("error") or "")
    else:
        page = answer.raw.decode(errors="replace")
        text = re.sub(r"(?s)<(style|script)\b.*?</\1>|<[^>]*>", " ", page)
    return " ".join(text.split())[:300]


def _quoted(message: str) -> str:
    return f"; it answered: {message}" if message else ""


def _refused(entry: Mapping[str, Any]) -> str:
    error = entry.get("error", {})
    what = f"{entry.get('type')} {entry.get('id')}"
    match error.get("type"):
        case "conflict":
            return f"{what}: another object has this id (conflict): delete that object in Kibana, or rename it"
        case "ambiguous_conflict":
            copies = ", ".join(str(one.get("id")) for one in error.get("destinations") or ())
            return (
                f"{what}: the space has several copies of it ({copies}): delete all but one in Kibana under "
                "Saved Objects"
            )
        case "missing_references":
            missing = ", ".join(f"{ref.get('type')} {ref.get('id')}" for ref in error.get("references") or ())
            return f"{what}: refers to missing objects: {missing}"
        case "unsupported_type":
            return f"{what}: this Kibana imports no objects of this type (is it older, or the feature off?)"
        case "unknown":
            inner = error.get("output", {}).get("payload") or error
            return f"{what}: {inner.get('message') or inner.get('error')} (status {inner.get('statusCode')})"
        case other:
            return f"{what}: {other}: {orjson.dumps(error).decode()}"
