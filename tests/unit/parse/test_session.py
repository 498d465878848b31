"""Per-session logs: console lines, and framed sections of output."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.parse.records import Records
from shipper.parse.session import State
from shipper.tail.framing import MAX_RECORD_LINES
from tests.unit.blocks import records_of

RULE = "=" * 72
OWN = "2026-11-23T12:40:14.007446Z [info     ] pipeline.start"
STAMP = "2026-11-23T12:40:14.007446Z"


def framed(name: str, text: str) -> str:
    """A section as the application writes it."""
    return f"\n{RULE}\n  {name}\n{RULE}\n{text}\n"


def parsed(text: str, *, parser_state: str = "", final: bool = True, at: int = 0) -> Records:
    """The records of a per-session log."""
    return records_of(
        text, "console", dataset="pipeline", path="/log/qsiprep/s.log", at=at, final=final, parser_state=parser_state
    )


def said(records: Records) -> list[tuple[Any, ...]]:
    """Event and stream of each record."""
    return [(record["event"], record.get("iostream")) for record in records.records]


def test_output_is_a_record_a_line() -> None:
    """The frame is one record, and each non-blank line another."""
    output = [
        '{"event": "a.b", "level": "info"}', "2026-11-23 12:44:12,289 - x - INFO - no line of ours",
        "[2026-11-23 12:41:11,027: INFO/MainProcess] nor this", "2026-11-23 12:38:43 [info     ] nor this",
        "=" * 80, RULE, "  STDERR", RULE, "Traceback (most recent call last):", "  File x",
    ]  # fmt: skip
    found = parsed(OWN + framed("STDOUT", "\n\n".join(output)) + OWN)
    assert [
        ("pipeline.start", None),
        (f"{RULE}\n  STDOUT\n{RULE}", None),
        *((line, "stdout") for line in output),
        ("pipeline.start", None),
    ] == said(found)
    assert {"stdout", None} == {record.get("iostream") for record in found.records}


def test_lines_without_a_stamp_follow_the_last_one() -> None:
    """They get the last time plus a nanosecond for each byte, and a tag."""
    found = parsed(OWN + framed("STDOUT", "one\ntwo"))
    for place, record in enumerate(found.records[1:], 1):
        assert (STAMP, found.starts[place]) == (record["timestamp"], found.after[place])
    assert {1: ["no_timestamp"], 2: ["no_timestamp"], 3: ["no_timestamp"]} == found.tags
    assert found.after[1] > 0


def test_without_a_stamp_before_nothing_is_made_up() -> None:
    """Lines before the first time get no time."""
    found = parsed(framed("STDOUT", "one"))
    assert {"event": "one", "iostream": "stdout"} == found.records[1]
    assert {} == found.tags


def test_an_error_is_one_record() -> None:
    """Its text is message and error; a traceback in it is the exception."""
    text = "exited with code 137\n\nStderr:"
    trace = "Traceback (most recent call last):\n  File x\nMemoryError: no\n\nstderr: again"
    _, record, after = parsed(OWN + framed("ERROR", f"{text}\n{trace}") + OWN).records
    assert ("error", text, text, trace) == (record["level"], record["event"], record["error"], record["exception"])
    assert "pipeline.start" == after["event"]
    (only,) = parsed(framed("ERROR", "no\n\nspace")).records
    assert {"event": "no\n\nspace", "error": "no\n\nspace", "level": "error"} == only


def test_a_traceback_is_one_record() -> None:
    """Its event is the exception; other text stays text."""
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 1"
    (record,) = parsed(framed("TRACEBACK", trace)).records
    assert {"event": "KeyError: 1", "exception": trace, "level": "error"} == record
    (record,) = parsed(framed("TRACEBACK", "none")).records
    assert {"event": "none", "level": "error"} == record


def test_metrics_are_read() -> None:
    """Tool, participant and times get the names of other records; the end is the record's time."""
    text = '{\n  "tool": "qsiprep",\n  "participant": "001",\n  "end_time": "2026-11-23T14:00:00",\n  "event": 1\n}'
    first, after = parsed(framed("METRICS", text) + OWN).records
    assert {
        "event": "session.metrics", "timestamp": "2026-11-23T14:00:00", "pipeline": "qsiprep", "participant": "001",
        "metrics.event": 1,
    } == first  # fmt: skip
    assert "pipeline.start" == after["event"]
    (record,) = parsed(framed("METRICS", '{"a": 1}')).records
    assert {"event": "session.metrics", "a": 1} == record


