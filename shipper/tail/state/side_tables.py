"""Tables beside the cursors: pairs that are written in one transaction with the cursors that they belong to.

Earlier versions lack some of them.  ``waiting`` tells since when lines wait, for ``status`` without a sidecar, too;
``birth`` when the file was made, by which it is known again under any name; ``passed_over`` how much of a log the
first start passed over; ``recollection`` the context that was
learned from lines (keys and values belong to ``document.run_context``; here they are only texts).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

from shipper.tail.state.rows import Beside

TABLES = (
    "CREATE TABLE IF NOT EXISTS waiting (id BLOB PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS birth (id BLOB PRIMARY KEY, ns INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS passed_over (id BLOB PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS recollection (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
)
Rows = Iterable[tuple[Any, Any]]
"""Keys and their values; None deletes the row."""


class SideTable:
    """The rows of one table of one store; ``all`` holds those that are known, to fill a store that replaces it.

    Args:
        name: of the table.
        key: name of its first column.
        usual: value of a key without a row.
    """

    def __init__(self, name: str, key: str, usual: float | None) -> None:
        self._name, self._key, self._usual = name, key, usual
        self.all: dict[Any, Any] = {}
        self._unsaved: dict[Any, Any] = {}

    def opened(self, _db: sqlite3.Connection) -> None:
        """A store was opened: what is known is written with the next."""
        self._unsaved = dict(self.all)

    def note(self, key: Any, value: Any) -> None:
        """The store holds this value."""
        if value != self._usual and key not in self.all:
            self.all[key] = value

    def owe(self, rows: Rows) -> bool:
        """Note rows to write; gives whether there are any."""
        for key, value in rows:
            if self.all.get(key, self._usual) == value:
                continue
            self._unsaved[key] = value
            if value is None:
                del self.all[key]
            else:
                self.all[key] = value
        return bool(self._unsaved)

    def write(self, db: sqlite3.Connection) -> None:
        """Write the noted rows in the open transaction; they stay noted until ``written``."""
        kept = [(key, value) for key, value in self._unsaved.items() if value is not None]
        self._delete(db, [key for key, value in self._unsaved.items() if value is None])
        db.executemany(f"INSERT OR REPLACE INTO {self._name} VALUES (?, ?)", kept)  # noqa: S608 - a constant name

    def written(self) -> None:
        """The transaction was committed."""
        self._unsaved.clear()

    def forget(self, db: sqlite3.Connection, keys: Collection[Any]) -> None:
        """Remove these rows, outside of a transaction."""
        for key in keys:
            self.all.pop(key, None)
            self._unsaved.pop(key, None)
        self._delete(db, keys)

    def clear(self, db: sqlite3.Connection) -> None:
        """Forget everything."""
        db.execute(f"DELETE FROM {self._name}")  # noqa: S608 - as above
        self.all.clear()
        self._unsaved.clear()

    def _delete(self, db: sqlite3.Connection, keys: Iterable[Any]) -> None:
        db.executemany(f"DELETE FROM {self._name} WHERE {self._key} = ?", [(key,) for key in keys])  # noqa: S608 - as above


class Recollection(SideTable):
    """The context that was learned from lines; ``document.run_context`` holds its rows, so this holds none twice."""

    def __init__(self) -> None:
        super().__init__("recollection", "key", None)
        self._taken = False

    def opened(self, db: sqlite3.Connection) -> None:
        """A store was opened: read what it holds, if it is not taken yet."""
        if not self._taken:
            self.all = dict(db.execute("SELECT * FROM recollection").fetchall())

    def take(self) -> dict[str, str]:
        """What the store held when it was opened; only once, then nothing."""
        taken, self.all, self._taken = self.all, {}, True
        return taken

    def owe(self, rows: Rows) -> bool:
        """Note rows to write; gives whether there are any."""
        self._unsaved.update(rows)
        return bool(self._unsaved)


def besides(db: sqlite3.Connection) -> dict[bytes, Beside]:
    """What is kept of each generation beside its row; nothing where a store knows no such table yet."""
    since, born, passed = _rows(db, "waiting"), _rows(db, "birth"), _rows(db, "passed_over")
    return {
        one: Beside(since.get(one, 0.0), int(born.get(one, 0)), int(passed.get(one, 0)))
        for one in since.keys() | born.keys() | passed.keys()
    }


def _rows(db: sqlite3.Connection, table: str) -> dict[Any, Any]:
    try:
        return dict(db.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608 - a constant name
    except sqlite3.OperationalError:
        return {}
