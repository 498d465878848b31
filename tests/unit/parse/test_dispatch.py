from __future__ import annotations

import pytest

from shipper.parse.records import Records
from tests.unit.blocks import records_of

CELERY = b"[2026-11-23 12:41:11,027: %s/MainProcess] %s"
TRACE = b"Traceback (most recent call last):\n  File\nKeyError: 1"


def events(records: Records) -> list[str]:
    """The event of each record."""
    return [record["event"] for record in records.records]


def test_a_file_of_all_kinds() -> None:
    """Each line is parsed in its own format, without configuration."""
    data = b'{"event": "a.b"}\n2026-11-23 12:44:12,289 - x - INFO - c\n' + CELERY % (b"INFO", b"d")
    found = records_of(
        data + b"\n2026-11-23 12:42:04 [info     ] e\n\x1b[2m2026-11-23 12:42:04\x1b[0m [info     ] f\ng"
    )
    assert ["a.b", "c", "d", "e", "f", "g"] == events(found)
    assert {5: ["parse_failure"]} == found.tags


def test_blank_lines_say_nothing() -> None:
    """Blank lines between records give no document and are passed over."""
    found = records_of(b'\n  \n\0\0 \r\n{"event": "a"}\n\r\n\t')
    assert (["a"], [9], 28) == (events(found), found.starts, found.end)


def test_nuls_alone_are_a_line() -> None:
    """A line of NULs only is a document with a tag."""
    found = records_of(b'\0\n{"event": "a"}\n\0\0\r\n')
    assert ["\0", "a", "\0\0"] == events(found)
    assert {0: ["parse_failure"], 2: ["parse_failure"]} == found.tags


def test_marks_around_json() -> None:
    """A byte order mark, NULs before the line or a carriage return do not hinder parsing, and stay in the raw
    bytes.
    """
    found = records_of(b'\xef\xbb\xbf{"event": "a"}\r\n\0\0{"event": "b"}\n{"event": "c"}\r')
    assert ["a", "b", "c"] == events(found)
    assert [b'\xef\xbb\xbf{"event": "a"}\r', b'\0\0{"event": "b"}', b'{"event": "c"}\r'] == found.raws
    assert {} == found.tags


def test_json_with_bytes_that_are_no_text() -> None:
    """JSON with invalid UTF-8 is parsed and tagged, with its original bytes."""
    found = records_of(b'{"event": "caf\xe9"}')
    assert (["caf\ufffd"], {0: ["invalid_utf8"]}, {0: b'{"event": "caf\xe9"}\n'}) == (
        events(found),
        found.tags,
        found.originals,
    )


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_chain_of_tracebacks_is_one_record(ending: bytes) -> None:
    """A chain with its log line and blank lines is one record up to the next."""
    link = b"\n\nDuring handling of the above exception, another exception occurred:\n\n"
    chain = TRACE + link + TRACE
    data = b"2026-11-23 12:44:12,289 - x - ERROR - no\n" + chain + b'\n\n\nother\n{"event": "a"}'
    found = records_of(data.replace(b"\n", ending))
    assert ["no", "other", "a"] == events(found)
    assert chain.decode() == found.records[0]["exception"]


def test_a_traceback_by_itself() -> None:
    """It is an error whose event is the exception."""
    (record,) = records_of(TRACE).records
    assert record == {"event": "KeyError: 1", "exception": TRACE.decode(), "level": "error"}


def test_a_traceback_that_python_introduces() -> None:
    """Python's line before it is the message."""
    (record,) = records_of(b"Exception in thread T:\n" + TRACE).records
    assert record == {"event": "Exception in thread T:", "exception": TRACE.decode(), "level": "error"}


def test_indented_lines_belong_to_the_line_before() -> None:
    """Indented lines join a text line; a JSON line is complete."""
    assert ["a\n  b\n\tc", "d"] == events(records_of(b"a\n  b\n\tc\nd"))
    assert ["a", "  b"] == events(records_of(b'{"event": "a"}\n  b'))


