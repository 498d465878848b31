"""The cursors that only the store holds, looked up when a file appears that may be one of theirs.

A log that was deleted leaves its cursor for three months: a start reads none of them, however many there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from shipper.tail.state.checkpoint import Hash
from shipper.tail.state.rows import COLUMNS, Beside, Cursor, cursor_of, digest_of, text_of
from shipper.tail.state.side_tables import SideTable

# In the order in which they were seen last; those of which nothing was acknowledged are the latest.
_ORDER = "ORDER BY seen_at = 0, seen_at, id"
_FIND = (
    f"SELECT {COLUMNS}, (SELECT since FROM waiting WHERE waiting.id = generation.id), "  # noqa: S608 - constants
    "(SELECT ns FROM birth WHERE birth.id = generation.id), "
    "(SELECT bytes FROM passed_over WHERE passed_over.id = generation.id) FROM generation "
)
_BESIDE = 3


class Dormant:
    """Looks up cursors in a store.

    Attributes:
        db: the store.
        lost: whether some of them could not be read or saved: what begins anew may have been sent before.

    Args:
        tables: where it is noted what the store holds of a cursor beside its row: ``waiting``, ``birth``,
            ``passed_over``.
        damaged: called when the store is damaged.
    """

    db: sqlite3.Connection

    def __init__(self, tables: Sequence[SideTable], damaged: Callable[[], None]) -> None:
        self._tables = tables
        self._damaged = damaged
        self.lost = False

    @property
    def count(self) -> int:
        """How many cursors the store holds."""
        return sum(number for (number,) in self._rows("SELECT count(*) FROM generation"))

    def named(self, generation: bytes) -> list[Cursor]:
        """The cursor of this generation, if there is one."""
        return self._cursors("WHERE id = ?", generation)

    def of_log(self, logical: str) -> list[Cursor]:
        """The cursors of a log, by its path or what stands for it."""
        return self._cursors(f"WHERE logical = ? {_ORDER}", text_of(logical))

    def in_file(self, device: int, inode: int) -> list[Cursor]:
        """The cursors whose generations were last seen in this file; the last of them was there last."""
        key = inode & (2**63 - 1), device & (2**63 - 1)
        return self._cursors(f"WHERE inode = ? AND device = ? AND inode != 0 {_ORDER}", *key)

    def that_begin(self, head: Hash, most: int) -> list[Cursor]:
        """Cursors whose files began with these bytes, a kilobyte; so many at most."""
        return self._cursors(f"WHERE head = ? AND head_length >= 1024 {_ORDER} LIMIT {most}", head.digest)

    def passed_over(self) -> list[Cursor]:
        """The cursors of logs of which the first start passed something over."""
        return self._cursors("WHERE id IN (SELECT id FROM passed_over WHERE bytes > 0)")

    def not_seen_since(self, at: float) -> list[bytes]:
        """The names of generations whose files were last seen before a time, seconds since the epoch."""
        return [one for (one,) in self._rows("SELECT id FROM generation WHERE seen_at < ?", at)]

    def _cursors(self, where: str, *values: Any) -> list[Cursor]:
        found = []
        for row in self._rows(_FIND + where, *values):
            since, born, passed = (value or 0 for value in row[-_BESIDE:])
            *values_of_row, digest = row[:-_BESIDE]
            if digest != digest_of(values_of_row):
                self._fail()
                continue
            for table, value in zip(self._tables, (since, born, passed), strict=True):
                table.note(row[0], value)
            found.append(cursor_of(row[:-_BESIDE], {row[0]: Beside(float(since), int(born), int(passed))}))
        return found

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self.db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._fail(error)
            return []

    def _fail(self, error: sqlite3.Error | None = None) -> None:
        self.lost = True
        if not isinstance(error, sqlite3.OperationalError):
            self._damaged()


_TABLES = {"generation": COLUMNS, "waiting": "id, since", "birth": "id, ns", "passed_over": "id, bytes"}


def copy_rows(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy what a store lacks of generations from another one.

    Raises:
        sqlite3.Error: they can't be read, or not be written.
    """
    target.execute("BEGIN IMMEDIATE")
    try:
        for name, columns in _TABLES.items():
            rows = source.execute(f"SELECT {columns} FROM {name}")  # noqa: S608 - constant names
            marks = ", ".join("?" * len(rows.description))
            target.executemany(f"INSERT OR IGNORE INTO {name} ({columns}) VALUES ({marks})", rows)  # noqa: S608 - as above
    finally:
        target.execute("COMMIT")
