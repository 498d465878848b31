from __future__ import annotations

import gzip
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.sink import SLOW, Sink, running_sink, sink_command

LINES = 10


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The compiled sink."""
    said: list[str] = []
    command = sink_command(tmp_path_factory.mktemp("sink"), said.append)
    if command == SLOW:
        pytest.skip(said[0])
    return command


@pytest.fixture(params=["compiled", "slow"])
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    """A running sink for ten lines, of either kind."""
    command = request.getfixturevalue("compiled") if request.param == "compiled" else SLOW
    with running_sink(command, LINES) as running:
        yield running


def ask(
    sink: Sink, path: str, body: bytes | None = None, method: str | None = None, **headers: str
) -> tuple[int, Any]:
    """Status and parsed answer."""
    request = urllib.request.Request(f"{sink.url}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def bulk(*numbers: int, ids: bool = True) -> bytes:
    """Lines with these numbers, each under an id of its own."""
    return b"".join(
        b'{"create":{"_index":"logs-a"%b}}\n{"message":"x","path":"/data/seq-%06d"}\n'
        % (b',"_id":"id%d"' % number if ids else b"", number)
        for number in numbers
    )


def write(sink: Sink, action: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Write one run document; gives its item of the answer."""
    lines = f"{json.dumps(action)}\n{json.dumps(body)}\n".encode()
    _, answer = ask(sink, "/neuroflow-runs-a/_bulk", lines)
    (item,) = answer["items"]
    (found,) = item.values()
    return dict(found)


def test_missing_and_doubled_lines_are_counted(sink: Sink) -> None:
    """By their numbers: no matter in which request or order they come, or under which id."""
    ask(sink, "/_bulk", bulk(7, 0, 1))
    ask(sink, "/_bulk", bulk(9, 3, 4, 4, 5, ids=False))
    tally = sink.tally()
    assert (8, 3, 1, 2) == (tally.documents, tally.missing, tally.doubled, tally.bulks)
    assert "3 missing, 1 doubled" == tally.faults(LINES, LINES)
    assert 0 < tally.first <= tally.last


def test_nothing_is_wrong_when_every_line_came_once(sink: Sink) -> None:
    """Also where some lines have no number."""
    ask(sink, "/_bulk", bulk(*range(8)) + 2 * b'{"index":{"_index":"logs-a"}}\n{"message":"seq-none"}\n')
    tally = sink.tally()
    assert (10, 2, 2) == (tally.documents, tally.missing, tally.unnumbered)
    assert not tally.faults(LINES, LINES - 2)
    assert "2 missing, 2 torn" == tally.faults(LINES, LINES)


def test_an_id_is_created_once(sink: Sink) -> None:
    """The second time is a conflict, as in Elasticsearch, and no line."""
    ask(sink, "/_bulk", bulk(1, 2))
    _, answer = ask(sink, "/_bulk?filter_path=errors,items.*.status,items.*.error.type", bulk(2, 3))
    first, second = (item["create"] for item in answer["items"])
    assert (True, 409, "version_conflict_engine_exception") == (
        answer["errors"], first["status"], first["error"]["type"],
    )  # fmt: skip
    assert {"status": 201} == second
    assert (3, 0, 1) == (sink.tally().documents, sink.tally().doubled, sink.tally().conflicts)


def test_bodies_are_unpacked_and_counted(sink: Sink) -> None:
    """Bytes as they came, and as they are."""
    body = bulk(*range(10))
    ask(sink, "/_bulk", gzip.compress(body), **{"Content-Encoding": "gzip"})
    tally = sink.tally()
    assert (10, len(body)) == (tally.documents, tally.body_bytes)
    assert len(gzip.compress(body)) < tally.wire_bytes < len(body)


