"""Whether the cursor store is lost, damaged, or sound and unreadable just now; how a damaged one is set aside."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from shipper.tail.state.lock import FullError, StateError, key_of, probe

# What SQLite raises over flipped bytes, which may be part of a length, or of the name in its message.
DAMAGE = (sqlite3.Error, UnicodeDecodeError, MemoryError)


def look(path: Path, *, sealed: bool) -> None:
    """Check what needs no opening: SQLite takes an empty file for a new store without an error.

    Raises:
        sqlite3.DatabaseError: there was a store, and it is gone or empty.
    """
    if path.is_dir():
        raise sqlite3.DatabaseError("it is a directory")
    if path.exists() and not path.stat().st_size:
        raise sqlite3.DatabaseError("it is empty")
    if not path.exists() and (sealed or key_of(Path(f"{path}-wal"))):
        raise sqlite3.DatabaseError("it is gone")


def must_be_damage(path: Path, error: BaseException) -> None:
    """Return if a store is damaged; one that can't be read or written just now is left where it is.

    Raises:
        FullError: the disk is full.
        StateError: it can't be read or written.
    """
    if "is full" in str(error):
        raise FullError(f"{path}: there is no room for the state: {error}") from None
    if "is locked" in str(error):
        raise StateError(f"{path}: {error}; the state directory must be writable") from None
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise StateError(f"{path}: Permission denied; it must be readable and writable for this user")
    probe(path.parent)


def was_used(path: Path, *, sealed: bool) -> bool:
    """Whether there was a store that is gone: its seal is there, or one that was set aside."""
    return sealed or any(path.parent.glob(f"{path.name}.damaged-*"))


def set_aside(path: Path) -> Path:
    """Rename the store and its write-ahead log; gives the new path.

    Raises:
        StateError: it can't be renamed.
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


def uri(path: Path, how: str) -> str:
    """A store's path as SQLite takes it with parameters."""
    return f"file:{quote(bytes(path))}?{how}"


def into_memory(path: Path | None) -> sqlite3.Connection:
    """A store in memory with what can be read of the one on the disk, without writing there.

    Args:
        path: of the store on the disk; without it the new one is empty.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    # On a full disk SQLite can't create the index of a write-ahead log; what only that log holds is sent again then.
    for how in ("mode=ro", "mode=ro&immutable=1"):
        if path is None or key_of(path) is None:
            break
        try:
            with closing(sqlite3.connect(uri(path, how), uri=True)) as source:
                script = [text for (text,) in source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
                tables = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                rows = {name: source.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}  # noqa: S608 - names of tables, quoted
        except DAMAGE:
            continue
        for text in script:
            memory.execute(text)
        for name, found in rows.items():
            if found:
                memory.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(found[0]))})', found)  # noqa: S608 - as above
        break
    return memory
