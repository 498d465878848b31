"""What Kibana, or whoever answers in its place, says, as sentences for the reader.  Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import ConnectionTimeout, TlsError, TransportError

from shipper.elastic.answers import Shape, json_of, misfit
from shipper.elastic.client import cause_of

_REFERENCE: Shape = {"type": str, "id": str, "name?": str}
OBJECT: Shape = {**_REFERENCE, "originId?": str, "attributes?": {}, "references?": [_REFERENCE]}
"""A saved object in an export, as far as it is looked at."""
RULE: Shape = {"name": str, "actions?": [{}]}
"""A rule, as far as it is looked at."""
IMPORTED: Shape = {
    "success": bool,
    "errors?": [
        {
            "error?": {
                "type?": str,
                "destinations?": [{}],
                "references?": [{}],
                "output?": {"payload?": {}},
            }
        }
    ],
}
"""What came of an import."""
MISSING: Shape = {"attributes": {"objects": [{"type": str, "id": str, "error?": {}}]}}
"""What an export refuses because it is not there."""


class KibanaError(Exception):
    """Kibana can't be asked, or refuses; the message is for the reader and says what to do now."""


@dataclass(frozen=True)
class Answer:
    """One answer over HTTP.

    Attributes:
        status: of HTTP.
        headers: with names in lower case.
        raw: the body as it came.
    """

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def from_kibana(self) -> bool:
        """Whether Kibana itself gave it: its name is on all of them; where a proxy took that away, errors tell."""
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
    """Whether what came is what was asked for, and not what somebody else says in Kibana's place."""
    return misfit(found, shape) is None


def is_starting(answer: Answer) -> bool:
    """Whether to ask again in a while: Kibana or its cluster is not ready, or has too much to do."""
    return answer.status in {429, 503}


def refusal(answer: Answer, place: str, *, needs: str) -> str:
    """Why a request was not done.

    Args:
        answer: whose status is not 2xx, or whose body is not what it should be.
        place: Kibana's address, without credentials.
        needs: the privilege that the request takes.
    """
    status, said = answer.status, message_of(answer)
    if answer.headers.get("x-elastic-product"):
        return f"{place} is Elasticsearch, not Kibana: kibana.url is Kibana's own address (mostly port 5601)"
    if answer.ok and answer.from_kibana:
        return f"{place} answered {status}, but not what was asked for{_quoted(said)}"
    if 300 <= status < 400:
        # Its query may carry a ticket.
        to = re.sub(r"//.*@", "//", re.sub(r"[?#].*", "", answer.headers.get("location", "elsewhere")))
        return f"{place} sends us on to {to} ({status}): set kibana.url to where Kibana itself answers"
    if status == 401:
        return (
            f"{place} rejects the credentials (401): check kibana.api_key, or without one api_key or username and password "
            f"under elasticsearch{_quoted(said)}"
        )
    if status == 429:
        return f"{place} has too much to do (429): try again in some minutes{_quoted(said)}"
    if status == 503:
        return f"{place} is not ready (503), also after waiting: look at Kibana's log{_quoted(said)}"
    if not answer.from_kibana:
        what = "a web page" if _is_page(answer) else "something else"
        return (
            f"{place} answered {status} with {what} instead of Kibana's JSON: a proxy, a login page or another "
            f"service stands there; check kibana.url{_quoted(said)}"
        )
    if status == 403:
        return f"{place} refuses this (403): the key or user needs {needs}{_quoted(said)}"
    if status == 404:
        return (
            f"{place} has no such interface (404): check the path in kibana.url (Kibana may have a base path), "
            f"and that Kibana is 8.17 or newer{_quoted(said)}"
        )
    if status == 413:
        return (
            f"{place} takes no body of this size (413): raise savedObjects.maxImportPayloadBytes, or the limit of "
            f"the proxy before it{_quoted(said)}"
        )
    if status == 422:
        return f"{place} can't take these objects (422), mostly because it is too old for them{_quoted(said)}"
    if status >= 500:
        return f"{place} failed ({status}): look at Kibana's log{_quoted(said)}"
    return f"{place} answered {status}{_quoted(said)}"


def unreachable(error: TransportError, place: str, timeout: float) -> str:
    """Why there was no answer at all.

    Args:
        error: from the connection.
        place: Kibana's address, without credentials.
        timeout: seconds that were waited.
    """
    if isinstance(error, TlsError):
        return (
            f"{place}: TLS failed: {error.message}; check the scheme in kibana.url, and ca_certs and verify_certs "
            "under elasticsearch, which are Kibana's as well"
        )
    if isinstance(error, ConnectionTimeout):
        return f"{place} did not answer within {timeout:g} s: try again, or raise elasticsearch.request_timeout"
    if isinstance(error, TransportConnectionError):
        return f"{place} can't be reached: {cause_of(error)}; check kibana.url"
    return f"{place}: {error.message}"


def import_refusals(body: Mapping[str, Any]) -> list[str]:
    """A sentence for every object that an import refused, of a body of the shape ``IMPORTED``; its status is 200."""
    found = [_refused(entry) for entry in body.get("errors") or ()]
    if not found and not body.get("success"):
        return ["the import failed and Kibana does not say why: look at its log"]
    return found


def message_of(answer: Answer) -> str:
    """What an answer says in words; markup taken out, cut to a line."""
    body = answer.json
    if isinstance(body, dict):
        text = str(body.get("message") or body.get("error") or "")
    else:
        page = answer.raw.decode(errors="replace")
        text = re.sub(r"(?s)<(style|script)\b.*?</\1>|<[^>]*>", " ", page)
    return " ".join(text.split())[:300]


def _quoted(said: str) -> str:
    return f"; it said: {said}" if said else ""


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "") or answer.raw.lstrip()[:1] == b"<"


def _refused(entry: Mapping[str, Any]) -> str:
    error = entry.get("error", {})
    what = f"{entry.get('type')} {entry.get('id')}"
    match error.get("type"):
        case "conflict":
            return f"{what}: another object has this id (conflict): delete that one in Kibana, or rename it"
        case "ambiguous_conflict":
            copies = ", ".join(str(one.get("id")) for one in error.get("destinations") or ())
            return (
                f"{what}: the space has several copies of it ({copies}): delete all but one in Kibana under "
                "Saved Objects"
            )
        case "missing_references":
            missing = ", ".join(f"{ref.get('type')} {ref.get('id')}" for ref in error.get("references") or ())
            return f"{what}: refers to what is not there: {missing}"
        case "unsupported_type":
            return f"{what}: this Kibana imports no objects of this type (is it older, or the feature off?)"
        case "unknown":
            inner = error.get("output", {}).get("payload") or error
            return f"{what}: {inner.get('message') or inner.get('error')} (status {inner.get('statusCode')})"
        case other:
            return f"{what}: {other}: {orjson.dumps(error).decode()}"
