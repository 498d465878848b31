"""Since when lines wait, kept beside the cursors: what ``status`` tells when no sidecar runs, too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from shipper.tail.rows import Cursor

WAITING = "CREATE TABLE IF NOT EXISTS waiting (id BLOB PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;"


class Waiting:
    """The rows of one store."""

    def __init__(self) -> None:
        self._held: dict[bytes, float] = {}
        self._owed: dict[bytes, float] = {}

    def load(self, db: sqlite3.Connection) -> None:
        """Take in what the store holds."""
        self._held = read(db)

    def owe(self, cursors: Iterable[Cursor]) -> None:
        """These are to be written."""
        for cursor in cursors:
            if self._held.get(cursor.id, 0.0) != cursor.waiting_at:
                self._owed[cursor.id] = cursor.waiting_at

    def write(self, db: sqlite3.Connection) -> None:
        """Write what is owed, in the transaction that is open; it is owed until ``written``."""
        db.executemany("INSERT OR REPLACE INTO waiting VALUES (?, ?)", self._owed.items())

    def written(self) -> None:
        """The transaction was committed."""
        self._held |= self._owed
        self._owed.clear()


def read(db: sqlite3.Connection) -> dict[bytes, float]:
    """Since when lines of each generation wait; nothing where a store knows no such table yet."""
    try:
        return dict(db.execute("SELECT id, since FROM waiting").fetchall())
    except sqlite3.OperationalError:
        return {}
