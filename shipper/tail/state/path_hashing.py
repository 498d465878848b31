"""How the state directory hides people's ids: in paths, and those that were found in lines.

Where ids are hashed, the store holds keyed digests of paths; generations are found by comparing these.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable

TABLE = "CREATE TABLE IF NOT EXISTS known (id TEXT PRIMARY KEY) WITHOUT ROWID;"
FACT = "concealed"
Conceal = Callable[[str], str]
"""An absolute path → what stands for it in the store; given that again, it gives the same."""


def plain(path: str) -> str:
    """Hide nothing."""
    return path


def key_mark(conceal: Conceal) -> str:
    """A text that differs from key to key; empty where nothing is hidden."""
    root = conceal("/")
    return "" if root.startswith("/") else root


def wipe(db: sqlite3.Connection) -> None:
    """Remove from the store's files all bytes of rows that were changed or deleted."""
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class KnownIds:
    """The hashes of ids that were found in lines, kept beside the cursors; ``all`` holds every one of them."""

    def __init__(self) -> None:
        self.all: set[str] = set()
        self._unsaved: set[str] = set()

    def load(self, db: sqlite3.Connection) -> None:
        """Read what the store holds; what it lacks is written with the next."""
        held = {one for (one,) in db.execute("SELECT id FROM known")}
        self._unsaved = self.all - held
        self.all |= held
        self.add(db, ())

    def add(self, db: sqlite3.Connection, ids: Iterable[str]) -> None:
        """Remember these; if the disk is full they are written with the next."""
        new = set(ids) - self.all
        self.all |= new
        self._unsaved |= new
        if self._unsaved:
            with contextlib.suppress(sqlite3.Error):
                db.executemany("INSERT OR IGNORE INTO known VALUES (?)", [(one,) for one in sorted(self._unsaved)])
                self._unsaved.clear()

    def clear(self, db: sqlite3.Connection) -> None:
        """Forget all of them, as they were hashed with another key."""
        db.execute("DELETE FROM known")
        self.all.clear()
        self._unsaved.clear()