def test_errors_of_celery_take_all_lines_up_to_the_next_record() -> None:
    """A Celery error contains blank lines, objects and unindented lines; other messages do not."""
    below = b'one\n\n{}\n{"exchange": ""}\n{\'a\': 1}\nlast'
    assert [below.decode(), "next"] == events(
        records_of(CELERY % (b"ERROR", below) + b"\n" + CELERY % (b"INFO", b"next"))
    )
    assert ["one", "two"] == events(records_of(CELERY % (b"INFO", b"one\ntwo")))


@pytest.mark.parametrize(
    "next_", [b'{"event": "next"}', b'\0\0{"event": "next"}', b"2026-11-23 12:44:12 - x - INFO - next"]
)
def test_a_record_ends_an_error_of_celery(next_: bytes) -> None:
    """A line that starts a record ends it."""
    assert ["no", "next"] == events(records_of(CELERY % (b"ERROR", b"no") + b"\n" + next_))


def test_an_applications_line_inside_celerys_is_complete() -> None:
    """Output behind it is a record of its own."""
    found = records_of(CELERY % (b"WARNING", b'{"event": "a.b"}') + b"\noutput")
    assert ["a.b", "output"] == events(found)


@pytest.mark.parametrize(
    "result",
    [
        b"{'ok': True, 'text': 'multi (1)\nline', 'list': [1, 2]}",
        b"[1,\n\n 'x\n[2026']", b"'one\n\ntwo'", b'"it\'s\none"', b"(1,\n)",
    ],
)  # fmt: skip
def test_a_result_of_several_lines(result: bytes) -> None:
    """A result with line feeds ends with its closing bracket or quote."""
    line = CELERY % (b"INFO", b"Task a.b[c47fda2d] succeeded in 0.0049s: " + result)
    (first, second) = records_of(line + b"\nprinted").records
    assert ("task.succeeded", 0.0049, "printed") == (first["action"], first["duration"], second["event"])
    assert first["event"].endswith(result.decode())
    assert 1 == records_of(line + b"\nprinted", final=False).rest - result.count(b"\n")


def test_a_result_that_never_ends() -> None:
    """The next record ends it; other messages have no result."""
    start = CELERY % (b"INFO", b"Task a.b[c47fda2d] succeeded in 1s: {'a")
    assert [start[44:].decode() + "\nb", "c"] == events(records_of(start + b"\nb\n" + CELERY % (b"INFO", b"c")))
    assert ["it succeeded in 1s: {", "b"] == events(records_of(CELERY % (b"INFO", b"it succeeded in 1s: {") + b"\nb"))


@pytest.mark.parametrize("link", [b"", b"\x1b[2m"])
@pytest.mark.parametrize(
    "head", [b"2026-11-23 12:42:04 [error    ] a.failed ", b"[error    ] a.failed  @timestamp=2026-11-23T12:42:04Z"]
)
def test_a_message_that_the_record_itself_shows(head: bytes, link: bytes) -> None:
    """Behind a blank line an exception's message goes on only as the event's ``error`` shows it."""
    trace = b"Traceback (most recent call last):\n  File x\nRuntimeError: line one\n\nline three\n  four"
    data = link + head + b" error='line one\\n\\nline three\\n  four'\n" + trace + b"\n\nprinted"
    first, second = records_of(data).records
    assert (trace.decode(), "printed") == (first["exception"], second["event"])
    assert 3 == len(records_of(data.replace(b"\\nline three", b"")).records)


def test_a_line_that_introduces_a_traceback() -> None:
    """A line that introduces the next traceback belongs to it; a note or a quoted traceback does not."""
    data = b"Unable to read.\n" + TRACE
    assert ["Unable to read.", "Unable to read.", "x"] == events(records_of(data + b"\n" + data + b"\n\nx"))
    assert 2 == records_of(data + b"\n" + b"Unable to read.", final=False).rest + 2
    assert ["KeyError: 1\nnote", "KeyError: 1"] == events(records_of(TRACE + b"\nnote\n\n" + TRACE))
    assert 1 == len(records_of(TRACE + b"\nstderr:\n" + TRACE).records)


