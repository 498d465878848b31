from __future__ import annotations

import pytest

from shipper.parse import structlog


def test_an_object_is_a_record() -> None:
    """The line's keys and values, as they are."""
    assert structlog.parse(b'{"event": "a.b", "n": 1, "x": [null]}') == {"event": "a.b", "n": 1, "x": [None]}


@pytest.mark.parametrize("line", [b"", b"17", b'["a"]', b'"text"', b"null", b"{", b'{"a": 1} x', b"{'a': 1}", b"NaN"])
def test_anything_else_is_none(line: bytes) -> None:
    """Other JSON, broken JSON and text hold no object."""
    assert structlog.parse(line) is None


def test_what_python_writes_and_json_forbids() -> None:
    """NaN, infinities and numbers beyond all floats become null; the rest of the line is untouched."""
    line = b'{"a": NaN, "b": [Infinity, -Infinity], "c": 1e400, "d": -1.5, "e": "NaN"}'
    assert structlog.parse(line) == {"a": None, "b": [None, None], "c": None, "d": -1.5, "e": "NaN"}


def test_surrogates() -> None:
    """A pair is one character; half of one is U+FFFD, in keys and values, however deep."""
    line = b'{"\\ud800": ["\\ud83e\\udde0", {"a": "x\\udfffy"}]}'
    assert structlog.parse(line) == {"\ufffd": ["🧠", {"a": "x\ufffdy"}]}


def test_integers_beyond_64_bits_keep_their_digits() -> None:
    """The slow parser gives them as text, from both ends of the range on."""
    line = b'{"f": NaN, "a": 18446744073709551615, "b": 18446744073709551616, "c": -9223372036854775809, "d": 1%s}'
    assert structlog.parse(line % (b"0" * 5000)) == {
        "f": None,
        "a": 18446744073709551615,
        "b": "18446744073709551616",
        "c": "-9223372036854775809",
        "d": "1" + "0" * 5000,
    }


def test_control_characters_inside_strings() -> None:
    """A writer that forgot to escape them is understood."""
    assert structlog.parse(b'{"a": "x\ty"}') == {"a": "x\ty"}


@pytest.mark.parametrize("depth", [300, 1000, 2000, 100_000])
def test_deep_nesting_costs_neither_event_nor_level(depth: int) -> None:
    """However deep a value is, what stands beside it is found."""
    record = structlog.parse(b'{"event": "a.b", "x": ' + b"[" * depth + b"]" * depth + b', "level": "info"}')
    assert record is not None
    assert ("a.b", "info", ["event", "x", "level"]) == (record["event"], record["level"], list(record))


def test_endless_opening_is_no_record() -> None:
    """Brackets that never close are text."""
    assert structlog.parse(b'{"a": ' + b"[" * 100_000) is None


def test_bytes_that_are_no_utf8_are_not_guessed_at() -> None:
    """Not even as the surrogates that Python would make of them, nor as UTF-16."""
    assert structlog.parse(b'{"a": "\xed\xa0\x80"}') is None
    assert structlog.parse('{"a": 1}'.encode("utf-16-le")) is None


def test_the_last_of_two_equal_keys_counts() -> None:
    """As everywhere in Python, and the same on both ways."""
    assert structlog.parse(b'{"a": 1, "a": 2}') == {"a": 2}
    assert structlog.parse(b'{"a": 1, "n": NaN, "a": 2}') == {"a": 2, "n": None}


@pytest.mark.parametrize("before", range(5))
def test_long_integers_keep_their_digits_wherever_they_are(before: int) -> None:
    """The fast parser would make floats of them; where they stand in a block does not matter."""
    lines = [b" " * before, b'{"a": {"b": [123456789012345678901234567890, -9223372036854775809, 1]}}']
    assert structlog.has_long_numbers(lines)
    assert {"a": {"b": ["123456789012345678901234567890", "-9223372036854775809", 1]}} == structlog.parse(lines[1])


def test_usual_lines_have_no_long_numbers() -> None:
    """Stamps, ids and floats are shorter; nothing slower is done for them."""
    line = b'{"timestamp": "2026-11-23T12:34:30.626608+00:00", "id": "c47fda2d-212d-44c5-9e5b-c59c02b8fe6b", "d": %s}'
    assert not structlog.has_long_numbers([line % b"0.42293936900000517", line % b"123456789012345678"])


def test_ten_thousand_keys() -> None:
    """A line may have any number of keys, dotted and empty ones too."""
    line = b"{" + b", ".join(b'"k.%d": %d' % (number, number) for number in range(10_000)) + b', "": 1}'
    record = structlog.parse(line)
    assert record is not None
    assert (10_001, 9_999, 1) == (len(record), record["k.9999"], record[""])
