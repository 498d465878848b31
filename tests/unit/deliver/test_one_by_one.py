"""A bug in reading lines costs the line that causes it, and no other."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.config import Dataset, Format, Shipper
from shipper.deliver import one_by_one
from shipper.deliver import serialised as module
from shipper.deliver.one_by_one import MAX_LEFT_OUT, LineByLine
from shipper.document.ecs import Documents
from shipper.document.fact_templates import SomeFacts
from shipper.document.ids import ids_of
from shipper.parse.dispatch import parse
from shipper.parse.records import Records
from shipper.tail.block import Block
from shipper.tail.progress import Span
from tests.unit.blocks import block_of
from tests.unit.document.test_line_way import FORMATS, LINES

BAD = b"poison"
NOW = 1_795_437_000 * 10**9


def block(*lines: bytes, form: Format = "structlog", dataset: Dataset = "app", **more: Any) -> Block:
    """Lines of a file, from its beginning."""
    return block_of(lines, form, dataset, path="/l", final=False, read_at_ns=NOW, **more)


def broken(given: Block, *_: object) -> Records:
    """A parser with a bug."""
    if any(BAD in line for line in given.lines):
        raise KeyError("get")
    return parse(given)


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> LineByLine:
    """Reads with a faulty parser."""
    monkeypatch.setattr(one_by_one, "parse", broken)
    return LineByLine(lambda: 0.0)


def made(careful: LineByLine, given: Block) -> tuple[Records, list[dict[str, Any]]]:
    """The documents of a block that can be shipped."""
    records, made = careful.of(given, Documents(Shipper(), "1"))
    assert made is not None
    return records, [orjson.loads(body + b"}") for body in made.bodies]


def test_only_the_line_that_fails_is_a_plain_message(careful: LineByLine, caplog: pytest.LogCaptureFixture) -> None:
    """The lines around it are parsed as usual; each has its offset, and the cursor passes all."""
    good = b'{"event": "a.b", "level": "info", "run_id": 7}'
    given = block(good, b'{"event": "poison"}', b"", good)
    records, documents = made(careful, given)
    assert [0, len(good) + 1, len(good) + 22] == [one["log"]["offset"] for one in documents] == records.starts
    assert ["a.b", '{"event": "poison"}', "a.b"] == [one["message"] for one in documents]
    assert ["7", None, "7"] == [one["neuroflow"].get("run_id") for one in documents]
    assert "parse_failure" in documents[1]["tags"]
    assert "tags" not in documents[0] or "parse_failure" not in documents[0]["tags"]
    assert (given.offsets[-1], 4) == (records.end, records.rest)
    assert "a bug (KeyError in test_one_by_one.py" in caplog.text
    assert "poison" not in caplog.text


def test_it_is_logged_once_a_minute(careful: LineByLine, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in every block is logged once a minute."""
    for _ in range(5):
        made(careful, block(BAD))
    assert 1 == caplog.text.count("a bug (")


def test_what_a_rotation_tore_stays_one_record(careful: LineByLine) -> None:
    """A faulty record that a rotation split stays one record with one offset."""
    given = block(b"one", b"poison begins", b"  and ends")
    given.offsets = [0, 4, 18, 18]
    given.joined = Span(b"h" * 9, 0, 11, given.checkpoint_hash(0), "")
    records, documents = made(careful, given)
    assert ["one", "poison begins\n  and ends"] == [one["message"] for one in documents]
    assert [0, 4] == records.starts


def test_an_unfinished_and_an_invalid_line_are_kept(careful: LineByLine) -> None:
    """The exact bytes are kept beside the shown text."""
    given = block(b"x", b"poison \xff", unterminated=True)
    given.offsets[-1] -= 1
    _, documents = made(careful, given)
    assert ["unterminated"] == documents[1]["log"]["flags"]
    assert {"invalid_utf8", "parse_failure"} <= set(documents[1]["tags"])
    assert "original" in documents[1]["neuroflow"]


def test_a_block_that_can_not_be_shipped_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged each time with its span; after a number of blocks the run ends."""

    class Unredactable(Documents):
        def with_templates(self, records: Records) -> list[Any]:
            raise ValueError(f"sub-001 at {records.end}")

    careful, documents = LineByLine(lambda: 0.0), Unredactable(Shipper(), "1")
    given = block(b"one", b"two")
    records, none = careful.of(given, documents)
    assert none is None
    assert (8, 2) == (records.end, records.rest)
    assert "keeps the lines from byte 0 to 8 from being shipped" in caplog.text
    assert "sub-001" not in caplog.text
    monkeypatch.setattr("shipper.telemetry.log.error", lambda *_: None)
    for _ in range(MAX_LEFT_OUT - 1):
        careful.of(given, documents)
    with pytest.raises(ValueError, match="sub-001"):
        careful.of(given, documents)


@pytest.mark.parametrize("what", ["facts_of", "orjson"])
def test_a_document_that_can_not_be_serialised_is_a_plain_message(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A bug in facts or serialisation also costs one line only."""

    class Broken:
        @staticmethod
        def dumps(document: dict[str, Any]) -> bytes:
            if document["neuroflow"].get("run_id") == "13":
                raise KeyError("a bug")
            return orjson.dumps(document)

        @staticmethod
        def facts_of(documents: list[dict[str, Any]]) -> list[SomeFacts]:
            list(map(Broken.dumps, documents))
            return []

    monkeypatch.setattr(module, what, Broken if what == "orjson" else Broken.facts_of)
    good, bad = (b'{"event": "pipeline.queued", "run_id": %d}' % number for number in (7, 13))
    records, documents = made(LineByLine(lambda: 0.0), block(good, bad, good))
    assert [False, True, False] == ["parse_failure" in one.get("tags", []) for one in documents]
    assert bad.decode() == documents[1]["message"]
    assert 3 == len(records.starts)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    at=st.integers(0, 12),
    kind=st.sampled_from(FORMATS),
    unterminated=st.booleans(),
)
def test_no_line_is_lost_or_comes_twice(
    careful: LineByLine, lines: list[bytes], at: int, kind: tuple[Format, Dataset], *, unterminated: bool
) -> None:
    """In every format each non-blank line around the faulty one is in one document."""
    lines.insert(at, b"some poison here")
    form, dataset = kind
    given = block(*lines, form=form, dataset=dataset, unterminated=unterminated)
    if unterminated:
        given.offsets[-1] -= 1
    records, documents = made(careful, given)
    assert len(documents) == len(records.raws) == len(records.starts)
    assert records.parser_states is not None
    assert len(documents) == len(records.parser_states)
    kept = [line for line in lines if line.strip() or form == "pipeline"]
    assert b"\n".join(records.raws).replace(b"\n", b"").count(b"poison") == 1
    assert {given.offsets[lines.index(line)] for line in kept} <= set(records.starts) | set(given.offsets)
    assert len(set(ids_of(b"g" * 9, records.starts, records.raws))) == len(documents)
