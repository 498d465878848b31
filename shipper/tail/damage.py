"""What may have happened to the cursor store's files, and how a damaged one is set aside.

Owns the judgement: is this store lost, damaged, or sound and only out of reach?
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from shipper.tail.state_lock import StateError, key_of, probe

# What SQLite raises over flipped bytes: they may stand in a length, or in the name that it complains of.
DAMAGE = (sqlite3.Error, UnicodeDecodeError, MemoryError)


def look(path: Path, *, sealed: bool) -> None:
    """See what needs no opening: SQLite takes an empty file for a new store, and says nothing.

    Args:
        path: of the store.
        sealed: a clean end left a seal beside it.

    Raises:
        sqlite3.DatabaseError: there was a store, and this is none.
    """
    if path.is_dir():
        raise sqlite3.DatabaseError("it is a directory")
    if path.exists() and not path.stat().st_size:
        raise sqlite3.DatabaseError("it is empty")
    if not path.exists() and (sealed or key_of(Path(f"{path}-wal"))):
        raise sqlite3.DatabaseError("it is gone")


def must_be_damage(path: Path, error: BaseException) -> None:
    """A store that only can't be read or written just now is sound: it is left where it is.

    Args:
        path: of the store.
        error: why it could not be opened.

    Raises:
        StateError: that is so.
    """
    if any(word in str(error) for word in ("is full", "is locked")):
        raise StateError(f"{path}: {error}; the state directory must be writable") from None
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise StateError(f"{path}: Permission denied; it must be readable and writable for this user")
    probe(path.parent)


def set_aside(path: Path) -> Path:
    """Move the store and what belongs to it out of the way; gives where it is now.

    Raises:
        StateError: it can't be moved.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.damaged-{stamp}-{os.getpid()}")
    try:
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{path}{suffix}")
            if part.exists():
                part.rename(f"{aside}{suffix}")
    except OSError as error:
        raise StateError(f"{path}: damaged, and can't be set aside: {error.strerror}") from error
    return aside


def signature(path: Path) -> str:
    """What changes when a file is written or another takes its place: a restored backup has another ctime."""
    stat = path.stat()
    return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_ctime_ns}"
