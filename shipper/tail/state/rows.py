"""A cursor and its row in the store.  Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from shipper.tail.state.checkpoint import START, Checkpoint, Hash
from shipper.tail.state.path_hashing import Conceal

COLUMNS = (
    "id, logical, first_line, ordinal, path, device, inode, size, head_length, head, "
    "offset, anchor_length, anchor, carry, seen_at, cuts, rungs, digest"
)
ALL = f"SELECT {COLUMNS} FROM generation"  # noqa: S608 - constant columns
"""Gives every row, for ``cursor_of``."""
INSERT = (
    f"INSERT OR REPLACE INTO generation ({COLUMNS}) "  # noqa: S608 - constant columns
    f"VALUES ({', '.join('?' * (COLUMNS.count(',') + 1))})"
)
"""Takes what ``row_of`` gives."""


class LastSeen(NamedTuple):
    """A file as a scan saw it last.

    Attributes:
        path: under which it was found, or what stands for it in the store.
        device: of its file system.
        inode: 0, with the device, where the generation has lost its file.
        size: in bytes.
        born_ns: when the file system made it, nanoseconds since the epoch; 0 where that is not known.
    """

    path: str
    device: int
    inode: int
    size: int
    born_ns: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode


@dataclass(slots=True)
class Cursor:
    """One generation: where its file was last seen, and how far it is acknowledged.

    Attributes:
        id: the generation's name.
        logical: path of the log, or what stands for it in the store.
        first_line: digest of the first line.
        ordinal: which generation with this first line it is.
        file: as last seen.
        fingerprint: of the file's first bytes.
        checkpoint: the end of the contiguous acknowledged prefix.
        seen_at: when its file was last seen, seconds since the epoch.
        flush_points: offsets beyond the checkpoint at which what was held back was sent as it stood.
        waiting_at: since when bytes behind the checkpoint wait, seconds since the epoch; 0 where none do.
        passed_over: how many of its first bytes the first start passed over.
    """

    id: bytes
    logical: str
    first_line: bytes
    ordinal: int
    file: LastSeen
    fingerprint: Hash
    checkpoint: Checkpoint = START
    seen_at: float = 0.0
    flush_points: tuple[int, ...] = ()
    waiting_at: float = 0.0
    passed_over: int = 0

    @property
    def offset(self) -> int:
        """Of the first byte that is not acknowledged."""
        return self.checkpoint.offset


class Beside(NamedTuple):
    """What is kept of a cursor outside its row."""

    since: float = 0.0
    born: int = 0
    passed_over: int = 0


def digest_of(row: Iterable[Any]) -> bytes:
    """What proves that a row is as it was written."""
    return blake2b(ascii(tuple(row)).encode(), digest_size=8).digest()


def text_of(path: str) -> str | bytes:
    """A path as SQLite can keep it: one that is no UTF-8 as its bytes."""
    raw = path.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _path(text: str | bytes) -> str:
    return text if isinstance(text, str) else os.fsdecode(text)


def row_of(cursor: Cursor, conceal: Conceal) -> tuple[Any, ...]:
    """A cursor as a row."""
    file, checkpoint = cursor.file, cursor.checkpoint
    row = (
        cursor.id,
        text_of(conceal(cursor.logical)),
        cursor.first_line,
        cursor.ordinal,
        text_of(conceal(file.path)),
        file.device & (2**63 - 1),
        file.inode & (2**63 - 1),
        file.size,
        *cursor.fingerprint,
        checkpoint.offset,
        *checkpoint.hash,
        checkpoint.parser_state,
        float(cursor.seen_at),  # as it comes back, or its digest would differ
        " ".join(map(str, cursor.flush_points)),
        checkpoint.samples,
    )
    return (*row, digest_of(row))


def cursor_of(row: tuple[Any, ...], besides: Mapping[bytes, Beside]) -> Cursor:
    """A row as a cursor, with what is kept beside the rows."""
    beside = besides.get(row[0], Beside())
    return Cursor(
        id=row[0],
        logical=_path(row[1]),
        first_line=row[2],
        ordinal=row[3],
        file=LastSeen(_path(row[4]), row[5], row[6], row[7], beside.born),
        fingerprint=Hash(row[8], row[9]),
        checkpoint=Checkpoint(row[10], Hash(row[11], row[12]), row[13], row[16]),
        seen_at=row[14],
        flush_points=tuple(map(int, row[15].split())),
        waiting_at=beside.since,
        passed_over=beside.passed_over,
    )
