"""What the state directory says of files and counters, for people and scripts; holds nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shipper.tail.cursors import StateError, counters_of, read_only


def report(state_dir: Path, now: float) -> dict[str, Any]:
    """Files with their offsets and lag, and the counters of everything that was settled.

    Args:
        state_dir: of the sidecar, running or not.
        now: seconds since the epoch.

    Raises:
        StateError: there is no readable store.
    """
    cursors, facts = read_only(state_dir)
    files = []
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
            "path": cursor.path,
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
