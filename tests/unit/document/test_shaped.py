"""Documents from templates are those of the usual way, whatever the lines contain."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config import Redact, Shipper
from shipper.deliver.serialised import serialise
from shipper.document.ecs import Documents
from shipper.document.fact_templates import encoded
from shipper.document.shaped import MAX_ALL_TEMPLATES, MAX_TEMPLATES
from shipper.parse.dispatch import parse
from shipper.parse.records import Records
from shipper.parse.shapes import MAX_SHAPES
from shipper.runs.facts import facts_of
from shipper.tail.block import Block, Origin

NOW = 1_795_437_000 * 10**9
ORIGIN = Origin(b"123456789", "/var/log/neuroflow/neuro flow%s.log", "/l", "auto", "app")
USUAL = Shipper(host_name="h", timezone="UTC", fast_path=False)
FAST = Shipper(host_name="h", timezone="UTC")

EVENTS = (
    "pipeline.queued", "pipeline.started", "pipeline.progress", "pipeline.completed", "pipeline.failed",
    "pipeline.retry_scheduled", "stage.completed", "stage.qsiprep.failed", "workflow.started", "workflow.completed",
    "session.registered", "task.start", "task.complete", "adapter.run", "metrics.workflow_completed", "50 % done",
    "Task x",
)  # fmt: skip
TEXTS = (
    "", "sub-001", "001", "ses-01", "ses-baseline", "baseline", "qsiprep", "a b", "50 %s", "/data/x", "19000101",
    "12",
    "password=hunter22", "https://me:hunter22@host/x", "Authorization: Bearer abcdef0123456789", "api_key", 'say "x"',
    "a\\b", "é", "\u2028", "null", "@@3@@", "9100003", "2026-03-02T10:00:00.000000", "failed", "true", "x" * 300,
)  # fmt: skip
NUMBERS = (0, 1, 7, -1, 456, 1234567, 10_000_000, 20260302, 10**14, 10**15, 2**63, 2**64, -(2**63))
FLOATS = (0.0, 0.5, 0.001, 1.0, 1.25, 3791.461, 999999.999, 1e7, 1e-7, 1e22, -0.5, 123456.12345678, 0.1 + 0.2)
STAMPS = st.builds(
    lambda hour, second, micro, zone: f"2026-03-02T{hour:02d}:00:{second:02d}.{micro:06d}{zone}",
    st.integers(0, 23), st.integers(0, 59), st.integers(0, 999_999), st.sampled_from(["Z", "+00:00"]),
)  # fmt: skip
ODD_STAMPS = st.sampled_from(
    [
        "2026-02-30T10:00:00.000000Z",
        "2026-03-02 10:00:00",
        "2026-03-02T10:00:00+02:00",
        1_772_445_600,
        None,
        "",
        "soon",
    ]
)
TEXT = st.sampled_from(TEXTS) | st.text(max_size=6)
NUMBER = st.sampled_from(NUMBERS)
FLOAT = st.sampled_from(FLOATS) | st.floats(allow_nan=False, allow_infinity=False)
ANY = TEXT | NUMBER | FLOAT | st.booleans() | st.none() | st.lists(TEXT, max_size=2)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "event": st.sampled_from(EVENTS),
    "level": st.sampled_from(["info", "error", "WARN", "odd"]),
    "component": st.sampled_from(["pipeline", "workflow"]),
    "service": st.sampled_from(["neuroflow", "other"]),
    "duration": FLOAT | NUMBER,
    "run_id": NUMBER | TEXT,
    "pipeline_run_id": NUMBER,
    "workflow_run_id": NUMBER | TEXT,
    "pipeline": TEXT,
    "subject_id": NUMBER | TEXT,
    "subject": TEXT,
    "session_id": NUMBER | TEXT,
    "session": TEXT,
    "participant_id": NUMBER | TEXT,
    "stage": TEXT,
    "success": st.booleans(),
    "status": TEXT,
    "error": TEXT,
    "attempt": NUMBER,
    "exit_code": NUMBER,
    "path": TEXT,
    "done": FLOAT,
    "task_id": TEXT,
    "message": TEXT,
    "name": TEXT,
    "value": TEXT,
    "password": TEXT,
    "trigger": TEXT,
    "a.b": TEXT,
    "a": TEXT,
    "entity_type": TEXT,
    "tags": TEXT,
}


def block(lines: list[bytes]) -> Block:
    """Lines of a log, from its beginning."""
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    return Block(ORIGIN, lines, offsets, final=True, read_at_ns=NOW)


def made(documents: Documents, lines: list[bytes]) -> tuple[list[Any], list[Any], int]:
    """The documents of lines, what they report of runs, and how many were made from templates."""
    return made_of(documents, parse(block(lines), documents.shapes))


def made_of(documents: Documents, records: Records) -> tuple[list[Any], list[Any], int]:
    """The same of records."""
    found = documents.with_templates(records)
    serialised = serialise(found, documents.take_facts())
    bodies = [orjson.loads(body + b"}") for body in serialised.bodies]
    facts = sorted((run, kind or "", fact) for run, kind, fact in set(encoded(serialised.facts)))
    return bodies, facts, sum(type(one) is bytes for one in found)


def learn(documents: Documents, line: bytes) -> None:
    """Give a line's kind a shape."""
    assert documents.shapes is not None
    documents.shapes.sampled = documents.shapes.sightings = 1
    documents.shapes.learn(line, orjson.loads(line))


