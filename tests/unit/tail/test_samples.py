"""The ladder of digests: what is still there of a file, as far as it tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.tail import samples
from shipper.tail.fingerprint import ANCHOR_BYTES, Read


def content(length: int, salt: int = 0) -> bytes:
    """Bytes that repeat nowhere."""
    return b"".join(b"%d:%d|" % (salt, number) for number in range(length // 4 + 1))[:length]


def ladder_of(data: bytes, chunk: int) -> bytes:
    """The ladder of a file that was read in chunks."""
    ladder = b""
    for start in range(0, len(data), chunk):
        ladder = samples.climb(ladder, start, data[max(0, start - ANCHOR_BYTES) : start], data[start : start + chunk])
    return ladder


def reader_of(data: bytes) -> Read:
    """Looks into these bytes."""
    return lambda offset, length: data[offset : offset + length]


@given(st.integers(100, 40_000), st.integers(50, 5000))
def test_ladder_does_not_depend_on_the_reading(length: int, chunk: int) -> None:
    """However a file was read, its ladder is the same, and the whole file climbs it."""
    data = content(length)
    ladder = ladder_of(data, length)
    assert ladder_of(data, chunk)[-len(ladder) :] == ladder
    assert samples.top(ladder) == samples.still_there(ladder, length, reader_of(data))


@given(st.integers(100, 40_000))
def test_ladder_can_be_measured_afterwards(length: int) -> None:
    """It is what reading would have made of it."""
    data = content(length)
    assert ladder_of(data, length) == samples.measure(length, reader_of(data))


@given(st.integers(400, 40_000), st.floats(0.4, 1.0))
def test_cut_file_holds_what_is_left(length: int, part: float) -> None:
    """Of a file that was cut, it says how much is there: at most a tenth, or a few bytes, too little."""
    data = content(length)
    left = int(length * part)
    kept = samples.still_there(ladder_of(data, 1000), left, reader_of(data[:left]))
    assert left * 0.9 - 32 <= kept <= left


def test_what_differs_ends_the_ladder() -> None:
    """Bytes written anew prove nothing, however long the file is."""
    data, other = content(10_000), content(10_000, salt=1)
    mixed = data[:5000] + other[5000:]
    assert 4500 <= samples.still_there(ladder_of(data, 777), 10_000, reader_of(mixed)) <= 5000
    assert samples.still_there(ladder_of(data, 777), 10_000, reader_of(other)) == 0


def test_ladder_stays_short() -> None:
    """A long file needs a dozen rungs, not more."""
    assert len(ladder_of(content(3_000_000), 64 * 1024)) <= 14 * 16


def test_below_keeps_what_is_acknowledged() -> None:
    """Rungs beyond an offset are left out."""
    ladder = ladder_of(content(10_000), 1000)
    assert samples.top(samples.below(ladder, 6000)) <= 6000 < samples.top(ladder)
    assert samples.top(b"") == 0


@pytest.mark.parametrize(
    ("kept", "pure", "cut"),
    [(5000, True, True), (5000, False, True), (9900, True, True), (9900, False, False), (3000, True, False)],
)
def test_cut_or_written_anew(kept: int, pure: bool, cut: bool) -> None:
    """What holds half or only old bytes was cut; what agrees for long and then differs is another life."""
    assert cut is samples.tells_a_cut(kept, 10_000, pure=pure)
