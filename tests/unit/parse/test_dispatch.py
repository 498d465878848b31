from __future__ import annotations

from typing import Any

import pytest

from shipper.config import Format
from shipper.parse import dispatch
from shipper.parse.records import Records
from shipper.tail.block import Block, Origin

CELERY = b"[2026-11-23 12:41:11,027: %s/MainProcess] %s"
TRACE = b"Traceback (most recent call last):\n  File\nKeyError: 1"


def parsed(data: bytes, of: Format = "auto", *, final: bool = True, **more: Any) -> Records:
    """The records of these lines."""
    lines = data.split(b"\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    return dispatch.parse(Block(Origin(b"generation", "/p", "/p", of, "app"), lines, offsets, final=final, **more))


def events(records: Records) -> list[str]:
    """What each record says."""
    return [record["event"] for record in records.records]


def test_a_file_of_all_kinds() -> None:
    """Each line is read by the format it has; nothing is told in advance."""
    data = b'{"event": "a.b"}\n2026-11-23 12:44:12,289 - x - INFO - c\n' + CELERY % (b"INFO", b"d")
    found = parsed(data + b"\n2026-11-23 12:42:04 [info     ] e\n\x1b[2m2026-11-23 12:42:04\x1b[0m [info     ] f\ng")
    assert ["a.b", "c", "d", "e", "f", "g"] == events(found)
    assert {5: ["parse_failure"]} == found.tags


def test_blank_lines_say_nothing() -> None:
    """Blanks and carriage returns between records become no documents, but are passed over."""
    found = parsed(b'\n  \n\0\0 \r\n{"event": "a"}\n\r\n\t')
    assert (["a"], [9], 28) == (events(found), found.starts, found.end)


def test_nuls_alone_are_a_line() -> None:
    """A line of nothing but NULs is a tagged document: nothing that was written is passed over."""
    found = parsed(b'\0\n{"event": "a"}\n\0\0\r\n')
    assert ["\0", "a", "\0\0"] == events(found)
    assert {0: ["parse_failure"], 2: ["parse_failure"]} == found.tags


def test_marks_around_json() -> None:
    """A byte order mark, the rest of a hole, a carriage return: the line inside is read, its bytes stay whole."""
    found = parsed(b'\xef\xbb\xbf{"event": "a"}\r\n\0\0{"event": "b"}\n{"event": "c"}\r')
    assert ["a", "b", "c"] == events(found)
    assert [b'\xef\xbb\xbf{"event": "a"}\r', b'\0\0{"event": "b"}', b'{"event": "c"}\r'] == found.raws
    assert {} == found.tags


def test_json_with_bytes_that_are_no_text() -> None:
    """The line is still read; it says so, and its bytes are kept."""
    found = parsed(b'{"event": "caf\xe9"}')
    assert (["caf\ufffd"], {0: ["invalid_utf8"]}, {0: b'{"event": "caf\xe9"}\n'}) == (
        events(found),
        found.tags,
        found.originals,
    )


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_chain_of_tracebacks_is_one_record(ending: bytes) -> None:
    """With the line that logged it, over its blank lines, up to the next record."""
    link = b"\n\nDuring handling of the above exception, another exception occurred:\n\n"
    chain = TRACE + link + TRACE
    data = b"2026-11-23 12:44:12,289 - x - ERROR - no\n" + chain + b'\n\n\nother\n{"event": "a"}'
    found = parsed(data.replace(b"\n", ending))
    assert ["no", "other", "a"] == events(found)
    assert chain.decode() == found.records[0]["exception"]


def test_a_traceback_by_itself() -> None:
    """It is an error that says what its exception says."""
    (record,) = parsed(TRACE).records
    assert record == {"event": "KeyError: 1", "exception": TRACE.decode(), "level": "error"}


def test_a_traceback_that_python_introduces() -> None:
    """The line before it is the message."""
    (record,) = parsed(b"Exception in thread T:\n" + TRACE).records
    assert record == {"event": "Exception in thread T:", "exception": TRACE.decode(), "level": "error"}


def test_indented_lines_belong_to_the_line_before() -> None:
    """Also where nothing else is known about them; a JSON line is complete in itself."""
    assert ["a\n  b\n\tc", "d"] == events(parsed(b"a\n  b\n\tc\nd"))
    assert ["a", "  b"] == events(parsed(b'{"event": "a"}\n  b'))


def test_errors_of_celery_take_all_lines_up_to_the_next_record() -> None:
    """Their texts have blank lines, objects and lines at the margin; plain messages don't."""
    below = b'one\n\n{}\n{"exchange": ""}\n{\'a\': 1}\nlast'
    assert [below.decode(), "next"] == events(
        parsed(CELERY % (b"ERROR", below) + b"\n" + CELERY % (b"INFO", b"next"))
    )
    assert ["one", "two"] == events(parsed(CELERY % (b"INFO", b"one\ntwo")))


@pytest.mark.parametrize(
    "next_", [b'{"event": "next"}', b'\0\0{"event": "next"}', b"2026-11-23 12:44:12 - x - INFO - next"]
)
def test_a_record_ends_an_error_of_celery(next_: bytes) -> None:
    """Whatever begins a record of its own is not swallowed."""
    assert ["no", "next"] == events(parsed(CELERY % (b"ERROR", b"no") + b"\n" + next_))


def test_an_applications_line_inside_celerys_is_complete() -> None:
    """Output of a child process behind it is not part of it."""
    found = parsed(CELERY % (b"WARNING", b'{"event": "a.b"}') + b"\noutput")
    assert ["a.b", "output"] == events(found)


@pytest.mark.parametrize(
    "result",
    [
        b"{'ok': True, 'text': 'multi (1)\nline', 'list': [1, 2]}",
        b"[1,\n\n 'x\n[2026']",
        b"'one\n\ntwo'",
        b'"it\'s\none"',
        b"(1,\n)",
    ],
)
def test_a_result_of_several_lines(result: bytes) -> None:
    """Celery leaves the line feeds in it: the record ends with what closes it."""
    line = CELERY % (b"INFO", b"Task a.b[c47fda2d] succeeded in 0.0049s: " + result)
    (first, second) = parsed(line + b"\nprinted").records
    assert ("task.succeeded", 0.0049, "printed") == (first["action"], first["duration"], second["event"])
    assert first["event"].endswith(result.decode())
    assert 1 == parsed(line + b"\nprinted", final=False).rest - result.count(b"\n")


def test_a_result_that_never_ends() -> None:
    """The next record ends it; other messages of Celery have no result."""
    start = CELERY % (b"INFO", b"Task a.b[c47fda2d] succeeded in 1s: {'a")
    assert [start[44:].decode() + "\nb", "c"] == events(parsed(start + b"\nb\n" + CELERY % (b"INFO", b"c")))
    assert ["it succeeded in 1s: {", "b"] == events(parsed(CELERY % (b"INFO", b"it succeeded in 1s: {") + b"\nb"))


@pytest.mark.parametrize("link", [b"", b"\x1b[2m"])
@pytest.mark.parametrize(
    "head", [b"2026-11-23 12:42:04 [error    ] a.failed ", b"[error    ] a.failed  @timestamp=2026-11-23T12:42:04Z"]
)
def test_a_message_that_the_record_itself_shows(head: bytes, link: bytes) -> None:
    """Behind a blank line of an exception's message goes on what the event's own line announces, and nothing else."""
    trace = b"Traceback (most recent call last):\n  File x\nRuntimeError: line one\n\nline three\n  four"
    data = link + head + b" error='line one\\n\\nline three\\n  four'\n" + trace + b"\n\nprinted"
    first, second = parsed(data).records
    assert (trace.decode(), "printed") == (first["exception"], second["event"])
    assert 3 == len(parsed(data.replace(b"\\nline three", b"")).records)


def test_a_line_that_introduces_a_traceback() -> None:
    """Printed right behind another one it belongs to the next; a note or a quoted traceback does not."""
    data = b"Unable to read.\n" + TRACE
    assert ["Unable to read.", "Unable to read.", "x"] == events(parsed(data + b"\n" + data + b"\n\nx"))
    assert 2 == parsed(data + b"\n" + b"Unable to read.", final=False).rest + 2
    assert ["KeyError: 1\nnote", "KeyError: 1"] == events(parsed(TRACE + b"\nnote\n\n" + TRACE))
    assert 1 == len(parsed(TRACE + b"\nstderr:\n" + TRACE).records)


def test_lines_with_their_time_among_the_pairs() -> None:
    """They are records in any file, by themselves or behind Celery's prefix, with their tracebacks."""
    line = b"[error    ] a.failed                       @timestamp=2026-11-25T03:45:05+00:00 run_id=7"
    found = parsed(line + b"\n" + TRACE + b"\n\n" + line + b"\n" + CELERY % (b"WARNING", line) + b"\nmore\n" + line)
    assert ["a.failed"] * 4 == events(found)
    assert {"2026-11-25T03:45:05+00:00"} == {record["@timestamp"] for record in found.records}
    assert (TRACE.decode(), "more") == (found.records[0]["exception"], found.records[2]["continuation"])


def test_a_boxed_traceback_in_colours_behind_a_print() -> None:
    """It is found where the line above it has no colour."""
    box = "said\n  more\n\x1b[31m╭─ Traceback (most recent call last) ─╮\x1b[0m\n\x1b[31m╰──╯\x1b[0m\nKeyError: 1"
    (record,) = parsed(box.encode()).records
    assert ("error", "said\n  more") == (record["level"], record["event"])
    assert record["exception"].endswith("╯\nKeyError: 1")


@pytest.mark.parametrize(
    "torn",
    [
        '{"event": "a", "lev',
        '{"a": {"b": 1, "event": "x',
        "[2026-11-23 12:41:11,0",
        '{"event": "a", "d": {"event": "x", ',
        "\u4e2d{",
        "ERROR fo",
        "Nov 27 02:14:07 node app[12]: ",
        "I1127 02:14:07.963 ",
    ],
)
@pytest.mark.parametrize(
    "line", ['{"event": "b", "level": "info"}', '{ "message": "b", "d": {"x": {}}, "severity": "INFO"}']
)
def test_an_object_behind_a_torn_line_is_given_back(torn: str, line: str) -> None:
    """What a killed process had written stands before the next one's line: that counts, and the rest is kept."""
    found = parsed(f"{torn}{line}".encode() + b'\n{"event": "c"}')
    first, second = found.records
    assert ("b", "c") == (first.get("event") or first["message"], second["event"])
    assert (torn, {0: ["torn"]}) == (first["torn"], found.tags)
    assert f"{torn}{line}".encode() == found.raws[0]


@pytest.mark.parametrize(
    "line", ['{"event": "a", "lev', '{"event": "a", "x": {"event": "b"}', '{"a": 1}{"b": 2}', 'said {"a": 1}']
)
def test_torn_lines_without_an_object_of_a_logger_stay_whole(line: str) -> None:
    """Where nothing behind it is anybody's line, it is one line of text."""
    found = parsed(line.encode() + b'\n{"event": "c"}')
    assert ([line, "c"], {0: ["parse_failure"]}) == (events(found), found.tags)


def test_blank_lines_inside_an_error_and_json_behind_it() -> None:
    """The application's own line, printed without a prefix, ends it."""
    below = b"no\n\nmore\n\n\n"
    found = parsed(CELERY % (b"ERROR", below) + b'{"event": "a.b", "level": "info"}\n\n' + CELERY % (b"INFO", b"c"))
    assert ["no\n\nmore", "a.b", "c"] == events(found)


@pytest.mark.parametrize("final", [False, True])
def test_a_record_of_exactly_the_caps(*, final: bool) -> None:
    """Two thousand lines, or a megabyte to the byte, are one record; with one more the rest begins anew."""
    lines = b"x" + b"\n  y" * 1999
    assert [lines] == parsed(lines + b"\nz", final=final).raws[:1]
    assert [lines, b"  y"] == parsed(lines + b"\n  y\nz", final=final).raws[:2]
    size = b"x\n" + b" " + b"y" * (2**20 - 3)
    assert [size] == parsed(size + b"\nz", final=final).raws[:1]
    assert [b"x", size[2:] + b"y"] == parsed(size + b"y\nz", final=final).raws[:2]


@pytest.mark.parametrize("line", [b"text", TRACE, CELERY % (b"ERROR", b"x"), b"2026-11-23 12:44:12 - x - INFO - y"])
def test_a_record_that_may_go_on_is_held_back(line: bytes) -> None:
    """Its lines wait for the next block, unless nothing more is expected."""
    found = parsed(b'{"event": "a"}\n' + line, final=False)
    assert (["a"], 1, 15) == (events(found), found.rest, found.end)
    assert len(parsed(b'{"event": "a"}\n' + line).records) == 2


def test_a_record_has_an_end() -> None:
    """A runaway writer is cut into records of two thousand lines, and not held back for ever."""
    found = parsed(b"x" + b"\n  y" * 4500, final=False)
    assert ([2000, 2000], 4000) == ([raw.count(b"\n") + 1 for raw in found.raws], found.rest)


def test_a_record_has_an_end_in_bytes() -> None:
    """A megabyte is enough, counted from its own first byte."""
    line = b"  " + b"y" * 998
    found = parsed(b"x" + (b"\n" + line) * 2500, final=True)
    assert [True, True, True] == [len(raw) <= 2**20 for raw in found.raws]
    assert 2500 == sum(raw.count(line) for raw in found.raws)


@pytest.mark.parametrize(
    "printed",
    [
        b"=" * 80,
        b"Docker image found locally: x",
        b"Running qsiprep for participant 001",
        b"Command: docker run",
        "✓ done".encode(),
        "✗ failed".encode(),
        b"Duration: 0:00:01",
        b"Execution log saved: /x.json",
        b"+ app.run",
        b"{",
        b"Exception in thread Thread-1:",
    ],
)
def test_output_of_a_run_is_no_note_of_an_exception(printed: bytes) -> None:
    """Other lines right behind an exception's name are."""
    data = b"2026-11-23 12:44:12,289 - x - ERROR - no\n" + TRACE + b"\na note\n"
    found = parsed(data + printed)
    assert ["no", printed.decode()] == events(found)
    assert TRACE.decode() + "\na note" == found.records[0]["exception"]


def test_indented_output_is_not_glued_to_a_line_of_the_log() -> None:
    """A task's print between lines of the log stays a record of its own; so does what follows a blank."""
    for line in (b"2026-11-23 12:42:04 [info     ] a.b", b"[2026-11-23 12:38:42,361] INFO:huey:7:a.b"):
        assert ["a.b", "  output"] == events(parsed(line + b"\n  output"))
    assert ["a", "  b"] == events(parsed(b"a\n\n  b"))


def test_hueys_commands_are_one_record() -> None:
    """The list below belongs to the line that announces it."""
    head = b"[2026-11-23 12:38:42,361] INFO:huey.consumer:7:"
    found = parsed(head + b"The following commands are available:\n+ a.b\n+ c.d\n" + head + b"next\n+ e.f")
    assert ["The following commands are available:\n+ a.b\n+ c.d", "next", "+ e.f"] == events(found)


def test_an_audit_file_joins_nothing() -> None:
    """A line is an entry or it is not."""
    found = parsed(b'{"entity_type": "s", "action": "a"}\nbroken\n  line', "audit")
    assert [{"entity_type": "s", "action": "a"}, {"event": "broken"}, {"event": "  line"}] == found.records


def test_what_was_done_to_a_line_is_noted() -> None:
    """A cut line tells its length, the last one that it had no end; a blank rest is nobody's last line."""
    found = parsed(b'{"event": "a"}\ntext', cut={0: 9000, 1: 8000}, unterminated=True)
    assert [{"event": "a", "line_bytes": 9000}, {"event": "text", "line_bytes": 8000}] == found.records
    assert {0: ["truncated"], 1: ["truncated", "unterminated"]} == found.flags
    assert {} == parsed(b'{"event": "a"}\n  ', unterminated=True).flags