@pytest.mark.parametrize("text", ['{\n  "tool": oh\n}', "none", '{\n  "tool": 1,\nmore', '{\n  "tool": 1'])
def test_metrics_that_can_not_be_read_are_text(text: str) -> None:
    """Invalid metrics stay text."""
    first, after = parsed(framed("METRICS", text) + OWN).records
    assert {"event": text} == first
    assert "pipeline.start" == after["event"]


def test_an_empty_section_is_its_frame() -> None:
    """An empty section is a record with the frame."""
    (record,) = parsed(framed("ERROR", "")).records
    assert f"{RULE}\n  ERROR\n{RULE}" == record["event"]


@pytest.mark.parametrize("cut", [1, 2])
def test_half_a_frame_is_held_back(cut: int) -> None:
    """An incomplete frame and the line before it wait for the next lines."""
    head = f"{OWN}\n" + "\n".join([RULE, "  STDOUT", RULE][:cut])
    found = parsed(head, final=False)
    assert (0, 0) == (len(found.records), found.rest)
    (record,) = parsed(f"{OWN}\n{RULE}").records
    assert RULE == record["continuation"]


def test_nobody_else_prints_between_the_lines() -> None:
    """All lines between two console lines belong to the first one, blank lines included."""
    message = "RuntimeError: line one\n\nline three\n  indented four\n\n/x:1"
    trace = f"Traceback (most recent call last):\n  File x\n{message}"
    first, second, third = parsed(f"{OWN}\n{trace}\n{OWN}\nb\n\nc\n{OWN}" + framed("ERROR", "") * 0).records
    assert trace == first["exception"]
    assert ("pipeline.start", "b\n\nc") == (second["event"], second["continuation"])
    assert "pipeline.start" == third["event"]
    (_, frame, *_) = parsed(f"{OWN}\n{trace}\n" + framed("STDOUT", "b")).records
    assert f"{RULE}\n  STDOUT\n{RULE}" == frame["event"]


def test_a_section_is_held_back_until_it_ends() -> None:
    """An error's section is held back; output is not."""
    assert 1 == len(parsed(OWN + framed("ERROR", "text"), final=False).records)
    found = parsed(OWN + framed("STDOUT", "text"), final=False)
    assert (3, len(found.block.lines)) == (len(found.records), found.rest)


def test_state_travels_as_text() -> None:
    """With the stored parser state reading goes on within a section."""
    text = OWN + framed("STDOUT", "one\ntwo")
    whole = parsed(text)
    assert whole.parser_states is not None
    again = parsed(text[whole.starts[3] :], parser_state=whole.parser_states[2], at=whole.starts[3])
    assert whole.records[3:] == again.records
    assert State("STDOUT", STAMP, 0) == State.of(whole.parser_states[2])
    assert ("", State()) == (str(State()), State.of(""))


def test_a_long_error_ends_somewhere() -> None:
    """Text beyond the limit is a record of its own."""
    lines = [f"  line {number}" for number in range(MAX_RECORD_LINES + 10)]
    first, second, after = parsed(framed("ERROR", "\n".join(lines)) + OWN).records
    assert "\n".join(lines) == first["event"] + "\n" + second["event"]
    assert "pipeline.start" == after["event"]


