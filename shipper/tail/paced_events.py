"""Events of the file system are read a few times a second, not one by one.

watchdog passes each event through three threads, which costs more than to ship the line that was written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from watchdog.observers.api import BaseObserver

PAUSE = 0.1
"""Seconds between two reads of events; as long as the sidecar waits between two requests anyway."""
# So many at once are read without a pause: the kernel keeps 16,384 and drops what comes then.
_MANY = 256

Read = Callable[..., list[Any]]


def paced(read: Read, clock: Callable[[], float], sleep: Callable[[float], None]) -> Read:
    """Gives ``read`` with a pause before it where its last call has just given events, but few.

    So the first event after a quiet time is passed on at once.  Those that follow wait in the kernel, which merges
    writes to one file.

    Args:
        read: waits for events, and gives those that are there.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """
    next_at = 0.0

    def waiting(*arguments: Any, **options: Any) -> list[Any]:
        nonlocal next_at
        if (left := next_at - clock()) > 0:
            sleep(left)
        events = read(*arguments, **options)
        next_at = clock() + PAUSE if 0 < len(events) < _MANY else 0.0
        return events

    return waiting


def pace(observer: BaseObserver) -> None:
    """Pace an observer that reads inotify as watchdog does since 7; any other stays as it is."""
    inotify: Any = getattr(observer, "_inotify_fd", None)
    if hasattr(inotify, "read_events"):
        inotify.read_events = paced(inotify.read_events, time.monotonic, time.sleep)
