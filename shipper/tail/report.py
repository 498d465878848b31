"""Files, lag and counters as the state directory has them, for ``status``; takes no lock."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

from shipper.regular_files import check_regular
from shipper.tail.file_content import FileView
from shipper.tail.found_files import Found, shown
from shipper.tail.generation import Generation
from shipper.tail.splitter import SPARSE_BYTES
from shipper.tail.state.damage import DAMAGE, uri, was_used
from shipper.tail.state.lock import StateError
from shipper.tail.state.path_hashing import Conceal, plain
from shipper.tail.state.rows import ALL, Cursor, cursor_of
from shipper.tail.state.side_tables import besides
from shipper.tail.tracker import Generations
from shipper.tail.waiting_since import ENDLESS

_PIECE = 2**20
# Where only the damage of compressed files is asked for, so much of each is unpacked, bytes.
_MAX_UNPACKED = 2**26


def report(
    state_dir: Path,
    files: list[Found],
    now: float,
    *,
    host: str,
    conceal: Conceal = plain,
    omitted: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Files with their offsets and lag, what is not read and why, and the counters of everything that was settled.

    The files are matched with generations as by the next scan of a sidecar; nothing is written.

    Args:
        state_dir: of the sidecar, running or not.
        files: that a scan finds now.
        now: seconds since the epoch.
        host: name of this machine in generation names.
        conceal: what stands for a path in the store.
        omitted: why the scan passed a path over.

    Raises:
        StateError: there is no readable store.
    """
    cursors, facts = read_only(state_dir)
    generations = _matched(state_dir, cursors, files, host, conceal)
    unread = {**omitted, **generations.access.empty, **generations.access.refused}
    lags = []
    for generation in generations:
        if (file := generation.found) is not None:
            size, trouble = _content(file, generation.cursor.offset, ENDLESS)
            lags.append(_lag(generation, file, size, now, generations.looked_at))
            if trouble:
                unread[file.path] = trouble
    counters = {"read": 0, "acknowledged": 0, "duplicate": 0, "dead": 0, "in_flight": 0} | counters_of(facts)
    return {
        "files": sorted(lags, key=lambda one: str(one["path"])),
        "not_read": [{"path": shown(path), "reason": why} for path, why in sorted(unread.items())],
        "counters": counters,
        "last_acknowledged": facts.get("acknowledged_at") or None,
    }


def not_read(
    state_dir: Path, files: list[Found], *, host: str, conceal: Conceal = plain
) -> dict[str, tuple[str, bool]]:
    """Why files that a scan finds can't be read, or not to their ends, by path; True where nothing of them can.

    Args:
        state_dir: of the sidecar, running or not, or not there yet.
        files: that a scan finds now.
        host: name of this machine in generation names.
        conceal: what stands for a path in the store.
    """
    generations = _matched(state_dir, remembered(state_dir)[0], files, host, conceal)
    whole = {path: (why, True) for path, why in {**generations.access.empty, **generations.access.refused}.items()}
    found = [(one.found, one.cursor.offset) for one in generations if one.found is not None]
    parts = {file.path: (trouble, False) for file, at in found if (trouble := _content(file, at, _MAX_UNPACKED)[1])}
    return parts | whole


def _matched(state_dir: Path, cursors: list[Cursor], files: list[Found], host: str, conceal: Conceal) -> Generations:
    """The generations of these cursors, told apart in these files as the next scan of a sidecar would."""
    generations = Generations(cursors, host=host, keep=0, warn=lambda _: None, conceal=conceal)
    generations.looked_at = _looked_at(state_dir)
    there = {file.key: file for file in files}
    for generation in generations:
        file = there.get(generation.cursor.file.key)
        if file is not None and file.compressed and file.size == generation.cursor.file.size:
            generation.found = file  # unpacking it all again to prove that it is unchanged takes too long here
    generations.observe(files, 0.0, 0.0)
    return generations


def _lag(generation: Generation, file: Found, size: int, now: float, looked_at: float) -> dict[str, Any]:
    offset = generation.cursor.offset
    lag = max(0, size - offset)
    modified = file.mtime_ns / 1e9
    # Bytes that no sidecar has seen were written after the last scan, and not after the file's last change.
    since = generation.cursor.waiting_at or min(modified, looked_at or modified)
    return {
        "path": shown(file.path),
        "offset": offset,
        "size": size,
        "lag_bytes": lag,
        "lag_seconds": max(0.0, now - since) if lag else 0.0,
        "passed_over": generation.cursor.passed_over,
    }


