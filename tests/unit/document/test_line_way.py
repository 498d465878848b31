"""Bytes → lines → records → documents: properties that hold for any content of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shipper.config import Dataset, Format, Shipper
from shipper.document.ecs import Documents
from shipper.document.ids import ids_of
from shipper.parse import wrappers
from shipper.parse.dispatch import parse
from shipper.parse.records import Records
from shipper.tail.block import Block, Origin
from shipper.tail.reader import Reader
from shipper.tail.splitter import Splitter
from shipper.tail.state.checkpoint import START

FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
NOW = 1_795_437_000 * 10**9
FORMATS: list[tuple[Format, Dataset]] = [
    ("structlog", "app"), ("auto", "app"), ("celery", "celery"), ("console", "pipeline"), ("audit", "audit"),
    ("pipeline", "pipeline"),
]  # fmt: skip
# The only form that every Elasticsearch takes for a date with nanoseconds.
STAMP = re.compile(r"(19[7-9]\d|2[01]\d\d|22[0-5]\d|226[0-2])-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)")
LINES = [
    b'{"component": "workflow", "workflow_run_id": 7, "event": "workflow.completed", "level": "info"}',
    b'{"event": "a.b", "@timestamp": "2026-11-23T12:44:12.286093+00:00", "service": "neuroflow"}',
    b'{"p": NaN, "q": [1, {"a": -Infinity}], "event": "odd.values", "timestamp": "2026-11-23T12:34:30Z"}',
    b'{"error": "no\\ud800", "event": "a.error", "exception": "Traceback (most recent call last):\\n  F\\nE: 1"}',
    b'{"metrics": {"workflow_run_id": 7, "started_at": "2026-11-23T12:44:12+00:00", "stages_executed": 2}}',
    b'{"metrics": {"stage_durations": {"qsiprep": 3.0}, "total_duration_seconds": 9e-06}, "event": "metrics.x"}',
    b'{"timestamp": "2026-11-23 12:40:24.666895", "entity_type": "session", "entity_id": 1, "action": "created"}',
    b'{"entity_type": "session", "action": "created", "details": "{\\"a\\": null}", "message": "found"}',
    b"2026-11-23 12:44:12,289 - celery.worker - WARNING - a warning",
    b"Traceback (most recent call last):",
    b'  File "/opt/x.py", line 1, in <module>',
    b"KeyError: 'x'",
    b"During handling of the above exception, another exception occurred:",
    b"[2026-11-23 12:41:11,027: INFO/MainProcess] Task a.b[c47fda2d-212d-44c5-9e5b-c59c02b8fe6b] received",
    b'[2026-11-23 12:41:11,658: ERROR/ForkPoolWorker-2] Task a.b[c1] raised unexpected: TypeError("can\'t")',
    b'[2026-11-23 12:41:11,377: WARNING/ForkPoolWorker-2] {"run_id": 2, "event": "pipeline.started"}',
    b"2026-11-23 12:42:04 [info     ] scan.started                   path=/x name='a b' n=3",
    b"\x1b[2m2026-11-23T12:40:14.007446Z\x1b[0m [\x1b[32minfo     \x1b[0m] scan.started",
    b'{"log":"{\\"message\\": \\"m\\", ","stream":"stdout","time":"2026-11-23T12:44:12.286093001Z"}',
    b'{"log":"\\"severity\\": 3}\\n","stream":"stdout","time":"2026-11-23T12:44:12.286093002Z"}',
    b'2026-11-23T12:44:12.286093001Z stdout P {"event": "a", ',
    b"2026-11-23T12:44:12.286093001Z stdout F   File",
    b'{"@timestamp": 1795600000.25, "log": {"level": "WARN", "logger": "a"}, "message": "m", "error": {"type": "E"}}',
    b'{"levelname": "ERROR", "asctime": "2026-11-23 12:44:12,289", "message": "m", "exc_info": ["Traceback"]}',
    b'{"exception": [{"exc_type": "E", "exc_value": "v", "frames": [{"filename": "x"}]}], "level": 40, "event": "a"}',
    b'{"record": {"level": {"name": "INFO"}, "time": {"timestamp": 1.5}, "message": "m"}, "text": "m"}',
    b"2026-11-23 12:44:12.289 | INFO     | a.b:f:12 - said",
    b"[2026-11-23 12:44:12 +0000] [12] [ERROR] said",
    b'INFO:     127.0.0.1:4321 - "GET / HTTP/1.1" 200 OK',
    b"level=warning msg='said so' ts=1795600000",
    b'  {"event": "indented", "level": "info"}',
    b'{"event": "torn{"event": "whole", "level": "info"}',
    b"=== STDOUT ===",
    b"=== STDERR ===",
    b"=== STDOUT (continued) ===",
    b"{'lang': 'py'}",
    b"{}",
    b"\xef\xbb\xbf",
    b"\0\0{}",
    b"   ",
    b"",
    b"caf\xe9",
]


def mutated(line: bytes, at: int, how: int, with_: bytes) -> bytes:
    """The line with some bytes replaced."""
    at %= len(line) + 1
    return line[:at] + with_ + line[at + how :]


some_lines = st.one_of(
    st.sampled_from(LINES),
    st.builds(mutated, st.sampled_from(LINES), st.integers(0, 300), st.integers(0, 9), st.binary(max_size=4)),
    st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")),
)
some_bytes = st.builds(
    lambda lines, ending, last: ending.join(lines) + last,
    st.lists(some_lines, max_size=12),
    st.sampled_from([b"\n", b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\n"]),
)
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(10**40), 10**40),
        st.floats(),
        st.text(st.characters(codec=None), max_size=12),
        st.sampled_from(
            ["12.3s", "2026-11-23T12:44:12Z", "success", "a.failed", "Traceback (most recent call last):"]
        ),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "event", "@timestamp", "timestamp", "level", "component", "logger", "service", "duration",
    "duration_seconds", "elapsed", "total_duration", "error", "errors", "error_message", "error_type",
    "exception", "error_traceback", "success", "action", "outcome", "task_id", "task_name", "process_name",
    "pid", "metrics", "workflow_run_id", "run_id", "pipeline", "stage", "session_id", "session", "subject_id",
    "subject", "participant", "message", "msg", "tags", "entity_type", "entity_id", "old_value", "new_value",
    "triggered_by", "user_id", "details", "host", "agent", "data_stream", "neuroflow", "iostream",
    "log", "log.level", "log.logger", "process", "processName", "levelname", "levelno", "severity", "time", "ts",
    "asctime", "created", "name", "err", "exc_info", "stack_trace", "error.type", "event.action", "event.duration",
    "record", "text", "stream", "user.id", "service.name", "severity_number", "body", "hostname", "PRIORITY",
]  # fmt: skip
some_objects = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), json_values, max_size=8)


def origin(of: Format, dataset: Dataset) -> Origin:
    """A file of this format, with a name that a pipeline log could have."""
    return Origin(
        b"123456789", "/log/qsiprep_45_20261123_124412.log", "/log/qsiprep_45_20261123_124412.log", of, dataset
    )


def blank_of(gap: bytes) -> bytes:
    """A gap between records without blanks, NULs of a sparse region, the byte order mark and wrapped blanks."""
    gap = gap.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    # An empty line of a container is blank, whatever its runtime put before it.
    lines = [(line, wrappers.unwrap(line.removesuffix(b"\r"))) for line in gap.split(b"\n")]
    return b"\n".join(line for line, inner in lines if inner is None or inner.text.strip()).strip()


def records_in_chunks(data: bytes, chunks: list[int], what: Origin) -> list[Records]:
    """The records of the file, read in these pieces."""
    reader = Reader(what, START, keep=2**20, compressed=False)
    splitter = reader._splitter
    assert isinstance(splitter, Splitter)
    found = []

    def take(block: Block) -> None:
        records = parse(block)
        reader.held.hold(block, records.rest, records.parser_state)
        found.append(records)

    at = 0
    for length in [*chunks, len(data)]:
        piece = data[at : at + length]
        at += length
        lines, offsets, cut = splitter.feed(piece)
        if lines:
            take(reader._block(lines, offsets, cut, NOW, NOW))
    last = reader.finish(NOW, NOW, with_line=True)
    if last is not None:
        take(last)
    return found


def documents_of(data: bytes, of: Format, dataset: Dataset) -> tuple[list[Records], list[dict[str, Any]]]:
    """The records and documents of the file, read at once."""
    maker = Documents(Shipper(host_name="h", timezone="Asia/Jerusalem"), "1")
    blocks = records_in_chunks(data, [], origin(of, dataset))
    return blocks, [document for records in blocks for document in maker.of(records)]


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each field of a document by its full name; flattened ones whole."""
    if name in {"neuroflow.extra", "neuroflow.metrics.stage_durations"}:
        yield name, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{name}.{key}" if name else key)
    else:
        yield name, value


