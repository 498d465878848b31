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
        self._counts = {"acknowledged": 0, "duplicate": 0, "dead": 0, "in_flight": 0, "retried": 0}

    def begin(self, documents: int) -> None:
        """Count documents that were read."""
        self._add(in_flight=documents)

    def settle(self, acknowledged: int = 0, duplicate: int = 0, dead: int = 0) -> None:
        """Count documents that have an outcome."""
        in_flight = -(acknowledged + duplicate + dead)
        self._add(acknowledged=acknowledged, duplicate=duplicate, dead=dead, in_flight=in_flight)

    def retry(self, documents: int) -> None:
        """Count documents that are sent again."""
        self._add(retried=documents)

    def resume(self, counters: dict[str, int]) -> None:
        """Add the counters of earlier runs."""
        self._add(**{name: counters.get(name, 0) for name in ("acknowledged", "duplicate", "dead", "retried")})

    def settled_only(self) -> dict[str, int]:
        """The counters without documents in flight, which are read again after a crash."""
        counters = self.snapshot()
        counters["read"] -= counters.pop("in_flight")
        return counters

    def snapshot(self) -> dict[str, int]:
        """All counters at one moment."""
        with self._lock:
            counts = dict(self._counts)
        return {"read": sum(counts.values()) - counts["retried"], **counts}

    @property
    def settled(self) -> int:
        """Number of documents that have an outcome."""
        return self.settled_only()["read"]

    def _add(self, **changes: int) -> None:
        with self._lock:
            for name, change in changes.items():
                self._counts[name] += change


class Throttle:
    """Limits how often a message of one kind is logged; threads may share one."""

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
    """Type and place of an error, for a bug report; not its message, which may contain a log line."""
    frames = extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def configure_log(redact: Callable[[str], str] = str) -> None:
    """Configure the sidecar's own log: on standard error, times in UTC."""
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
        # A message is one line, whatever the names in it contain.
        return printable(credential_mask.text(self._redact(super().format(record))), lines=bool(record.exc_info))
