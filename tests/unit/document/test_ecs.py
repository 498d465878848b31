from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from shipper.config import Dataset, Format, Shipper
from shipper.document.ecs import Documents
from tests.unit.blocks import records_of

NOW = 1_795_438_800 * 10**9
BARE = {"kind": "event", "category": ["process"], "type": ["info"]}
DEEP = b"[" * 2000 + b"]" * 2000


def maker(**settings: Any) -> Documents:
    """What makes documents, with a fixed host and zone."""
    return Documents(Shipper(host_name="node-1", timezone="Asia/Jerusalem", **settings), "1.2.3")


def documents_of(
    *lines: bytes, of: Format = "auto", dataset: Dataset = "app", by: Documents | None = None, **block: Any
) -> list[dict[str, Any]]:
    """The documents of these lines."""
    names = {"path": "/log/neuroflow.log.1", "logical": "/log/neuroflow.log"}
    return (by or maker()).of(records_of(lines, of, dataset=dataset, read_at_ns=NOW, **(names | block)))


def extra(line: bytes) -> Any:
    """The unmapped keys."""
    return documents_of(line)[0]["neuroflow"].get("extra")


def test_what_all_documents_have_in_common() -> None:
    """Host, agent and ECS version are in one common object."""
    assert {
        "host": {"name": "node-1"},
        "agent": {"type": "neuroflow-ship", "version": "1.2.3"},
        "ecs": {"version": "8.17.0"},
    } == maker().common


@pytest.mark.parametrize(
    "stamp",
    [
        b'"yesterday"', b"17", b"0.5", b"true", b'[","]', b'["T"]', b'{",": 1}', b'"2026-11-23"',
        b"[" + b", ".join([b'"T"'] * 32) + b"]",
        b"{" + b", ".join(b'"%d": 1' % n for n in range(32)) + b"}",
        b'"2262-11-23T12:44:12.286093+00:00"', b'"2026-13-23T12:44:12.286093+00:00"',
    ],
)  # fmt: skip
def test_lines_without_a_usable_time(stamp: bytes) -> None:
    """They get the time of reading, in order, and a tag; the original value is kept."""
    line = b'{"event": "a", "timestamp": %s}' % stamp
    first, second = documents_of(line, line)
    assert ("2026-11-23T13:00:00.000000000Z", ["no_timestamp"]) == (first["@timestamp"], first["tags"])
    assert ("2026-11-23T13:00:00.000000001Z", ["no_timestamp"]) == (second["@timestamp"], second["tags"])
    assert ["timestamp"] == list(first["neuroflow"]["extra"])


def test_both_stamps() -> None:
    """``@timestamp`` counts; the other one is kept, and an invalid one overwrites nothing."""
    (document,) = documents_of(b'{"event": "a", "@timestamp": "2026-11-23T10:00:00Z", "timestamp": "x"}')
    assert ("2026-11-23T10:00:00.000000Z", {"timestamp": "x"}) == (
        document["@timestamp"],
        document["neuroflow"]["extra"],
    )
    assert extra(b'{"event": "a", "@timestamp": "x", "timestamp": "y"}') == {"@timestamp": "x", "timestamp": "y"}


@pytest.mark.parametrize("stamp", [b"2026-11-23T12:44:12,286093+00:00", b"2026-11-23T124412.28609300+00:00"])
def test_stamps_that_only_look_like_structlogs(stamp: bytes) -> None:
    """Timestamps of the usual length in another form are converted to one that Elasticsearch accepts."""
    (document,) = documents_of(b'{"event": "a", "timestamp": "%s"}' % stamp)
    assert document["@timestamp"] in {"2026-11-23T12:44:12.286093Z", "2026-11-23T12:44:12.28609300Z"}


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (b'"info"', "info"), (b'"INFO"', "info"), (b'"WARN"', "warning"), (b'"warn"', "warning"),
        (b'"FATAL"', "critical"), (b'"exception"', "error"), (b'"Notice"', "notice"),
        (b"30", "warning"), (b"31", "31"),
        (b'["info"]', '["info"]'), (b"null", None),
    ],
)  # fmt: skip
def test_levels(level: bytes, expected: str | None) -> None:
    """One lower-case spelling for each; other values as text."""
    assert expected == documents_of(b'{"event": "a", "level": %s}' % level)[0]["log"].get("level")


