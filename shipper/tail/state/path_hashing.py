"""What a state directory must not tell of people: paths that hold their ids, and the ids that were met.

Where ids are hashed the store holds keyed digests of paths; a generation is found by comparing these.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable

TABLE = "CREATE TABLE IF NOT EXISTS known (id TEXT PRIMARY KEY) WITHOUT ROWID;"
FACT = "concealed"
Conceal = Callable[[str], str]
"""An absolute path → what stands for it in the store; what stands for one already stays as it is."""


def plain(path: str) -> str:
    """Conceals nothing."""
    return path


def is_concealed(path: str) -> bool:
    """Whether this stands for a path that only the file system can tell."""
    return not path.startswith("/")


def fingerprint(conceal: Conceal) -> str:
    """What tells one key from another; empty where nothing is concealed."""
    root = conceal("/")
    return root if is_concealed(root) else ""


def wipe(db: sqlite3.Connection) -> None:
    """Leave nothing behind of rows that were changed or deleted, in the store's files."""
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Known:
    """The hashes of ids that were met, kept beside the cursors.

    ``all`` holds every one of them.
    """

    def __init__(self) -> None:
        self.all: set[str] = set()
        self._owed: set[str] = set()

    def load(self, db: sqlite3.Connection) -> None:
        """Take in what the store holds; what it lacks is owed to it."""
        held = {one for (one,) in db.execute("SELECT id FROM known")}
        self._owed = self.all - held
        self.all |= held
        self.add(db, ())

    def add(self, db: sqlite3.Connection, ids: Iterable[str]) -> None:
        """Remember these; on a full disk they are written with the next."""
        new = set(ids) - self.all
        self.all |= new
        self._owed |= new
        if self._owed:
            with contextlib.suppress(sqlite3.Error):
                db.executemany("INSERT OR IGNORE INTO known VALUES (?)", [(one,) for one in sorted(self._owed)])
                self._owed.clear()

    def clear(self, db: sqlite3.Connection) -> None:
        """Forget all of them: they were hashed with another key."""
        db.execute("DELETE FROM known")
        self.all.clear()
        self._owed.clear()
