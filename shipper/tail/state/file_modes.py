"""Access to the state directory's files: 0600, as they hold log lines, and paths that may name people.

New files are created with this mode whatever the umask; the mode of existing ones is corrected at start.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

# The names that the sidecar gives; other files in the directory are left alone.
_OURS = ("cursors.sqlite*", "clean", "lock", "dead-letters.*", "probe-*")
_FILE, _FOLDER = 0o600, 0o700


def open_private(path: Path) -> int:
    """Open a file for reading and writing, created if missing; gives its descriptor.

    Raises:
        OSError: it can't be created or opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _FILE:
        with suppress(OSError):
            os.fchmod(descriptor, _FILE)
    return descriptor


def correct_modes(state_dir: Path) -> None:
    """Restrict existing files to their owner; those of another user stay as they are."""
    with suppress(OSError):
        # By path: opening and closing the store here would release the locks that SQLite has on it.
        for path in (one for pattern in _OURS for one in state_dir.glob(pattern)):
            with suppress(OSError):
                mode = path.stat().st_mode
                # What stood in the store's place when it was set aside may be a directory.
                wanted = _FOLDER if stat.S_ISDIR(mode) else _FILE
                if stat.S_IMODE(mode) != wanted:
                    path.chmod(wanted)
