"""Files of the state directory are their owner's alone: they hold log lines, and paths that may name people.

Whatever the umask and whatever the directory allows: 0600 from the moment a file is made, and those that were there
before are mended at start.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

# Names of what may lie in a state directory; others in it are not ours.
_OURS = ("cursors.sqlite*", "clean", "lock", "dead-letters.*", "probe-*")
_FILE, _FOLDER = 0o600, 0o700


def open_private(path: Path) -> int:
    """A file to be read and written, made if missing; gives its descriptor.

    Raises:
        OSError: it can't be made or opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != _FILE:
        with suppress(OSError):
            os.fchmod(descriptor, _FILE)
    return descriptor


def mend(state_dir: Path) -> None:
    """Take from everybody else what is in the directory already; what belongs to another user stays as it is."""
    with suppress(OSError):
        # By path: to open and close the store here would let go of the locks that SQLite has on it.
        for path in (one for pattern in _OURS for one in state_dir.glob(pattern)):
            with suppress(OSError):
                mode = path.stat().st_mode
                # What stood in the store's place when it was set aside may be a directory.
                wanted = _FOLDER if stat.S_ISDIR(mode) else _FILE
                if stat.S_IMODE(mode) != wanted:
                    path.chmod(wanted)
