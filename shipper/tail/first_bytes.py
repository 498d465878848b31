"""What a scan has to open a file for: whether what has the name of a log's earlier life can be read as one.

Only such files, and those whose names begin like a log's, are opened, and again only when they changed; the logs
themselves never are.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from shipper.tail.compression import HEAD, is_packed, says_log, unreadable

# So many files that are no log, or another, are remembered; beyond that all of them are looked at again.
_MOST_KEPT = 20_000


class FirstBytes:
    """The judgements over files that have the names of earlier lives."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[int, int, str | None, bool]] = {}
        self._logs: dict[tuple[int, int], tuple[int, int, bool]] = {}

    def of(self, path: str, stat: os.stat_result, *, strange: bool) -> tuple[str | None, bool]:
        """What keeps a file from being read as a log, and whether it is compressed in a way that can be read.

        Args:
            path: of the file.
            stat: of the file.
            strange: its name is not one that a rotation gives.
        """
        key = stat.st_dev, stat.st_ino
        known = self._known.get(key)
        if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
            try:
                with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - text paths throughout the tail
                    head = file.read(HEAD)
            except OSError:
                return None, False  # who reads it says so
            kind = unreadable(os.path.basename(path), head, strange=strange)  # noqa: PTH119 - as above
            known = self._known[key] = stat.st_size, stat.st_mtime_ns, kind, is_packed(head)
        return known[2:]

    def may_be_log(self, path: str, stat: os.stat_result) -> bool:
        """Whether a file whose name only begins like a log's holds what a log does; so one that can't be opened.

        Args:
            path: of the file.
            stat: of the file.
        """
        key = stat.st_dev, stat.st_ino
        known = self._logs.get(key)
        if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
            try:
                with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - text paths throughout the tail
                    is_log = says_log(file.read(HEAD))
            except OSError:
                return True
            if len(self._logs) >= _MOST_KEPT:
                self._logs.clear()
            known = self._logs[key] = stat.st_size, stat.st_mtime_ns, is_log
        return known[2]

    def keep(self, keys: Collection[tuple[int, int]]) -> None:
        """Only these files are still there."""
        self._known = {key: one for key, one in self._known.items() if key in keys}