@pytest.mark.parametrize(
    ("line", "message", "rest"),
    [
        (b'{"message": "hello", "a": 1}', "hello", {"a": 1}),
        (b'{"msg": "hello", "message": 7}', "hello", {"message": 7}),
        (b'{"event": null, "message": "hello"}', "hello", None),
        (b'{"event": "a.b", "message": "hello"}', "a.b", {"message": "hello"}),
        (b'{"event": 17}', "17", None),
        (b'{"event": {"a": 1}}', '{"a":1}', None),
        (b'{"a": 1}', '{"a":1}', {"a": 1}),
        (b"{}", "{}", None),
    ],
)
def test_messages(line: bytes, message: str, rest: Any) -> None:
    """The event, else the message, else the line itself."""
    (document,) = documents_of(line)
    assert (message, rest) == (document["message"], document["neuroflow"].get("extra"))


@pytest.mark.parametrize(
    ("line", "ids", "rest"),
    [
        (b'{"run_id": 7, "session_id": "ses-01"}', {"run_id": "7", "session_id": "ses-01"}, None),
        (b'{"session": "a", "session_id": 3}', {"session_id": "ses-a"}, {"session_id": 3}),
        (b'{"participant": "a", "subject": "sub-a"}', {"subject_id": "sub-a"}, None),
        (b'{"subject_id": 12, "session_id": 202007141404}', {"subject_id": "12", "session_id": "ses-202007141404"},
         None),
        (b'{"participant_id": 12}', {"subject_id": "sub-12"}, None),
        (b'{"run_id": null, "stage": true}', {"stage": "true"}, None),
        (b'{"run_id": [1], "pipeline": {"a": 1}}', {"run_id": "[1]"}, {"pipeline": {"a": 1}}),
        (b'{"run_id": 123456789012345678901234567890}', {"run_id": "123456789012345678901234567890"}, None),
        (b'{"run_id": 1.5, "stage": 1e30}', {"run_id": "1.5", "stage": "1e+30"}, None),
    ],
)  # fmt: skip
def test_identifiers_are_text(line: bytes, ids: dict[str, str], rest: Any) -> None:
    """Numbers of any length keep their digits; a second, different value is kept beside."""
    found = documents_of(b'{"event": "a", ' + line[1:])[0]["neuroflow"]
    assert (rest, "Z29sZGVuLTAx") == (found.pop("extra", None), found.pop("generation"))
    assert ids == found


def test_values_of_the_wrong_type_are_kept() -> None:
    """Values that their field would reject go to ``extra``, and collide with no other key there."""
    line = b'{"event": "a", "service": [1], "service ": 2, "duration": "soon", "duration ": 3, "tags": ["x"]}'
    assert extra(line) == {"service": [1], "service ": 2, "duration": "soon", "duration ": 3, "tags": ["x"]}


def test_another_service_has_its_name() -> None:
    """The environment stays, and other documents don't change."""
    first, second = documents_of(b'{"event": "a", "service": "other"}', b'{"event": "b", "service": "neuroflow"}')
    assert {"name": "other", "environment": "production"} == first["service"]
    assert {"name": "neuroflow", "environment": "production"} == second["service"]


def test_documents_share_nothing_that_one_of_them_changes() -> None:
    """Lines share their event's fields; a field of one line does not appear in another."""
    first, second = documents_of(b'{"event": "a.b", "success": true, "duration": 1}', b'{"event": "a.b"}')
    assert ("success", 10**9) == (first["event"]["outcome"], first["event"]["duration"])
    assert {**BARE, "action": "a.b"} == {
        key: value for key, value in second["event"].items() if key not in {"created", "dataset"}
    }


def test_an_exception_names_the_error() -> None:
    """Type and message come from the traceback if the line has none."""
    trace = "Traceback (most recent call last):\\n  File\\nKeyError: 'x'"
    (document,) = documents_of(b'{"event": "a", "exception": "%s"}' % trace.encode())
    assert document["error"] == {"stack_trace": trace.replace("\\n", "\n"), "type": "KeyError", "message": "'x'"}
    (document,) = documents_of(
        b'{"event": "a", "error": "said", "error_type": "T", "exception": "%s"}' % trace.encode()
    )
    assert document["error"] == {"stack_trace": trace.replace("\\n", "\n"), "type": "T", "message": "said"}


