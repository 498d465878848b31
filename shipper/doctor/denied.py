"""Which permission a user lacks for a path, and which commands give it."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POWERFUL = frozenset({"root", "0", "disk", "docker", "lxd", "shadow", "sudo", "wheel"})
"""Groups that may do more than read logs: nobody is advised to join one."""


@dataclass(frozen=True)
class Denied:
    """A file or directory that a user may not use.

    Attributes:
        path: the first one on the way that refuses.
        need: ``r``, ``x`` or both.
        directory: it is a directory.
        mode: its permission bits.
        owner: name of its owner.
        group: name of its group.
        user: who asks.
        has: what the user may do already, by the file's mode: an entry of an ACL for the user takes its place.
    """

    path: str
    need: str
    directory: bool
    mode: int
    owner: str
    group: str
    user: str
    has: str = ""


def sentence(denied: Denied) -> str:
    """What is refused, by whom."""
    verb = {"r": "read", "x": "enter", "rx": "list"}[denied.need]
    kind = "directory" if denied.directory else "file"
    return (
        f"{denied.user} may not {verb} the {kind} {denied.path} (mode {denied.mode:04o}, owner {denied.owner}, group "
        f"{denied.group}): it needs {' and '.join(denied.need)}"
    )


def remedy(denied: Denied) -> str:
    """The commands that give the permission, the one that changes least first."""
    path = shlex.quote(denied.path)
    bits = {"r": 4, "x": 1, "rx": 5}[denied.need]
    entry = "".join(one for one in "rwx" if one in denied.need + denied.has)
    acl = f"`setfacl -m u:{denied.user}:{entry} {path}`"
    if denied.need != "x" and denied.directory:
        acl = f"`setfacl -R -m u:{denied.user}:rX -m d:u:{denied.user}:rX {path}`, which holds for new files as well"
    if denied.mode >> 3 & bits == bits and denied.group not in POWERFUL:
        return (
            f"add the sidecar's user to the group: `usermod -aG {denied.group} {denied.user}`, then restart the "
            f"sidecar; or {acl}"
        )
    return f"{acl}; or let the application write its logs for a group that {denied.user} belongs to"


def first_denied(path: str, user: str) -> Denied | None:
    """What keeps this process from reading a file or listing a directory; None where nothing does.

    Args:
        path: absolute.
        user: name of the user of this process, for the commands.
    """
    for directory in reversed(Path(path).parents):
        if not os.access(directory, os.X_OK) and (found := _denied(str(directory), "x", user)):
            return found
    is_directory = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a parent may not be entered
    if os.access(path, os.R_OK | (os.X_OK if is_directory else 0)):
        return None
    return _denied(path, "rx" if is_directory else "r", user)


def _denied(path: str, need: str, user: str) -> Denied | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a path may be no valid Path text
    except OSError:
        return None
    owner, group = str(found.st_uid), str(found.st_gid)
    with suppress(KeyError):
        owner = pwd.getpwuid(found.st_uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(found.st_gid).gr_name
    has = "".join(one for one, bit in (("r", os.R_OK), ("w", os.W_OK), ("x", os.X_OK)) if os.access(path, bit))
    return Denied(path, need, stat.S_ISDIR(found.st_mode), found.st_mode & 0o7777, owner, group, user, has)


def user_name(uid: int) -> str:
    """The name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
