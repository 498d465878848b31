"""The sidecar's counters and its own log."""

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
    """Numbers of documents by outcome; read = acknowledged + duplicate + dead + in flight at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acknowledged = 0
        self._duplicate = 0
        self._dead = 0
        self._in_flight = 0
        self._retried = 0

    def begin(self, documents: int) -> None:
        """Count documents that were read."""
        with self._lock:
            self._in_flight += documents

    def settle(self, acknowledged: int = 0, duplicate: int = 0, dead: int = 0) -> None:
        """Count documents that have an outcome."""
        with self._lock:
            self._in_flight -= acknowledged + duplicate + dead
            self._acknowledged += acknowledged
            self._duplicate += duplicate
            self._dead += dead

    def retry(self, documents: int) -> None:
        """Count documents that are sent again."""
        with self._lock:
            self._retried += documents

    def resume(self, counters: dict[str, int]) -> None:
        """Add the counters of earlier runs."""
        with self._lock:
            self._acknowledged += counters.get("acknowledged", 0)
            self._duplicate += counters.get("duplicate", 0)
            self._dead += counters.get("dead", 0)
            self._retried += counters.get("retried", 0)

    def settled_only(self) -> dict[str, int]:
        """The counters without documents in flight, which are read again after a crash."""
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
        """Number of documents that have an outcome."""
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
            self._quiet_until = {other: until for other, until in self._quiet_until.items() if now < until}
            self._quiet_until[kind] = now + every
        return True

    def reset(self, kind: str | None = None) -> bool:
        """Allow the next message of this kind, or of any; gives whether one had been logged."""
        with self._lock:
            logged = [other for other in self._quiet_until if kind in {None, other}]
            for other in logged:
                del self._quiet_until[other]
        return bool(logged)


def bug(error: Exception) -> str:
    """Type and place of an error, for a bug report; not its message, which may contain a log line."""
    frames = extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def configure_log(redact: Callable[[str], str] = str) -> None:
    """Configure the sidecar's own log: on standard error, times in UTC.

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
