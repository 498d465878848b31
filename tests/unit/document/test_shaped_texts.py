"""Documents from templates are those of the usual way: lines with a prefix, of Celery and of structlog's console."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
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

TASK = "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b"
PROCESSES = ("MainProcess", "ForkPoolWorker-2", "ForkPoolWorker-13", "é", "password=hunter22")
LEVELS = ("INFO", "WARNING", "ERROR")
IDS = (TASK, "00000000-0000-0000-0000-000000000001", "12", "api_key=hunter22", 'a"b', "é")
RESULTS = (
    "None", "{'success': True, 'output': '/data/x'}", "'a b'", '"it\'s"', "[1, 2]", "{'a': (1,", "('x'",
    "password=hunter22", "a\\nb", "é", "",
)  # fmt: skip
SHOWN = (
    "qsiprep", "/data/x", "sub-001", "001", "12", "0", "-1", "-0", "1.5", "0.1", "0.10", "1e5", "1e-07", "inf", "nan",
    "True", "False", "None", "Nonesuch", "Foo", "T1w", TASK, "1e5-x", "1_000", "12:30", "0x1f", "1.2.3", "1a", "9nan",
    ".5", "1.", "a=b", "x)", "(x", "'a b'", "", "é", "<x>", "password=hunter22",
    "https://me:hunter22@host/x", "a b", "a\\b", "{}",
)  # fmt: skip
KEYS = (*sorted(shaped.VALUES), "process_name", "processName", "output_node", "logger")
EVENTS = (
    *shaped.EVENTS,
    "a.b{0}",
    "an event of so many words that",
    "an.event.of.thirty.characters_",
    "x " * 20,
    "é",
)
OTHERS = (
    b"", b" ", b"Traceback (most recent call last):", b'  File "x.py", line 1, in f', b"ValueError: x", b"    more",
    b"text", b"{'a': 1}", b"}", b"[1, 2]",
    b'{"event": "a.b", "level": "info", "timestamp": "2026-03-02T10:00:00.000000Z"}',
    b"\x1b[2m2026-11-23T12:40:14.007446Z\x1b[0m [\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1ma.b\x1b[0m",
    b"+ x", b"\xff",
    b"[2026-11-23 12:41:11,027: ERROR/MainProcess] Task a.b[12] raised unexpected: ValueError(0)",
    b"[2026-11-23 12:41:11,027: WARNING/MainProcess] a print", b"[2026-11-23 12:41:11,027: INFO/MainProcess] ",
    b"2026-11-23 12:41:11,027 - a.b - INFO - text", b"[info     ] a.b @timestamp=2026-11-23T12:40:14.007446Z",
)  # fmt: skip
# The clock is set at 1 UTC in the morning of these two days.
CLOCK = st.builds(
    lambda day, hour, second: (day, f"{hour:02d}:{second // 60:02d}:{second % 60:02d}"),
    st.sampled_from(["2026-11-23", "2026-03-29", "2026-10-25", "1969-12-31"]),
    st.integers(0, 4), st.integers(0, 3599),
)  # fmt: skip


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    """Celery's prefix."""
    day, time = draw(CLOCK)
    place = f"{draw(st.sampled_from(LEVELS))}/{draw(st.sampled_from(PROCESSES))}"
    return f"[{day} {time},{draw(st.integers(0, 999)):03d}: {place}] "


@st.composite
def messages(draw: st.DrawFn) -> str:
    """Celery's messages about tasks."""
    task = f"Task {draw(st.sampled_from(['a.b', 'a.{c}', 'password=x', 'é']))}[{draw(st.sampled_from(IDS))}]"
    seconds = draw(st.sampled_from(["0.42293936900000517", "1.5", "1e-05", "0.0", "7", "123456789.5", "soon"]))
    return draw(
        st.sampled_from(
            [
                f"{task} received",
                f"{task} succeeded in {seconds}s: {draw(st.sampled_from(RESULTS))}",
                f"{task} retry: Retry in 1s: ValueError('x')",
                f"{task} ignored",
                f"{task} received succeeded in 1.5s: None",
                "Scheduler: Sending due task hourly (a.b)",
                "mingle: all alone",
                f"a.b[{TASK}]: {task} received",
            ]
        )
    )


