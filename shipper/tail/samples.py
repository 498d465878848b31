"""What is still there of a file that was cut: digests at a dozen places of what was read.  Pure.

A file whose end is missing (a power failure took it, or somebody cut it off) goes on under its name, while a file
that was written anew is another life, even when it begins as before.  Head and anchor can't tell the two apart; a
ladder of digests along the second half of what was read can.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b

from shipper.tail.fingerprint import CHECKPOINT_BYTES, Read

# Ten percent from sample to sample, and not closer than this, bytes.
_CLOSEST = 16
# Rungs up_to this part of what was read are given up.
_LOWEST = 0.35
# A file of which less is still there was written anew, and so was one that says something else beyond this part:
# log files are cut to half, or by a crash; what agrees for long and then differs is another life that began alike.
_ENOUGH, _HALF = 0.4, 0.6
_PLACE, _DIGEST = 8, 8
_SAMPLE = _PLACE + _DIGEST


def _grid() -> list[int]:
    places = [_CLOSEST]
    while places[-1] < 2**50:
        places.append(places[-1] + max(_CLOSEST, places[-1] // 10))
    return places


_GRID = _grid()


def extended(samples: bytes, start: int, before: bytes, data: bytes) -> bytes:
    """The ladder after these bytes were read.

    Args:
        samples: the ladder so far.
        start: offset of ``data``.
        before: the bytes before it, up to ``CHECKPOINT_BYTES``.
        data: what was read.
    """
    end = start + len(data)
    lowest = int(end * _LOWEST)
    first, last = bisect_right(_GRID, max(start, lowest)), bisect_right(_GRID, end)
    if first == last:
        return samples
    whole = before + data
    shift = len(before) - start
    new = b"".join(
        place.to_bytes(_PLACE, "big") + _digest(whole[max(0, place + shift - CHECKPOINT_BYTES) : place + shift])
        for place in _GRID[first:last]
        if place + shift >= min(place, CHECKPOINT_BYTES)  # after a restart little of what came before is at hand
    )
    return b"".join(sample for sample in _each(samples) if _place(sample) >= lowest) + new


def measure(offset: int, read: Read) -> bytes:
    """The ladder of what a file holds up to an offset, looked up in the file itself."""
    first, last = bisect_right(_GRID, int(offset * _LOWEST)), bisect_right(_GRID, offset)
    return b"".join(
        place.to_bytes(_PLACE, "big") + _digest(read(start := max(0, place - CHECKPOINT_BYTES), place - start))
        for place in _GRID[first:last]
    )


def up_to(samples: bytes, offset: int) -> bytes:
    """The part of a ladder that ends at an offset."""
    return b"".join(sample for sample in _each(samples) if _place(sample) <= offset)


def is_truncation(kept: int, position: int, *, pure: bool) -> bool:
    """Whether a file lost its end, rather than being written anew with the same beginning.

    Nobody can tell for sure once something was added.  In doubt it is another life: that costs second copies where
    the opposite could cost lines.

    Args:
        kept: how much of what was read is still there, bytes.
        position: how much was read.
        pure: nothing but that is there.
    """
    return kept >= _ENOUGH * position and (pure or kept <= _HALF * position)


def last_offset(samples: bytes) -> int:
    """The offset of the last sample; 0 for none."""
    return _place(samples[-_SAMPLE:]) if samples else 0


def matching_length(samples: bytes, size: int, read: Read) -> int:
    """How much of what was read a file still holds, as far as the ladder tells: the last sample that is the same.

    Args:
        samples: the ladder.
        size: of the file, bytes.
        read: how to look into it.
    """
    proven = 0
    for sample in _each(samples):
        place = _place(sample)
        first = max(0, place - CHECKPOINT_BYTES)
        if place > size or _digest(read(first, place - first)) != sample[_PLACE:]:
            break
        proven = place
    return proven


def _each(samples: bytes) -> list[bytes]:
    return [samples[at : at + _SAMPLE] for at in range(0, len(samples), _SAMPLE)]


def _place(sample: bytes) -> int:
    return int.from_bytes(sample[:_PLACE], "big")


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST).digest()
