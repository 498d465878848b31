"""Hints from the file system that something changed; never the truth.

inotify overflows silently, network file systems send nothing, and watches run out, so a periodic scan decides
and these hints only wake it early.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from typing import Literal

from watchdog.events import (
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_EVENTS: list[type[FileSystemEvent]] = [
    # Without a filter watchdog reports our own reads (opened, closed) as well: a storm of our own making.
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
]


class Watch(FileSystemEventHandler):
    """Calls ``hint`` when something under the directories changes.

    Args:
        hint: called on every change, from another thread, with the path of a file that was written to, or None.
        mode: ``poll`` watches nothing; ``auto`` and ``inotify`` fall back to polling when watches run out.
        warn: told in a sentence when they do.
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
        self._watched: set[str] = set()
        if mode != "poll":
            try:
                # Some versions of watchdog ask for the inotify instance here, others when it is started.
                self._observer = Observer()
                self._observer.start()
            except OSError as error:
                self._give_up(error)

    def cover(self, directories: Iterable[str]) -> bool:
        """Watch these directories and all below them; those that don't exist yet are tried again at each call.

        Returns:
            Whether they are watched; False means that only scanning tells what happens.
        """
        for directory in directories:
            if self._observer is None:
                return False
            if directory in self._watched:
                if not os.path.isdir(directory):  # noqa: PTH112 - text paths throughout the tail
                    self._watched.discard(directory)
                continue
            if any(directory.startswith(f"{above}/") for above in self._watched):
                continue
            try:
                self._observer.schedule(self, directory, recursive=True, event_filter=_EVENTS)
                self._watched.add(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._give_up(error)
        return self._observer is not None

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A hint arrived."""
        self._hint(os.fsdecode(event.src_path) if isinstance(event, FileModifiedEvent) else None)

    def stop(self) -> None:
        """End the watching thread."""
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
