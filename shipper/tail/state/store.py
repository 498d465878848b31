"""Where each generation's acknowledged prefix ends, kept in SQLite under ``state_dir``.

One process at a time (a lock names the other).  The database is in WAL mode: a cursor written before a SIGKILL is
there afterwards; one lost to a power failure only means that lines are sent again, and their ids make that
harmless.  A damaged store is set aside, said aloud and replaced: at start, and under way when it is deleted.  On a
full disk it is kept in memory until there is room.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from shipper.tail.state.context_store import RECOLLECTION, Recollection, Rows
from shipper.tail.state.damage import DAMAGE, into_memory, look, must_be_damage, set_aside, signature
from shipper.tail.state.file_modes import open_private
from shipper.tail.state.lock import FullError, StateError, StateLock, key_of, same_file, sync
from shipper.tail.state.path_hashing import FACT, TABLE, Conceal, Known, fingerprint, plain, wipe
from shipper.tail.state.rows import ALL, INSERT, Cursor, cursor_of, digest_of, row_of
from shipper.tail.state.side_tables import BESIDE, Besides, forget, read

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
  digest BLOB NOT NULL              -- of all the above: SQLite does not notice a flipped bit inside a value
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_ALL_TABLES = _TABLES + TABLE + RECOLLECTION + BESIDE


class CursorStore:
    """The cursors of one state directory, held by one process.

    ``clean`` says that the last run ended well; ``certain`` has to be unset when this one can't say so of itself.

    Args:
        state_dir: created (0700) if missing.
        warn: told in a sentence when a damaged store had to be set aside, or a lost one made anew.
        conceal: what stands for a path, where paths must not be kept.

    On a full disk it begins in memory, with what the disk holds: ``present`` is False, and ``restore`` writes it as
    soon as there is room.

    Raises:
        StateError: another process holds the directory, or it can never be written.
    """

    def __init__(self, state_dir: Path, warn: Callable[[str], None], conceal: Conceal = plain) -> None:
        self.path = state_dir / "cursors.sqlite"
        self._warn = warn
        self._conceal = conceal
        self._known = Known()
        self._recollection = Recollection()
        self._beside = Besides()
        self._wal = Path(f"{self.path}-wal")
        self._seal = state_dir / "clean"
        self._facts: dict[str, str] = {}
        self.certain = True
        # Rows that could not be written: they are owed, and go with the next that can.
        self._owed: dict[bytes, tuple[Any, ...]] = {}
        self._keys: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._in_memory = False
        self._lock: StateLock | None = None
        self.clean = False
        try:
            self._lock = StateLock(state_dir)
            sealed = self._seal.exists()
            self.clean = self._take_seal()
            self.clean = self._begin(sealed=sealed) and self.clean
        except FullError:
            self._begin_in_memory()
        except BaseException:
            self._unlock()
            raise

    def _begin(self, *, sealed: bool) -> bool:
        """Open the store, or a new one where it is damaged; gives whether it was sound."""
        try:
            look(self.path, sealed=sealed)
            self._db = self._open()
            self._check()
        except DAMAGE as error:
            must_be_damage(self.path, error)
            aside = self._set_aside()
            self._warn(
                f"{self.path}: the cursor store {_what_is_wrong(error)}; set aside as {aside} and started anew: "
                "lines already indexed will be recognised by their ids, nothing is lost"
            )
            self._begin_anew()
            return False
        self._keys = _key(self.path), _key(self._wal)
        return True

    def _begin_in_memory(self) -> None:
        """Do without the disk for now; whoever asks ``present`` is told, and tries ``restore``."""
        self._in_memory = True
        if self._lock is None:
            self.clean = self._take_seal()
        for path in (self.path, None):
            self._forget_store()
            self._db = into_memory(path)
            try:
                self._db.executescript(_ALL_TABLES)
                self._check()
            except DAMAGE:
                continue  # it is set aside when there is room
            break
        self.clean = self.clean and self.fact("schema") is not None

    def _forget_store(self) -> None:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self._db.close()
        self._facts.clear()

    def _open(self) -> sqlite3.Connection:
        was_there = self.path.exists()
        try:
            # SQLite makes what it needs beside the store with the store's own mode.
            os.close(open_private(self.path))
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from error
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            if fingerprint(self._conceal):
                db.execute("PRAGMA secure_delete = ON")
            db.executescript(_ALL_TABLES)
        except BaseException:
            db.close()
            if not was_there and not key_of(self.path):
                self.path.unlink(missing_ok=True)  # or the next start would take it for an emptied store
            raise
        return db

    def _begin_anew(self) -> None:
        try:
            self._db = self._open()
            self._check()
        except (*DAMAGE, OSError) as error:
            must_be_damage(self.path, error)
            raise StateError(f"{self.path}: can't be made: {error}") from error
        self._keys = _key(self.path), _key(self._wal)

    def _check(self) -> None:
        answer = self._db.execute("PRAGMA quick_check").fetchone()
        if answer != ("ok",):
            raise sqlite3.DatabaseError(str(answer[0]))
        self._facts.update(self._db.execute("SELECT name, value FROM fact").fetchall())
        schema = self.fact("schema")
        if schema not in {None, str(SCHEMA)}:
            raise _OtherFormatError(f"was written in format {schema}, this version knows {SCHEMA}")
        self._prove()
        self._agree()
        self._known.load(self._db)
        self._recollection.load(self._db)
        self._beside.load(self._db)
        # Whether it can be written is to be known now, not when the first cursor has moved.
        self._db.execute("INSERT OR REPLACE INTO fact VALUES ('schema', ?)", (str(SCHEMA),))

    def _prove(self) -> None:
        rows = self._db.execute(ALL).fetchall()
        if any(digest != digest_of(row) for *row, digest in rows):
            raise sqlite3.DatabaseError("a row is not as it was written")

    def _agree(self) -> None:
        """Bring the rows to the way in which this run keeps paths."""
        was, wanted = self.fact(FACT) or "", fingerprint(self._conceal)
        if was == wanted:
            return
        self._recollection.clear(self._db)
        if was:
            self._db.execute("DELETE FROM generation")
            self._known.clear(self._db)
            self.clean = False
            self._warn(
                f"{self.path}: its paths were hidden with another shipper.redact.hash_key, or need no hiding now; "
                "files are read again, lines already indexed are recognised by their ids"
            )
        rows = [self._row(cursor) for cursor in self.load()]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(INSERT, rows)
        self._db.execute("COMMIT")
        wipe(self._db)
        self.set_fact(FACT, wanted)  # last: what was broken off is done again

    def _set_aside(self) -> Path:
        self._forget_store()
        return set_aside(self.path)

    def present(self) -> bool:
        """Whether lock and store still are what their paths name, and sound; costs three ``stat``."""
        return self._lock is not None and self._lock.present() and self._is_ours()

    def _is_ours(self) -> bool:
        if self._keys is None:
            return False
        # An empty file is no store, whoever emptied it.
        return key_of(self.path) == self._keys[0] and same_file(self._wal, self._keys[1])

    @property
    def looked_at(self) -> float:
        """When an earlier run last looked at the files, seconds since the epoch; 0 where that is not known."""
        return self._lock.looked_at if self._lock is not None else 0.0

    def looked(self, at: float) -> None:
        """The files were looked at then."""
        if self._lock is not None:
            self._lock.stamp(at)

    def restore(self, cursors: Iterable[Cursor]) -> None:
        """Make directory, lock and store anew under their paths, after they were deleted or replaced under way.

        Args:
            cursors: everything that is to be remembered.

        Raises:
            StateError: another process has taken the directory meanwhile, or it can't be written; ``present`` stays
                False, so that the next scan tries again.
        """
        if self._lock is None or not self._lock.present():
            lock = StateLock(self.path.parent)
            self._unlock()
            self._lock = lock
        facts = dict(self._facts)
        was_in_memory = self._in_memory
        if self._in_memory:
            self._leave_memory()
        elif not self._is_ours():
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
        done = (
            "there is room for the state again; written"
            if was_in_memory
            else "lock or cursor store were deleted or replaced under way; made anew"
        )
        self._warn(f"{self.path.parent}: {done} with {len(rows)} positions, nothing is lost")

    def _leave_memory(self) -> None:
        """Go on with the store on the disk.

        Raises:
            StateError: it can't be opened yet; what is in memory stays.
        """
        memory, self._db = self._db, sqlite3.connect(":memory:")
        facts = dict(self._facts)
        try:
            self._begin(sealed=False)
        except BaseException:
            self._forget_store()
            self._db, self._facts = memory, facts
            raise
        memory.close()
        self._in_memory = False

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def load(self) -> list[Cursor]:
        """Every generation that is remembered."""
        beside = read(self._db)
        return [cursor_of(row, beside) for row in self._db.execute(ALL).fetchall()]

    def save(self, cursors: Iterable[Cursor], learned: Rows = (), **facts: str) -> None:
        """Write these cursors, all or none, with what was learned on the way and facts that belong to them.

        Raises:
            StateError: the disk is full or the directory became read-only; the old cursors stay.
        """
        self._facts |= facts
        cursors = list(cursors)
        rows = {cursor.id: self._row(cursor) for cursor in cursors}
        self._beside.owe(cursors)
        learns = self._recollection.owe(learned)
        if not (rows or self._owed or learns):
            return
        self._owed |= rows
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(INSERT, self._owed.values())
            self._db.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
            self._recollection.write(self._db)
            self._beside.write(self._db)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # on a full disk it gives room back
            if not isinstance(error, sqlite3.OperationalError):
                self._keys = None  # malformed, not for want of room: it has to be made anew
            raise StateError(f"{self.path}: cursors can't be written: {error}") from error
        self._owed.clear()
        self._recollection.written()
        self._beside.written()

    def _row(self, cursor: Cursor) -> tuple[Any, ...]:
        return row_of(cursor, self._conceal)

    def recollected(self) -> list[tuple[str, str]]:
        """What was learned and is remembered."""
        return list(self._recollection.all.items())

    def known(self) -> set[str]:
        """The hashes of ids that were met, for who redacts."""
        return self._known.all

    def learn(self, ids: Iterable[str]) -> None:
        """Remember more of them."""
        self._known.add(self._db, ids)

    def forget(self, ids: Iterable[bytes]) -> None:
        """Remove generations whose files are long gone; on a full disk they stay until the next time."""
        keys = list(ids)
        for key in keys:
            self._owed.pop(key, None)
        with contextlib.suppress(sqlite3.Error):
            self._db.executemany("DELETE FROM generation WHERE id = ?", [(one,) for one in keys])
            forget(self._db, keys)

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
            self._put_seal()
        self._unlock()

    def _put_seal(self) -> None:
        with contextlib.suppress(OSError), os.fdopen(open_private(self._seal), "w", encoding="ascii") as file:
            file.truncate()
            file.write(signature(self.path))


class _OtherFormatError(sqlite3.DatabaseError):
    """The store is of another version."""


def _what_is_wrong(error: BaseException) -> str:
    return str(error) if isinstance(error, _OtherFormatError) else f"is damaged ({error})"


def _key(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino
