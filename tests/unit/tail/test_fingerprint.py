from __future__ import annotations

import pytest

from shipper.tail.fingerprint import (
    CHECKPOINT_BYTES,
    END_BYTES,
    FINGERPRINT_BYTES,
    Expected,
    Read,
    checkpoint_hash_of,
    continues,
    first_line_of,
    generation_name,
    hash_of,
    repeats,
)
from shipper.tail.state.checkpoint import NOTHING, Hash

LOG = b"".join(b"line %06d\n" % number for number in range(2000))


def reading(content: bytes) -> Read:
    """A function that reads from these bytes."""
    return lambda offset, length: content[offset : offset + length]


def remembered(content: bytes, head: int = FINGERPRINT_BYTES) -> Expected:
    """The fingerprint and checkpoint hash of a file that was read completely."""
    return Expected(hash_of(content[:head]), len(content), checkpoint_hash_of(content))


@pytest.mark.parametrize(
    ("goes_on", "before", "now"),
    [
        (True, LOG, LOG),
        (True, LOG, LOG + b"more\n"),
        (True, b"few\n", b"few\nmore\n"),
        (True, b"", b"anything"),
        (False, LOG, LOG[:-1]),
        (False, LOG, LOG[:10]),
        (False, LOG, b""),
        (False, b"few\n", b"f"),
        (False, LOG, b"x" + LOG[1:]),
        (False, LOG, LOG[:-5] + b"other tail\n"),
        (False, b"few\n", b"new\nmore\n"),
        (False, LOG, LOG[:FINGERPRINT_BYTES] + b"grown past the offset\n" * 2000),
    ],
)
def test_files_are_judged_by_what_they_say(goes_on: bool, before: bytes, now: bytes) -> None:
    """Fingerprint and checkpoint hash decide, whatever the size is."""
    assert goes_on is continues(remembered(before), len(now), reading(now))


def test_checkpoint_hash_covers_what_precedes_the_offset() -> None:
    """It covers the last bytes, or all of few, and none at offset 0."""
    assert checkpoint_hash_of(LOG) == checkpoint_hash_of(LOG[-CHECKPOINT_BYTES:])
    assert Hash(3, hash_of(b"abc").digest) == checkpoint_hash_of(b"abc")
    assert NOTHING == checkpoint_hash_of(b"")


@pytest.mark.parametrize(
    ("line", "head"),
    [
        (b"first", b"first\nsecond\n"), (b"", b"\nsecond"), (None, b"unfinished"), (None, b""),
        (b"x" * FINGERPRINT_BYTES, b"x" * FINGERPRINT_BYTES),
    ],
)  # fmt: skip
def test_first_line_is_known_when_it_ended(line: bytes | None, head: bytes) -> None:
    """An unterminated first line does not count, unless it fills the fingerprint."""
    assert line == first_line_of(head)


def test_names_tell_generations_apart() -> None:
    """Host, log, first line and ordinal each change the name, and no two combinations collide."""
    lives = [
        ("h", "/a", b"x", 0), ("i", "/a", b"x", 0), ("h", "/b", b"x", 0), ("h", "/a", b"y", 0),
        ("h", "/a", b"x", 1), ("h/", "a", b"x", 0), ("h", "/ax", b"", 0), ("h", "/\udcff", b"x", 0),
    ]  # fmt: skip
    assert len(lives) == len({generation_name(*life) for life in lives})
    assert {9} == {len(generation_name(*life)) for life in lives}
    assert generation_name("h", "/a", b"x", 0) == generation_name("h", "/a", b"x", 0)


@pytest.mark.parametrize(
    ("copied", "copy", "original"),
    [
        (True, LOG, LOG), (True, LOG[:5000], LOG), (True, b"l", LOG), (False, b"", LOG), (False, LOG, LOG[:-1]),
        (False, b"x" + LOG[1:], LOG),
        (False, LOG[: -END_BYTES // 2] + b"\0" * 100, LOG),
    ],
)  # fmt: skip
def test_copies_are_told_by_both_ends(copied: bool, copy: bytes, original: bytes) -> None:
    """A copy, perhaps incomplete, equals the original at its beginning and before its own end."""
    assert copied is repeats(len(copy), reading(copy), len(original), reading(original))
