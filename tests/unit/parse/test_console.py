from __future__ import annotations

from typing import Any

import pytest

from shipper.parse import text

HEAD = "2026-11-23T12:40:14.007446Z [info     ] "


def parsed(rest: str) -> dict[str, Any]:
    """What a line says beside its time and level."""
    record = text.parse(HEAD + rest)
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
        ("e  event=other level=7", {"event": "e", "level": 7}),
    ],
)  # fmt: skip
def test_event_and_pairs(rest: str, record: dict[str, Any]) -> None:
    """The pairs are the longest run that reaches the line's end; the event is what stands before it."""
    if "level=" in rest:
        record.pop("level")  # the prefix says it, and is believed
    assert record == parsed(rest)


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        ("None", None),
        ("True", True),
        ("False", False),
        ("17", 17),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-05", 1e-05),
        ("001", "001"),
        ("20240115_1430", "20240115_1430"),
        ("1_0.5", "1_0.5"),
        ("1.50", "1.50"),
        ("+1", "+1"),
        ("\u0661", "\u0661"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("12345678901234567890", "12345678901234567890"),
        (r"'a\nb\t\\\x1b\'\u00e9\U0001f9e0'", "a\nb\t\\\x1b'é🧠"),
        (r"'\ud800'", "\ufffd"),
        (r"'\d \U00110000'", r"\d \U00110000"),
        ("''", ""),
        ("'", "'"),
    ],
)
def test_values(shown: str, value: object) -> None:
    """A value is a number only if it would be shown in the same way; texts come out of their quotes."""
    found = parsed(f"e  v={shown}")["v"]
    assert (type(value), value) == (type(found), found)


def test_colours_and_local_times() -> None:
    """Escape codes are no content; a time without a zone is taken as it is."""
    line = "\x1b[2m2026-11-23 12:38:43\x1b[0m [\x1b[32mwarning  \x1b[0m] \x1b[1mtask.start\x1b[0m \x1b[36mn\x1b[0m=1"
    assert text.parse(line) == {
        "timestamp": "2026-11-23 12:38:43",
        "level": "warning",
        "event": "task.start",
        "n": 1,
    }


def test_lines_below() -> None:
    """A traceback is the exception; other lines are kept beside the event."""
    trace = "Traceback (most recent call last):\n  File\nKeyError: 1"
    assert parsed(f"e  a=1\n{trace}") == {"event": "e", "a": 1, "exception": trace}
    assert parsed(f"e\n  more\n{trace}") == {"event": "e", "continuation": "  more", "exception": trace}


@pytest.mark.parametrize(
    "line", ["", "text", "2026-11-23 12:38:43 text", "2026-11-23 [info] x", "12:38:43 [info     ] x"]
)
def test_other_lines_are_none(line: str) -> None:
    """Without time and level it is no console line."""
    assert text.parse(line) is None


def test_long_runs_of_pairs_take_no_long_time() -> None:
    """A run that breaks off at its end is tried once and not again from each of its pairs."""
    rest = "a=b " * 20_000 + "end"
    assert parsed(rest) == {"event": rest}
