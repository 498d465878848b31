"""The context that was learned from lines, stored in one transaction with the cursors that moved over these lines.

Keys and values belong to ``document.run_context``; here they are only texts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

RECOLLECTION = "CREATE TABLE IF NOT EXISTS recollection (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
Rows = Iterable[tuple[str, str | None]]
"""Keys and their values; None deletes the row."""


class Recollection:
    """The rows of one store; ``all`` holds every one of them, to fill a store that replaces a lost one."""

    def __init__(self) -> None:
        self.all: dict[str, str] = {}
        self._owed: dict[str, str | None] = {}

    def load(self, db: sqlite3.Connection) -> None:
        """Read what the store holds; what it lacks is written with the next."""
        held = dict(db.execute("SELECT key, value FROM recollection").fetchall())
        self._owed = {key: value for key, value in self.all.items() if held.get(key) != value}
        self.all = {**held, **self.all}

    def owe(self, rows: Rows) -> bool:
        """Note rows to write; gives whether there are any."""
        for key, value in rows:
            self._owed[key] = value
            if value is None:
                self.all.pop(key, None)
            else:
                self.all[key] = value
        return bool(self._owed)

    def write(self, db: sqlite3.Connection) -> None:
        """Write the noted rows in the open transaction; they stay noted until ``written``."""
        gone = [(key,) for key, value in self._owed.items() if value is None]
        kept = [(key, value) for key, value in self._owed.items() if value is not None]
        db.executemany("DELETE FROM recollection WHERE key = ?", gone)
        db.executemany("INSERT OR REPLACE INTO recollection VALUES (?, ?)", kept)

    def written(self) -> None:
        """The transaction was committed."""
        self._owed.clear()

    def clear(self, db: sqlite3.Connection) -> None:
        """Forget everything."""
        db.execute("DELETE FROM recollection")
        self.all.clear()
        self._owed.clear()