@pytest.mark.parametrize("name", ["ERROR", "TRACEBACK"])
def test_lines_behind_an_error_are_records_with_what_they_say(name: str) -> None:
    """They have their own time and level, or follow the last time."""
    stamped = "2026-11-27 02:14:07,963 - nipype.workflow - WARNING - slow"
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 1\nnote"
    found = parsed(OWN + framed(name, f"{trace}\n{stamped}\nplain\n[ERROR] no") + OWN)
    _, error, warning, plain, last, after = found.records
    assert trace == error["exception"]
    assert ("warning", "2026-11-27T02:14:07.963") == (warning["level"], warning["timestamp"])
    assert "level" not in plain
    assert ("error", "[ERROR] no") == (last["level"], last["event"])
    assert {2, 3, 4} == set(found.contained)
    assert {1, 3, 4} == set(found.after)
    assert "pipeline.start" == after["event"]


def test_the_whole_error_output_behind_its_end_belongs_to_the_error() -> None:
    """The output is one record, though the application writes its end twice."""
    shown = "\n".join(f"reading {number}" for number in range(30))
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 1"
    text = f"ended with 1\n\nStderr (last 1000 chars):\n{shown}\n{trace}\n\nstderr: {shown}\n{trace}"
    (record,) = parsed(framed("ERROR", text)).records
    assert text == "\n".join([record["error"], record["exception"]])


def test_an_error_that_goes_on_later_is_read_as_if_it_had_been_there() -> None:
    """After a flush, lines that start records are records."""
    text = OWN + framed("ERROR", "ended with 1")
    whole = parsed(text)
    assert whole.parser_states is not None
    again = parsed("text\n[ERROR] no\nplain\n" + OWN, parser_state=whole.parser_states[-1], at=len(text))
    assert ["text", "[ERROR] no", "plain", "pipeline.start"] == [record["event"] for record in again.records]
    again = parsed("[ERROR] no\nplain", parser_state=whole.parser_states[-1], at=len(text))
    assert ["[ERROR] no", "plain"] == [record["event"] for record in again.records]


def test_bytes_that_are_no_text() -> None:
    """Invalid UTF-8 keeps its original bytes."""
    data = framed("STDOUT", "caf\udce9").encode("utf-8", "surrogateescape")
    found = records_of(data, "console", dataset="pipeline")
    assert ("caf\ufffd", b"caf\xe9\n") == (found.records[1]["event"], found.originals[1])


def test_frames_mean_nothing_elsewhere() -> None:
    """In other formats frames are ordinary lines."""
    found = records_of(framed("STDOUT", "one"), "celery", dataset="celery")
    assert "one" == found.records[-1]["event"]
    assert found.parser_states is None


@pytest.mark.parametrize(
    ("line", "level", "stamp"),
    [
        ("E1127 02:14:07.963123 1 x.go:1] no", "error", "11-27 02:14:07.963123"),
        ('10.0.0.1 - - [27/Nov/2026:02:14:07 +0000] "GET / HTTP/1.1" 200 5', None, "27/Nov/2026:02:14:07 +0000"),
        ("time=2026-11-27T02:14:07Z level=warn msg=no", "warn", "2026-11-27T02:14:07Z"),
        ('{"level": "error", "message": "no", "time": "2026-11-27T02:14:07Z"}', "error", "2026-11-27T02:14:07Z"),
        ('{"level": "error", "event": "no", "timestamp": 1795600000.25}', "error", "2026-11-25T09:46:40.250000Z"),
        ("Nov 27 02:14:07 node app: no", None, "Nov 27 02:14:07"),
        ("INFO:     no", "info", STAMP),
    ],
)
def test_lines_of_other_programs_behind_an_error_have_their_time_and_level(
    line: str, level: str | None, stamp: str
) -> None:
    """Their message stays whole, and lines without a time follow them."""
    found = parsed(OWN + framed("ERROR", f"ended with 1\n{line}\nplain") + OWN)
    _, error, said, plain, _ = found.records
    assert ("ended with 1", line, level, stamp) == (
        error["event"], said["event"], said.get("level"), said["timestamp"],
    )  # fmt: skip
    assert ("plain", stamp) == (plain["event"], plain["timestamp"])
