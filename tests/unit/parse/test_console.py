from __future__ import annotations

from typing import Any

import pytest

from shipper.parse import console, format_prefixes, text_formats

HEAD = "2026-11-23T12:40:14.007446Z [info     ] "


def parsed(rest: str) -> dict[str, Any]:
    """The record of a line, without its time and level."""
    record = text_formats.parse(HEAD + rest)
    assert record is not None
    assert ("2026-11-23T12:40:14.007446Z", "info") == (record.pop("timestamp"), record.pop("level"))
    return record


@pytest.mark.parametrize(
    ("rest", "record"),
    [
        ("scan.started", {"event": "scan.started"}),
        ("scan.started                   path=/x", {"event": "scan.started", "path": "/x"}),
        ("two words   a=b c=d", {"event": "two words", "a": "b", "c": "d"}),
        ("a=b in the middle of text", {"event": "a=b in the middle of text"}),
        ("x=1 text y=2", {"event": "x=1 text", "y": 2}),
        ("e  a= b=1", {"event": "e", "a": "", "b": 1}),
        ("e  a='x=1 y' b=\"it's\"", {"event": "e", "a": "x=1 y", "b": "it's"}),
        ("e  a='open", {"event": "e", "a": "'open"}),
        ("e  k=['a b', 'c'] d={'x': 1} t=(1,)", {"event": "e", "k": "['a b', 'c']", "d": "{'x': 1}", "t": "(1,)"}),
        ("e  event=other level=7", {"event": "e", "level": 7, "continuation": "event=other level=7"}),
        ("e a=1 a=2 b='c' a=3", {"event": "e", "a": 1, "b": "c", "continuation": "a=2 a=3"}),
    ],
)  # fmt: skip
def test_event_and_pairs(rest: str, record: dict[str, Any]) -> None:
    """The pairs are the longest run up to the line's end; the event stands before them."""
    if "level=" in rest:
        record.pop("level")  # the prefix says it, and is believed
    assert record == parsed(rest)


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        ("None", None), ("True", True), ("False", False), ("17", 17), ("-3", -3), ("0.5", 0.5), ("1e-05", 1e-05),
        ("001", "001"), ("20240115_1430", "20240115_1430"), ("1_0.5", "1_0.5"), ("1.50", "1.50"), ("+1", "+1"),
        ("\u0661", "\u0661"), ("nan", "nan"), ("inf", "inf"), ("12345678901234567890", "12345678901234567890"),
        (r"'a\nb\t\\\x1b\'\u00e9\U0001f9e0'", "a\nb\t\\\x1b'é🧠"), (r"'\ud800'", "\ufffd"),
        (r"'\d \U00110000'", r"\d \U00110000"), ("''", ""), ("'", "'"),
    ],
)  # fmt: skip
def test_values(shown: str, value: object) -> None:
    """A value is a number only if the renderer would print it the same way; quoted texts are unquoted."""
    found = parsed(f"e  v={shown}")["v"]
    assert (type(value), value) == (type(found), found)


def test_colours_and_local_times() -> None:
    """Escape codes are removed; a time without a zone is accepted."""
    line = "\x1b[2m2026-11-23 12:38:43\x1b[0m [\x1b[32mwarning  \x1b[0m] \x1b[1mtask.start\x1b[0m \x1b[36mn\x1b[0m=1"
    assert text_formats.parse(line) == {
        "timestamp": "2026-11-23 12:38:43", "level": "warning", "event": "task.start", "n": 1,
    }  # fmt: skip


def test_lines_below() -> None:
    """A traceback is the exception; other lines are kept in ``continuation``."""
    trace = "Traceback (most recent call last):\n  File\nKeyError: 1"
    assert parsed(f"e  a=1\n{trace}") == {"event": "e", "a": 1, "exception": trace}
    assert parsed(f"e\n  more\n{trace}") == {"event": "e", "continuation": "  more", "exception": trace}


@pytest.mark.parametrize(
    "line", ["", "text", "2026-11-23 12:38:43 text", "2026-11-23 [info] x", "12:38:43 [info     ] x"]
)
def test_other_lines_are_none(line: str) -> None:
    """Without time and level a line is not a console line."""
    assert not format_prefixes.begins(line.encode())


STDERR = "Stderr:\nTraceback (most recent call last):\n  File x\n    f(a, b=1)\nMemoryError\n"


