"""Which life of which log a file is: names, heads and anchors.  Pure.

A file is its content, not its inode.  A *generation* is one life of one log, named by a digest of host, logical
path, first line and an ordinal.  The *head* (digest of the first bytes) finds a generation again after a rename,
a copy, gzip or a lost state directory; the *anchor* (digest of the bytes just before an offset) proves that the
offset still means what it meant.  Rules 1-6 of the failures that users of other shippers report (inode reuse,
colliding or too short fingerprints, copytruncate, truncate and regrow) are all decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple

from shipper.tail.state.checkpoint import NOTHING, Hash

FINGERPRINT_BYTES = 1024
CHECKPOINT_BYTES = 256
# 72 bits: among a million generations the chance of two alike is one in ten thousand million.
NAME_BYTES = 9


class Expected(NamedTuple):
    """What is remembered of a generation's file: its head, and the anchor before an offset."""

    fingerprint: Hash
    offset: int
    checkpoint_hash: Hash


class Verdict(Enum):
    """What a file is, compared with what is remembered of a generation."""

    SAME = "same"
    """The generation goes on in this file."""
    SHORTER = "shorter"
    """The bytes that are there agree, but it ends before the offset: cut off, or a copy still being written."""
    OTHER = "other"
    """Its content is not the generation's."""


# A copy is told by its beginning and by this much before its end.
END_BYTES = 4096
Read = Callable[[int, int], bytes]
"""(offset, length) → the file's bytes there, fewer at its end."""


def hash_of(data: bytes) -> Hash:
    """The digest of these bytes."""
    return Hash(len(data), blake2b(data, digest_size=16).digest()) if data else NOTHING


def checkpoint_hash_of(data: bytes) -> Hash:
    """The anchor of an offset, given bytes that end there."""
    return hash_of(data[-CHECKPOINT_BYTES:])


def generation_name(host: str, logical: str, first_line: bytes, ordinal: int) -> bytes:
    """The name of a generation: the same for the same life, wherever its file has gone and whoever asks."""
    digest = blake2b(digest_size=NAME_BYTES)
    for part in (
        host.encode(),
        logical.encode("utf-8", "surrogateescape"),
        first_line,
        str(ordinal).encode(),
    ):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def first_line_of(head: bytes) -> bytes | None:
    """The first line within a file's first bytes, or all of them when they are full; None while it is unfinished."""
    end = head.find(b"\n")
    if end >= 0:
        return head[:end]
    return head if len(head) >= FINGERPRINT_BYTES else None


def decide(expected: Expected, size: int, read: Read) -> Verdict:
    """Whether a file continues a generation.

    Args:
        expected: the generation's head and anchor.
        size: the file's length in bytes (of its content, if compressed).
        read: how to look into it.
    """
    head = read(0, min(expected.fingerprint.length, size))
    if len(head) < expected.fingerprint.length:
        # Cut off inside the head: nothing can be proved, and nothing beyond it can be there.
        return Verdict.SHORTER if expected.fingerprint.length else Verdict.SAME
    if hash_of(head) != expected.fingerprint:
        return Verdict.OTHER
    if size < expected.offset:
        return Verdict.SHORTER
    at = expected.offset - expected.checkpoint_hash.length
    return (
        Verdict.SAME
        if hash_of(read(at, expected.checkpoint_hash.length)) == expected.checkpoint_hash
        else Verdict.OTHER
    )


def repeats(size: int, read: Read, other_size: int, other_read: Read) -> bool:
    """Whether a file, maybe unfinished, is a copy of how another begins, as its own beginning and end tell.

    Args:
        size: length of its content in bytes; nothing repeats nothing.
        read: how to look into it.
        other_size: length of the other's content.
        other_read: how to look into the other.
    """
    if not 0 < size <= other_size:
        return False
    head, end = min(size, FINGERPRINT_BYTES), max(0, size - END_BYTES)
    return read(0, head) == other_read(0, head) and read(end, size - end) == other_read(end, size - end)
