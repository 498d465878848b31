"""Where each generation's acknowledged prefix ends, kept in SQLite under ``state_dir``.

One process at a time (a lock names the other).  The database is in WAL mode: a cursor written before a SIGKILL is
there afterwards; one lost to a power failure only means that lines are sent again, and their ids make that
harmless.  A damaged store is set aside, said aloud and replaced: at start, and under way when it is deleted.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from shipper.tail.damage import DAMAGE, look, must_be_damage, set_aside, signature
from shipper.tail.identity import NOTHING, Mark
from shipper.tail.state_lock import StateError, StateLock, key_of, same_file, sync

__all__ = ["Cursor", "CursorStore", "StateError"]

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
  rungs BLOB NOT NULL DEFAULT x'',  -- digests along the second half of what is acknowledged: rungs.py
  digest BLOB                       -- of all the above: SQLite does not notice a flipped bit inside a value
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = (
    "id, logical, first_line, ordinal, path, device, inode, size, head_length, head, "
    "offset, anchor_length, anchor, carry, seen_at, cuts, rungs, digest"
)
ALL = f"SELECT {_COLUMNS} FROM generation"  # noqa: S608 - constant columns
"""Gives every row, for ``cursor_of``."""
_INSERT = (
    f"INSERT OR REPLACE INTO generation ({_COLUMNS}) "  # noqa: S608 - constant columns
    f"VALUES ({', '.join('?' * (_COLUMNS.count(',') + 1))})"
)


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

    ``clean`` says that the last run ended well; ``certain`` has to be unset when this one can't say so of itself.

    Args:
        state_dir: created (0700) if missing.
        warn: told in a sentence when a damaged store had to be set aside, or a lost one made anew.

    Raises:
        StateError: another process holds the directory, or it can't be written.
    """

    def __init__(self, state_dir: Path, warn: Callable[[str], None]) -> None:
        self.path = state_dir / "cursors.sqlite"
        self._warn = warn
        self._wal = Path(f"{self.path}-wal")
        self._seal = state_dir / "clean"
        self._facts: dict[str, str] = {}
        self.certain = True
        # Rows that could not be written: they are owed, and go with the next that can.
        self._owed: dict[bytes, tuple[Any, ...]] = {}
        self._keys: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._lock = StateLock(state_dir)
        try:
            self._begin()
        except BaseException:
            self._lock.close()
            raise

    def _begin(self) -> None:
        sealed = self._seal.exists()
        self.clean = self._take_seal()
        try:
            look(self.path, sealed=sealed)
            self._db = self._open()
            self._check()
        except DAMAGE as error:
            must_be_damage(self.path, error)
            self.clean = False
            aside = self._set_aside()
            self._warn(
                f"{self.path}: the cursor store is damaged ({error}); set aside as {aside} and started anew: "
                "lines already indexed will be recognised by their ids, nothing is lost"
            )
            self._begin_anew()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_TABLES)
        except BaseException:
            db.close()
            raise
        return db

    def _begin_anew(self) -> None:
        try:
            self._db = self._open()
            self._check()
        except (*DAMAGE, OSError) as error:
            raise StateError(f"{self.path}: can't be made: {error}") from error

    def _check(self) -> None:
        answer = self._db.execute("PRAGMA quick_check").fetchone()
        if answer != ("ok",):
            raise sqlite3.DatabaseError(str(answer[0]))
        self._facts.update(self._db.execute("SELECT name, value FROM fact").fetchall())
        schema = self.fact("schema")
        if schema == "1":
            schema = self._migrate()
        if schema not in {None, str(SCHEMA)}:
            raise sqlite3.DatabaseError(f"written in format {schema}, this version knows {SCHEMA}")
        self._prove()
        # Whether it can be written is to be known now, not when the first cursor has moved.
        self._db.execute("INSERT OR REPLACE INTO fact VALUES ('schema', ?)", (str(SCHEMA),))
        self._keys = _key(self.path), _key(self._wal)

    def _prove(self) -> None:
        rows = self._db.execute(ALL).fetchall()
        if any(digest not in {None, _digest(row)} for *row, digest in rows):
            raise sqlite3.DatabaseError("a row is not as it was written")

    def _migrate(self) -> str:
        """Bring a store of the first format to this one."""
        self._db.execute("ALTER TABLE generation ADD COLUMN cuts TEXT NOT NULL DEFAULT ''")
        self._db.execute("ALTER TABLE generation ADD COLUMN rungs BLOB NOT NULL DEFAULT x''")
        self._db.execute("ALTER TABLE generation ADD COLUMN digest BLOB")
        self.set_fact("schema", str(SCHEMA))
        return str(SCHEMA)

    def _set_aside(self) -> Path:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self._db.close()
        self._facts.clear()
        return set_aside(self.path)

    def present(self) -> bool:
        """Whether lock and store still are what their paths name, and sound; costs three ``stat``."""
        return self._lock.present() and self._is_ours()

    def _is_ours(self) -> bool:
        if self._keys is None:
            return False
        # An empty file is no store, whoever emptied it.
        return key_of(self.path) == self._keys[0] and same_file(self._wal, self._keys[1])

    def restore(self, cursors: Iterable[Cursor]) -> None:
        """Make directory, lock and store anew under their paths, after they were deleted or replaced under way.

        Args:
            cursors: everything that is to be remembered.

        Raises:
            StateError: another process has taken the directory meanwhile, or it can't be written; ``present`` stays
                False, so that the next scan tries again.
        """
        if not self._lock.present():
            lock = StateLock(self.path.parent)
            self._lock.close()
            self._lock = lock
        facts = dict(self._facts)
        if not self._is_ours():
            whole = self._keys is not None and key_of(self.path) == self._keys[0]
            self._keys = None
            with contextlib.suppress(sqlite3.Error):
                self._db.close()  # what only the write-ahead log held goes into the main file, if that is ours
            if not whole:
                self._set_aside()
            self._begin_anew()
        rows = list(cursors)
        try:
            for key, value in facts.items():
                self.set_fact(key, value)
            self.save(rows)
        except StateError:
            self._keys = None
            raise
        self._warn(
            f"{self.path.parent}: lock or cursor store were deleted or replaced under way; "
            f"made anew with {len(rows)} positions, nothing is lost"
        )

    def load(self) -> list[Cursor]:
        """Every generation that is remembered."""
        rows = self._db.execute(ALL).fetchall()
        return [cursor_of(row) for row in rows]

    def save(self, cursors: Iterable[Cursor], **facts: str) -> None:
        """Write these cursors, all or none, and facts that belong to them.

        Raises:
            StateError: the disk is full or the directory became read-only; the old cursors stay.
        """
        self._facts |= facts
        rows = {cursor.id: _row(cursor) for cursor in cursors}
        if not rows and not self._owed:
            return
        self._owed |= rows
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT, self._owed.values())
            self._db.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # on a full disk it gives room back
            if not isinstance(error, sqlite3.OperationalError):
                self._keys = None  # malformed, not for want of room: it has to be made anew
            raise StateError(f"{self.path}: cursors can't be written: {error}") from error
        self._owed.clear()

    def forget(self, ids: Iterable[bytes]) -> None:
        """Remove generations whose files are long gone; on a full disk they stay until the next time."""
        keys = [(one,) for one in ids]
        for (key,) in keys:
            self._owed.pop(key, None)
        with contextlib.suppress(sqlite3.Error):
            self._db.executemany("DELETE FROM generation WHERE id = ?", keys)

    def fact(self, key: str) -> str | None:
        """A fact about the store as a whole, such as its counters."""
        return self._facts.get(key)

    def set_fact(self, key: str, value: str) -> None:
        """Remember a fact about the store.

        Raises:
            StateError: it can't be written.
        """
        self._facts[key] = value
        try:
            self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, value))
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: can't be written: {error}") from error

    def _take_seal(self) -> bool:
        """Whether the store is as the last clean end left it; whatever comes now, it is not sealed any more."""
        try:
            sealed = self._seal.read_text(encoding="ascii")
            self._seal.unlink()
            sync(self.path.parent)  # or a power failure would bring the seal back
            return sealed == signature(self.path)
        except (OSError, UnicodeDecodeError):
            return False

    def close(self, *, clean: bool = False) -> None:
        """Write everything to the main file and let the next process in.

        Args:
            clean: everything that was sent is acknowledged and its cursors are written; the store is sealed, so
                that the next start knows it needs no look-ups, unless a copy has taken its place meanwhile.
        """
        with contextlib.suppress(StateError):
            self.save(())
        ours = self._is_ours()
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if clean and ours and self.certain and not self._owed:
            with contextlib.suppress(OSError):
                self._seal.write_text(signature(self.path), encoding="ascii")
        self._lock.close()


def _key(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _digest(row: Iterable[Any]) -> bytes:
    """What proves that a row is as it was written."""
    return blake2b(ascii(tuple(row)).encode(), digest_size=8).digest()


def _text(path: str) -> str | bytes:
    """A path as SQLite can keep it: one that is no UTF-8 as its bytes."""
    raw = path.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _row(cursor: Cursor) -> tuple[Any, ...]:
    row = (
        cursor.id,
        _text(cursor.logical),
        cursor.first_line,
        cursor.ordinal,
        _text(cursor.path),
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
    return (*row, _digest(row))


def cursor_of(row: tuple[Any, ...]) -> Cursor:
    """A row as a cursor."""
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
    )
