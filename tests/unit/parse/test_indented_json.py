"""Indented JSON between other lines."""

from __future__ import annotations

import json

import pytest

from shipper.config import Format
from shipper.parse import indented_json
from shipper.tail.framing import MAX_RECORD_LINES
from tests.unit.blocks import records_of

ENTRIES = [
    {"timestamp": "2026-11-23 12:40:24.666895", "entity_type": "session", "entity_id": 1, "action": "a",
     "old_value": ""},
    {"timestamp": "2026-11-23 12:40:25", "entity_type": "subject", "action": "b", "details": {"x": [1, {}]}},
]  # fmt: skip
EXPORT = json.dumps(ENTRIES, indent=2)
AROUND = '{"event": "before"}\n%s\n{"event": "after"}'


@pytest.mark.parametrize("of", ["auto", "audit", "celery", "console", "voxelops"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_an_export_is_its_elements(of: Format, ending: str) -> None:
    """Brackets are no record; nulls are left out, and times are UTC."""
    found = records_of((AROUND % EXPORT).replace("\n", ending), of)
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
    """Each of its lines is kept as text."""
    text = EXPORT.replace('"session"', '"ses\nsion"')
    found = records_of(AROUND % text)
    assert text == b"\n".join(found.raws[1:-1]).decode()
    assert all("parse_failure" in found.tags[place] for place in range(1, len(found.records) - 1))


def test_an_object_of_its_own() -> None:
    """An indented object is one record, also without a last line feed."""
    assert [{"a": {"b": [1]}}] == records_of(json.dumps({"a": {"b": [1]}}, indent=2)).records
    run = {"tool": "t", "exit_code": 1, "end_time": "x", "success": False}
    assert ["before", "voxelops.failed", "after"] == [
        record["event"] for record in records_of(AROUND % json.dumps(run, indent=4)).records
    ]


@pytest.mark.parametrize(
    "text", ["{\n  oh\n}", "{\n}}", "{\ntext\n}", "[\n  1\n]", "[\n  {\n    oh\n  }\n]", "{", "["]
)
def test_anything_else_is_text(text: str) -> None:
    """Other indented lines stay lines."""
    found = records_of(AROUND % text)
    assert text == b"\n".join(found.raws[1:-1]).decode()
    assert "after" == found.records[-1]["event"]


@pytest.mark.parametrize(
    "text", ["{", "{\n  x", "[", "[\n  {", '[\n  {\n    "entity_type": "s",\n    "action": "a"\n  }']
)
def test_what_may_go_on_is_held_back(text: str) -> None:
    """An open object or list waits for the next block."""
    assert 0 == records_of(text, final=False).rest


def test_an_object_without_end_becomes_text() -> None:
    """At a limit of lines or bytes it is text."""
    assert [] != records_of("{" + "\n  x" * MAX_RECORD_LINES, final=False).records
    assert [] != records_of("{\n  " + "x" * indented_json.MAX_BYTES, final=False).records
