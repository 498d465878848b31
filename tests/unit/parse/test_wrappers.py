"""Lines that a container's runtime or its tools wrapped."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.document.ids import ids_of
from shipper.parse import wrappers
from shipper.tail.block import Origin
from tests.unit.blocks import records_of
from tests.unit.document.test_ecs import documents_of, maker
from tests.unit.document.test_line_way import records_in_chunks

AT = "2026-11-27T01:02:03.123456789Z"
EVENT = '{"event": "a.b", "level": "error", "timestamp": "2026-11-27T01:00:00Z"}'
TRACE = ["failed", "Traceback (most recent call last):", '  File "x", line 1, in f', "ValueError: bad"]


def docker(text: str, stream: str = "stdout", *, ended: bool = True, **more: Any) -> bytes:
    """A line of Docker's json-file."""
    return json.dumps(
        {"log": text + "\n" * ended, "stream": stream, **more, "time": AT}, separators=(",", ":")
    ).encode()


def cri(text: str, stream: str = "stdout", tag: str = "F") -> bytes:
    """A line of a Kubernetes node's ``/var/log/containers``."""
    return f"{AT} {stream} {tag} {text}".encode()


WRAPPERS: dict[str, Callable[[str], bytes]] = {
    "docker": docker,
    "cri": cri,
    "compose": lambda text: f"worker-1  | {text}".encode(),
    "compose in colours": lambda text: f"\x1b[36mworker-1  | \x1b[0m{text}".encode(),
    "compose with times": lambda text: f"worker-1     | {AT} {text}".encode(),
    "an old compose": lambda text: f"app_worker_1  | {text}".encode(),
    "compose of a named container": lambda text: f"postgres  | {text}".encode(),
    "stack": lambda text: f"app_worker.1.{'a1' * 12}z@node-1    | {text}".encode(),
    "kubectl": lambda text: f"[pod/worker-7d9f-x2/app] {text}".encode(),
    "kubectl with times": lambda text: f"[pod/worker-7d9f-x2/app] {AT} {text}".encode(),
    "docker logs -t": lambda text: f"{AT} {text}".encode(),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_what_is_inside_counts(name: str) -> None:
    """JSON, text and tracebacks inside are parsed as usual; time and stream are kept."""
    wrap = WRAPPERS[name]
    lines = [wrap(text) for text in (EVENT, *TRACE, "2026-11-23 12:44:12,289 - a.b - WARNING - w", "[INFO] said")]
    event, failed, warned, said = documents_of(*lines)
    assert ("a.b", "error", "2026-11-27T01:00:00.000000Z") == (
        event["message"],
        event["log"]["level"],
        event["@timestamp"],
    )
    assert ("failed", "ValueError", "bad", "\n".join(TRACE[1:])) == (
        failed["message"],
        failed["error"]["type"],
        failed["error"]["message"],
        failed["error"]["stack_trace"],
    )
    assert ("w", "a.b", "2026-11-23T10:44:12.289000Z") == (
        warned["message"],
        warned["log"]["logger"],
        warned["@timestamp"],
    )
    timed = AT.encode() in lines[0]
    assert (("said", "info"), timed) == ((said["message"], said["log"]["level"]), said["@timestamp"] == AT)
    assert timed is ("no_timestamp" not in said.get("tags", ()))
    stream = "stdout" if name in {"docker", "cri"} else None
    assert [stream] * 4 == [one["log"].get("iostream") for one in (event, failed, warned, said)]
    names = {"compose": "worker-1", "kubectl": "app", "an old compose": "app_worker_1"}
    if name in names:
        assert names[name] == event["neuroflow"]["extra"]["container"]
    if name == "kubectl":
        assert "worker-7d9f-x2" == event["neuroflow"]["extra"]["pod"]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (None, AT),
        ("yesterday", AT),
        (17, AT),
        ("2026-11-27T01:00:00Z", "2026-11-27T01:00:00.000000Z"),
        (1795600000.25, "2026-11-25T09:46:40.250000Z"),
    ],
)
def test_the_runtimes_time_where_the_line_has_none(stamp: Any, expected: str) -> None:
    """The line's own time takes precedence; an invalid one is kept."""
    (document,) = documents_of(docker(json.dumps({"event": "a", "timestamp": stamp})))
    assert (expected, "tags" in document) == (document["@timestamp"], False)
    assert ({"timestamp": stamp} if expected == AT and stamp else None) == document["neuroflow"].get("extra")


def test_parts_of_a_long_line() -> None:
    """Parts are joined to one line and one record, though lines of another stream stand between them."""
    parts = [EVENT[:20], EVENT[20:50], EVENT[50:]]
    for lines in (
        [cri(parts[0], tag="P"), cri(parts[1], tag="P"), cri(parts[2])],
        [docker(parts[0], ended=False), docker(parts[1], ended=False), docker(parts[2])],
    ):
        found = records_of(lines)
        assert [b"\n".join(lines)] == found.raws
        assert ("a.b", "stdout") == (found.records[0]["event"], found.records[0]["iostream"])
    others = [cri("o1", "stderr", "P"), cri("o2", "stderr")]
    between = [cri(parts[0], tag="P"), others[0], cri(parts[1], tag="P"), others[1], cri(parts[2]), cri("[INFO] x")]
    found = records_of(between)
    assert ["a.b", "o1o2", "x"] == [record["event"] for record in found.records]
    assert ["stdout", "stderr", "stdout"] == [record["iostream"] for record in found.records]


