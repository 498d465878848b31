"""What the sidecar says of itself: counters and its own log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from math import inf
from traceback import extract_tb

from shipper.credentials import credential_mask
from shipper.printable import printable

log = logging.getLogger("neuroflow-ship")
MINUTE = 60.0
HOUR = 3600.0
ONCE = inf


class Counters:
    """Documents by what became of them; read = acknowledged + duplicate + dead + in flight at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acknowledged = 0
        self._duplicate = 0
        self._dead = 0
        self._in_flight = 0
        self._retried = 0

    def begin(self, documents: int) -> None:
        """Documents were read and are on their way."""
        with self._lock:
            self._in_flight += documents

    def settle(self, acknowledged: int = 0, duplicate: int = 0, dead: int = 0) -> None:
        """Documents under way have their outcome."""
        with self._lock:
            self._in_flight -= acknowledged + duplicate + dead
            self._acknowledged += acknowledged
            self._duplicate += duplicate
            self._dead += dead

    def retry(self, documents: int) -> None:
        """Documents will be sent once more."""
        with self._lock:
            self._retried += documents

    def resume(self, counters: dict[str, int]) -> None:
        """Go on counting from what an earlier run settled."""
        with self._lock:
            self._acknowledged += counters.get("acknowledged", 0)
            self._duplicate += counters.get("duplicate", 0)
            self._dead += counters.get("dead", 0)
            self._retried += counters.get("retried", 0)

    def settled_only(self) -> dict[str, int]:
        """Counters without what is under way: that is read again after a crash."""
        counters = self.snapshot()
        counters["read"] -= counters.pop("in_flight")
        return counters

    def snapshot(self) -> dict[str, int]:
        """All counters at one moment."""
        with self._lock:
            settled = self._acknowledged + self._duplicate + self._dead
            return {
                "read": settled + self._in_flight,
                "acknowledged": self._acknowledged,
                "duplicate": self._duplicate,
                "dead": self._dead,
                "in_flight": self._in_flight,
                "retried": self._retried,
            }

    @property
    def settled(self) -> int:
        """Documents that have their outcome."""
        with self._lock:
            return self._acknowledged + self._duplicate + self._dead


class Throttle:
    """Limits how often a message of one kind is logged; threads may share one.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet_until: dict[str, float] = {}
        self._prune_at = 1

    @property
    def remembered(self) -> int:
        """How many kinds are remembered; at most twice as many as are throttled, and one."""
        return len(self._quiet_until)

    def allows(self, kind: str, every: float = MINUTE) -> bool:
        """Whether to log a message now; True starts the next interval.

        Args:
            kind: messages of the same kind share an interval.
            every: its length in seconds; ``ONCE`` lasts until ``reset``.
        """
        now = self._clock()
        with self._lock:
            if now < self._quiet_until.get(kind, -inf):
                return False
            if len(self._quiet_until) >= self._prune_at:
                self._quiet_until = {known: until for known, until in self._quiet_until.items() if now < until}
                self._prune_at = 2 * len(self._quiet_until) + 1
            self._quiet_until[kind] = now + every
        return True

    def reset(self, kind: str | None = None) -> bool:
        """Allow the next message of this kind, or of any; gives whether one had been logged."""
        with self._lock:
            if kind is not None:
                return self._quiet_until.pop(kind, None) is not None
            logged = bool(self._quiet_until)
            self._quiet_until.clear()
        return logged


def bug(error: Exception) -> str:
    """What an error is and where it was raised, for whoever mends it; not what it says: that may be a log line."""
    frames = extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def configure_log(redact: Callable[[str], str] = str) -> None:
    """The sidecar's own log: one line a sentence on standard error, times in UTC.

    Args:
        redact: removes from a message or traceback what must not be logged.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(redact))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return printable(credential_mask.text(self._redact(super().format(record))))
