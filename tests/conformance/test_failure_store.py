"""``dead-letters list`` also lists what Elasticsearch keeps in the failure stores of the data streams.

Elastic's test distribution redirects nothing there; the shape of a document is that of Elasticsearch's reference.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.fake import Answer, Exchange, page, refuse
from tests.conformance.faked import FakedHarness

STORE = "POST /logs-neuroflow.*-fake::failures/_search"
LINE = '{"event": "one", "level": "info", "timestamp": "2026-11-27T10:00:00Z"}\n'


def failed(stream: str, name: str, **source: Any) -> dict[str, Any]:
    """A document of a failure store."""
    return {
        "_index": f".fs-{stream}-2026.11.27-000002", "_id": "AXw", "_score": None, "sort": [1],
        "_source": {
            "@timestamp": "2026-11-27T10:00:01.000Z",
            "document": {"id": name, "index": stream, "source": source},
            "error": {
                "type": "document_parsing_exception", "message": "[1:9] failed to parse field [event.duration]",
                "stack_trace": "o.e.i.m.DocumentParsingException: …",
            },
        },
    }  # fmt: skip


def answers(*hits: dict[str, Any]) -> Answer:
    """The answer of a search, newest first."""
    return lambda one: one.send(200, {"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": list(hits)}})


def test_what_only_the_failure_store_has_is_listed(faked: FakedHarness) -> None:
    """With stream, reason, file, offset and line; colours in it reach no terminal."""
    log = {"file": {"path": "/l/neuroflow.log"}, "offset": 40}
    faked.fake.otherwise[STORE] = answers(failed(faked.stream, "b", message="two\x1b[31m", log=log), failed("x", "a"))
    listed = faked.ask("dead-letters", "list")
    assert (0, "") == (listed.returncode, listed.stderr)
    *_, about, line = listed.stdout.splitlines()
    assert (
        "2026-11-27T10:00:01.000Z /l/neuroflow.log:40 201 document_parsing_exception: [1:9] failed to parse field "
        f"[event.duration] (only in the failure store of {faked.stream})"
    ) == about
    assert "    two" == line
    (first, second) = map(json.loads, faked.ask("dead-letters", "list", "--json").stdout.splitlines())
    assert ("x", faked.stream) == (first["stream"], second["stream"])
    assert {"message": "two\x1b[31m", "log": log} == second["document"]


def test_a_document_that_was_redirected_is_listed_once(faked: FakedHarness) -> None:
    """It counts as rejected, and its dead letter has the reason that only the failure store knows."""
    faked.log.write_text(LINE)
    faked.fake.decide = lambda _id, _document: {"status": 201, "failure_store": "used"}
    assert 1 == faked.once().returncode
    ((name,),) = faked.fake.bulks
    (letter,) = map(json.loads, faked.ask("dead-letters", "list", "--json").stdout.splitlines())
    assert (name, "failure_store") == (letter["id"], letter["kind"])
    faked.fake.otherwise[STORE] = answers(failed(faked.stream, name, message="one"))
    (letter,) = map(json.loads, faked.ask("dead-letters", "list", "--json").stdout.splitlines())
    assert (name, "document_parsing_exception") == (letter["id"], letter["kind"])
    assert 1 == faked.status()["counters"]["dead"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(403, "security_exception", "unauthorized"), "the failure store could not be read"),
        (refuse(503), "the failure store could not be read"),
        (page(200), "the failure store could not be read"),
        (answers({"_source": 1}), "the failure store could not be read"),
        (refuse(400, "invalid_index_name_exception", "must not contain ':'"), ""),
        (answers({"_source": {"document": "x", "error": [], "@timestamp": 1}}), ""),
    ],
)
def test_without_the_failure_store(faked: FakedHarness, answer: Answer, said: str) -> None:
    """Local dead letters are listed in any case; one sentence tells that the store could not be read."""
    faked.log.write_text(LINE)
    faked.fake.decide = lambda _id, _document: 400
    assert 1 == faked.once().returncode
    faked.fake.otherwise[STORE] = answer
    listed = faked.ask("dead-letters", "list")
    assert 0 == listed.returncode
    assert "error_400: because" in listed.stdout
    assert (said in listed.stderr, bool(said)) == (True, bool(listed.stderr))
    assert len(listed.stderr.splitlines()) <= 1


def test_without_a_cluster(faked: FakedHarness) -> None:
    """The same where no cluster answers."""
    faked.log.write_text(LINE)
    faked.fake.decide = lambda _id, _document: 400
    assert 1 == faked.once().returncode
    faked.fake.down()
    listed = faked.ask("dead-letters", "list")
    assert (0, 2) == (listed.returncode, len(listed.stdout.splitlines()))
    assert "the failure store could not be read" in listed.stderr


def test_many_failures(faked: FakedHarness) -> None:
    """Of very many the newest are listed, and how many more there are."""

    def answer(one: Exchange) -> None:
        assert 1000 == json.loads(one.body)["size"]
        one.send(
            200, {"hits": {"total": {"value": 1500}, "hits": [failed("x", str(number)) for number in range(1000)]}}
        )

    faked.fake.otherwise[STORE] = answer
    listed = faked.ask("dead-letters", "list")
    assert 2000 == len(listed.stdout.splitlines())
    assert "500 older documents that are not listed" in listed.stderr
