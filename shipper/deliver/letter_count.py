"""How many dead letters there are, for somebody who asks often: only what was appended is read again."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

from shipper.deliver.dead_letters import CHUNK_BYTES, FILE_NAME
from shipper.regular_files import open_regular


class _Counted(NamedTuple):
    """What was counted of a file: which file, how far, its last change (nanoseconds), and the lines."""

    inode: int = -1
    size: int = 0
    changed: int = 0
    lines: int = 0


class LetterCount:
    """Counts the lines of the file, and of what an interrupted replay has left; threads may share one.

    A document that was written twice counts twice here.

    Args:
        state_dir: where the files lie.
    """

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE_NAME
        self._aside = self._file.with_suffix(".replaying")
        self._counted: dict[Path, _Counted] = {}
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """How many there are; what can't be read counts as none."""
        with self._lock:
            return self._lines(self._file, appended=True) + self._lines(self._aside, appended=False)

    def _lines(self, path: Path, *, appended: bool) -> int:
        """The lines of a file; ``appended``: nothing in it changes but that it grows."""
        before = self._counted.get(path, _Counted())
        try:
            with os.fdopen(open_regular(path, follow=False), "rb") as file:
                status = path.stat()
                if (status.st_ino, status.st_size, status.st_mtime_ns) == before[:3]:
                    return before.lines
                goes_on = appended and status.st_ino == before.inode and status.st_size >= before.size
                at, lines = (before.size, before.lines) if goes_on else (0, 0)
                file.seek(at)
                while data := file.read(CHUNK_BYTES) + file.readline():
                    # A replay leaves a line of blanks for what it has sent.
                    lines += data.count(b"\n") - data.count(b" \n")
                    at += len(data)
        except OSError:
            return 0
        self._counted[path] = _Counted(status.st_ino, at, status.st_mtime_ns, lines)
        return lines
