"""Whether the sidecar is ready: its cluster is asked now and then, when somebody wants to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Seconds: /readyz asks the cluster at most this often.
ASK_EVERY = 10.0


class Readiness:
    """Finds out why the sidecar is not ready, by asking the cluster at most every ``ASK_EVERY`` seconds.

    Args:
        trouble: gives why not, as the sidecar knows it.
        ask: gives why not, as the cluster answers.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        trouble: Callable[[], str | None],
        ask: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trouble = trouble
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._unavailable: str | None = None

    def __call__(self) -> str | None:
        """Why it is not ready; None where it is."""
        with self._lock:  # concurrent probes share one request
            if self._clock() >= self._until:
                self._unavailable = self._ask()
                self._until = self._clock() + ASK_EVERY
        return self._unavailable or self._trouble()

    def known(self) -> str | None:
        """The same, without asking: the cluster's last answer counts for as long as another probe would get it."""
        asked = self._unavailable if self._clock() < self._until else None
        return asked or self._trouble()
