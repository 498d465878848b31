"""A cursor and its row in the store.  Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from shipper.tail.state.marks import NOTHING, Mark
from shipper.tail.state.path_hashing import Conceal

_COLUMNS = (
    "id, logical, first_line, ordinal, path, device, inode, size, head_length, head, "
    "offset, anchor_length, anchor, carry, seen_at, cuts, rungs, digest"
)
ALL = f"SELECT {_COLUMNS} FROM generation"  # noqa: S608 - constant columns
"""Gives every row, for ``cursor_of``."""
INSERT = (
    f"INSERT OR REPLACE INTO generation ({_COLUMNS}) "  # noqa: S608 - constant columns
    f"VALUES ({', '.join('?' * (_COLUMNS.count(',') + 1))})"
)
"""Takes what ``row_of`` gives."""


@dataclass(slots=True)
class Cursor:
    """One row: a generation, where its file was last seen, and how far it is acknowledged.

    ``waiting_at`` says since when what is not acknowledged waits, ``born`` when the file was made (nanoseconds since
    the epoch, 0 where nobody knows); they are kept in tables of their own.
    """

    id: bytes
    logical: str
    first_line: bytes
    ordinal: int
    path: str
    device: int
    inode: int
    size: int
    head: Mark
    offset: int = 0
    anchor: Mark = NOTHING
    carry: str = ""
    seen_at: float = 0.0
    cuts: tuple[int, ...] = ()
    rungs: bytes = b""
    waiting_at: float = 0.0
    born: int = 0


class Beside(NamedTuple):
    """What is kept of a cursor outside its row."""

    since: float = 0.0
    born: int = 0


def digest_of(row: Iterable[Any]) -> bytes:
    """What proves that a row is as it was written."""
    return blake2b(ascii(tuple(row)).encode(), digest_size=8).digest()


def _text(path: str) -> str | bytes:
    """A path as SQLite can keep it: one that is no UTF-8 as its bytes."""
    raw = path.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def row_of(cursor: Cursor, conceal: Conceal) -> tuple[Any, ...]:
    """A cursor as a row."""
    row = (
        cursor.id,
        _text(conceal(cursor.logical)),
        cursor.first_line,
        cursor.ordinal,
        _text(conceal(cursor.path)),
        cursor.device & (2**63 - 1),
        cursor.inode & (2**63 - 1),
        cursor.size,
        *cursor.head,
        cursor.offset,
        *cursor.anchor,
        cursor.carry,
        float(cursor.seen_at),  # as it comes back, or it would not be as it was written
        " ".join(map(str, cursor.cuts)),
        cursor.rungs,
    )
    return (*row, digest_of(row))


def cursor_of(row: tuple[Any, ...], besides: Mapping[bytes, Beside]) -> Cursor:
    """A row as a cursor, with what is kept beside the rows."""
    beside = besides.get(row[0], Beside())
    return Cursor(
        id=row[0],
        logical=row[1] if isinstance(row[1], str) else os.fsdecode(row[1]),
        first_line=row[2],
        ordinal=row[3],
        path=row[4] if isinstance(row[4], str) else os.fsdecode(row[4]),
        device=row[5],
        inode=row[6],
        size=row[7],
        head=Mark(row[8], row[9]),
        offset=row[10],
        anchor=Mark(row[11], row[12]),
        carry=row[13],
        seen_at=row[14],
        cuts=tuple(map(int, row[15].split())),
        rungs=row[16],
        waiting_at=beside.since,
        born=beside.born,
    )