@st.composite
def kinds(draw: st.DrawFn) -> st.SearchStrategy[str]:
    """Lines that differ mostly in their values."""
    form = draw(st.sampled_from(["message", "json", "console", "console"]))
    prefix = prefixes() if form in {"message", "json"} or draw(st.booleans()) else st.just("")
    if form == "message":
        return st.builds(str.__add__, prefix, st.just(draw(messages())) | messages())
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=5))
    event, level = draw(st.sampled_from(EVENTS)), draw(st.sampled_from(["info", "error", "odd"]))
    if form == "json":
        plain = {key: draw(shaped.VALUES.get(key, shaped.TEXT)) for key in keys}
        types = {
            key: shaped.VALUES.get(key, shaped.TEXT).filter(partial(shaped.is_a, type(value)))
            for key, value in plain.items()
        }
        said = {"event": st.just(event), "level": st.just(level), "timestamp": shaped.STAMPS}
        return st.builds(str.__add__, prefix, st.fixed_dictionaries(types | said).map(json.dumps))
    same = draw(st.lists(st.sampled_from(SHOWN), min_size=len(keys), max_size=len(keys)))
    stamps = shaped.STAMPS if draw(st.booleans()) else st.builds(" ".join, CLOCK) | st.builds("T".join, CLOCK)
    padded = f" [{level:<9}] {event:<30} " if draw(st.integers(0, 3)) else f" [{level}] {event} "
    values = [st.just(one) | st.sampled_from(SHOWN) for one in same]
    return st.builds(
        lambda before, stamp, shown: before + stamp + padded + " ".join(map("{}={}".format, keys, shown)),
        prefix, stamps, st.tuples(*values),
    )  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[list[bytes]]:
    """Blocks of lines of a few kinds, and others between them."""
    lines = []
    for kind in draw(st.lists(kinds(), min_size=1, max_size=3)):
        lines += [line.encode() for line in draw(st.lists(kind, min_size=2, max_size=8))]
    if draw(st.booleans()):
        lines = draw(st.permutations(lines))
    for other in draw(st.lists(st.sampled_from(OTHERS), max_size=3)):
        lines.insert(draw(st.integers(0, len(lines))), other)
    cut = draw(st.integers(0, len(lines)))
    return [part for part in (lines[:cut], lines[cut:], lines) if part]


def read(lines: list[bytes], documents: Documents, *, final: bool) -> Records:
    """The records of lines."""
    offsets = [*accumulate((len(line) + 1 for line in lines), initial=0)]
    return parse(Block(shaped.ORIGIN, lines, offsets, final=final, read_at_ns=shaped.NOW), documents.shapes)


def eager(documents: Documents) -> Documents:
    """Documents whose shapes are learned from the first line of a kind."""
    assert documents.shapes is not None
    documents.shapes.sampled = documents.shapes.sightings = 1
    return documents


@given(logs(), st.booleans(), st.sampled_from(["UTC", "Europe/Berlin"]), st.booleans())
def test_both_ways_give_the_same(log: list[list[bytes]], redacts: bool, zone: str, final: bool) -> None:
    """Templates change neither records' extents nor documents, facts about runs, and what is known of runs."""
    changed = {"redact": Redact(keys=["token", "password"] if redacts else []), "timezone": zone}
    usual = Documents(shaped.USUAL.model_copy(update=changed), "1")
    fast = eager(Documents(shaped.FAST.model_copy(update=changed), "1", facts_of=facts_of))
    for lines in log:
        expected, found = read(lines, usual, final=final), read(lines, fast, final=final)
        assert (expected.raws, expected.starts, expected.end, expected.rest) == (
            found.raws, found.starts, found.end, found.rest
        )  # fmt: skip
        assert documents_of(usual, expected) == documents_of(fast, found)
    assert usual.runs.changes() == fast.runs.changes()


def documents_of(documents: Documents, records: Records) -> tuple[list[Any], list[Any]]:
    """The documents of records, and their facts about runs."""
    bodies, facts, _ = shaped.made_of(documents, records)
    return bodies, facts


def story(task: str, run: int) -> list[bytes]:
    """A worker's lines about a task: Celery's, the application's JSON, and its console lines."""
    inner: list[dict[str, Any]] = [
        {"message": "no VoxelOps", "event": "voxelops.not_available", "level": "warning"},
        {"task_id": task, "run_id": run, "pipeline": "mriqc", "event": "pipeline.started", "level": "info"},
        {"pipeline": "mriqc", "session_id": 1, "subject_id": None, "event": "adapter.run", "level": "info"},
        {"task_id": task, "run_id": run, "success": True, "event": "pipeline.finished", "level": "info"},
    ]  # fmt: skip
    at = f"12:41:{run:02d}"
    stamp = {"timestamp": f"2026-11-23T{at}.000001Z"}
    said = [
        f"INFO/MainProcess] Task a.run_pipeline[{task}] received",
        *(f"WARNING/ForkPoolWorker-{run}] {json.dumps(one | stamp)}" for one in inner),
        f"WARNING/ForkPoolWorker-2] 2026-11-23 {at} [info     ] {'task.start':<30} pipeline=mriqc task_id={task} n=7",
        f"INFO/ForkPoolWorker-2] Task a.run_pipeline[{task}] succeeded in 0.42293936900000517s: {{'run_id': {run}}}",
        "INFO/MainProcess] Scheduler: Sending due task hourly (a.b)",
    ]  # fmt: skip
    lines = [f"[2026-11-23 {at},027: {one}" for one in said]
    return [
        one.encode() for one in [*lines, f"2026-11-23 {at} [info     ] {'task.complete':<30} task_id={task} n=-0.5"]
    ]


