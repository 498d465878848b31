"""Reads secrets from files of their own, and refuses files that other users may read."""

from __future__ import annotations

import grp
import os
import shlex
import stat
from pathlib import Path

MAX_BYTES = 64 * 1024
"""A larger file is a mistake: keys and passwords are short."""


def secret_in(path: Path) -> str:
    """The content of a file that holds one secret, without the line feed at its end.

    Raises:
        ValueError: it can't be used; the message names the file and never its content.
    """
    try:
        # Before it is opened: opening a device may do something, and a FIFO waits for somebody who writes.
        _check_kind(path, path.stat())
        with open(path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            _check_kind(path, found)
            check_private(path, found)
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; write the secret into it, or correct the path") from None
    except OSError as error:
        raise ValueError(f"{path}: can't be read: {error.strerror}; let {_user()} read it") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path}: is larger than {MAX_BYTES} bytes; put only the secret into it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8 text; put only the secret into it") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.strip():
        raise ValueError(f"{path}: is empty; write the secret into it")
    return secret


def check_private(path: Path, found: os.stat_result, user: int | None = None) -> None:
    """Check that only this process's user, root, and perhaps a group that root chose, may use the file.

    The rule is libpq's for private keys: 0600 or less, or 0640 or less where the file belongs to root.  So root can
    give a secret to a service through its group, as Kubernetes (fsGroup) and systemd (LoadCredential) do.

    Args:
        path: for the message.
        found: about the file.
        user: this process's effective user.

    Raises:
        ValueError: others may read or change it; the message has the command that corrects it.
    """
    user = os.geteuid() if user is None else user
    mode = stat.S_IMODE(found.st_mode)
    if not mode & (0o037 if found.st_uid == 0 else 0o077):
        return
    who = "every user of this machine" if mode & 0o007 else "its group"
    quoted = shlex.quote(str(path))
    if found.st_uid == user:
        command = f"chmod 600 {quoted}"
    else:
        command = f"chown root:{_group()} {quoted} && chmod 640 {quoted}"
    raise ValueError(
        f"{path}: {who} may read or change this secret (mode {mode:04o}): run `{command}` (of a Docker or Kubernetes "
        "secret, set its mode)"
    )


def _check_kind(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise ValueError(f"{path}: is {kind}; name a file that holds only the secret")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _user() -> str:
    return f"user {os.geteuid()}"


def _group() -> str:
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())
