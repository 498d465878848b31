"""Events of the file system are read a few times a second, not one by one.

watchdog passes each event through three threads, and each read wakes the sidecar for a turn and a request: that costs
more than to ship the lines that were written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from watchdog.observers.api import BaseObserver

MIN_PAUSE, MAX_PAUSE = 0.1, 0.4
"""Seconds between two reads of events: the least after a quiet time, more where writes go on."""
# So many at once are read without a pause: the kernel keeps 16,384 and drops what comes then.
_MANY = 512

Read = Callable[..., list[Any]]


def paced(read: Read, clock: Callable[[], float], sleep: Callable[[float], None]) -> Read:
    """Gives ``read`` with a pause before it where its last call has just given events, but few.

    So the first event after a quiet time is passed on at once.  Those that follow wait in the kernel.  While nothing
    but writes comes, each pause is twice as long as the one before, and several writes to a file are given as one.

    Args:
        read: waits for events, and gives those that are there.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """
    next_at, pause = 0.0, MIN_PAUSE

    def waiting(*arguments: Any, **options: Any) -> list[Any]:
        nonlocal next_at, pause
        if (left := next_at - clock()) > 0:
            sleep(left)
        began = clock()
        events = read(*arguments, **options)
        now, few = clock(), len(events) < _MANY
        written = all(event.is_modify for event in events)
        pause = min(2 * pause, MAX_PAUSE) if few and written and now - began < pause else MIN_PAUSE
        next_at = now + pause if events and few else 0.0
        # Only of writes: a directory may be created twice, and is watched only when both are known.
        return list(dict.fromkeys(events)) if written else events

    return waiting


def pace(observer: BaseObserver) -> None:
    """Pace an observer that reads inotify as watchdog does since 7; any other stays as it is."""
    inotify: Any = getattr(observer, "_inotify_fd", None)
    if hasattr(inotify, "read_events"):
        inotify.read_events = paced(inotify.read_events, time.monotonic, time.sleep)