def test_templates_are_used() -> None:
    """All lines of a kind that was read are made from templates, and ids from earlier lines are in them."""
    usual = Documents(shaped.USUAL, "1")
    fast = eager(Documents(shaped.FAST, "1", facts_of=facts_of))
    for run in range(4):
        lines = [
            *story(f"c47fda2d-212d-44c5-9e5b-c59c02b8fe{run:02d}", run),
            b"2026-11-23 12:50:00 [info     ] the.end",
        ]
        bodies, facts, from_templates = shaped.made_of(fast, read(lines, fast, final=True))
        assert (bodies, facts) == documents_of(usual, read(lines, usual, final=True))
    assert len(lines) - 1 == from_templates
    assert ["run_id", "pipeline"] == bodies[-4]["neuroflow"]["context"]
    assert 422_939_369 == bodies[-4]["event"]["duration"]
    assert {"created", "dataset", "timezone"} <= bodies[-2]["event"].keys()


@pytest.mark.parametrize("below", [b"Traceback (most recent call last):", b"    more", b"", b"text"])
def test_a_line_before_others_goes_the_usual_way(below: bytes) -> None:
    """Lines below one with a prefix may belong to its record: only another prefix proves that it has ended."""
    usual, fast = Documents(shaped.USUAL, "1"), eager(Documents(shaped.FAST, "1", facts_of=facts_of))
    line = b"[2026-11-23 12:41:11,027: INFO/MainProcess] Task a.b[" + TASK.encode() + b"] received"
    for _ in range(2):
        records = read([line, line, below, line], fast, final=False)
        assert read([line, line, below, line], usual, final=False).rest == records.rest
    assert [0] == list(records.shaped)


def test_other_layouts_go_the_usual_way() -> None:
    """Where the configuration names the format of Celery's lines, that decides what a line with a prefix is."""
    fast = eager(Documents(shaped.FAST, "1", facts_of=facts_of))
    origin = replace(shaped.ORIGIN, layouts=("[%(asctime)s: %(levelname)s/%(processName)s] %(message)s",))
    line = b"[2026-11-23 12:41:11,027: INFO/MainProcess] Task a.b[x] received"
    for _ in range(3):
        read([line, line, line], fast, final=True)
    block = Block(origin, [line] * 3, [0, 70, 140, 210], final=True, read_at_ns=shaped.NOW)
    assert not parse(block, fast.shapes).shaped


@pytest.mark.parametrize("secret", ["password=hunter22", "https://me:hunter22@host/x"])
def test_secrets_are_redacted(secret: str) -> None:
    """A secret in a process's name, a task's id, or a result is redacted."""
    fast = eager(Documents(shaped.FAST.model_copy(update={"redact": Redact(keys=["token"])}), "1", facts_of=facts_of))
    prefix, task = "[2026-11-23 12:41:11,027: INFO/", "Task a.b"
    lines = [f"{prefix}X] {task}[{TASK}] succeeded in 1.5s: x", f"{prefix}X] {task}[{TASK}] received"]
    lines += [
        f"{prefix}X] {task}[{TASK}] succeeded in 1.5s: {secret}",
        f"{prefix}X] {task}[{secret}] received",
        f"{prefix}{secret}] {task}[{TASK}] received",
    ]
    for _ in range(3):
        bodies, _, _ = shaped.made_of(fast, read([one.encode() for one in lines], fast, final=True))
        assert "hunter22" not in json.dumps(bodies)


@pytest.mark.parametrize("inner", [
    "2026-11-23 00:00:00 [info] a.b process_name=qsiprep",
    '{"event": "a.b", "level": "info", "timestamp": "2026-11-23T00:00:00.000001Z", "process_name": "qsiprep"}',
])  # fmt: skip
def test_the_name_of_another_process_is_that_of_the_line(inner: str) -> None:
    """A line that names a process behind the prefix, which names one, too."""
    usual = Documents(shaped.USUAL, "1")
    fast = eager(Documents(shaped.FAST, "1", facts_of=facts_of))
    lines = [f"[2026-11-23 00:00:00,000: INFO/Fork-{number}] {inner}".encode() for number in range(4)]
    for _ in range(3):
        expected, found = read(lines, usual, final=True), read(lines, fast, final=True)
        assert documents_of(usual, expected) == documents_of(fast, found)