COUNTS = [
    "stages_executed", "stages_successful", "stages_failed",
    "pipelines_queued", "pipelines_completed", "pipelines_failed",
]  # fmt: skip
LONGS = {"event.duration", "log.offset", "process.pid", *(f"neuroflow.metrics.{count}" for count in COUNTS)}
DATES = {"@timestamp", "event.created", "neuroflow.metrics.started_at", "neuroflow.metrics.completed_at"}
TEXTS = {
    "message", "event.kind", "event.category", "event.type", "event.action", "event.outcome", "event.dataset",
    "event.timezone", "log.level", "log.logger", "log.file.path", "log.iostream", "log.flags", "service.name",
    "service.environment", "error.message", "error.type", "error.stack_trace", "process.name", "user.id", "tags",
    "neuroflow.generation", "neuroflow.original", "neuroflow.workflow_run_id", "neuroflow.run_id",
    "neuroflow.pipeline", "neuroflow.stage", "neuroflow.session_id", "neuroflow.subject_id", "neuroflow.task.id",
    "neuroflow.task.name", "neuroflow.audit.entity", "neuroflow.audit.entity_type", "neuroflow.audit.entity_id",
    "neuroflow.audit.old_value", "neuroflow.audit.new_value", "neuroflow.audit.triggered_by",
}  # fmt: skip
LISTS = {"event.category", "event.type", "error.message", "log.flags", "tags"}