def _content(file: Found, offset: int, upto: int) -> tuple[int, str | None]:
    """The length of a file's content, and what keeps it from being read to its end.

    The length is ``offset`` if only NULs, or no readable content, follow.  A compressed file is unpacked up to
    ``upto``.
    """
    if not file.compressed and file.size <= offset:
        return file.size, None
    try:
        with closing(FileView(file.real, compressed=file.compressed)) as view:
            if file.compressed and offset and view.told_size() == offset % 2**32:
                return offset, None
            size = view.size(upto)
            trouble = view.trouble if file.compressed and size < upto else None
            return (offset if _is_sparse(view, offset, size) else size), trouble
    except OSError as error:
        return (offset if file.compressed else file.size), f"can't be read: {error.strerror}"


def _is_sparse(view: FileView, offset: int, size: int) -> bool:
    """Whether only NULs follow, as a crash may leave them: they are no line and never acknowledged."""
    if size - offset < SPARSE_BYTES:
        return False
    while (offset := view.next_data(offset)) < size:
        data = view.read(offset, _PIECE)
        if data.strip(b"\0"):
            return False
        offset += len(data)
    return True


def _looked_at(state_dir: Path) -> float:
    try:
        return (state_dir / "lock").stat().st_mtime
    except OSError:
        return 0.0


def offsets(state_dir: Path) -> dict[tuple[int, int], int]:
    """Acknowledged offset by device and inode; empty without a readable store."""
    return {cursor.file.key: cursor.offset for cursor in remembered(state_dir)[0]}


def remembered(state_dir: Path) -> tuple[list[Cursor], str | None]:
    """The cursors, and the host name under which they were written last; none without a readable store."""
    try:
        cursors, facts = read_only(state_dir)
    except (StateError, OSError):
        return [], None
    return cursors, facts.get("host")


def is_fresh(state_dir: Path) -> bool:
    """Whether no sidecar has scanned with this directory yet, so that the next start is the first."""
    store = state_dir / "cursors.sqlite"
    return not (_looked_at(state_dir) or store.exists() or was_used(store, sealed=(state_dir / "clean").exists()))


def known(state_dir: Path) -> list[str]:
    """The hashes of ids that were found in lines; none without a readable store."""
    try:
        with closing(_connect(state_dir / "cursors.sqlite")) as db:
            return [one for (one,) in db.execute("SELECT id FROM known")]
    except (*DAMAGE, OSError):
        return []


def _connect(path: Path) -> sqlite3.Connection:
    check_regular(path, follow=False)
    return sqlite3.connect(uri(path, "mode=ro"), uri=True)


def read_only(state_dir: Path) -> tuple[list[Cursor], dict[str, Any]]:
    """The cursors and facts of the store, read without the lock.

    Raises:
        StateError: there is no readable store.
    """
    path = state_dir / "cursors.sqlite"
    if not path.exists():
        raise StateError(
            f"{path}: no such file; the sidecar has not run with this state directory yet, or found no room in it"
        )
    try:
        db = _connect(path)
        try:
            rows = db.execute(ALL).fetchall()
            beside = besides(db)
            facts = dict(db.execute("SELECT name, value FROM fact").fetchall())
        finally:
            db.close()
    except OSError as error:
        raise StateError(f"{path}: can't be read: {error.strerror}") from error
    except DAMAGE as error:
        # SQLite only says that it can't open it.
        why = error if os.access(path, os.R_OK) else "Permission denied; run this command as the sidecar's user"
        raise StateError(f"{path}: can't be read: {why}") from error
    return [cursor_of(row, beside) for row in rows], facts


def counters_of(facts: dict[str, Any]) -> dict[str, int]:
    """The counters that the sidecar left in the store's facts."""
    try:
        counters = json.loads(facts.get("counters", "{}"))
        return {str(key): int(value) for key, value in counters.items()} if isinstance(counters, dict) else {}
    except (ValueError, TypeError):
        return {}
