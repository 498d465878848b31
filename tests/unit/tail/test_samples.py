"""Content samples: how much of the read content a file still has."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shipper.tail import samples
from shipper.tail.fingerprint import CHECKPOINT_BYTES, Read


def content(length: int, salt: int = 0) -> bytes:
    """Bytes without repetition."""
    return b"".join(b"%d:%d|" % (salt, number) for number in range(length // 4 + 1))[:length]


def samples_of(data: bytes, chunk: int) -> bytes:
    """The samples of a file that was read in chunks."""
    taken = b""
    for start in range(0, len(data), chunk):
        taken = samples.extended(
            taken, start, data[max(0, start - CHECKPOINT_BYTES) : start], data[start : start + chunk]
        )
    return taken


def reader_of(data: bytes) -> Read:
    """A function that reads from these bytes."""
    return lambda offset, length: data[offset : offset + length]


@given(st.integers(100, 40_000), st.integers(50, 5000))
def test_samples_do_not_depend_on_the_reading(length: int, chunk: int) -> None:
    """The samples are equal for any chunks, and match the whole file."""
    data = content(length)
    taken = samples_of(data, length)
    assert samples_of(data, chunk)[-len(taken) :] == taken
    assert samples.last_offset(taken) == samples.matching_length(taken, length, reader_of(data))


@given(st.integers(100, 40_000))
def test_samples_can_be_taken_afterwards(length: int) -> None:
    """They equal those of reading."""
    data = content(length)
    assert samples_of(data, length) == samples.measure(length, reader_of(data))


@given(st.integers(400, 40_000), st.floats(0.4, 1.0))
def test_cut_file_holds_what_is_left(length: int, part: float) -> None:
    """The result is the length of a truncated file, less a tenth or a few bytes at most."""
    data = content(length)
    left = int(length * part)
    kept = samples.matching_length(samples_of(data, 1000), left, reader_of(data[:left]))
    assert left * 0.9 - 32 <= kept <= left


def test_other_content_ends_the_match() -> None:
    """Rewritten bytes prove nothing."""
    data, other = content(10_000), content(10_000, salt=1)
    mixed = data[:5000] + other[5000:]
    assert 4500 <= samples.matching_length(samples_of(data, 777), 10_000, reader_of(mixed)) <= 5000
    assert samples.matching_length(samples_of(data, 777), 10_000, reader_of(other)) == 0


def test_samples_stay_few() -> None:
    """A long file has a dozen samples."""
    assert len(samples_of(content(3_000_000), 64 * 1024)) <= 14 * 16


def test_below_keeps_what_is_acknowledged() -> None:
    """Samples beyond an offset are left out."""
    taken = samples_of(content(10_000), 1000)
    assert samples.last_offset(samples.up_to(taken, 6000)) <= 6000 < samples.last_offset(taken)
    assert samples.last_offset(b"") == 0


@given(st.integers(300, 20_000), st.floats(0.02, 1.5), st.floats(1.0, 5.0))
def test_end_of_a_copy_is_remembered(length: int, part: float, grown: float) -> None:
    """A copy matches up to its very end, however much was read before it was seen and after."""
    end, data = int(length * part), content(int(length * grown) + length)
    taken = samples.at_end_of_copy(samples_of(data[:length], 777), 17, data[:17])
    taken = samples.at_end_of_copy(taken, end, data[max(0, end - CHECKPOINT_BYTES) : end])
    for start in range(length, len(data), 777):
        taken = samples.extended(taken, start, data[:start], data[start : start + 777])
    assume(samples.copy_end(taken) > 0)  # the few places that other samples have are no copy's
    assert end == samples.copy_end(taken)
    assert end == samples.matching_length(samples.up_to(taken, end), end, reader_of(data))
    assert samples.last_offset(taken) == samples.matching_length(taken, len(data), reader_of(data))


@pytest.mark.parametrize(
    ("kept", "pure", "cut"),
    [(5000, True, True), (5000, False, True), (9900, True, True), (9900, False, False), (3000, True, False)],
)
def test_truncated_or_rewritten(kept: int, pure: bool, cut: bool) -> None:
    """With half of the content or old bytes only, a file was truncated; with other content it was rewritten."""
    assert cut is samples.is_truncation(kept, 10_000, pure=pure)