def test_a_body_may_come_in_chunks(sink: Sink) -> None:
    """As it does from clients that don't know its length before."""
    body = bulk(*range(10))
    chunks = iter([body[:100], body[100:]])
    request = urllib.request.Request(f"{sink.url}/_bulk", chunks, {"Transfer-Encoding": "chunked"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert 10 == len(json.load(answer)["items"])
    assert not sink.tally().faults(LINES, LINES)


def test_only_what_is_asked_for_is_answered(sink: Sink) -> None:
    """An item of which nothing is left is left out, as in Elasticsearch."""
    _, answer = ask(sink, "/_bulk?filter_path=errors%2Citems.*.status", bulk(1, 2))
    assert {"errors": False, "items": [{"create": {"status": 201}}] * 2} == answer
    assert (200, {}) == ask(sink, "/_bulk?filter_path=items.*.error", bulk(3))
    _, answer = ask(sink, "/_bulk", bulk(4))
    (item,) = answer["items"]
    assert ("logs-a", "id4", 1, "created", 1, 201) == tuple(
        item["create"][name] for name in ("_index", "_id", "_version", "result", "_primary_term", "status")
    )


def test_an_update_unites_documents(sink: Sink) -> None:
    """The first creates one; the next add to it, and give the union or a part of it."""
    update = {"update": {"_id": "workflow_run:1", "retry_on_conflict": 5}}
    created = write(sink, update, {"doc": {}, "_source": True, "upsert": {"facts": {"a": {"n": 1}}, "kind": "w"}})
    assert (201, "created", {"facts": {"a": {"n": 1}}, "kind": "w"}) == (
        created["status"], created["result"], created["get"]["_source"],
    )  # fmt: skip
    facts = {"facts": {"b": {"text": 'a "}{" b'}}}
    united = write(sink, update, {"doc": facts, "_source": True, "upsert": {}})
    assert (200, "updated", created["_seq_no"] + 1) == (united["status"], united["result"], united["_seq_no"])
    assert {"facts": {"a": {"n": 1}, **facts["facts"]}, "kind": "w"} == united["get"]["_source"]
    same = write(sink, update, {"doc": {}, "_source": ["kind"], "upsert": {}})
    assert ("noop", united["_seq_no"], {"kind": "w"}) == (same["result"], same["_seq_no"], same["get"]["_source"])
    assert (0, 3) == (sink.tally().documents, sink.tally().run_writes)


def test_a_put_replaces_only_the_state_that_it_names(sink: Sink) -> None:
    """Else it is a conflict, and nothing is changed."""
    created = write(sink, {"update": {"_id": "a"}}, {"doc": {"n": 1}, "doc_as_upsert": True, "_source": True})
    put = {"index": {"_id": "a", "if_seq_no": created["_seq_no"], "if_primary_term": 1}}
    assert 200 == write(sink, put, {"n": 2})["status"]
    assert 409 == write(sink, put, {"n": 3})["status"]
    assert {"n": 2} == write(sink, {"update": {"_id": "a"}}, {"doc": {}, "_source": True})["get"]["_source"]
    assert 404 == write(sink, {"update": {"_id": "b"}}, {"doc": {"n": 1}})["status"]


def test_a_start_gets_its_answers(sink: Sink) -> None:
    """Templates and indices are put, and are never there before; the index of run documents has a UUID."""
    assert 404 == ask(sink, "/_index_template/neuroflow*")[0]
    assert (200, {"acknowledged": True}) == ask(sink, "/_index_template/a", b"{}", "PUT")
    assert 400 == ask(sink, "/_bulk", b"\n")[0]  # as Elasticsearch answers a request without an item
    assert "8.19.0" == ask(sink, "/_nodes/plugins")[1]["nodes"]["sink"]["version"]
    _, settings = ask(sink, "/neuroflow-runs-a/_settings?filter_path=*.settings.index.uuid")
    assert {"neuroflow-runs-a": {"settings": {"index": {"uuid": "sink"}}}} == settings


def test_bodies_of_lines_are_kept(compiled: list[str], tmp_path: Path) -> None:
    """All of them, byte for byte, run documents excepted."""
    kept = tmp_path / "kept"
    for command in (compiled, SLOW):
        with running_sink(command, LINES, keep=kept) as sink:
            ask(sink, "/_bulk", bulk(1, 2))
            write(sink, {"index": {"_id": "a"}}, {"n": 2})
            ask(sink, "/_bulk", bulk(3))
        assert bulk(1, 2, 3) == kept.read_bytes()
        kept.unlink()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a compiler, or without zlib's header, the slow sink takes over."""
    said: list[str] = []
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert SLOW == sink_command(tmp_path, said.append)
    assert "no C compiler" in said[0]
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'fatal error: zlib.h: No such file or directory' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(compiler))
    assert SLOW == sink_command(tmp_path, said.append)
    assert "zlib1g-dev" in said[1]