def is_a(kind: type, value: object) -> bool:
    """Whether a value is of exactly this type."""
    return type(value) is kind


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[bytes], list[list[bytes]]]:
    """Lines that give their shapes, and blocks of lines, most of which have one of these shapes."""
    known: list[bytes] = []
    lines: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        keys = draw(st.lists(st.sampled_from(sorted(VALUES)[:]), unique=True, max_size=6))
        keys = draw(st.permutations([*{*keys, "event", "level"}, draw(st.sampled_from(["timestamp", "@timestamp"]))]))
        strategies = {key: VALUES.get(key, STAMPS) for key in keys}
        plain = {key: draw(strategies[key]) for key in keys}
        separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
        known.append(json.dumps(plain, separators=separators).encode())
        for _ in range(draw(st.integers(1, 6))):
            record = {
                # Mostly of the same type, for other types are another shape.
                key: draw(strategy.filter(partial(is_a, type(plain[key]))))
                if draw(st.integers(0, 9))
                else draw(ODD_STAMPS if "timestamp" in key else ANY)
                for key, strategy in strategies.items()
            }
            lines.append(json.dumps(record, separators=separators, ensure_ascii=draw(st.booleans())).encode())
    lines += [draw(st.sampled_from([b"", b"a line of text", b'{"event": "torn', b"[1, 2]"])) for _ in range(2)]
    lines = draw(st.permutations(lines))
    cut = draw(st.integers(0, len(lines)))
    return known, [part for part in (lines[:cut], lines[cut:], lines) if part]


@given(logs(), st.booleans())
def test_both_ways_give_the_same(log: tuple[list[bytes], list[list[bytes]]], redacts: bool) -> None:
    """Templates change neither documents nor facts about runs nor what is known of runs."""
    known, blocks = log
    redact = Redact(keys=["token", "password"] if redacts else [])
    usual = Documents(USUAL.model_copy(update={"redact": redact}), "1")
    fast = Documents(FAST.model_copy(update={"redact": redact}), "1", facts_of=facts_of)
    for line in known:
        learn(fast, line)
    for lines in blocks:
        expected, facts, _ = made(usual, lines)
        documents, found, _ = made(fast, lines)
        assert expected == documents
        assert facts == found
    assert usual.runs.changes() == fast.runs.changes()


STORY = ("pipeline.queued", "pipeline.started", *["pipeline.progress"] * 5, "pipeline.completed")


def story(run: int, subject: str) -> list[bytes]:
    """The lines of a run."""
    ids = {"workflow_run_id": 3, "pipeline": "qsiprep", "run_id": run, "subject_id": subject}
    return [
        json.dumps(
            {
                "component": "pipeline", **(ids if event == "pipeline.queued" else {"run_id": run}),
                "duration": 0.5 + at, "path": f"/data/{subject}/{at}", "event": event, "level": "info",
                "@timestamp": f"2026-03-02T10:{run:02d}:{at:02d}.000000+00:00", "service": "neuroflow",
            }
        ).encode()
        for at, event in enumerate(STORY)
    ]  # fmt: skip


def test_templates_are_used() -> None:
    """All lines of a run whose shapes are known are made from templates, ids from earlier lines included."""
    fast, usual = Documents(FAST, "1", facts_of=facts_of), Documents(USUAL, "1")
    for line in story(1, "sub-001"):
        learn(fast, line)
    for run in range(12):
        lines = story(run, f"sub-{run:03d}")
        documents, facts, from_templates = made(fast, lines)
        assert (documents, facts) == made(usual, lines)[:2]
    assert len(lines) == from_templates
    assert ["pipeline", "subject_id", "workflow_run_id"] == documents[-1]["neuroflow"]["context"]
    assert facts


def test_the_setting_switches_templates_off() -> None:
    """Without ``fast_path`` every line goes the usual way."""
    off = Documents(FAST.model_copy(update={"fast_path": False}), "1", facts_of=facts_of)
    assert off.shapes is None
    assert 0 == made(off, story(1, "sub-001"))[2]


