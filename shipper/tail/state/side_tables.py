"""What is kept of each generation beside its cursor, in tables that stores of earlier versions lack.

Since when lines wait, which ``status`` tells when no sidecar runs, too; and when the file was made, by which it is
known again under any name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from shipper.tail.state.rows import Beside, Cursor

BESIDE = (
    "CREATE TABLE IF NOT EXISTS waiting (id BLOB PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS birth (id BLOB PRIMARY KEY, ns INTEGER NOT NULL) WITHOUT ROWID;"
)
_NOTHING = Beside()


class Besides:
    """The rows of one store."""

    def __init__(self) -> None:
        self._held: dict[bytes, Beside] = {}
        self._owed: dict[bytes, Beside] = {}

    def load(self, db: sqlite3.Connection) -> None:
        """Take in what the store holds."""
        self._held = read(db)

    def owe(self, cursors: Iterable[Cursor]) -> None:
        """These are to be written."""
        for cursor in cursors:
            if self._held.get(cursor.id, _NOTHING) != (beside := Beside(cursor.waiting_at, cursor.file.born_ns)):
                self._owed[cursor.id] = beside

    def write(self, db: sqlite3.Connection) -> None:
        """Write what is owed, in the transaction that is open; it is owed until ``written``."""
        rows = self._owed.items()
        db.executemany("INSERT OR REPLACE INTO waiting VALUES (?, ?)", [(one, it.since) for one, it in rows])
        db.executemany("INSERT OR REPLACE INTO birth VALUES (?, ?)", [(one, it.born) for one, it in rows])

    def written(self) -> None:
        """The transaction was committed."""
        self._held |= self._owed
        self._owed.clear()


def forget(db: sqlite3.Connection, ids: Iterable[bytes]) -> None:
    """Remove what is kept of these generations."""
    keys = [(one,) for one in ids]
    db.executemany("DELETE FROM waiting WHERE id = ?", keys)
    db.executemany("DELETE FROM birth WHERE id = ?", keys)


def read(db: sqlite3.Connection) -> dict[bytes, Beside]:
    """What is kept of each generation; nothing where a store knows no such table yet."""
    since, born = _all(db, "SELECT id, since FROM waiting"), _all(db, "SELECT id, ns FROM birth")
    return {one: Beside(since.get(one, 0.0), int(born.get(one, 0))) for one in since.keys() | born.keys()}


def _all(db: sqlite3.Connection, query: str) -> dict[bytes, float]:
    try:
        return dict(db.execute(query).fetchall())
    except sqlite3.OperationalError:
        return {}
