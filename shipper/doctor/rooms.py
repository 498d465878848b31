"""Findings about disks: room for the state, read-only and network file systems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shipper.doctor.finding import Finding, error, note, ok, warning

# Bytes; with less the sidecar can't write its positions at all (SQLite's database, journal and shared memory take
# 200 KiB for some dozens of logs), or not for long.
NONE_BYTES, LITTLE_BYTES = 512 * 1024, 100 * 2**20
FEW_INODES = 100
# Per cent of the log disk that is used.
NEARLY_FULL = 95
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "gpfs", "beegfs", "afs", "ncpfs"}
)
"""File systems that other machines write to; those under FUSE count as well, except local ones."""
_LOCAL_FUSE = frozenset({"fuse.lxcfs", "fuseblk", "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.snapfuse"})


@dataclass(frozen=True)
class Disk:
    """The file system under a path.

    Attributes:
        free: bytes for this user.
        size: bytes in all.
        inodes: free ones; None where the file system does not count them.
        read_only: it is mounted so.
        kind: as in ``/proc/self/mountinfo``; empty if unknown.
    """

    free: int
    size: int
    inodes: int | None = None
    read_only: bool = False
    kind: str = ""

    @property
    def network(self) -> bool:
        """Whether other machines may write to it."""
        return self.kind in NETWORK or (self.kind.startswith("fuse") and self.kind not in _LOCAL_FUSE)


def disk_under(path: Path) -> Disk | None:
    """The file system of a path, or of its nearest directory that exists; None where none can be looked at."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except OSError:
            continue
        inodes = found.f_favail if found.f_files else None
        free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        read_only = bool(found.f_flag & os.ST_RDONLY)
        return Disk(free, size, inodes, read_only, kind_of(os.path.realpath(place), _mounts()))
    return None


def kind_of(path: str, mounts: Iterable[str]) -> str:
    """The kind of the file system that holds a path, by the lines of ``/proc/self/mountinfo``."""
    best, kind = "", ""
    for line in mounts:
        before, _, behind = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not behind:
            continue
        point = fields[4].encode().decode("unicode_escape") if "\\" in fields[4] else fields[4]
        if (path == point or path.startswith(f"{point.rstrip('/')}/")) and len(point) >= len(best):
            best, kind = point, behind.split(" ", 1)[0]
    return kind


def _mounts() -> list[str]:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def state_disk(state_dir: str, disk: Disk | None) -> Iterator[Finding]:
    """What the disk under the state directory lacks."""
    if disk is None:
        return
    if disk.read_only:
        yield error(
            "state-read-only",
            state_dir,
            f"{state_dir} is on a read-only file system: the sidecar would not start",
            "set shipper.state_dir to a directory on a disk that can be written",
        )
        return
    if disk.free < NONE_BYTES:
        yield error(
            "state-no-space",
            state_dir,
            f"{state_dir}: its disk is full ({_mib(disk.free)} free): the sidecar can't store positions, so after a "
            "restart lines are sent again, and rejected documents can't be kept",
            "make room on it, or move shipper.state_dir",
        )
    elif disk.inodes is not None and disk.inodes < FEW_INODES:
        yield error(
            "state-no-space",
            state_dir,
            f"{state_dir}: its disk has {disk.inodes} free inodes left: the sidecar can't create files there",
            "delete files on it, or move shipper.state_dir",
        )
    elif disk.free < LITTLE_BYTES:
        yield warning(
            "state-little-space",
            state_dir,
            f"{state_dir}: its disk is nearly full ({_mib(disk.free)} free)",
            "make room on it, or move shipper.state_dir",
        )
    else:
        yield ok("state-space", state_dir, f"space for the state: {_mib(disk.free)} free under {state_dir}")
    if disk.network:
        yield warning(
            "state-on-network",
            state_dir,
            f"{state_dir} is on a network file system ({disk.kind}), where locks and SQLite are not reliable",
            "set shipper.state_dir to a directory on a local disk",
        )


def log_disk(log_dir: str, disk: Disk | None, *, watch: str, scan_interval: float) -> Iterator[Finding]:
    """What the disk under the log directory means for shipping."""
    if disk is None:
        return
    used = 100 * (disk.size - disk.free) / disk.size if disk.size else 0
    if used >= NEARLY_FULL:
        yield note(
            "log-disk-full",
            log_dir,
            f"{log_dir}: its disk is {used:.0f} % full ({_mib(disk.free)} free): the application may lose lines that "
            "it can't write",
            "make room on it, or rotate the logs earlier",
        )
    if disk.network and watch != "poll":
        yield note(
            "network-file-system",
            log_dir,
            f"{log_dir} is on a network file system ({disk.kind}), which reports nothing that another machine "
            f"writes: "
            f"such a line is found by the scan every {scan_interval:g} s",
            "set shipper.watch: poll, or run the sidecar on the machine that writes the logs",
        )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size / 1024:.0f} KiB"
