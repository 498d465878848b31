from __future__ import annotations

import io
import json
from datetime import UTC

import pytest

from shipper.views.render import JsonArray, Lines, Ndjson
from shipper.views.views import SHOW

EVIL = "\x1b]0;owned\x07\x1b[2J[/red] [bold]x[/] :smile: \x9b31m \u202egnp\x00\r"


class Terminal(io.StringIO):
    """A text stream that counts as a terminal."""

    def isatty(self) -> bool:
        return True


def doc(message: str, **fields: object) -> dict[str, object]:
    """A line as the index returns it."""
    return {
        "@timestamp": "2026-11-23T12:44:12.285994Z",
        "log.level": "error",
        "log.logger": "workflow",
        "message": message,
        **fields,
    }


def shown(stream: io.StringIO, *docs: dict[str, object]) -> list[str]:
    """The lines of a table of these documents."""
    output = Lines(SHOW.columns, UTC, stream)
    output.write(docs)
    output.close()
    return stream.getvalue().splitlines()


def test_table_is_plain_off_a_terminal() -> None:
    """In a pipe each record is one line without colours and without a cut."""
    long = "word " * 200 + "end"
    head, first, second = shown(io.StringIO(), doc("short"), doc(long))
    assert head.split() == ["Timestamp", "Level", "Component", "Message"]
    assert first == "2026-11-23 12:44:12.285  error  workflow   short"
    assert second.endswith(long)
    assert head.index("Message") == first.index("short")


def test_headings_come_once() -> None:
    """Later pages continue the same columns without headings."""
    stream = io.StringIO()
    output = Lines(SHOW.columns, UTC, stream)
    for message in ("one", "two"):
        output.write([doc(message)])
    output.write([])
    lines = stream.getvalue().splitlines()
    assert [line.split()[-1] for line in lines] == ["Message", "one", "two"]


def test_nothing_a_log_says_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup and emoji codes are literal, and control characters escaped, in all columns."""
    monkeypatch.setenv("NO_COLOR", "1")
    row = doc(EVIL, **{"log.logger": "a\x1b[2J\nb[/x]", "neuroflow.extra.k": "\x07"})
    lines = shown(io.StringIO(), row)
    assert len(lines) == 2
    assert "[/red] [bold]x[/] :smile:" in lines[1]
    assert r"\x1b]0;owned\x07\x1b[2J" in lines[1]
    assert r"\x9b31m \u202egnp\x00\r" in lines[1]
    assert r"a\x1b[2J\nb[/x]" in lines[1]
    assert not set("\x1b\x07\x9b\x00\r\u202e") & set("".join(lines))


def test_terminal_wraps_under_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal long messages wrap below themselves without loss."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    words = [f"word{at}" for at in range(40)] + ["x" * 100]
    head, *lines = shown(Terminal(), doc(" ".join(words)))
    assert len(lines) > 3
    assert all(len(line) <= 80 for line in lines)
    column = head.index("Message")
    assert all(line[:column].isspace() for line in lines[1:])
    assert "".join(line[column:] for line in lines).replace(" ", "") == "".join(words)


def test_narrow_terminal_gives_the_message_its_own_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room beside the other columns the message stands below them."""
    monkeypatch.setenv("COLUMNS", "45")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = shown(Terminal(), doc("m" * 100))
    assert sum(line.strip().count("m") for line in lines if set(line) == {"m", " "}) == 100
    assert all(len(line) <= 45 for line in lines)


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colours unless NO_COLOR is set."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31merror" in "\n".join(shown(Terminal(), doc("m")))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "\n".join(shown(Terminal(), doc("m")))
    assert "\x1b" not in "\n".join(shown(io.StringIO(), doc("m")))


def test_lines_of_a_message_stay_lines() -> None:
    """A traceback keeps its lines below its message."""
    head, first, second, third = shown(io.StringIO(), doc("one\n  two\nthree"))
    column = head.index("Message")
    assert [first[column:], second[column:], third[column:]] == ["one", "  two", "three"]


@pytest.mark.parametrize("pages", [[], [[]], [["a"]], [["a", EVIL], [], ["\ud800", "ö"]]])
def test_json_is_one_array(pages: list[list[str]]) -> None:
    """The output is one array, the time first in each document; without documents it is empty."""
    stream = io.BytesIO()
    output = JsonArray(stream)
    for page in pages:
        output.write([doc(message) for message in page])
    output.close()
    read = json.loads(stream.getvalue())
    assert [entry["message"] for entry in read] == [message for page in pages for message in page]
    assert all(next(iter(entry)) == "@timestamp" for entry in read)


def test_ndjson_is_one_object_a_line() -> None:
    """Line feeds stand only between objects, also with values that orjson rejects."""
    stream = io.BytesIO()
    output = Ndjson(stream)
    docs = [doc("a\nb"), doc("\ud800"), doc("c", **{"process.pid": 2**70})]
    output.write(docs)
    output.close()
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == docs