@pytest.mark.parametrize(
    ("rest", "record"),
    [
        ("pipeline.failed                duration=0.4s error=x is missing. Try: pip x exit_code=-1 session=ses-1",
         {"event": "pipeline.failed", "duration": "0.4s", "error": "x is missing. Try: pip x", "exit_code": -1,
         "session": "ses-1"}),
        ("a.name.that.is.longer.than.its.padding cmd=docker run x",
         {"event": "a.name.that.is.longer.than.its.padding", "cmd": "docker run x"}),
        ("two words                      message=of its own run_id=1",
         {"event": "two words", "message": "of its own", "run_id": 1}),
        ("a.b                            [app.x] error=no room",
         {"event": "a.b", "logger": "app.x", "error": "no room"}),
        ("a.b x=it's y", {"event": "a.b", "x": "it's y"}),
        ("no event x=it's y", {"event": "no event x=it's y"}),
        # Events and values may contain line feeds if more pairs follow; ids may not.
        ("multi\nline event               a='b\\nc' d=1", {"event": "multi\nline event", "a": "b\nc", "d": 1}),
        ("multi\nline event               a=b\nc d=1", {"event": "multi\nline event", "a": "b\nc", "d": 1}),
        ("a.b  error=one\ntwo three run_id=7", {"event": "a.b", "error": "one\ntwo three", "run_id": 7}),
        (f"a.b  duration=3.2s error=code 137\n\n{STDERR} exit_code=137 session=s",
         {"event": "a.b", "duration": "3.2s", "error": f"code 137\n\n{STDERR[:-1]}", "exit_code": 137,
         "session": "s"}),
        (f"a.b  error=one\ntwo run_id=7\n{STDERR[8:-1]}",
         {"event": "a.b", "error": "one\ntwo", "run_id": 7, "exception": STDERR[8:-1]}),
        ("a.b  error=one\ntwo", {"event": "a.b", "error": "one", "continuation": "two"}),
        ("a.b  error='one'\ntwo run_id=7", {"event": "a.b", "error": "one", "continuation": "two run_id=7"}),
        ("a.b  session=s\nRunning x tool=y", {"event": "a.b", "session": "s", "continuation": "Running x tool=y"}),
        ("a.b\nRunning x tool=y", {"event": "a.b", "continuation": "Running x tool=y"}),
    ],
)  # fmt: skip
def test_texts_without_quotes(rest: str, record: dict[str, Any]) -> None:
    """Values that older renderers left unquoted are parsed."""
    assert record == parsed(rest)


COLOURED = (
    "[\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1mworkflow.started              \x1b[0m \x1b[36m@timestamp\x1b[0m="
    "\x1b[35m2026-11-25T03:45:05.756651+00:00\x1b[0m \x1b[36mcomponent\x1b[0m=\x1b[35mworkflow\x1b[0m"
)
DESIGN = "[info     ] workflow.started               @timestamp=2026-11-25T03:45:05.756651+00:00 component=workflow"


@pytest.mark.parametrize("line", [DESIGN, COLOURED])
def test_the_time_among_the_pairs(line: str) -> None:
    """The time may be one of the pairs, with or without colours."""
    assert format_prefixes.begins(line.encode())
    assert text_formats.parse(line) == {
        "event": "workflow.started",
        "level": "info",
        "@timestamp": "2026-11-25T03:45:05.756651+00:00",
        "component": "workflow",
    }


@pytest.mark.parametrize("line", ["[info     ] a.b  c=1", "[tasks] @timestamp=x", "[1] x @timestamp=2026-11-25"])
def test_a_bracket_alone_is_no_prefix(line: str) -> None:
    """Without such a time the line is plain text."""
    assert not format_prefixes.begins(line.encode())


def test_long_runs_of_pairs_take_no_long_time() -> None:
    """A run of pairs that breaks off is parsed once, not once from each pair."""
    rest = "a=b " * 20_000 + "end"
    assert parsed(rest) == {"event": rest}


def test_lines_below_one_that_says_their_keys() -> None:
    """Lines below are kept beside keys of the same names."""
    record: dict[str, Any] = {"continuation": "more", "exception": 5}
    console.add_below(record, "below\nTraceback (most recent call last):\nKeyError: 1")
    assert {
        "continuation": "more\nbelow",
        "exception": [5, "Traceback (most recent call last):\nKeyError: 1"],
    } == record
