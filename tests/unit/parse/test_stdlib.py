from __future__ import annotations

import pytest

from shipper.parse import format_prefixes, text_formats


@pytest.mark.parametrize("stamp", ["2026-11-23 12:44:12,289", "2026-11-23 12:44:12", "2026-11-23T12:44:12.123456"])
def test_a_line_of_basic_config(stamp: str) -> None:
    """Time, logger, level and message, which may contain the separator."""
    assert text_formats.parse(f"{stamp} - celery.worker - WARNING - a - b") == {
        "timestamp": stamp, "logger": "celery.worker", "level": "WARNING", "event": "a - b",
    }  # fmt: skip


def test_lines_below() -> None:
    """Lines below belong to the message, a traceback is the exception."""
    trace = "Traceback (most recent call last):\n  File\nKeyError: 1"
    assert text_formats.parse(f"2026-11-23 12:44:12,289 - x - ERROR - one\n  two\n{trace}\n") == {
        "timestamp": "2026-11-23 12:44:12,289", "logger": "x", "level": "ERROR", "event": "one\n  two",
        "exception": f"{trace}\n",
    }  # fmt: skip


@pytest.mark.parametrize("logger", ["two words", "root - odd", "a b c d e f g"])
def test_a_loggers_name_may_hold_blanks(logger: str) -> None:
    """A logger's name ends at the first level between dashes."""
    line = f"2026-11-23 12:44:12,289 - {logger} - WARNING - x - ERROR - y"
    record = text_formats.parse(line)
    assert record is not None
    assert (logger, "WARNING", "x - ERROR - y") == (record["logger"], record["level"], record["event"])
    assert format_prefixes.begins(line.encode())


@pytest.mark.parametrize("line", ["", "2026-11-23 12:44:12 - x - Info - y", "12:44 - x - INFO - y"])
def test_other_lines_are_none(line: str) -> None:
    """Without the whole prefix a line is of another format."""
    assert not format_prefixes.begins(line.encode())