def test_a_line_whose_rest_is_not_there_is_held_back() -> None:
    """A part and the other stream's lines wait for the rest; a final block ships them."""
    before, part, other = cri(EVENT), cri("[INFO] begi", tag="P"), cri("[INFO] other", "stderr")
    held = records_of([before, part, other], final=False)
    assert (["a.b"], 1) == ([record["event"] for record in held.records], held.rest)
    assert ["a.b", "begi", "other"] == [record["event"] for record in records_of([before, part, other]).records]


def test_another_stream_does_not_go_on_with_a_record() -> None:
    """A line of standard output ends a traceback on standard error."""
    found = records_of([*(cri(line, "stderr") for line in TRACE), cri("  indented"), cri("[INFO] x")])
    assert ["failed", "  indented", "x"] == [record["event"] for record in found.records]


def test_bytes_that_are_no_text() -> None:
    """Invalid UTF-8 keeps the bytes of the file."""
    line = cri("caf").removesuffix(b"caf") + b"caf\xe9"
    (document,) = documents_of(line)
    assert ("caf\ufffd", line + b"\n") == (document["message"], b64decode(document["neuroflow"]["original"]))


def test_docker_says_more_of_a_container() -> None:
    """Docker's attributes are kept."""
    (document,) = documents_of(docker(EVENT, "stderr", attrs={"tag": "worker"}))
    assert ({"attrs": {"tag": "worker"}}, "stderr") == (document["neuroflow"]["extra"], document["log"]["iostream"])


@pytest.mark.parametrize(
    "line",
    [
        b"", b"a | b", b"name  | value | more", b"INFO     | said", b"2026-11-27 | x", b"info  | said",
        b"+-----+-----+", b"[pod] x", b"[pod/x] y", b"2026-11-23T12:40:14.007446Z [info     ] a.b",
        b"2026-11-27T01:02:03Z said", b"2026-11-27T01:02:03Z stdin F x", b"2026-11-27T01:02:03Z stdout X x",
        b'{"log":"x"}', b'{"log":"x","stream":"stdout","event":"a"}',
        b'{"log":"a\\nb\\n","stream":"stdout","time":"x"}', b'{"log":5,"stream":"stdout","time":"x"}', b"| x | y |",
        b"a  |", b"only this  | ", b"said  | ", b"some words  | x",
    ],
)  # fmt: skip
def test_other_lines_are_not_wrapped(line: bytes) -> None:
    """Tables, columns with levels, and other JSON with these keys are not wrapped lines."""
    assert wrappers.unwrap(line) is None


def test_ids_of_wrapped_lines_are_those_of_their_bytes() -> None:
    """The id depends on the file's bytes."""
    lines = [docker("one"), cri("two"), b"plain"]
    found = records_of(lines)
    assert (lines, [0, len(lines[0]) + 1, len(lines[0]) + len(lines[1]) + 2]) == (found.raws, found.starts)


@pytest.mark.parametrize("name", WRAPPERS)
def test_secrets_and_ids_inside_are_taken_out(name: str) -> None:
    """Redaction works inside every wrapper."""
    line = {"event": "a", "password": "sesame99", "url": "https://u:topsecret@h", "subject": "sub-001"}
    by = maker(redact={"hash": ["subject"], "hash_key": "k" * 20})
    shown = json.dumps(documents_of(WRAPPERS[name](json.dumps(line)), by=by))
    assert [] == [secret for secret in ("sesame99", "topsecret", "sub-001") if secret in shown]


some_texts = st.sampled_from(
    [EVENT, *TRACE, "", "  x", "[INFO] y", '{"event": "c"', "2026-11-23 12:44:12 [info     ] d"]
)
some_lines = st.one_of(
    st.builds(docker, some_texts, st.sampled_from(["stdout", "stderr"]), ended=st.booleans()),
    st.builds(cri, some_texts, st.sampled_from(["stdout", "stderr"]), st.sampled_from("PF")),
    st.builds(lambda name, text: WRAPPERS[name](text), st.sampled_from(sorted(WRAPPERS)), some_texts),
    some_texts.map(str.encode),
)


@given(lines=st.lists(some_lines, max_size=12), chunks=st.lists(st.integers(1, 300), max_size=8))
def test_pieces_give_the_same_records_as_the_whole(lines: list[bytes], chunks: list[int]) -> None:
    """The boundaries of reads change nothing, though two streams are interleaved."""

    def told(lengths: list[int]) -> list[tuple[Any, ...]]:
        blocks = records_in_chunks(b"\n".join(lines), lengths, Origin(b"123456789", "/p", "/p", "auto", "app"))
        return [
            (name, record, records.tags.get(at), records.written.get(at))
            for records in blocks
            for at, (name, record) in enumerate(
                zip(ids_of(b"123456789", records.starts, records.raws), records.records, strict=True)
            )
        ]

    assert told([]) == told(chunks)


@pytest.mark.parametrize("line", [
    '{"log": "x\\n", "stream": "stdout", "time": "2026-11-27T01:02:03Z"}',
    '{"stream":"stdout","time":"2026-11-27T01:02:03Z","log":"x\\n"}',
    '{"log":"x\\n","time":"2026-11-27T01:02:03Z", "attrs": {"tag": "t"}, "stream":"stderr"}',
])  # fmt: skip
def test_dockers_line_however_it_is_written(line: str) -> None:
    """Blanks and the order of keys change nothing."""
    found = records_of([line.encode(), line.encode(), b"next"])
    assert (["x", "x", "next"], 3) == ([record["event"] for record in found.records], found.rest)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\0\0"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_marks_around_a_wrapped_line(before: bytes, name: str) -> None:
    """A byte order mark or NULs before the line do not hinder parsing."""
    line = WRAPPERS[name](EVENT)
    found = records_of([before + line, line])
    assert (2, 2) == (len(found.records), found.rest)
    first, second = found.records
    assert first == second
