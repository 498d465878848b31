"""Hints from the file system that something changed, which only wake the next scan early.

inotify drops events silently, network file systems send none, and watches run out: the periodic scan decides.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from shipper.tail.paced_events import pace

_EVENTS: list[type[FileSystemEvent]] = [
    # Without a filter watchdog also reports the sidecar's own reads (opened, closed).
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
# How often to check that the paths still name the watched directories, seconds; costs a few ``stat``.
CHECK_INTERVAL = 1.0


class _Root(FileSystemEventHandler):
    """One directory that is watched with all below it.

    Attributes:
        ended: it was deleted; the directory that has its path now may reuse its inode.

    Args:
        directory: its path as configured.
        real: with all links followed.
        key: device and inode.
        hint: called on every change.
    """

    def __init__(self, directory: str, real: str, key: tuple[int, int], hint: Callable[[str | None], None]) -> None:
        self.real = real
        self.key = key
        self.ended = False
        self.watch: ObservedWatch | None = None
        self._directory = directory
        self._hint = hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass an event on as a hint."""
        path = os.fsdecode(event.src_path)
        if isinstance(event, DirDeletedEvent) and path == self.real:
            self.ended = True
        self._hint(self._directory + path[len(self.real) :] if isinstance(event, FileModifiedEvent) else None)

    def holds(self, real: str) -> bool:
        """Whether this directory is watched with it."""
        return real == self.real or real.startswith(f"{self.real.rstrip('/')}/")


class Watch:
    """Calls ``hint`` when something under the directories changes.

    If a directory is deleted and created again or renamed, or a link to it gets another target, a hint follows within
    a second, and the next ``cover`` watches the new directory.

    Args:
        hint: called on every change, from another thread, with the path of a file that was written to, or None.
        mode: ``poll`` watches nothing; ``auto`` and ``inotify`` fall back to polling when watches run out.
        warn: called with a sentence when they do.
    """

    def __init__(
        self,
        hint: Callable[[str | None], None],
        mode: Literal["auto", "inotify", "poll"],
        warn: Callable[[str], None],
    ) -> None:
        self._hint = hint
        self._warn = warn
        self._observer: BaseObserver | None = None
        self._roots: dict[str, _Root] = {}
        self._wanted: tuple[str, ...] = ()
        self._stopped = threading.Event()
        # watchdog reports directories that come back, with all their paths, bypassing the sidecar's log.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="watchdog")
        if mode != "poll":
            try:
                # Some versions of watchdog ask for the inotify instance here, others when it is started.
                self._observer = Observer()
                pace(self._observer)
                self._observer.start()
            except OSError as error:
                self._give_up(error)
        if self._observer is not None:
            threading.Thread(target=self._check, name="watch", daemon=True).start()

    def cover(self, directories: Iterable[str]) -> bool:
        """Watch these directories and all below them; missing ones are tried again at each call.

        Returns:
            Whether they are watched; if not, only scans find changes.
        """
        self._wanted = tuple(directories)
        for directory in self._roots.keys() - set(self._wanted):
            self._drop(directory)
        for directory in self._wanted:
            if self._observer is None:
                return False
            if not self._is_stale(directory):
                continue
            self._drop(directory)
            try:
                self._add(self._observer, directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._give_up(error)
        return self._observer is not None

    def _add(self, observer: BaseObserver, directory: str) -> None:
        real, key = _identity(directory)
        if key is None or any(root.holds(real) for root in list(self._roots.values())):
            return
        root = _Root(directory, real, key, self._hint)
        # The path behind all links: inotify does not report changes of a link's target.
        root.watch = observer.schedule(root, real, recursive=True, event_filter=_EVENTS)
        self._roots[directory] = root

    def _drop(self, directory: str) -> None:
        root = self._roots.pop(directory, None)
        if root is not None and root.watch is not None and self._observer is not None:
            with contextlib.suppress(KeyError, OSError):
                self._observer.unschedule(root.watch)

    def _is_stale(self, directory: str) -> bool:
        """Whether a path names another directory than the watched one, or an existing one that is not watched."""
        real, key = _identity(directory)
        root = self._roots.get(directory)
        if root is not None:
            return root.ended or (root.real, root.key) != (real, key)
        return key is not None and not any(root.holds(real) for root in list(self._roots.values()))

    def _check(self) -> None:
        while not self._stopped.wait(CHECK_INTERVAL) and self._observer is not None:
            if any(map(self._is_stale, self._wanted)):
                self._hint(None)

    def stop(self) -> None:
        """End the watching threads."""
        self._stopped.set()
        if self._observer is not None and self._observer.is_alive():
            self._observer.stop()
            self._observer.join(timeout=2)

    def _give_up(self, error: OSError) -> None:
        limit = {
            errno.ENOSPC: "no inotify watches are left (raise sysctl fs.inotify.max_user_watches)",
            errno.EMFILE: "no inotify instances are left (raise sysctl fs.inotify.max_user_instances)",
        }.get(error.errno or 0, f"watching failed ({error.strerror})")
        self._warn(f"{limit}; polling every scan_interval instead, nothing is lost")
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            with contextlib.suppress(OSError):
                observer.stop()


def _identity(directory: str) -> tuple[str, tuple[int, int] | None]:
    """A directory's path with all links followed, and device and inode; None where it can't be watched."""
    real = os.path.realpath(directory)
    try:
        stat = os.stat(real)  # noqa: PTH116 - text paths throughout the tail
    except OSError:
        return real, None
    # inotify needs read permission; watchdog ignores a refusal.
    if (stat.st_mode & 0o170000) != 0o040000 or not os.access(real, os.R_OK):
        return real, None
    return real, (stat.st_dev, stat.st_ino)
