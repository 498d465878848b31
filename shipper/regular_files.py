"""Opens regular files only: opening a pipe, a device or a socket may block, or may have an effect of its own."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# O_PATH needs no permission to list the directory; not every system has it.
_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Should the file become a pipe meanwhile, opening it does not block.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_regular(path: Path, most: int, *, follow: bool = True) -> bytes:
    """The content of a file; see ``open_regular``.

    Raises:
        OSError: it can't be read, is no regular file, or is longer than ``most`` bytes.
    """
    with os.fdopen(open_regular(path, follow=follow), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"is longer than {most} bytes", path)
    return data


def open_regular(path: Path, *, follow: bool = True) -> int:
    """Open a regular file; gives its descriptor.

    Args:
        path: of the file.
        follow: a link leads to it; links to its directory do in any case.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    check_regular(path, follow=follow)
    return checked(os.open(path, _FILE | (0 if follow else os.O_NOFOLLOW)), path)


def check_regular(path: Path, *, follow: bool = True) -> None:
    """Check that it is a regular file, for who opens it by its path.

    Raises:
        OSError: it can't be found, or is none.
    """
    mode = path.stat(follow_symlinks=follow).st_mode
    if not stat.S_ISREG(mode):
        raise _other_kind(path, mode)


def open_canonical(path: str) -> int:
    """Open the regular file under a path of which no part is a link; gives its descriptor.

    A path that was resolved names this file or none: nobody can put a link into it meanwhile.

    Args:
        path: absolute, all its links resolved.

    Raises:
        OSError: there is none, it can't be opened, is no regular file, or a part of the path is a link now.
    """
    *folders, name = path.strip("/").split("/")
    at = os.open("/", _DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, _DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):
            raise _other_kind(path, mode)
        return checked(os.open(name, _FILE | os.O_NOFOLLOW, dir_fd=at), path)
    finally:
        os.close(at)


def checked(descriptor: int, path: str | Path) -> int:
    """The descriptor of a file that was opened without waiting; closed if it is no regular file.

    Raises:
        OSError: it is none.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise _other_kind(path, mode)


def _other_kind(path: str | Path, mode: int) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return OSError(errno.EINVAL, "is a link" if stat.S_ISLNK(mode) else "is no regular file", path)
