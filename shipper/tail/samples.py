"""Content samples: digests at a dozen places of what was read, which tell how much of it a file still holds.  Pure.

A file that lost its end (in a power failure, or because it was truncated) is the same generation, while a file that
was rewritten is another one, even if it begins alike.  Fingerprint and checkpoint hash can't tell the two apart;
samples along the second half of what was read can.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b

from shipper.tail.fingerprint import CHECKPOINT_BYTES, Read

# Distance between samples: ten percent of the offset, at least this, bytes.
_CLOSEST = 16
# Rungs up_to this part of what was read are given up.
_LOWEST = 0.35
# A file that holds less than the first part was rewritten; so was one that agrees beyond the second and then differs:
# log files are truncated to half or by a crash, and otherwise another generation began alike.
_ENOUGH, _HALF = 0.4, 0.6
_PLACE, _DIGEST = 8, 8
_SAMPLE = _PLACE + _DIGEST


def _grid() -> list[int]:
    places = [_CLOSEST]
    while places[-1] < 2**50:
        places.append(places[-1] + max(_CLOSEST, places[-1] // 10))
    return places


_GRID = _grid()
_ON_GRID = frozenset(_GRID)


def extended(samples: bytes, start: int, before: bytes, data: bytes) -> bytes:
    """The samples after these bytes were read.

    Args:
        samples: those so far.
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
        if place + shift >= min(place, CHECKPOINT_BYTES)  # after a restart few of the bytes before are known
    )
    kept = [one for one in _each(samples) if _place(one) >= lowest or _place(one) not in _ON_GRID]
    return b"".join(sorted(kept + _each(new)))


def at_end_of_copy(samples: bytes, end: int, before: bytes) -> bytes:
    """The samples with one at the end of a copy, instead of that of an earlier copy.

    It proves the whole copy, also after what came behind it was read and the copy is all that is left.

    Args:
        samples: those so far.
        end: length of the copy in bytes.
        before: the bytes before it, ``CHECKPOINT_BYTES`` or all.
    """
    others = [one for one in _each(samples) if _place(one) in _ON_GRID and _place(one) != end]
    return b"".join(sorted([*others, end.to_bytes(_PLACE, "big") + _digest(before)]))


def copy_end(samples: bytes) -> int:
    """Where the last known copy ends; 0 for none."""
    return max((_place(one) for one in _each(samples) if _place(one) not in _ON_GRID), default=0)


def measure(offset: int, read: Read) -> bytes:
    """The samples of what a file holds up to an offset, read from the file."""
    first, last = bisect_right(_GRID, int(offset * _LOWEST)), bisect_right(_GRID, offset)
    return b"".join(
        place.to_bytes(_PLACE, "big") + _digest(read(start := max(0, place - CHECKPOINT_BYTES), place - start))
        for place in _GRID[first:last]
    )


def up_to(samples: bytes, offset: int) -> bytes:
    """The samples up to an offset."""
    return b"".join(sample for sample in _each(samples) if _place(sample) <= offset)


def is_truncation(kept: int, position: int, *, pure: bool) -> bool:
    """Whether a file lost its end, rather than being rewritten with the same beginning.

    Once lines were added this can't be decided for sure.  In doubt it was rewritten: that costs second copies, where
    the opposite could cost lines.

    Args:
        kept: how much of what was read it still holds, bytes.
        position: how much was read.
        pure: it holds nothing else.
    """
    return kept >= _ENOUGH * position and (pure or kept <= _HALF * position)


def last_offset(samples: bytes) -> int:
    """The offset of the last sample; 0 for none."""
    return _place(samples[-_SAMPLE:]) if samples else 0


def matching_length(samples: bytes, size: int, read: Read) -> int:
    """How much of what was read a file still holds: up to the last sample that matches."""
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