def test_hashed_ids_go_the_usual_way() -> None:
    """Ids that are hashed do not stand in the document as in the line."""
    settings = FAST.model_copy(update={"redact": Redact(hash=["subject_id"], hash_key="k" * 32)})
    assert Documents(settings, "1", facts_of=facts_of).shapes is None


@pytest.mark.parametrize("text", ["password=hunter22", "postgres://me:hunter22@host/db"])
def test_secrets_are_redacted(text: str) -> None:
    """A secret in any value of a line of a known shape is redacted, also in the first such line."""
    fast = Documents(FAST.model_copy(update={"redact": Redact(keys=["token"])}), "1", facts_of=facts_of)
    line = {
        "event": "a.b",
        "level": "info",
        "@timestamp": "2026-03-02T10:00:00.000000Z",
        "pipeline": "x",
        "path": "y",
        "note": "n",
    }
    learn(fast, json.dumps(line).encode())
    for keys in (["path"], ["pipeline"], ["note"], ["path", "note"], ["path"]):
        lines = [json.dumps(line | dict.fromkeys(keys, text)).encode(), json.dumps(line).encode()]
        assert all(b"hunter22" not in orjson.dumps(document) for document in made(fast, lines)[0])
    assert 1 == made(fast, [json.dumps(line).encode()])[2]


def test_a_secret_key_is_redacted() -> None:
    """A shape with a key that names a secret gives no template."""
    fast = Documents(FAST.model_copy(update={"redact": Redact(keys=["token"])}), "1", facts_of=facts_of)
    line = b'{"event": "a.b", "level": "info", "@timestamp": "2026-03-02T10:00:00.000000Z", "api_token": "hunter22"}'
    learn(fast, line)
    for _ in range(2):
        documents, _, from_templates = made(fast, [line])
        assert ("[redacted]", 0) == (documents[0]["neuroflow"]["extra"]["api_token"], from_templates)


def test_a_duration_that_is_none() -> None:
    """A negative duration goes the usual way, also where its line is the first with its constants."""
    fast, usual = Documents(FAST, "1", facts_of=facts_of), Documents(USUAL, "1")
    line = '{{"event": "a.b", "level": "info", "@timestamp": "2026-03-02T10:00:00.000000Z", "duration": {}}}'
    learn(fast, line.format(1.5).encode())
    lines = [line.format(duration).encode() for duration in (-0.5, 12345678.5, 0.25)]
    documents, _, from_templates = made(fast, lines)
    assert (made(usual, lines)[0], 1) == (documents, from_templates)


def test_a_text_that_is_no_name() -> None:
    """A text that is too long for a name stays as it is."""
    fast, usual = Documents(FAST, "1", facts_of=facts_of), Documents(USUAL, "1")
    line = '{{"event": "a.b", "level": "info", "@timestamp": "2026-03-02T10:00:00.000000Z", "subject": "{}"}}'
    learn(fast, line.format("001").encode())
    lines = [line.format(subject).encode() for subject in ("x" * 300, "001")]
    documents, _, from_templates = made(fast, lines)
    assert made(usual, lines)[0] == documents
    assert "sub-001" == documents[1]["neuroflow"]["subject_id"]
    assert from_templates


def test_an_application_that_changes_is_learned_again() -> None:
    """More shapes and templates than are held: the oldest are forgotten, and documents stay the same."""
    fast, usual = Documents(FAST, "1", facts_of=facts_of), Documents(USUAL, "1")
    line = '{{"event": "a.b{}", "level": "info", "@timestamp": "2026-03-02T10:00:00.000000Z", "key{}": "{}"}}'
    for number in range(MAX_SHAPES + 2):
        learn(fast, line.format(0, number, "x").encode())
        lines = [line.format(event, number, event).encode() for event in range(MAX_TEMPLATES)]
        documents, _, from_templates = made(fast, lines)
        assert made(usual, lines)[0] == documents
        assert MAX_TEMPLATES == from_templates
    assert number * MAX_TEMPLATES > MAX_ALL_TEMPLATES


def test_free_text_gives_its_shape_up() -> None:
    """Messages that are never the same cost a comparison for a while only: then their lines are parsed as before."""
    fast = Documents(FAST, "1", facts_of=facts_of)
    line = '{{"event": "message {}", "level": "info", "@timestamp": "2026-03-02T10:00:00.000000Z"}}'
    learn(fast, line.format("x").encode())
    lines = [line.format(number).encode() for number in range(1500)]
    assert MAX_TEMPLATES == made(fast, lines)[2]
    assert not parse(block(lines), fast.shapes).shaped
