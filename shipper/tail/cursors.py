"""Where each generation's acknowledged prefix ends, kept in SQLite under ``state_dir``.

One process at a time (a lock names the other).  The database is in WAL mode: a cursor written before a SIGKILL is
there afterwards; one lost to a power failure only means that lines are sent again, and their ids make that
harmless.  A damaged store is set aside, said aloud and replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shipper.tail.identity import NOTHING, Mark

SCHEMA = 2
_TABLES = """
CREATE TABLE IF NOT EXISTS generation (
  id BLOB PRIMARY KEY,          -- identity.name(): 9 bytes
  logical TEXT NOT NULL,        -- path without rotation suffix and .gz
  first_line BLOB NOT NULL,     -- digest of the first line
  ordinal INTEGER NOT NULL,     -- which life with this first line
  path TEXT NOT NULL,           -- where it was last seen
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,        -- as last seen, bytes
  head_length INTEGER NOT NULL,
  head BLOB NOT NULL,           -- digest of the first head_length bytes
  offset INTEGER NOT NULL,      -- end of the contiguous acknowledged prefix, bytes
  anchor_length INTEGER NOT NULL,
  anchor BLOB NOT NULL,         -- digest of the anchor_length bytes before offset
  carry TEXT NOT NULL,          -- parser state at offset
  seen_at REAL NOT NULL,        -- seconds since the epoch
  cuts TEXT NOT NULL DEFAULT '',    -- offsets beyond offset at which what was held back was sent as it stood
  rungs BLOB NOT NULL DEFAULT x''   -- digests along the second half of what is acknowledged: rungs.py
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = (
    "id, logical, first_line, ordinal, path, device, inode, size, head_length, head, "
    "offset, anchor_length, anchor, carry, seen_at, cuts, rungs"
)


class StateError(Exception):
    """The state directory can't be used; the message says why and what to do."""


@dataclass(slots=True)
class Cursor:
    """One row: a generation, where its file was last seen, and how far it is acknowledged."""

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


class CursorStore:
    """The cursors of one state directory, held by one process.

    Args:
        state_dir: created (0700) if missing.
        warn: told in a sentence when a damaged store had to be set aside.

    Raises:
        StateError: another process holds the directory, or it can't be written.
    """

    def __init__(self, state_dir: Path, warn: Callable[[str], None]) -> None:
        self.path = state_dir / "cursors.sqlite"
        self._lock = _take_lock(state_dir)
        self._seal = state_dir / "clean"
        self.clean = self._take_seal()
        self._unsaved = False
        try:
            self._db = self._open()
            self._check()
        except sqlite3.DatabaseError as error:
            if _is_full_or_read_only(error):
                self._lock.close()
                raise StateError(f"{self.path}: {error}; the state directory must be writable") from None
            self.clean = False
            aside = self._set_aside()
            warn(
                f"{self.path}: the cursor store is damaged ({error}); set aside as {aside} and started anew: "
                "lines already indexed will be recognised by their ids, nothing is lost"
            )
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_TABLES)
        return db

    def _check(self) -> None:
        answer = self._db.execute("PRAGMA quick_check").fetchone()
        if answer != ("ok",):
            raise sqlite3.DatabaseError(str(answer[0]))
        schema = self.fact("schema")
        if schema == "1":
            schema = self._migrate()
        if schema is None:
            self.set_fact("schema", str(SCHEMA))
        elif schema != str(SCHEMA):
            raise sqlite3.DatabaseError(f"written in format {schema}, this version knows {SCHEMA}")
        self.load()

    def _migrate(self) -> str:
        """Bring a store of the first format to this one."""
        self._db.execute("ALTER TABLE generation ADD COLUMN cuts TEXT NOT NULL DEFAULT ''")
        self._db.execute("ALTER TABLE generation ADD COLUMN rungs BLOB NOT NULL DEFAULT x''")
        self.set_fact("schema", str(SCHEMA))
        return str(SCHEMA)

    def _set_aside(self) -> Path:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self._db.close()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}-{os.getpid()}")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self.path}{suffix}")
            if part.exists():
                part.rename(f"{aside}{suffix}")
        return aside

    def load(self) -> list[Cursor]:
        """Every generation that is remembered."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM generation").fetchall()  # noqa: S608 - constant columns
        return [_cursor(row) for row in rows]

    def save(self, cursors: Iterable[Cursor]) -> None:
        """Write these cursors, all or none.

        Raises:
            StateError: the disk is full or the directory became read-only; the old cursors stay.
        """
        rows = [_row(cursor) for cursor in cursors]
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(f"INSERT OR REPLACE INTO generation ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608 - constant columns
            self._db.execute("COMMIT")
            self._unsaved = False
        except sqlite3.Error as error:
            self._unsaved = True
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise StateError(f"{self.path}: cursors can't be written: {error}") from error

    def forget(self, ids: Iterable[bytes]) -> None:
        """Remove generations whose files are long gone."""
        self._db.executemany("DELETE FROM generation WHERE id = ?", [(one,) for one in ids])

    def fact(self, key: str) -> str | None:
        """A fact about the store as a whole, such as its counters."""
        row = self._db.execute("SELECT value FROM fact WHERE name = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_fact(self, key: str, value: str) -> None:
        """Remember a fact about the store."""
        try:
            self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, value))
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: can't be written: {error}") from error

    def _take_seal(self) -> bool:
        """Whether the store is as the last clean end left it; whatever comes now, it is not sealed any more."""
        try:
            sealed = self._seal.read_text(encoding="ascii")
            self._seal.unlink()
            return sealed == _signature(self.path)
        except (OSError, UnicodeDecodeError):
            return False

    def close(self, *, clean: bool = False) -> None:
        """Write everything to the main file and let the next process in.

        Args:
            clean: everything that was sent is acknowledged and its cursors are written; the store is sealed, so
                that the next start knows it needs no look-ups, unless a copy has taken its place meanwhile.
        """
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if clean and not self._unsaved:
            with contextlib.suppress(OSError):
                self._seal.write_text(_signature(self.path), encoding="ascii")
        self._lock.close()


def read_only(state_dir: Path) -> tuple[list[Cursor], dict[str, Any]]:
    """The cursors and facts as they stand, for ``status``, without holding the directory.

    Raises:
        StateError: there is no readable store.
    """
    path = state_dir / "cursors.sqlite"
    if not path.exists():
        raise StateError(f"{path}: no such file; the sidecar has not run with this state directory yet")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            rows = db.execute(f"SELECT {_COLUMNS} FROM generation").fetchall()  # noqa: S608 - constant columns
            facts = dict(db.execute("SELECT name, value FROM fact").fetchall())
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StateError(f"{path}: can't be read: {error}") from error
    return [_cursor(row) for row in rows], facts


def _take_lock(state_dir: Path) -> IO[str]:
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (state_dir / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StateError(
            f"{state_dir}: the state directory can't be used: {error.strerror}; "
            "make it writable for this user or set shipper.state_dir"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        other = lock.read().strip() or "another process"
        lock.close()
        raise StateError(
            f"{state_dir}: in use by {other}; one sidecar at a time: stop it, or give this one its own state_dir"
        ) from None
    lock.seek(0)
    lock.truncate()
    lock.write(f"neuroflow-ship, process {os.getpid()}")
    lock.flush()
    return lock


def _signature(path: Path) -> str:
    """What changes when a file is written or another takes its place: a restored backup has another ctime."""
    stat = path.stat()
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_ctime_ns}"


def _is_full_or_read_only(error: sqlite3.DatabaseError) -> bool:
    text = str(error)
    return "readonly" in text or "full" in text or "unable to open" in text or "disk I/O" in text


def _row(cursor: Cursor) -> tuple[Any, ...]:
    return (
        cursor.id,
        cursor.logical,
        cursor.first_line,
        cursor.ordinal,
        os.fsencode(cursor.path).decode("utf-8", "backslashreplace"),
        cursor.device & (2**63 - 1),
        cursor.inode & (2**63 - 1),
        cursor.size,
        *cursor.head,
        cursor.offset,
        *cursor.anchor,
        cursor.carry,
        cursor.seen_at,
        " ".join(map(str, cursor.cuts)),
        cursor.rungs,
    )


def _cursor(row: tuple[Any, ...]) -> Cursor:
    return Cursor(
        id=row[0],
        logical=row[1],
        first_line=row[2],
        ordinal=row[3],
        path=row[4],
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
    )


def counters_of(facts: dict[str, Any]) -> dict[str, int]:
    """The counters that the sidecar left in the store's facts."""
    try:
        counters = json.loads(facts.get("counters", "{}"))
        return {str(key): int(value) for key, value in counters.items()} if isinstance(counters, dict) else {}
    except (ValueError, TypeError):
        return {}
