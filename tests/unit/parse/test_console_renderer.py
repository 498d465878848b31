"""Lines that structlog's own renderer writes, parsed again."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.dev import ConsoleRenderer, plain_traceback, rich_traceback

from shipper.parse import traceback
from shipper.parse.records import Record
from tests.unit.blocks import records_of

STAMPS = ["2026-11-23T12:40:14.007446Z", "2026-11-23T12:40:14Z", "2026-11-23 12:38:43"]
AWKWARD: list[tuple[Any, Any]] = [
    ("a b=c", "a b=c"),
    ("it's \"both\" \\ and\nlines\t", "it's \"both\" \\ and\nlines\t"),
    ("", ""),
    ("=", "="),
    ("[x", "[x"),
    ("sub-01/ses-02", "sub-01/ses-02"),
    ("\u00dcn\u00ef\u00ab\u00bb", "\u00dcn\u00ef\u00ab\u00bb"),
    ("\x1b\tred", "\x1b\tred"),
    (17, 17),
    (-0.5, -0.5),
    (True, True),
    (None, None),
    (2**80, str(2**80)),
    (["a b", "c=d", "]"], "['a b', 'c=d', ']']"),
    ({"a": {"b": [1, "x y"]}, "k=v": "]}"}, "{'a': {'b': [1, 'x y']}, 'k=v': ']}'}"),
    ((1, "it's"), '(1, "it\'s")'),
    (PurePosixPath("/a b/c"), "PurePosixPath('/a b/c')"),
    (dt.datetime(2026, 1, 2), "datetime.datetime(2026, 1, 2, 0, 0)"),  # noqa: DTZ001 - shown, not used
    (b"raw = bytes", "b'raw = bytes'"),
    (re.compile("a ="), "re.compile('a =')"),
]  # fmt: skip


def read_back(text: str) -> list[Record]:
    """The records of rendered text, with a line of the next record behind it."""
    lines = [*text.encode().split(b"\n"), b"2026-11-23 12:38:44 [info     ] next"]
    records = records_of(lines, "console").records
    assert "next" == records[-1]["event"]
    return records[:-1]


def written(colors: bool, event: str, stamp: str, **values: Any) -> str:
    """A rendered event."""
    return ConsoleRenderer(colors=colors)(None, "", {"event": event, "level": "info", "timestamp": stamp, **values})


@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize(
    "event", ["task.start", "an.event.name.of.more.than.thirty.characters", "two words", "n=3 tries"]
)
@pytest.mark.parametrize("logger", [None, "neuroflow.runner"])
def test_awkward_values_come_back(event: str, stamp: str, *, colors: bool, logger: str | None) -> None:
    """Texts, numbers and constants keep their type; other values are their Python form."""
    values = {f"k{place:02}": value for place, (value, _) in enumerate(AWKWARD)}
    named = {"logger_name": logger} if logger else {}
    (record,) = read_back(written(colors, event, stamp, **values, **named))
    expected = {f"k{place:02}": shown for place, (_, shown) in enumerate(AWKWARD)}
    if logger:
        expected["logger"] = logger
    assert {"event": event, "level": "info", "timestamp": stamp, **expected} == record


plain_values = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**15), 10**15),
    st.text(
        st.characters(
            codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs", "Cs"], include_characters=" \t\n'\"=\\"
        )
    ),
)  # fmt: skip


@given(
    values=st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), plain_values, max_size=6),
    event=st.from_regex(r"[a-z]{1,12}(\.[a-z]{1,25}){0,2}", fullmatch=True),
    colors=st.booleans(),
)
def test_texts_come_back_as_they_were(values: dict[str, Any], event: str, *, colors: bool) -> None:
    """Any text is unchanged, unless it was unquoted and looks like a number or a constant."""
    for key in ("event", "level", "timestamp", "logger", "logger_name", "stack", "exception", "exc_info"):
        values.pop(key, None)
    (record,) = read_back(written(colors, event, STAMPS[0], **values))
    # What stands between a bare bracket and another one is one value, keys included.
    bracketed = {key for key, value in values.items() if any(sign in str(value) for sign in "[({<")}
    for key, value in values.items():
        found = record[key] if not bracketed else record.get(key)
        assert value == found or str(value) == str(found) or key in bracketed or (bracketed and key not in record)
    assert {"event", "level", "timestamp", *values} == set(record) or bracketed


def fails(how: str) -> None:
    """Raise an exception of some shape."""
    try:
        dict[str, str]()["missing"]
    except KeyError as error:
        error.add_note("a note\nof two lines")
        if how == "chained":
            raise ValueError("bad\nin two lines") from error
        if how == "group":
            raise ExceptionGroup("eg", [ValueError("1"), error]) from None
        raise


@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize("formatter", [plain_traceback, rich_traceback])
@pytest.mark.parametrize("stack", [None, "Stack (most recent call last):\n  File x\n    y"])
@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("alone", "KeyError", "'missing'"),
        ("chained", "ValueError", "bad\nin two lines"),
        ("group", "ExceptionGroup", "eg (2 sub-exceptions)"),
    ],
)
def test_exceptions_below_are_one_record(
    how: str, kind: str, message: str, stack: str | None, formatter: Any, *, colors: bool
) -> None:
    """Plain or boxed by rich, with locals, notes, a stack, with or without colours."""
    renderer = ConsoleRenderer(colors=colors, exception_formatter=formatter)
    event = {"event": "x.failed", "level": "error", "timestamp": STAMPS[2], "a": 1}
    try:
        fails(how)
    except Exception:  # noqa: BLE001 - whatever it is, it is what the renderer shows
        event["exc_info"] = sys.exc_info()
    if stack:
        event["stack"] = stack
    (record,) = read_back(renderer(None, "", event))
    assert ("x.failed", 1) == (record["event"], record["a"])
    assert set(record) == {"event", "level", "timestamp", "a", "exception"}
    found_kind, found_message = traceback.exception_of(record["exception"])
    assert kind == found_kind
    assert found_message is not None
    assert found_message.startswith(message)
    assert "\x1b" not in record["exception"]
