"""Several records in one line, without line feeds between them."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Format
from shipper.parse import dispatch
from shipper.parse.records import Records
from shipper.tail.fingerprint import checkpoint_hash_of
from tests.unit.blocks import block_of, records_of

A = b'{"event": "a", "level": "info", "timestamp": "2026-11-27T01:02:03Z"}'
B = '{"event": "b ü 中", "level": "error", "d": {"event": "x"}}'.encode()
C = b'{"message": "c", "severity": "INFO", "time": "2026-11-27T01:02:03Z"}'
AUDIT = (
    b'{"id": 1, "entity_type": "session", "entity_id": 3, "action": "created", "timestamp": "2026-11-27T01:02:03Z"}'
)
TORN = b'{"event": "t", "lev'
TEXT = b"2026-11-27 01:02:03,000 - x - ERROR - no"
TRACE = b'Traceback (most recent call last):\n  File "x.py", line 1\nKeyError: 1'


def parsed(data: bytes, of: Format = "structlog") -> Records:
    """The records of a whole file."""
    return records_of(data, of)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("between", [b"", b" ", b"\r", b" \t "])
@pytest.mark.parametrize("of", ["structlog", "auto", "celery", "console"])
def test_each_object_is_a_record_at_its_own_offset(count: int, between: bytes, of: Format) -> None:
    """In any order; the lines around them are parsed as usual."""
    for objects in itertools.permutations([A, B, C, AUDIT], count):
        data = b"\n".join([A, between.join(objects), TEXT, C])
        found = parsed(data, of)
        assert [A, *objects, TEXT, C] == [raw.strip() for raw in found.raws]
        for raw, start in zip(found.raws, found.starts, strict=True):
            assert raw == data[start : start + len(raw)]
        assert ({}, len(data) + 1) == (found.tags, found.end)


@pytest.mark.parametrize("of", ["structlog", "console"])
def test_what_is_torn_behind_them_is_kept(of: Format) -> None:
    """A torn object behind them is a line of its own."""
    found = parsed(A + B + TORN + b"\n" + C, of)
    assert [A, B, TORN, C] == found.raws
    assert {2: ["parse_failure"]} == found.tags


def test_a_torn_line_before_them_goes_with_the_first() -> None:
    """The first object keeps the torn text; the others are records as well."""
    for torn in (TORN, b"2026-11-2", b"work"):
        found = parsed(torn + A + B + TORN + C + C)
        assert [torn + A, B, TORN + C, C] == found.raws
        assert {0: ["torn"], 2: ["torn"]} == found.tags
        assert (torn.decode(), "a") == (found.records[0]["torn"], found.records[0]["event"])


def test_a_line_of_text_behind_an_object_is_one() -> None:
    """Text behind an object is a record, with the traceback below it."""
    found = parsed(A + TEXT + b"\n" + TRACE + b"\n" + C)
    assert [A, TEXT + b"\n" + TRACE, C] == found.raws
    assert TRACE.decode() == found.records[1]["exception"]
    assert [A, b"[INFO] x"] == parsed(A + b"[INFO] x").raws
    assert [A, b"printed"] == parsed(A + b"printed").raws


def test_wrapped_objects_are_given_back_the_last_one_whole() -> None:
    """Within a container's line there are no offsets: one document has all objects, and a tag."""
    line = json.dumps({"log": (A + B).decode() + "\n", "stream": "stdout", "time": "2026-11-27T01:02:03Z"})
    found = parsed(line.encode())
    (record,) = found.records
    assert ("b ü 中", A.decode(), {0: ["torn"]}) == (record["event"], record["torn"], found.tags)
    both = parsed(line.encode() + line.encode())
    assert (2, [0, len(line)]) == (len(both.records), both.starts)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 1}{"b": 2}', b"{}{}",
        b'{"event": "a", "x": {"event": "b", "level": "info"}, "y": "tor',
        TEXT + b' got {"event": "x", "level": "info"}{"event": "x", "level": "info"}',
        b"2026-11-27T01:02:03Z [info     ] x a={}{}", A[:-1] + b', "t": "}{"}', b'{"event": "a"} is what it said',
    ],
)  # fmt: skip
def test_lines_that_only_look_like_it_stay_whole(line: bytes) -> None:
    """Objects without a logger's keys, braces in texts, and a torn line with an object inside stay one line."""
    assert [line, C] == parsed(line + b"\n" + C).raws


def test_an_element_of_an_array_is_a_record() -> None:
    """A comma may follow each object."""
    found = parsed(A + b",\n" + A + b",\r\n" + A)
    assert [A + b",", A + b",\r", A] == found.raws
    assert (["a", "a", "a"], {}) == ([record["event"] for record in found.records], found.tags)


def test_a_checkpoint_hash_between_them_is_that_of_the_file() -> None:
    """A cursor between two records has the file's checkpoint hash."""
    data = b"\n".join([A, A + B + C, A])
    block = block_of(data, "structlog")
    found = dispatch.parse(block)
    for start in found.starts[1:]:
        assert checkpoint_hash_of(data[:start]) == block.checkpoint_hash(start)


def test_reading_on_between_them_gives_the_same() -> None:
    """Reading from any record gives the same records at the same offsets."""
    data = A + B + TORN + C
    whole = parsed(data)
    for at, start in enumerate(whole.starts):
        rest = parsed(data[start:])
        assert whole.raws[at:] == rest.raws
        assert whole.starts[at:] == [start + place for place in rest.starts]


def test_bytes_that_are_no_text_and_wide_lines_are_not_parted() -> None:
    """Lines with invalid UTF-8, and UTF-16, stay whole."""
    (raw,) = parsed(A + b'{"event": "\xe9", "level": "info"}').raws
    assert A in raw
    assert 1 == len(dispatch.parse(block_of(A + B, "structlog", wide=True)).raws)


def test_a_line_of_very_many_costs_what_its_length_costs() -> None:
    """Ten thousand objects in a line, and as many beginnings, take linear time."""
    assert 10_000 == len(parsed(A * 10_000).raws)
    assert [b'{"' * 100_000] == parsed(b'{"' * 100_000).raws
    assert [A, b'{"' * 100_000] == parsed(A + b'{"' * 100_000).raws
    assert [b'{"a":' * 100_000] == parsed(b'{"a":' * 100_000).raws


def test_a_record_that_a_rotation_tore_behind_a_glued_line() -> None:
    """The continuation in the next file is counted in the file's own lines."""
    held = [A + TEXT, *TRACE.split(b"\n")[:2]]
    assert 1 == dispatch.continuation(held, [b"KeyError: 1", A + B], "structlog")
    assert 0 == dispatch.continuation([TEXT], [A + B, TEXT], "structlog")


@given(
    st.lists(
        st.sampled_from([A, B, C, AUDIT, TORN, TEXT, b"\n", b" ", b"}", b"text", b'{"event": "e"}']), max_size=12
    )
)
def test_every_byte_is_in_one_record(parts: list[bytes]) -> None:
    """Any mixture of glued lines keeps every byte, once and in order."""
    data = b"".join(parts)
    found = parsed(data)
    assert b"".join(data.split()) == b"".join(b"".join(found.raws).split())
    assert (len(data) + 1, {}) == (found.end, found.flags)
