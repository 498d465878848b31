"""What a scan has to open a file for: whether what has the name of a log's earlier life can be read as one.

Only such files, and those whose names begin like a log's, are opened, and again only when they changed; the logs
themselves never are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TypeVar

from shipper.regular_files import open_canonical
from shipper.tail.compression import HEAD, is_packed, says_log, unreadable

# So many judgements are remembered; beyond that all of them are made again.
_MAX_KEPT = 20_000
Judged = TypeVar("Judged")
# By device and inode: size and time of the last change then, and the judgement.
_Known = dict[tuple[int, int], tuple[tuple[int, int], Judged]]


class FirstBytes:
    """The judgements over files that have the names of earlier lives, or that begin like a log's."""

    def __init__(self) -> None:
        self._kinds: _Known[tuple[str | None, bool]] = {}
        self._logs: _Known[bool] = {}

    def of(self, path: str, real: str, stat: os.stat_result, *, strange: bool) -> tuple[str | None, bool]:
        """What keeps a file from being read as a log, and whether it is compressed in a way that can be read.

        A ``strange`` name is not one that a rotation gives; ``real`` is the path with all links followed.
        """
        name = os.path.basename(path)  # noqa: PTH119 - text paths throughout the tail

        def judge(head: bytes) -> tuple[str | None, bool]:
            return unreadable(name, head, strange=strange), is_packed(head)

        return _judged(
            self._kinds, real, stat, judge, unread=(None, False)
        )  # the reader reports that it can't be read

    def may_be_log(self, real: str, stat: os.stat_result) -> bool:
        """Whether a file whose name only begins like a log's holds what a log does; so one that can't be opened."""
        return _judged(self._logs, real, stat, says_log, unread=True)

    def keep(self, keys: Collection[tuple[int, int]]) -> None:
        """Only these files are still there."""
        self._kinds = {key: one for key, one in self._kinds.items() if key in keys}


def _judged(
    known: _Known[Judged], real: str, stat: os.stat_result, judge: Callable[[bytes], Judged], *, unread: Judged
) -> Judged:
    """The judgement over a file's first bytes, which are read again only where the file has changed."""
    key, state = (stat.st_dev, stat.st_ino), (stat.st_size, stat.st_mtime_ns)
    found = known.get(key)
    if found is None or found[0] != state:
        try:
            with os.fdopen(open_canonical(real), "rb", buffering=0) as file:
                if not os.path.samestat(os.fstat(file.fileno()), stat):
                    return unread
                head = file.read(HEAD)
        except OSError:
            return unread
        if len(known) >= _MAX_KEPT:
            known.clear()
        found = known[key] = state, judge(head)
    return found[1]