def check(document: dict[str, Any]) -> None:
    """The mapping rejects nothing in a document."""
    assert orjson.loads(orjson.dumps(document))
    for name, value in leaves(document):
        if name in DATES:
            assert STAMP.fullmatch(value), (name, value)
        elif name in LONGS:
            assert type(value) is int, (name, value)
            assert -(2**63) <= value < 2**63, (name, value)
        elif name == "neuroflow.metrics.total_duration_seconds":
            assert type(value) in {int, float}, value
        elif name in {"neuroflow.extra", "neuroflow.metrics.stage_durations"}:
            check_flattened(value, 0, 0)
        else:
            assert name in TEXTS, (name, value)
            values = value if isinstance(value, list) and name in LISTS else [value]
            assert [str] * len(values) == [type(item) for item in values], (name, value)


def check_flattened(value: Any, depth: int, path: int) -> None:
    """Keys, paths and depth stay within the limits of a flattened field."""
    assert depth <= 12
    assert path <= 2400
    for item in value if isinstance(value, list) else ():
        check_flattened(item, depth + 1, path)
    for key in value if isinstance(value, dict) else ():
        check_flattened(value[key], depth + 1, path + len(key) + 1)
        assert 0 < len(key) <= 256
        assert "\0" not in key


@FEW
@given(data=st.binary(max_size=300) | some_bytes, which=st.sampled_from(FORMATS))
def test_any_bytes_become_documents_that_the_mapping_takes(data: bytes, which: tuple[Format, Dataset]) -> None:
    """Any bytes become documents with a valid time and values that fit their fields."""
    blocks, documents = documents_of(data, *which)
    assert sum(len(records.records) for records in blocks) == len(documents)
    for document in documents:
        check(document)


@FEW
@given(
    objects=st.lists(some_objects, max_size=4),
    ascii_=st.booleans(),
    around=st.sampled_from([b"%s", b"[2026-11-23 12:41:11,377: WARNING/X-1] %s"]),
    which=st.sampled_from(FORMATS),
)
def test_any_json_object_becomes_a_document_that_the_mapping_takes(
    objects: list[dict[str, Any]], *, ascii_: bool, around: bytes, which: tuple[Format, Dataset]
) -> None:
    """Any value from the standard library's json, under any key, gets a field that accepts it."""
    import json  # noqa: PLC0415 - only here: the writer that the application uses

    written = [json.dumps(item, ensure_ascii=ascii_).encode("utf-8", "surrogatepass") for item in objects]
    _, documents = documents_of(b"".join(around % line + b"\n" for line in written), *which)
    for document in documents:
        check(document)


@FEW
@given(data=some_bytes, which=st.sampled_from(FORMATS))
def test_every_line_is_in_exactly_one_record(data: bytes, which: tuple[Format, Dataset]) -> None:
    """Records follow each other, and only blanks are between them."""
    for records in records_in_chunks(data, [], origin(*which)):
        starts = records.starts
        assert sorted(set(starts)) == starts
        at = records.block.offsets[0]
        for start, raw in zip(starts, records.raws, strict=True):
            assert at <= start
            assert b"" == blank_of(data[at:start])
            assert raw == data[start : start + len(raw)]
            at = start + len(raw)
        assert at <= records.end + 1
        assert b"" == blank_of(data[at : records.end])
        assert records.end == records.block.offsets[records.rest]


@FEW
@given(data=some_bytes, chunks=st.lists(st.integers(1, 200), max_size=8), which=st.sampled_from(FORMATS))
def test_pieces_give_the_same_records_as_the_whole(
    data: bytes, chunks: list[int], which: tuple[Format, Dataset]
) -> None:
    """The boundaries of reads change neither records nor ids."""
    assume(len(data) > 1)

    def told(blocks: list[Records]) -> list[tuple[Any, ...]]:
        return [
            (id_, record, records.tags.get(index), records.flags.get(index), records.originals.get(index))
            for records in blocks
            for index, (id_, record) in enumerate(
                zip(ids_of(b"123456789", records.starts, records.raws), records.records, strict=True)
            )
        ]

    whole = told(records_in_chunks(data, [], origin(*which)))
    assert whole == told(records_in_chunks(data, chunks, origin(*which)))