@pytest.mark.parametrize("key", [b"x", b"event", b"level", b"error", b"errors", b"metrics", b"run_id", b"timestamp"])
def test_deep_nesting_is_no_obstacle(key: bytes) -> None:
    """Under whichever key it is, the line becomes a document with its event."""
    (document,) = documents_of(b'{"msg": "hello", "%s": %s}' % (key, DEEP))
    assert (document["message"] == "hello") is (key != b"event")
    assert "parse_failure" not in document.get("tags", [])


def test_lines_that_no_parser_understands() -> None:
    """They still become documents."""
    (document,) = documents_of(b"some text")
    assert ("some text", ["no_timestamp", "parse_failure"]) == (document["message"], document["tags"])


def test_long_lines_are_cut_and_whole() -> None:
    """The message is cut between characters and flagged; the exact bytes are kept beside it."""
    line = "ä".encode() * 60
    document, short = documents_of(line, b"x", by=maker(max_line_bytes=99))
    assert ("ä" * 49, ["truncated"]) == (document["message"], document["log"]["flags"])
    assert line + b"\n" == b64decode(document["neuroflow"]["original"])
    assert "flags" not in short["log"]


def test_a_pipelines_lines() -> None:
    """Run and pipeline from the name, other fields from earlier lines, times from the file's change."""
    by = maker()
    documents_of(
        b'{"event": "pipeline.queued", "run_id": 45, "pipeline": "qsiprep", "subject_id": 3, '
        b'"timestamp": "2026-11-23T12:00:00Z"}',
        by=by,
    )
    first, second = documents_of(
        b"=== STDOUT ===", b"caf\xe9", of="pipeline", dataset="pipeline", by=by,
        logical="/log/pipelines/qsiprep/run_45_20261123_124412.log", modified_ns=NOW - 5,
    )  # fmt: skip
    ids: dict[str, Any] = {"generation": "Z29sZGVuLTAx", "run_id": "45", "pipeline": "qsiprep", "subject_id": "3"}
    ids["context"] = ["subject_id"]
    assert ("2026-11-23T12:59:59.999999995Z", ids) == (first["@timestamp"], first["neuroflow"])
    assert ("2026-11-23T12:59:59.999999996Z", "caf\ufffd") == (second["@timestamp"], second["message"])
    assert {**ids, "original": "Y2Fm6Qo="} == second["neuroflow"]
    assert "stdout" == first["log"]["iostream"] == second["log"]["iostream"]


def test_a_change_in_the_future_is_not_believed() -> None:
    """A file server's clock may be ahead: no line is later than its reading."""
    (document,) = documents_of(b"x", of="pipeline", dataset="pipeline", modified_ns=NOW + 10**12)
    assert document["@timestamp"] == "2026-11-23T13:00:00.000000000Z"


def test_an_audit_file_with_other_lines() -> None:
    """Entries, events and broken lines become documents of their own kinds, in order."""
    documents = documents_of(
        b'{"entity_type": "session", "entity_id": 12, "action": "created", "message": "m"}',
        b'{"entity_type": "sess',
        b'{"event": "a.b", "timestamp": "2026-11-23T12:00:00Z"}',
        b'[2026-11-23 12:41:11,377: WARNING/X-1] {"event": "c", "entity_type": null}',
        of="audit", dataset="audit",
    )  # fmt: skip
    assert ["m", '{"entity_type": "sess', "a.b", "c"] == [document["message"] for document in documents]
    assert [
        "2026-11-23T13:00:00.000000000Z",
        "2026-11-23T13:00:00.000000001Z",
        "2026-11-23T12:00:00.000000Z",
        "2026-11-23T10:41:11.377000Z",
    ] == [document["@timestamp"] for document in documents]
    assert [["no_timestamp"], ["no_timestamp", "parse_failure"], None, None] == [
        document.get("tags") for document in documents
    ]
    assert ["neuroflow.audit"] * 4 == [document["event"]["dataset"] for document in documents]
