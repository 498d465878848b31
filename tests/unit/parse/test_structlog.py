from __future__ import annotations

import pytest

from shipper.parse import structlog


def test_an_object_is_a_record() -> None:
    """The record has the line's keys and values."""
    assert structlog.parse(b'{"event": "a.b", "n": 1, "x": [null]}') == {"event": "a.b", "n": 1, "x": [None]}


@pytest.mark.parametrize("line", [b"", b"17", b'["a"]', b'"text"', b"null", b"{", b'{"a": 1} x', b"{'a': 1}", b"NaN"])
def test_anything_else_is_none(line: bytes) -> None:
    """Other JSON, invalid JSON and text give None."""
    assert structlog.parse(line) is None


def test_what_python_writes_and_json_forbids() -> None:
    """NaN, infinities and numbers too large for a float become null; other values stay."""
    line = b'{"a": NaN, "b": [Infinity, -Infinity], "c": 1e400, "d": -1.5, "e": "NaN"}'
    assert structlog.parse(line) == {"a": None, "b": [None, None], "c": None, "d": -1.5, "e": "NaN"}


def test_surrogates() -> None:
    """A pair is one character; a lone surrogate is U+FFFD, in keys and values at any depth."""
    line = b'{"\\ud800": ["\\ud83e\\udde0", {"a": "x\\udfffy"}]}'
    assert structlog.parse(line) == {"\ufffd": ["🧠", {"a": "x\ufffdy"}]}


def test_integers_beyond_64_bits_keep_their_digits() -> None:
    """Longer integers become text."""
    line = b'{"f": NaN, "a": 18446744073709551615, "b": 18446744073709551616, "c": -9223372036854775809, "d": 1%s}'
    assert structlog.parse(line % (b"0" * 5000)) == {
        "f": None, "a": 18446744073709551615, "b": "18446744073709551616", "c": "-9223372036854775809",
        "d": "1" + "0" * 5000,
    }  # fmt: skip


def test_control_characters_inside_strings() -> None:
    """Unescaped control characters are accepted."""
    assert structlog.parse(b'{"a": "x\ty"}') == {"a": "x\ty"}


@pytest.mark.parametrize("depth", [300, 1000, 2000, 100_000])
def test_deep_nesting_costs_neither_event_nor_level(depth: int) -> None:
    """Beside a deeply nested value the other keys are parsed."""
    record = structlog.parse(b'{"event": "a.b", "x": ' + b"[" * depth + b"]" * depth + b', "level": "info"}')
    assert record is not None
    assert ("a.b", "info", ["event", "x", "level"]) == (record["event"], record["level"], list(record))


def test_endless_opening_is_no_record() -> None:
    """Brackets that never close are text."""
    assert structlog.parse(b'{"a": ' + b"[" * 100_000) is None


def test_bytes_that_are_no_utf8_are_not_guessed_at() -> None:
    """Invalid UTF-8 is neither decoded with surrogates nor as UTF-16."""
    assert structlog.parse(b'{"a": "\xed\xa0\x80"}') is None
    assert structlog.parse('{"a": 1}'.encode("utf-16-le")) is None


def test_the_last_of_two_equal_keys_counts() -> None:
    """Both parsers take the last of repeated keys, as Python does."""
    assert structlog.parse(b'{"a": 1, "a": 2}') == {"a": 2}
    assert structlog.parse(b'{"a": 1, "n": NaN, "a": 2}') == {"a": 2, "n": None}


@pytest.mark.parametrize("before", range(5))
def test_long_integers_keep_their_digits_wherever_they_are(before: int) -> None:
    """Long integers are text at any place in a block."""
    lines = [b" " * before, b'{"a": {"b": [123456789012345678901234567890, -9223372036854775809, 1]}}']
    assert structlog.has_long_numbers(lines)
    assert {"a": {"b": ["123456789012345678901234567890", "-9223372036854775809", 1]}} == structlog.parse(lines[1])


def test_usual_lines_have_no_long_numbers() -> None:
    """Timestamps, ids and floats do not need the slow parser."""
    line = b'{"timestamp": "2026-11-23T12:34:30.626608+00:00", "id": "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b", "d": %s}'
    assert not structlog.has_long_numbers([line % b"0.42293936900000517", line % b"123456789012345678"])


def test_ten_thousand_keys() -> None:
    """A line may have any number of keys, also dotted and empty ones."""
    line = b"{" + b", ".join(b'"k.%d": %d' % (number, number) for number in range(10_000)) + b', "": 1}'
    record = structlog.parse(line)
    assert record is not None
    assert (10_001, 9_999, 1) == (len(record), record["k.9999"], record[""])
