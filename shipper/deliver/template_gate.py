"""Holds documents back until the index templates exist: else another template would define the data stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Seconds between two checks of the templates while documents are sent.
CHECK_EVERY = 60.0
# How long a start waits for the templates before it begins to read, seconds.
PREPARE_PATIENCE = 5.0


class TemplateGate:
    """Opens when the index templates exist, and has them checked once a minute.

    Args:
        restore: puts the templates or checks them; False: the cluster could not be asked.
    """

    def __init__(self, restore: Callable[[], bool]) -> None:
        self._restore = restore
        self._open = False
        self._checking = threading.Lock()
        self._check_at = 0.0

    def reconnect(self, restore: Callable[[], bool]) -> None:
        """Close until another cluster has the templates."""
        self._restore = restore
        self._open = False

    def restore(self) -> None:
        """Put missing templates back now."""
        self._restore()

    def prepare(self, stopping: threading.Event) -> None:
        """Put the templates; after ``PREPARE_PATIENCE``, or when ``stopping``, returns and goes on trying."""
        thread = threading.Thread(target=self.is_open, name="prepare", daemon=True)
        thread.start()
        patience = time.monotonic() + PREPARE_PATIENCE
        while thread.is_alive() and time.monotonic() < patience and not stopping.is_set():
            thread.join(0.05)

    @property
    def was_open(self) -> bool:
        """Whether documents may be sent, as last known."""
        return self._open

    def is_open(self) -> bool:
        """Whether documents may be sent; asks the cluster when a check is due."""
        if self._open and time.monotonic() < self._check_at:
            return True
        # Only the first check blocks other threads; they send while a later one runs.
        if not self._checking.acquire(blocking=not self._open):
            return True
        try:
            if not self._open or time.monotonic() >= self._check_at:
                restore = self._restore
                is_open = restore() or self._open
                if restore is self._restore:  # else it was another cluster's answer
                    self._open = is_open
                self._check_at = time.monotonic() + CHECK_EVERY
            return self._open
        finally:
            self._checking.release()
