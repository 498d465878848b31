"""Indented JSON between other lines."""

from __future__ import annotations

import json

import pytest

from shipper.config import Format
from shipper.parse import dispatch, indented_json
from shipper.parse.records import Records
from shipper.tail.block import Block, Origin
from shipper.tail.framing import MAX_RECORD_LINES

ENTRIES = [
    {
        "timestamp": "2026-11-23 12:40:24.666895",
        "entity_type": "session",
        "entity_id": 1,
        "action": "a",
        "old_value": "",
    },
    {"timestamp": "2026-11-23 12:40:25", "entity_type": "subject", "action": "b", "details": {"x": [1, {}]}},
]
EXPORT = json.dumps(ENTRIES, indent=2)
AROUND = '{"event": "before"}\n%s\n{"event": "after"}'


def parsed(text: str, of: Format = "auto", *, final: bool = True) -> Records:
    """The records of these lines."""
    lines = text.encode().split(b"\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    return dispatch.parse(Block(Origin(b"g", "/p", "/p", of, "app"), lines, offsets, final=final))


@pytest.mark.parametrize("of", ["auto", "audit", "celery", "console", "voxelops"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_an_export_is_its_elements(of: Format, ending: str) -> None:
    """Brackets make no record; nothing is written for null, and times are UTC."""
    found = parsed((AROUND % EXPORT).replace("\n", ending), of)
    first, second = found.records[1:-1]
    assert ("2026-11-23 12:40:24.666895+00:00", "session", None) == (
        first["timestamp"],
        first["entity_type"],
        first["old_value"],
    )
    assert {"x": [1, {}]} == second["details"]
    assert "after" == found.records[-1]["event"]
    assert {} == found.tags


def test_an_export_that_was_wrapped_is_text() -> None:
    """Not one of its lines is lost."""
    text = EXPORT.replace('"session"', '"ses\nsion"')
    found = parsed(AROUND % text)
    assert text == b"\n".join(found.raws[1:-1]).decode()
    assert all("parse_failure" in found.tags[place] for place in range(1, len(found.records) - 1))


def test_an_object_of_its_own() -> None:
    """Whatever it says, it is one record; without a line feed behind it, too."""
    assert [{"a": {"b": [1]}}] == parsed(json.dumps({"a": {"b": [1]}}, indent=2)).records
    run = {"tool": "t", "exit_code": 1, "end_time": "x", "success": False}
    assert ["before", "voxelops.failed", "after"] == [
        record["event"] for record in parsed(AROUND % json.dumps(run, indent=4)).records
    ]


@pytest.mark.parametrize(
    "text", ["{\n  oh\n}", "{\n}}", "{\ntext\n}", "[\n  1\n]", "[\n  {\n    oh\n  }\n]", "{", "["]
)
def test_anything_else_is_text(text: str) -> None:
    """Its lines stay lines."""
    found = parsed(AROUND % text)
    assert text == b"\n".join(found.raws[1:-1]).decode()
    assert "after" == found.records[-1]["event"]


@pytest.mark.parametrize(
    "text", ["{", "{\n  x", "[", "[\n  {", '[\n  {\n    "entity_type": "s",\n    "action": "a"\n  }']
)
def test_what_may_go_on_is_held_back(text: str) -> None:
    """Its end, or the bracket behind it, may be in the next block."""
    assert 0 == parsed(text, final=False).rest


def test_an_object_without_end_is_not_awaited_for_ever() -> None:
    """After so many lines or bytes it is text."""
    assert [] != parsed("{" + "\n  x" * MAX_RECORD_LINES, final=False).records
    assert [] != parsed("{\n  " + "x" * indented_json.MAX_BYTES, final=False).records
