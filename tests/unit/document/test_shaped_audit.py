"""Documents from templates are those of the usual way: records of the audit trail."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Redact
from shipper.document.ecs import Documents
from shipper.parse.dispatch import parse
from shipper.parse.records import Records
from shipper.runs.facts import facts_of
from shipper.tail.block import Block
from tests.unit.document import test_shaped as shaped

ORIGIN = replace(shaped.ORIGIN, format="audit", dataset="audit")
STATUSES = (
    "queued", "running", "completed", "failed", "archived", "sub-001", "qsiprep", "", "null", "password=hunter22",
)  # fmt: skip
MESSAGES = (
    "Pipeline run 5: queued -> running", "Pipeline qsiprep queued", "Pipeline qsiprep (attempt 2) queued", "text",
    "Workflow run started (manual)", "Session ses-01 discovered at /data/sub-001/ses-01", 'a "b"', "é",
    "password=hunter22",
)  # fmt: skip
DETAILS: tuple[Any, ...] = (
    None, "null", "text", '{"exit_code": 1}', "[1]", {}, {"exit_code": 0, "log": "/data/x"}, {"exit_code": True},
    {"error_message": "No space left"}, {"a": None}, {"a.b": 1, "a": 2}, {"a": {"b": 1}}, {"password": "hunter22"},
    {"duration": 1.5, "status": "x"}, {"exit_code": 2**63}, '{"exit_code": null, "error_message": null}',
    '{"exit_code":137,"error_message":"No space left"}', '{"exit_code": 0, "error_message": "a \\"b\\""}',
    '{"password": "hunter22"}', '{"a": "\\u00e9"}', '{"exit_code": 1, "exit_code": 2}', "{}", '{"a": {"b": 1}}',
    '"null"',
)  # fmt: skip
STAMPS = st.builds(
    lambda day, hour, micro, blank: f"{day}{blank}{hour:02d}:00:01{micro}",
    st.sampled_from(["2026-11-23", "2026-03-29", "1969-12-31", "2026-02-30"]), st.integers(0, 24),
    st.sampled_from([".000001", ".5", "", ".1234567", "+00:00", ".000001Z"]), st.sampled_from([" ", "T"]),
)  # fmt: skip
NUMBERS = st.sampled_from([1, 12, 1_234_567, 12_345_678, 10**15, -1, 2**63])
OPTIONAL = NUMBERS | st.none() | st.sampled_from(["sub-001", "001", "7", ""])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "entity_id": NUMBERS | OPTIONAL,
    "old_value": st.sampled_from(STATUSES) | st.none() | NUMBERS,
    "new_value": st.sampled_from(STATUSES) | st.none(),
    "triggered_by": st.sampled_from(["system", "workflow", "password=hunter22"]),
    "user_id": st.sampled_from([None, "me", 7]),
    "message": st.sampled_from(MESSAGES) | st.none(),
    "details": st.sampled_from(DETAILS),
    "subject_id": OPTIONAL,
    "session_id": OPTIONAL,
    "workflow_run_id": OPTIONAL,
    **{key: shaped.VALUES[key] for key in ("pipeline", "status", "duration", "task_id", "service", "a.b", "run_id")},
    "id": NUMBERS,
    "log": shaped.TEXT,
    "level": st.just("info"),
}


@st.composite
def kinds(draw: st.DrawFn) -> st.SearchStrategy[bytes]:
    """Records that differ mostly in the numbers."""
    keys = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=8))
    values = {key: st.just(draw(VALUES[key])) for key in keys}
    for key in ("subject_id", "session_id"):
        if key in values and draw(st.booleans()):
            values[key] = NUMBERS
    if draw(st.booleans()):
        values |= {"message": st.sampled_from(MESSAGES), "details": st.sampled_from(DETAILS)}
    fixed = {
        "entity_type": st.just(
            draw(st.sampled_from(["pipeline_run", "workflow_run", "session", "subject", "é", ""]))
        ),
        "entity_id": NUMBERS if draw(st.integers(0, 3)) else VALUES["entity_id"],
        "action": st.just(draw(st.sampled_from(["status_changed", "created", "validated", "started", "retried"]))),
    }
    strategies: dict[str, st.SearchStrategy[Any]] = {"timestamp": STAMPS, **values, **fixed}
    order = draw(st.permutations(sorted(strategies)))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return st.tuples(*(strategies[key] for key in order)).map(
        lambda row: json.dumps(dict(zip(order, row, strict=True)), separators=separators).encode()
    )


@st.composite
def logs(draw: st.DrawFn) -> list[list[bytes]]:
    """Blocks of records of a few kinds, and other lines between them."""
    lines: list[bytes] = []
    for kind in draw(st.lists(kinds(), min_size=1, max_size=3)):
        lines += draw(st.lists(kind, min_size=2, max_size=8))
    if draw(st.booleans()):
        lines = draw(st.permutations(lines))
    others = [b"text", b"", b'{"event": "a.b", "level": "info", "timestamp": "2026-03-02T10:00:00.000000Z"}', b"[1]"]
    for other in draw(st.lists(st.sampled_from(others), max_size=3)):
        lines.insert(draw(st.integers(0, len(lines))), other)
    cut = draw(st.integers(0, len(lines)))
    return [part for part in (lines[:cut], lines[cut:], lines) if part]


def read(lines: list[bytes], documents: Documents) -> Records:
    """The records of lines of an audit file."""
    if documents.shapes is not None:
        documents.shapes.sampled = documents.shapes.sightings = 1
    offsets = [*accumulate((len(line) + 1 for line in lines), initial=0)]
    return parse(Block(ORIGIN, lines, offsets, final=True, read_at_ns=shaped.NOW), documents.shapes)


@given(logs(), st.booleans())
def test_both_ways_give_the_same(log: list[list[bytes]], redacts: bool) -> None:
    """Templates change neither documents of audit records nor facts about runs nor what is known of runs."""
    changed = {"redact": Redact(keys=["token", "password"] if redacts else [])}
    usual = Documents(shaped.USUAL.model_copy(update=changed), "1")
    fast = Documents(shaped.FAST.model_copy(update=changed), "1", facts_of=facts_of)
    for lines in log:
        expected, facts, _ = shaped.made_of(usual, read(lines, usual))
        documents, found, _ = shaped.made_of(fast, read(lines, fast))
        assert expected == documents
        assert facts == found
    assert usual.runs.changes() == fast.runs.changes()


def rows(run: int, details: object) -> list[bytes]:
    """The records of a run."""
    changes = ((None, "queued"), ("queued", "running"), ("running", "completed"))
    return [
        json.dumps({
            "id": run * 10 + at, "timestamp": f"2026-11-23 10:{run:02d}:{at:02d}.000123",
            "entity_type": "pipeline_run", "entity_id": run, "action": "status_changed", "old_value": old,
            "new_value": new, "user_id": None,
            "message": f"Pipeline run {run}: {old} -> {new}", "details": details, "subject_id": 7, "session_id": None,
        }).encode()
        for at, (old, new) in enumerate(changes)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "details",
    [None, "null", {"exit_code": 3, "log": "/data/x"}, '{"exit_code": null, "error_message": null}',
     '{"exit_code":137,"error_message":"No space left"}'],
)  # fmt: skip
def test_templates_are_used(details: object) -> None:
    """All records of a kind that was read are made from templates, facts about runs included."""
    usual, fast = Documents(shaped.USUAL, "1"), Documents(shaped.FAST, "1", facts_of=facts_of)
    for run in range(5):
        lines = rows(run, details)
        bodies, facts, from_templates = shaped.made_of(fast, read(lines, fast))
        assert (bodies, facts) == shaped.made_of(usual, read(lines, usual))[:2]
    assert len(lines) == from_templates
    assert "pipeline_run:4" == bodies[-1]["neuroflow"]["audit"]["entity"]
    assert "4" == bodies[-1]["neuroflow"]["run_id"]
    assert 3 == len(facts)


@pytest.mark.parametrize(
    "message", ["Pipeline qsiprep queued", "Pipeline qsiprep (attempt 2) queued", "Workflow run started (manual)"]
)
def test_messages_that_report_something_of_a_run_go_the_usual_way(message: str) -> None:
    """A message from which a fact is read is no text like any other."""
    usual, fast = Documents(shaped.USUAL, "1"), Documents(shaped.FAST, "1", facts_of=facts_of)
    for run in range(3):
        lines = rows(run, None)
        assert shaped.made_of(fast, read(lines, fast))[:2] == shaped.made_of(usual, read(lines, usual))[:2]
    lines = [line.replace(b"Pipeline run 2: None -> queued", message.encode()) for line in lines]
    bodies, facts, from_templates = shaped.made_of(fast, read(lines, fast))
    assert (bodies, facts) == shaped.made_of(usual, read(lines, usual))[:2]
    assert 2 == from_templates


def test_details_that_are_text_may_be_json() -> None:
    """Whatever the details of other records are, these are decoded where they can be."""
    usual, fast = Documents(shaped.USUAL, "1"), Documents(shaped.FAST, "1", facts_of=facts_of)
    for details in ("text", "text", "null", "12", "true", "text"):
        lines = rows(1, details)
        assert shaped.made_of(fast, read(lines, fast))[0] == shaped.made_of(usual, read(lines, usual))[0]


def test_other_files_have_no_audit_records_from_templates() -> None:
    """A record of the audit trail between the application's lines goes the usual way, and so does its block."""
    fast = Documents(shaped.FAST, "1", facts_of=facts_of)
    event = b'{"event": "a.b", "level": "info", "timestamp": "2026-03-02T10:00:00.000000Z"}'
    for _ in range(3):
        read(rows(1, None), fast)
        shaped.made(fast, [event] * 3)
    bodies, _, from_templates = shaped.made(fast, [event, *rows(1, None), event])
    assert ({"audit"}, 0) == (bodies[1]["neuroflow"].keys() & {"audit"}, from_templates)