def test_lines_with_their_time_among_the_pairs() -> None:
    """They are records in any file, also behind Celery's prefix, with their tracebacks."""
    line = b"[error    ] a.failed                       @timestamp=2026-11-25T03:45:05+00:00 run_id=7"
    found = records_of(
        line + b"\n" + TRACE + b"\n\n" + line + b"\n" + CELERY % (b"WARNING", line) + b"\nmore\n" + line
    )
    assert ["a.failed"] * 4 == events(found)
    assert {"2026-11-25T03:45:05+00:00"} == {record["@timestamp"] for record in found.records}
    assert (TRACE.decode(), "more") == (found.records[0]["exception"], found.records[2]["continuation"])


def test_a_boxed_traceback_in_colours_behind_a_print() -> None:
    """It is recognised behind an uncoloured line."""
    box = "said\n  more\n\x1b[31m╭─ Traceback (most recent call last) ─╮\x1b[0m\n\x1b[31m╰──╯\x1b[0m\nKeyError: 1"
    (record,) = records_of(box.encode()).records
    assert ("error", "said\n  more") == (record["level"], record["event"])
    assert record["exception"].endswith("╯\nKeyError: 1")


@pytest.mark.parametrize(
    "torn",
    [
        '{"event": "a", "lev', '{"a": {"b": 1, "event": "x', "[2026-11-23 12:41:11,0",
        '{"event": "a", "d": {"event": "x", ', "\u4e2d{", "ERROR fo", "Nov 27 02:14:07 node app[12]: ",
        "I1127 02:14:07.963 ",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "line", ['{"event": "b", "level": "info"}', '{ "message": "b", "d": {"x": {}}, "severity": "INFO"}']
)
def test_an_object_behind_a_torn_line_is_given_back(torn: str, line: str) -> None:
    """The JSON line behind a torn one is the record, which keeps the torn text."""
    found = records_of(f"{torn}{line}".encode() + b'\n{"event": "c"}')
    first, second = found.records
    assert ("b", "c") == (first.get("event") or first["message"], second["event"])
    assert (torn, {0: ["torn"]}) == (first["torn"], found.tags)
    assert f"{torn}{line}".encode() == found.raws[0]


@pytest.mark.parametrize(
    "line", ['{"event": "a", "lev', '{"event": "a", "x": {"event": "b"}', '{"a": 1}{"b": 2}', 'said {"a": 1}']
)
def test_torn_lines_without_an_object_of_a_logger_stay_whole(line: str) -> None:
    """Without a logger's object behind it a torn line is one line of text."""
    found = records_of(line.encode() + b'\n{"event": "c"}')
    assert ([line, "c"], {0: ["parse_failure"]}) == (events(found), found.tags)


def test_blank_lines_inside_an_error_and_json_behind_it() -> None:
    """A JSON event without a prefix ends the error."""
    below = b"no\n\nmore\n\n\n"
    found = records_of(
        CELERY % (b"ERROR", below) + b'{"event": "a.b", "level": "info"}\n\n' + CELERY % (b"INFO", b"c")
    )
    assert ["no\n\nmore", "a.b", "c"] == events(found)


@pytest.mark.parametrize("final", [False, True])
def test_a_record_of_exactly_the_caps(*, final: bool) -> None:
    """2000 lines, or exactly a mebibyte, are one record; the next line starts another."""
    lines = b"x" + b"\n  y" * 1999
    assert [lines] == records_of(lines + b"\nz", final=final).raws[:1]
    assert [lines, b"  y"] == records_of(lines + b"\n  y\nz", final=final).raws[:2]
    size = b"x\n" + b" " + b"y" * (2**20 - 3)
    assert [size] == records_of(size + b"\nz", final=final).raws[:1]
    assert [b"x", size[2:] + b"y"] == records_of(size + b"y\nz", final=final).raws[:2]


@pytest.mark.parametrize("line", [b"text", TRACE, CELERY % (b"ERROR", b"x"), b"2026-11-23 12:44:12 - x - INFO - y"])
def test_a_record_that_may_go_on_is_held_back(line: bytes) -> None:
    """Its lines wait for the next block, unless the block is final."""
    found = records_of(b'{"event": "a"}\n' + line, final=False)
    assert (["a"], 1, 15) == (events(found), found.rest, found.end)
    assert len(records_of(b'{"event": "a"}\n' + line).records) == 2


def test_a_record_has_an_end() -> None:
    """A record has at most 2000 lines, and is not held back longer."""
    found = records_of(b"x" + b"\n  y" * 4500, final=False)
    assert ([2000, 2000], 4000) == ([raw.count(b"\n") + 1 for raw in found.raws], found.rest)


def test_a_record_has_an_end_in_bytes() -> None:
    """A record has at most a mebibyte."""
    line = b"  " + b"y" * 998
    found = records_of(b"x" + (b"\n" + line) * 2500, final=True)
    assert [True, True, True] == [len(raw) <= 2**20 for raw in found.raws]
    assert 2500 == sum(raw.count(line) for raw in found.raws)


@pytest.mark.parametrize(
    "printed",
    [
        b"=" * 80, b"Docker image found locally: x", b"Running qsiprep for participant 001", b"Command: docker run",
        "✓ done".encode(), "✗ failed".encode(), b"Duration: 0:00:01", b"Execution log saved: /x.json", b"+ app.run",
        b"{", b"Exception in thread Thread-1:",
    ],
)  # fmt: skip
def test_output_of_a_run_is_no_note_of_an_exception(printed: bytes) -> None:
    """Output of a pipeline run is not joined to an exception; a note is."""
    data = b"2026-11-23 12:44:12,289 - x - ERROR - no\n" + TRACE + b"\na note\n"
    found = records_of(data + printed)
    assert ["no", printed.decode()] == events(found)
    assert TRACE.decode() + "\na note" == found.records[0]["exception"]


def test_indented_output_is_not_glued_to_a_line_of_the_log() -> None:
    """Indented output behind a log line or a blank line is a record of its own."""
    for line in (b"2026-11-23 12:42:04 [info     ] a.b", b"[2026-11-23 12:38:42,361] INFO:huey:7:a.b"):
        assert ["a.b", "  output"] == events(records_of(line + b"\n  output"))
    assert ["a", "  b"] == events(records_of(b"a\n\n  b"))


def test_hueys_commands_are_one_record() -> None:
    """The list of commands belongs to the line that announces it."""
    head = b"[2026-11-23 12:38:42,361] INFO:huey.consumer:7:"
    found = records_of(head + b"The following commands are available:\n+ a.b\n+ c.d\n" + head + b"next\n+ e.f")
    assert ["The following commands are available:\n+ a.b\n+ c.d", "next", "+ e.f"] == events(found)


def test_an_audit_file_joins_nothing() -> None:
    """In an audit file every line is a record."""
    found = records_of(b'{"entity_type": "s", "action": "a"}\nbroken\n  line', "audit")
    assert [{"entity_type": "s", "action": "a"}, {"event": "broken"}, {"event": "  line"}] == found.records


def test_what_was_done_to_a_line_is_noted() -> None:
    """A cut line has its length and a flag, an unterminated one a flag; a blank rest has none."""
    found = records_of(b'{"event": "a"}\ntext', cut={0: 9000, 1: 8000}, unterminated=True)
    assert [{"event": "a", "line_bytes": 9000}, {"event": "text", "line_bytes": 8000}] == found.records
    assert {0: ["truncated"], 1: ["truncated", "unterminated"]} == found.flags
    assert {} == records_of(b'{"event": "a"}\n  ', unterminated=True).flags
