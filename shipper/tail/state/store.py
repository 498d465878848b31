"""Where each generation's acknowledged prefix ends, kept in SQLite under ``state_dir``.

One process at a time (a lock names the other).  The database is in WAL mode: a cursor written before a SIGKILL is
there afterwards.  One lost in a power failure only means that lines are sent again and recognised by their ids.  A
damaged store is set aside, logged and replaced: at start, and while running when it is deleted.  On a full disk it is
kept in memory until there is room.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from shipper.tail.state.damage import DAMAGE, into_memory, look, must_be_damage, set_aside, was_used
from shipper.tail.state.dormant import Dormant, copy_rows
from shipper.tail.state.lock import FullError, StateError, StateLock, key_of, same_file
from shipper.tail.state.path_hashing import FACT, Conceal, KnownIds, key_mark, plain, wipe
from shipper.tail.state.rows import ALL, INSERT, Cursor, cursor_of, row_of
from shipper.tail.state.schema import SCHEMA, TABLES, OtherFormatError, check, open_database
from shipper.tail.state.seal import Seal
from shipper.tail.state.side_tables import Recollection, Rows, SideTable, besides
from shipper.telemetry import log

__all__ = ["Cursor", "CursorStore", "StateError"]


class CursorStore:
    """The cursors of one state directory, held by one process.

    On a full disk it begins in memory, with what the disk holds: ``present`` is False, and ``restore`` writes it as
    soon as there is room.

    Attributes:
        path: of the database.
        clean: whether the last run ended well, so that nothing it sent needs to be looked up.
        fresh: whether no earlier run has scanned with this directory, so that no store was lost in it either.
        certain: to be unset when the same can't be said of this run.
        dormant: looks up cursors that nobody has asked for yet.

    Args:
        state_dir: created (0700) if missing.
        warn: called with a sentence when a damaged store was set aside, or a lost one replaced.
        conceal: what stands for a path, where paths must not be kept.

    Raises:
        StateError: another process holds the directory, or it can never be written.
    """

    def __init__(self, state_dir: Path, warn: Callable[[str], None], conceal: Conceal = plain) -> None:
        self.path = state_dir / "cursors.sqlite"
        self._warn = warn
        self._conceal = conceal
        self._known_ids = KnownIds()
        self._recollection = Recollection()
        self._waiting = SideTable("waiting", "id", 0.0)
        self._birth = SideTable("birth", "id", 0)
        self._passed_over = SideTable("passed_over", "id", 0)
        self._of_generations = (self._waiting, self._birth, self._passed_over)
        self._side_tables = (self._recollection, *self._of_generations)
        self.dormant = Dormant(self._of_generations, self._is_damaged)
        self._wal = Path(f"{self.path}-wal")
        self._seal = Seal(self.path)
        self._facts: dict[str, str] = {}
        self.certain = True
        # Rows that could not be written yet: written with the next.
        self._unsaved: dict[bytes, tuple[Any, ...]] = {}
        self._keys: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._in_memory = False
        # The rows of generations in a store that was deleted, until its successor has them.
        self._kept: sqlite3.Connection | None = None
        self._lock: StateLock | None = None
        self.clean = sealed = False
        try:
            self._lock = StateLock(state_dir)
            if self._lock.remark:
                log.warning("%s", self._lock.remark)
            sealed = self._seal.exists()
            self.clean = self._seal.take()
            self.clean = self._begin(sealed=sealed) and self.clean
        except FullError:
            self._begin_in_memory()
        except BaseException:
            self._unlock()
            raise
        self.fresh = not (self.looked_at or self.clean or self.fact("counters") or was_used(self.path, sealed=sealed))

    def _begin(self, *, sealed: bool) -> bool:
        """Open the store, or an empty one if it is damaged; gives whether it was sound."""
        try:
            look(self.path, sealed=sealed)
            self._db = self._open()
            self._check()
        except DAMAGE as error:
            must_be_damage(self.path, error)
            aside, wrong = (
                self._set_aside(),
                error if isinstance(error, OtherFormatError) else f"is damaged ({error})",
            )
            self._warn(
                f"{self.path}: the cursor store {wrong}; set aside as {aside}, an empty one is "
                "used: files are read again, lines already indexed are recognised by their ids, nothing is lost"
            )
            self._begin_empty()
            return False
        self._keys = _key(self.path), _key(self._wal)
        return True

    def _begin_in_memory(self) -> None:
        """Do without the disk for now: ``present`` is False, so that the caller tries ``restore``."""
        self._in_memory = True
        if self._lock is None:
            self.clean = self._seal.take()
        for path in (self.path, None):
            self._forget_store()
            self._db = into_memory(path)
            try:
                self._db.executescript(TABLES)
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
        return open_database(self.path, secure_delete=bool(key_mark(self._conceal)))

    def _begin_empty(self) -> None:
        try:
            self._db = self._open()
            self._check()
        except (*DAMAGE, OSError) as error:
            must_be_damage(self.path, error)
            raise StateError(f"{self.path}: can't be created: {error}") from error
        self._keys = _key(self.path), _key(self._wal)

    def _check(self) -> None:
        self.dormant.db = self._db
        self._facts.update(check(self._db))
        self._agree()
        self._known_ids.load(self._db)
        for table in self._side_tables:
            table.opened(self._db)
        # Now, and not when the first cursor has moved, it must show whether the store can be written.
        self._db.execute("INSERT OR REPLACE INTO fact VALUES ('schema', ?)", (str(SCHEMA),))

    def _agree(self) -> None:
        """Rewrite the rows if this run keeps paths in another way: clear, or hashed with another key."""
        was, wanted = self.fact(FACT) or "", key_mark(self._conceal)
        if was == wanted:
            return
        self._recollection.clear(self._db)
        if was:
            self._db.execute("DELETE FROM generation")
            self._known_ids.clear(self._db)
            self.clean = False
            self._warn(
                f"{self.path}: its paths are hashed with another shipper.redact.hash_key, or are to be clear now; "
                "files are read again, lines already indexed are recognised by their ids; "
                "if that is a mistake, stop, and restore the old key"
            )
        rows = [self._row(cursor) for cursor in self.load()]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(INSERT, rows)
        self._db.execute("COMMIT")
        wipe(self._db)
        self.set_fact(FACT, wanted)  # last: after an interruption all of it is done again

    def _set_aside(self) -> Path:
        self._forget_store()
        return set_aside(self.path)

    def present(self) -> bool:
        """Whether lock and store are still what their paths name, and sound; costs three ``stat``."""
        return self._lock is not None and self._lock.present() and self._is_ours()

    def _is_ours(self) -> bool:
        if self._keys is None:
            return False
        # An emptied file is no store.
        return key_of(self.path) == self._keys[0] and same_file(self._wal, self._keys[1])

    @property
    def looked_at(self) -> float:
        """When an earlier run scanned last, seconds since the epoch; 0 where that is not known."""
        return self._lock.looked_at if self._lock is not None else 0.0

    def looked(self, at: float) -> None:
        """Remember when the last scan began, seconds since the epoch."""
        if self._lock is not None:
            self._lock.stamp(at)

    def restore(self, cursors: Iterable[Cursor], learned: Rows = ()) -> None:
        """Replace directory, lock and store after they were deleted, replaced or filled up while running.

        Args:
            cursors: all of them.
            learned: all of the context that was learned from lines.

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
            self._kept = self._kept or (None if whole else self._kept_rows())
            with contextlib.suppress(sqlite3.Error):
                self._db.close()  # what only the write-ahead log held goes into the main file, if that is ours
            if not whole:
                self._set_aside()
            self._begin_empty()
        rows = list(cursors)
        try:
            if self._kept is not None:
                self._take_rows(self._kept)
            for key, value in facts.items():
                self.set_fact(key, value)
            self.save(rows, learned)
        except StateError:
            self._keys = None
            raise
        self._kept = None
        done = (
            "there is room for the state again; written"
            if was_in_memory
            else "lock or cursor store were deleted or replaced while running; written again"
        )
        self._warn(f"{self.path.parent}: {done} with {len(rows)} positions, nothing is lost")

    def _leave_memory(self) -> None:
        """Continue with the store on the disk.

        Raises:
            StateError: it can't be opened yet; what is in memory stays.
        """
        memory, self._db = self._db, sqlite3.connect(":memory:")
        facts = dict(self._facts)
        try:
            sound = self._begin(sealed=False)
        except BaseException:
            self._forget_store()
            self._db, self._facts = memory, facts
            self.dormant.db = memory
            raise
        if sound:
            memory.close()
        else:
            self._kept = memory
        self._in_memory = False

    def _kept_rows(self) -> sqlite3.Connection:
        """The rows of a store that was deleted or replaced, as far as it can still be read through its descriptor."""
        kept = sqlite3.connect("", isolation_level=None)
        kept.executescript(TABLES)
        try:
            copy_rows(self._db, kept)
        except DAMAGE:
            self.dormant.lost = True
        return kept

    def _take_rows(self, kept: sqlite3.Connection) -> None:
        try:
            copy_rows(kept, self._db)
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: cursors can't be written: {error}") from error

    def _is_damaged(self) -> None:
        self._keys = None  # ``restore`` replaces it

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def load(self) -> list[Cursor]:
        """Every generation that is remembered."""
        beside = besides(self._db)
        return [cursor_of(row, beside) for row in self._db.execute(ALL).fetchall()]

    def save(self, cursors: Iterable[Cursor], learned: Rows = (), **facts: str) -> None:
        """Write these cursors, all or none, with the context learned from their lines, and facts that belong to them.

        Raises:
            StateError: the disk is full or the directory became read-only; the old cursors stay.
        """
        self._facts |= facts
        cursors = list(cursors)
        rows = {cursor.id: self._row(cursor) for cursor in cursors}
        self._waiting.owe((cursor.id, cursor.waiting_at) for cursor in cursors)
        self._birth.owe((cursor.id, cursor.file.born_ns) for cursor in cursors)
        self._passed_over.owe((cursor.id, cursor.passed_over) for cursor in cursors)
        learns = self._recollection.owe(learned)
        if not (rows or self._unsaved or learns):
            return
        self._unsaved |= rows
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(INSERT, self._unsaved.values())
            self._db.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
            for table in self._side_tables:
                table.write(self._db)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # on a full disk it gives room back
            if not isinstance(error, sqlite3.OperationalError):
                self._keys = None  # malformed, not full: ``restore`` replaces it
            raise StateError(f"{self.path}: cursors can't be written: {error}") from error
        self._unsaved.clear()
        for table in self._side_tables:
            table.written()

    def _row(self, cursor: Cursor) -> tuple[Any, ...]:
        return row_of(cursor, self._conceal)

    def recollected(self) -> dict[str, str]:
        """The context that was learned from lines, as keys and values; the store gives it only once."""
        return self._recollection.take()

    def known(self) -> set[str]:
        """The hashes of ids that were found in lines, for the redactor."""
        return self._known_ids.all

    def learn(self, ids: Iterable[str]) -> None:
        """Remember more hashes of ids."""
        self._known_ids.add(self._db, ids)

    def forget(self, ids: Iterable[bytes]) -> None:
        """Remove generations whose files are long gone; on a full disk they stay until the next start."""
        keys = list(ids)
        for key in keys:
            self._unsaved.pop(key, None)
        with contextlib.suppress(sqlite3.Error):
            self._db.executemany("DELETE FROM generation WHERE id = ?", [(one,) for one in keys])
            for table in self._of_generations:
                table.forget(self._db, keys)

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

    def close(self, *, clean: bool = False) -> None:
        """Write everything to the main file and release the lock.

        Args:
            clean: everything that was sent is acknowledged and its cursors are written.  The store is sealed then,
                unless a copy has taken its place: the next start needs no look-ups.
        """
        with contextlib.suppress(StateError):
            self.save(())
        ours = self._is_ours()
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if clean and ours and self.certain and not self._unsaved:
            self._seal.put()
        self._unlock()


def _key(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino
