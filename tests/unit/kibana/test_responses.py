from __future__ import annotations

from typing import Any

import orjson
import pytest
from elastic_transport import ConnectionError as TransportConnectionError
from elastic_transport import ConnectionTimeout, TlsError, TransportError

from shipper.elastic.connection_faults import Way
from shipper.kibana.responses import Answer, import_refusals, refusal, unreachable

PLACE = "http://kibana.lab:5601"


def told(status: int, message: str = "no", **headers: str) -> Answer:
    """An error in Kibana's form."""
    body = {"statusCode": status, "error": "Name", "message": message}
    return Answer(status, {"kbn-name": "lab", **headers}, orjson.dumps(body))


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        (
            (f"{PLACE}: authentication failed (401): check kibana.api_key or, without one, api_key or username and "
            "password under elasticsearch; it answered: no"),
            told(401),
        ),
        (f"{PLACE} forbids this (403): the key or user needs the privilege; it answered: no", told(403)),
        (
            (f"{PLACE} has no such API (404): check the path in kibana.url (Kibana may have a base path), "
            "and that Kibana is 8.12 or newer; it answered: Not Found"),
            told(404, "Not Found"),
        ),
        (
            (f"{PLACE} refuses a body of this size (413): raise savedObjects.maxImportPayloadBytes, or the limit of "
            "the proxy in front of it; it answered: no"),
            told(413),
        ),
        (
            f"{PLACE} can't import these objects (422), probably because it is too old for them; it answered: no",
            told(422),
        ),
        (f"{PLACE} is overloaded (429): try again in some minutes; it answered: no", told(429)),
        (f"{PLACE} failed (500): look at Kibana's log; it answered: no", told(500)),
        (
            (f"{PLACE} is still not ready (503): look at Kibana's log; it answered: "
            "Kibana server is not ready yet"),
            Answer(503, {}, b"Kibana server is not ready yet"),
        ),
        (f"{PLACE} answered 400; it answered: no", told(400)),
        (f"{PLACE} answered 418", Answer(418, {"kbn-name": "lab"}, b"")),
        (
            f"{PLACE} redirects to https://x/login (302): set kibana.url to Kibana's own address",
            Answer(302, {"location": "https://u:hunter2@x/login?ticket=hunter2#hunter2"}, b""),
        ),
        (
            (f"{PLACE} answered 502 with a web page instead of Kibana's JSON (a proxy, a login page?): "
            "check kibana.url; it answered: Bad Gateway nginx"),
            Answer(502, {"content-type": "text/html"}, b"<html><style>a{}</style>Bad\n Gateway<hr>nginx</html>"),
        ),
        (
            (f"{PLACE} answered 200 with a web page instead of Kibana's JSON (a proxy, a login page?): "
            "check kibana.url; it answered: Log in"),
            Answer(200, {}, b"<h1>Log in</h1>"),
        ),
        (
            (f"{PLACE} answered 404 with something else instead of Kibana's JSON (a proxy, a login page?): "
            "check kibana.url; it answered: no route"),
            Answer(404, {}, b'{"message": "no route"}'),
        ),
        (
            f"{PLACE} is Elasticsearch, not Kibana: kibana.url is Kibana's own address (mostly port 5601)",
            Answer(400, {"x-elastic-product": "Elasticsearch"}, b'{"error": "no handler found"}'),
        ),
    ],
)  # fmt: skip
def test_refusals_are_sentences(sentence: str, answer: Answer) -> None:
    """The sentence names fault and remedy."""
    assert sentence == refusal(answer, PLACE, needs="the privilege")


@pytest.mark.parametrize(
    ("sentence", "error"),
    [
        (f"{PLACE} did not answer within 30 s: try again, or raise elasticsearch.request_timeout", "timeout"),
        (
            f"{PLACE} can't be reached: connection refused (is it running, is the port right?); check kibana.url",
            TransportConnectionError("Connection refused"),
        ),
        (
            (
                f"{PLACE}: TLS failed: self-signed; check ca_certs, ca_fingerprint and the host's name (of the keys, "
                "those under kibana count before those under elasticsearch)"
            ),
            TlsError("self-signed"),
        ),
        (f"{PLACE}: strange", TransportError("strange")),
    ],
)
def test_no_answer_is_a_sentence(sentence: str, error: Any) -> None:
    """A time-out is given in seconds."""
    error = ConnectionTimeout("late") if error == "timeout" else error
    assert sentence == unreachable(error, PLACE, Way(30.0))


@pytest.mark.parametrize(
    ("sentence", "error"),
    [
        ("search s: another object has this id (conflict): delete that object in Kibana, or rename it", "conflict"),
        ("search s: the space has several copies of it (a, b): delete all but one in Kibana under Saved Objects",
         {"type": "ambiguous_conflict", "destinations": [{"id": "a"}, {"id": "b", "title": "t"}]}),
        ("search s: refers to missing objects: index-pattern x, tag y",
         {"type": "missing_references",
         "references": [{"type": "index-pattern", "id": "x"}, {"type": "tag", "id": "y"}]}),
        ("search s: this Kibana imports no objects of this type (is it older, or the feature off?)",
         "unsupported_type"),
        ("search s: no room (status 507)", {"type": "unknown", "message": "no room", "statusCode": 507}),
        ("search s: [attributes.title]: expected a string (status 400)",
         {"type": "unknown", "isBoom": True,
         "output": {"payload": {"message": "[attributes.title]: expected a string", "statusCode": 400}}}),
        ('search s: new_kind: {"type":"new_kind","why":"?"}', {"type": "new_kind", "why": "?"}),
    ],
)  # fmt: skip
def test_each_refused_object_is_a_sentence(sentence: str, error: Any) -> None:
    """The sentence names object, reason and remedy."""
    error = {"type": error} if isinstance(error, str) else error
    body = {"success": False, "errors": [{"type": "search", "id": "s", "error": error}]}
    assert [sentence] == import_refusals(body)


def test_an_import_that_fails_without_a_word_is_no_success() -> None:
    """An import without success and without errors is refused; a successful one is not."""
    assert ["the import failed without a reason: look at Kibana's log"] == import_refusals({"success": False})
    assert [] == import_refusals({"success": True, "successCount": 4})


def test_bodies_are_what_they_should_be_or_none() -> None:
    """An export has one JSON object on each line; anything else is rejected."""
    assert [{"a": 1}, {"b": 2}] == Answer(200, {}, b'{"a":1}\n\n{"b":2}').lines
    assert [] == Answer(200, {}, b"").lines
    assert Answer(200, {}, b"[1]").lines is None
    assert Answer(200, {}, b"<html>").lines is None
    assert Answer(200, {}, b"<html>").json is None
