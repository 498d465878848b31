"""The seal of a clean end: the file ``clean`` beside the store, with what ``stat`` said of the store then.

A copy or a restored backup of the store has another change time, so that its seal does not hold.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from shipper.regular_files import read_regular
from shipper.tail.state.file_modes import open_private
from shipper.tail.state.lock import sync

# A longer file is none of ours.
_MAX_BYTES = 4096


class Seal:
    """The seal of one store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = store.with_name("clean")

    def exists(self) -> bool:
        """Whether there is one, be it of this store or not."""
        return self._path.exists()

    def take(self) -> bool:
        """Remove the seal; gives whether the store is as the last clean end left it."""
        try:
            sealed = read_regular(self._path, _MAX_BYTES, follow=False).decode("ascii")
            self._path.unlink()
            sync(self._path.parent)  # or a power failure would bring the seal back
            return sealed == self._signature()
        except (OSError, UnicodeDecodeError):
            return False

    def put(self) -> None:
        """Seal the store as it is; without room for that the next start looks up more than it must."""
        with contextlib.suppress(OSError), os.fdopen(open_private(self._path), "w", encoding="ascii") as file:
            file.truncate()
            file.write(self._signature())

    def _signature(self) -> str:
        stat = self._store.stat()
        return f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_ctime_ns}"
