"""What the state directory says of files and counters, for people and scripts; holds nothing."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from shipper.tail.concealment import is_concealed
from shipper.tail.damage import DAMAGE, uri
from shipper.tail.discover import shown
from shipper.tail.rows import ALL, Cursor, cursor_of
from shipper.tail.state_lock import StateError


def report(state_dir: Path, now: float, places: Mapping[tuple[int, int], str] | None = None) -> dict[str, Any]:
    """Files with their offsets and lag, and the counters of everything that was settled.

    Args:
        state_dir: of the sidecar, running or not.
        now: seconds since the epoch.
        places: path by device and inode, for a store that does not tell paths.

    Raises:
        StateError: there is no readable store.
    """
    cursors, facts = read_only(state_dir)
    files = []
    for cursor in cursors:
        if is_concealed(cursor.path):
            cursor.path = (places or {}).get((cursor.device, cursor.inode), cursor.path)
    for cursor in sorted(cursors, key=lambda one: one.path):
        try:
            stat = os.stat(cursor.path)  # noqa: PTH116 - text paths throughout the tail
        except OSError:
            continue
        if (stat.st_dev, stat.st_ino) != (cursor.device, cursor.inode):
            continue
        size = cursor.offset if cursor.path.endswith(".gz") else stat.st_size
        lag = max(0, size - cursor.offset)
        files.append({
            "path": shown(cursor.path),
            "offset": cursor.offset,
            "size": size,
            "lag_bytes": lag,
            "lag_seconds": max(0.0, now - (cursor.seen_at or stat.st_mtime)) if lag else 0.0,
        })  # fmt: skip
    counters = {"read": 0, "acknowledged": 0, "duplicate": 0, "dead": 0, "in_flight": 0} | counters_of(facts)
    return {"files": files, "counters": counters}


def offsets(state_dir: Path) -> dict[tuple[int, int], int]:
    """Acknowledged offset by device and inode; empty where nothing is remembered."""
    try:
        cursors, _ = read_only(state_dir)
    except StateError:
        return {}
    return {(cursor.device, cursor.inode): cursor.offset for cursor in cursors}


def known(state_dir: Path) -> list[str]:
    """The hashes of ids that were met; none where there is no readable store."""
    try:
        with closing(_connect(state_dir / "cursors.sqlite")) as db:
            return [one for (one,) in db.execute("SELECT id FROM known")]
    except (*DAMAGE, OSError):
        return []


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(uri(path, "mode=ro"), uri=True)


def read_only(state_dir: Path) -> tuple[list[Cursor], dict[str, Any]]:
    """The cursors and facts as they stand, for ``status``, without holding the directory.

    Raises:
        StateError: there is no readable store.
    """
    path = state_dir / "cursors.sqlite"
    if not path.exists():
        raise StateError(f"{path}: no such file; the sidecar has not run with this state directory yet")
    try:
        db = _connect(path)
        try:
            rows = db.execute(ALL).fetchall()
            facts = dict(db.execute("SELECT name, value FROM fact").fetchall())
        finally:
            db.close()
    except DAMAGE as error:
        raise StateError(f"{path}: can't be read: {error}") from error
    return [cursor_of(row) for row in rows], facts


def counters_of(facts: dict[str, Any]) -> dict[str, int]:
    """The counters that the sidecar left in the store's facts."""
    try:
        counters = json.loads(facts.get("counters", "{}"))
        return {str(key): int(value) for key, value in counters.items()} if isinstance(counters, dict) else {}
    except (ValueError, TypeError):
        return {}
