"""Access to the state directory (0700) and its files (0600), as they hold log lines, and paths that may name people.

New ones are created with these modes whatever the umask; the modes of existing ones are corrected at start.  No
link is followed in the directory: what is written there must not land elsewhere.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from shipper.regular_files import checked

# The names that the sidecar gives; other files in the directory are left alone.
_OURS = ("cursors.sqlite*", "clean", "lock", "dead-letters.*", "probe-*")
_FILE, _FOLDER = 0o600, 0o700


def own_directory(state_dir: Path) -> str | None:
    """Create the directory if it is missing, and restrict it to its owner; gives what the operator should know of it.

    An existing directory is restricted only if it holds nothing but the sidecar's files: it may be ``/tmp``.

    Raises:
        OSError: it can't be created, or belongs to somebody who is neither this user nor root.
    """
    for folder in reversed([one for one in (state_dir, *state_dir.parents) if not one.exists()]):
        folder.mkdir(exist_ok=True)
        folder.chmod(_FOLDER if folder == state_dir else 0o755)
    there = state_dir.stat()
    mode = stat.S_IMODE(there.st_mode)
    if there.st_uid not in {os.geteuid(), 0}:
        raise PermissionError(errno.EPERM, f"it belongs to another user ({_name(there.st_uid)})", str(state_dir))
    if there.st_uid == os.geteuid() and mode & 0o077:
        if not _strangers(state_dir):
            state_dir.chmod(mode & _FOLDER)
            return f"{state_dir}: had mode {mode:04o}; restricted to its owner ({mode & _FOLDER:04o})"
        return (
            f"{state_dir}: other users may enter it (mode {mode:04o}); it is left so, because it holds files that "
            "are not the sidecar's: give the sidecar a directory of its own with shipper.state_dir"
        )
    if mode & 0o002:
        return f"{state_dir}: every user may write in it (mode {mode:04o}); make it this user's own: chown, chmod 700"
    return None


def _strangers(state_dir: Path) -> bool:
    """Whether a directory holds files that are not the sidecar's."""
    names = (*_OURS, "lost+found", ".nfs*")
    return any(not any(fnmatchcase(one, name) for name in names) for one in os.listdir(state_dir))  # noqa: PTH208 - names


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def open_private(path: Path, flags: int = 0) -> int:
    """Open a file for reading and writing, created if missing; gives its descriptor.

    Raises:
        OSError: it can't be created or opened, or is a link or no regular file.
    """
    how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | flags
    descriptor = checked(os.open(path, how, _FILE), path)
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
                mode = path.lstat().st_mode
                # What stood in the store's place when it was set aside may be a directory.
                wanted = _FOLDER if stat.S_ISDIR(mode) else _FILE
                if stat.S_IMODE(mode) != wanted and not stat.S_ISLNK(mode):
                    path.chmod(wanted)
