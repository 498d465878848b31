"""Which generation of which log a file is: names, fingerprints and checkpoint hashes.  Pure.

A file is its content, not its inode.  A *generation* is one incarnation of a log, named by a digest of host, logical
path, first line and an ordinal.  The *fingerprint* (digest of the first bytes) finds a generation again after a
rename, a copy, compression or a lost state directory; the *checkpoint hash* (digest of the bytes right before an
offset) proves that the offset still means the same.  Reused inodes, colliding or too short fingerprints,
copytruncate, and truncated files that have regrown are all decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from shipper.tail.state.checkpoint import NOTHING, Hash

FINGERPRINT_BYTES = 1024
CHECKPOINT_BYTES = 256
# 72 bits: among a million generations the chance of two alike is one in ten thousand million.
NAME_BYTES = 9


class Expected(NamedTuple):
    """What a generation's file must hold: its first bytes, and those before an offset."""

    fingerprint: Hash
    offset: int
    checkpoint_hash: Hash


# A copy is recognised by its beginning and by so many bytes before its end.
END_BYTES = 4096
Read = Callable[[int, int], bytes]
"""(offset, length) → the file's bytes there, fewer at its end."""


def hash_of(data: bytes) -> Hash:
    """The digest of these bytes."""
    return Hash(len(data), blake2b(data, digest_size=16).digest()) if data else NOTHING


def checkpoint_hash_of(data: bytes) -> Hash:
    """The checkpoint hash of an offset, given bytes that end there."""
    return hash_of(data[-CHECKPOINT_BYTES:])


def generation_name(host: str, logical: str, first_line: bytes, ordinal: int) -> bytes:
    """The name of a generation: the same wherever its file was moved, and after the state is lost."""
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


def continues(expected: Expected, size: int, read: Read) -> bool:
    """Whether a file of this size holds what was read of a generation: its head and the bytes before the offset."""
    fingerprint, checkpoint_hash = expected.fingerprint, expected.checkpoint_hash
    return (
        max(fingerprint.length, expected.offset) <= size
        and hash_of(read(0, fingerprint.length)) == fingerprint
        and hash_of(read(expected.offset - checkpoint_hash.length, checkpoint_hash.length)) == checkpoint_hash
    )


def repeats(size: int, read: Read, other_size: int, other_read: Read) -> bool:
    """Whether a file, perhaps unfinished, copies the beginning of another, by comparing its own beginning and end.

    Args:
        size: length of its content in bytes; an empty file copies nothing.
        read: reads it.
        other_size: length of the other's content.
        other_read: reads the other.
    """
    if not 0 < size <= other_size:
        return False
    head, end = min(size, FINGERPRINT_BYTES), max(0, size - END_BYTES)
    return read(0, head) == other_read(0, head) and read(end, size - end) == other_read(end, size - end)
