"""The store's tables, and whether they are sound."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from shipper.tail.state.file_modes import open_private
from shipper.tail.state.lock import key_of
from shipper.tail.state.path_hashing import TABLE
from shipper.tail.state.rows import ALL, digest_of
from shipper.tail.state.side_tables import TABLES as SIDE_TABLES

SCHEMA = 2
# For what ``dormant`` looks up.
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS generation_of_log ON generation (logical);"
    "CREATE INDEX IF NOT EXISTS generation_in_file ON generation (inode, device) WHERE inode != 0;"
    "CREATE INDEX IF NOT EXISTS generation_by_head ON generation (head) WHERE head_length >= 1024;"
)
# In one transaction: another process sees none of them or all.
TABLES = (
    """
BEGIN;
CREATE TABLE IF NOT EXISTS generation (
  id BLOB PRIMARY KEY,          -- fingerprint.generation_name(): 9 bytes
  logical TEXT NOT NULL,        -- path without rotation suffix and .gz
  first_line BLOB NOT NULL,     -- digest of the first line
  ordinal INTEGER NOT NULL,     -- which generation with this first line
  path TEXT NOT NULL,           -- where it was last seen
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,        -- as last seen, bytes
  head_length INTEGER NOT NULL,
  head BLOB NOT NULL,           -- fingerprint: digest of the first head_length bytes
  offset INTEGER NOT NULL,      -- end of the contiguous acknowledged prefix, bytes
  anchor_length INTEGER NOT NULL,
  anchor BLOB NOT NULL,         -- checkpoint hash: digest of the anchor_length bytes before offset
  carry TEXT NOT NULL,          -- parser state at offset
  seen_at REAL NOT NULL,        -- seconds since the epoch
  cuts TEXT NOT NULL DEFAULT '',    -- flush points: offsets beyond offset at which what was held back was sent
  rungs BLOB NOT NULL DEFAULT x'',  -- content samples of what is acknowledged: samples.py
  digest BLOB NOT NULL              -- of all the above: SQLite does not notice a flipped bit inside a value
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
    + TABLE
    + SIDE_TABLES
    + _INDEXES
    + "COMMIT;"
)


class OtherFormatError(sqlite3.DatabaseError):
    """Another version wrote the store."""


def open_database(path: Path, *, secure_delete: bool) -> sqlite3.Connection:
    """The store under a path, with its tables; created if there is none.

    Raises:
        sqlite3.Error: it can't be opened, or is damaged.
    """
    was_there = path.exists()
    try:
        # SQLite gives the files that it creates beside the store the store's own mode.
        os.close(open_private(path))
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror) from error
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        # KiB.  Twice as much, the default, writes no faster (measured with 45,000 rows), half as much a fifth slower.
        db.execute("PRAGMA cache_size = -1000")
        if secure_delete:
            db.execute("PRAGMA secure_delete = ON")
        db.executescript(TABLES)
    except BaseException:
        db.close()
        if not was_there and not key_of(path):
            path.unlink(missing_ok=True)  # or the next start would take it for an emptied store
        raise
    return db


def check(db: sqlite3.Connection) -> dict[str, str]:
    """Prove that a store is sound; gives its facts.

    Raises:
        OtherFormatError: another version wrote it.
        sqlite3.DatabaseError: it is damaged.
    """
    answer = db.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != ("ok",):
        raise sqlite3.DatabaseError(str(answer[0]))
    facts = dict(db.execute("SELECT name, value FROM fact").fetchall())
    schema = facts.get("schema")
    if schema not in {None, str(SCHEMA)}:
        raise OtherFormatError(f"was written in format {schema}, this version reads format {SCHEMA}")
    if any(digest != digest_of(row) for *row, digest in db.execute(ALL)):
        raise sqlite3.DatabaseError("the digest of a row does not match")
    return facts
