"""Findings about the kernel's limits for file system events."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipper.doctor.finding import Finding, ok, warning

# Directories that are counted at most.
MAX_COUNTED = 1_000_000


@dataclass(frozen=True)
class Inotify:
    """The limits for one user, and what that user's other processes hold, as far as that can be seen."""

    max_watches: int
    max_instances: int
    watches: int = 0
    instances: int = 0


def watch_findings(log_dir: str, directories: int, found: Inotify | None, *, watch: str) -> Iterator[Finding]:
    """Whether the directories can be watched.

    Args:
        log_dir: for the message.
        directories: the number that a sidecar watches: those from which inputs are reached, and all below.
        found: None where the kernel tells no limits.
        watch: the key ``shipper.watch``.
    """
    if watch == "poll" or found is None:
        return
    if directories > found.max_watches - found.watches:
        yield warning(
            "inotify-watches",
            log_dir,
            f"{directories} directories are to be watched, and the kernel allows this user {found.max_watches} "
            f"watches, of which other processes hold {found.watches}: the sidecar polls every scan_interval instead",
            f"raise the limit: `sysctl fs.inotify.max_user_watches={_raised(directories + found.watches)}`, and "
            "write it into /etc/sysctl.d; or set shipper.watch: poll",
        )
    elif found.instances >= found.max_instances:
        yield warning(
            "inotify-instances",
            log_dir,
            f"other processes of this user hold {found.instances} of the {found.max_instances} inotify instances "
            "that the kernel allows: the sidecar polls every scan_interval instead",
            f"raise the limit: `sysctl fs.inotify.max_user_instances={_raised(found.instances + 1)}`, and write it "
            "into /etc/sysctl.d; or set shipper.watch: poll",
        )
    else:
        yield ok(
            "inotify", log_dir, f"watching: {directories} directories of {found.max_watches} that may be watched"
        )


def _raised(needed: int) -> int:
    """The next power of two that leaves half of it free."""
    return 1 << (2 * needed).bit_length()


def count_directories(roots: Iterable[str]) -> int:
    """The number of directories, with all below them, each once."""
    seen: set[tuple[int, int]] = set()
    todo = list(dict.fromkeys(map(os.path.realpath, roots)))
    while todo and len(seen) < MAX_COUNTED:
        directory = todo.pop()
        try:
            stat = os.stat(directory)  # noqa: PTH116 - text paths, as in the tail
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            with os.scandir(directory) as entries:
                todo += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        seen.add((stat.st_dev, stat.st_ino))
    return len(seen)


def _limit(root: Path, what: str) -> int | None:
    """The lower of the limit of the machine and that of the user namespace."""
    found = []
    for place in (f"sys/fs/inotify/max_user_{what}", f"sys/user/max_inotify_{what}"):
        with suppress(OSError, ValueError):
            found.append(int((root / place).read_text()))
    return min(found, default=None)


def inotify_of(uid: int, exclude: Iterable[int] = (), root: Path = Path("/proc")) -> Inotify | None:
    """The limits, and what the processes of a user hold; None where the kernel tells no limits.

    Args:
        uid: of the sidecar's user.
        exclude: processes that are not counted: the sidecar itself.
        root: the file system that tells.
    """
    max_watches, max_instances = _limit(root, "watches"), _limit(root, "instances")
    if max_watches is None or max_instances is None:
        return None
    try:
        numbers = [entry for entry in root.iterdir() if entry.name.isdecimal() and int(entry.name) not in {*exclude}]
    except OSError:
        return None
    watches = instances = 0
    for place in numbers:
        try:
            if place.stat().st_uid != uid:
                continue
            descriptors = list((place / "fd").iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if os.readlink(descriptor) != "anon_inode:inotify":  # noqa: PTH115 - no path
                    continue
                text = (place / "fdinfo" / descriptor.name).read_text()
            except OSError:
                continue
            instances += 1
            watches += sum(line.startswith("inotify wd:") for line in text.splitlines())
    return Inotify(max_watches, max_instances, watches, instances)
