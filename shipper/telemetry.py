"""The sidecar's counters, and what its own log is written with."""

from __future__ import annotations

import json
import logging
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from itertools import accumulate
from math import inf
from traceback import extract_tb
from types import MappingProxyType
from typing import NamedTuple

log = logging.getLogger("neuroflow-ship")
MINUTE = 60.0
HOUR = 3600.0
ONCE = inf
MAX_A_MINUTE = 100
"""Messages of all kinds of one throttle that are logged in a minute."""
# Kinds of messages whose numbers are remembered after their interval.
_MAX_KINDS = 1000


class Total(NamedTuple):
    """A counter that continues over restarts: its name and the values of its labels."""

    name: str
    labels: tuple[str, ...] = ()


class Moment(NamedTuple):
    """Counters at one moment; read documents = ``documents`` of all datasets and outcomes + ``in_flight``.

    Attributes:
        totals: numbers that only grow.
        in_flight: documents without an outcome.
    """

    totals: dict[Total, int]
    in_flight: int

    def text(self) -> str:
        """The totals as text for the store."""
        return json.dumps({" ".join((one.name, *one.labels)): number for one, number in self.totals.items()})


class Histogram:
    """Counts durations by their size.

    Args:
        bounds: upper bounds of the buckets, in order; one without a bound is added.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = (*bounds, inf)
        self._lock = threading.Lock()
        self._counts = [0] * len(self.bounds)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        with self._lock:
            self._counts[bisect_left(self.bounds, seconds)] += 1
            self._sum += seconds

    def buckets(self) -> tuple[list[tuple[float, int]], float]:
        """Each bound with the number of durations up to it, and the sum of all durations."""
        with self._lock:
            return list(zip(self.bounds, accumulate(self._counts), strict=True)), self._sum


class Gauges(NamedTuple):
    """What the sidecar measures when somebody asks; times in seconds, sizes in bytes.

    Attributes:
        queue_bytes: documents that are packed and have no outcome.
        lags: of the logs that are furthest behind, by path: what is not acknowledged, and the age of its oldest line.
        total_lag_bytes: what is not acknowledged of all logs.
        oldest_unacknowledged_seconds: the age of the oldest unacknowledged line of all logs; 0 for none.
        dead_letters: how many there are.
        generations: how many the state directory knows.
        files_not_read: of how many files and directories something is missing.
        last_scan_seconds: how long the last scan took.
        ready: whether documents are accepted, as far as is known without asking the cluster.
    """

    queue_bytes: int = 0
    lags: Mapping[str, tuple[int, float]] = MappingProxyType({})
    total_lag_bytes: int = 0
    oldest_unacknowledged_seconds: float = 0.0
    dead_letters: int = 0
    generations: int = 0
    files_not_read: int = 0
    last_scan_seconds: float = 0.0
    ready: bool = True


OUTCOMES = ("acknowledged", "duplicate", "dead")
_BULK_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SCAN_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Counters:
    """Numbers of documents by outcome; read = acknowledged + duplicate + dead + in flight at any moment.

    They are counted by block and by request, not by line.  Threads may share them.

    Attributes:
        published: the counters as they were stored last, for /metrics: a crash does not set these back, as it would
            set back a number that was shown before it was stored.
        bulk_seconds: how long bulk requests take, answered or not.
        scan_seconds: how long scans take.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = {"acknowledged": 0, "duplicate": 0, "dead": 0, "in_flight": 0, "retried": 0}
        self._totals: Counter[Total] = Counter()
        self.published = Moment({}, 0)
        self.bulk_seconds = Histogram(_BULK_BOUNDS)
        self.scan_seconds = Histogram(_SCAN_BOUNDS)

    def begin(self, documents: int, *, dataset: str, lines: int, size: int) -> None:
        """Count what was read.

        Args:
            documents: made of it.
            dataset: of the log.
            lines: read.
            size: of these lines, bytes.
        """
        with self._lock:
            self._counts["in_flight"] += documents
            self._totals[Total("read_lines", (dataset,))] += lines
            self._totals[Total("read_bytes", (dataset,))] += size

    def settle(self, **outcomes: Mapping[str, int]) -> None:
        """Count documents that have an outcome: acknowledged, duplicate or dead, each by dataset."""
        with self._lock:
            for outcome, datasets in outcomes.items():
                for dataset, documents in datasets.items():
                    self._counts[outcome] += documents
                    self._counts["in_flight"] -= documents
                    self._totals[Total("documents", (dataset, outcome))] += documents

    def retry(self, causes: Mapping[str, int]) -> None:
        """Count documents that are sent again, by cause."""
        with self._lock:
            for cause, documents in causes.items():
                self._counts["retried"] += documents
                self._totals[Total("retries", (cause,))] += documents

    def add(self, name: str, number: int) -> None:
        """Add to a total without labels."""
        with self._lock:
            self._totals[Total(name)] += number

    def resume(self, counters: dict[str, int], totals: str = "{}") -> None:
        """Add the counters and the totals of earlier runs."""
        with self._lock:
            for name in ("acknowledged", "duplicate", "dead", "retried"):
                self._counts[name] += counters.get(name, 0)
            self._totals.update(_totals_in(totals))
        self.publish(self.moment())

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

    def moment(self) -> Moment:
        """The counters now."""
        with self._lock:
            return Moment(dict(self._totals), self._counts["in_flight"])

    def publish(self, moment: Moment) -> None:
        """Show these from now on: they are stored."""
        self.published = moment

    @property
    def settled(self) -> int:
        """Number of documents that have an outcome."""
        return self.settled_only()["read"]


def _totals_in(text: str) -> dict[Total, int]:
    """The totals in a text from the store; none if it is damaged."""
    try:
        stored = json.loads(text)
        return {Total(name, tuple(labels)): int(stored[key]) for key in stored for name, *labels in [key.split(" ")]}
    except (AttributeError, TypeError, ValueError):
        return {}


def warning(text: str) -> None:
    """Log a sentence as a warning."""
    log.warning("%s", text)


def error(text: str) -> None:
    """Log a sentence as an error."""
    log.error("%s", text)


class _Logged(NamedTuple):
    """When a message of a kind was logged, until when others of it are not, and whether its cause is over."""

    at: float
    until: float
    over: bool = False


class Throttle:
    """Logs what may repeat: one message of a kind in an interval, and how many of them were not logged meanwhile.

    Kinds may be as many as somebody makes files, so all of them together are limited too.  Threads may share one.

    Args:
        write: logs a sentence.
        clock: monotonic seconds.
    """

    def __init__(self, write: Callable[[str], None] = warning, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._logged: dict[str, _Logged] = {}
        self._suppressed: Counter[str] = Counter()
        self._prune_at = 1
        self._minute_began = -inf
        self._this_minute = self._held = 0

    @property
    def remembered(self) -> int:
        """How many kinds are remembered; at most twice as many as are throttled, and one."""
        return len(self._logged)

    def say(self, kind: str, message: str, every: float = MINUTE, write: Callable[[str], None] | None = None) -> bool:
        """Log a message, unless one of its kind was logged less than ``every`` seconds ago; gives whether it was.

        Args:
            kind: messages of the same kind share an interval; numbers in them may differ.
            message: a sentence.
            every: seconds; ``ONCE`` lasts until the cause is over.
            write: logs this sentence in another way.
        """
        if times := self._allows(kind, every):
            (write or self._write)(f"{message} ({times - 1} more like this, not logged)" if times > 1 else message)
        return times > 0

    def _allows(self, kind: str, every: float) -> int:
        """0 if a message is not to be logged, else how many it stands for."""
        now = self._clock()
        with self._lock:
            before = self._logged.get(kind)
            if before is not None and now < before.until:
                self._suppressed[kind] += 1
                return 0
            if now - self._minute_began >= MINUTE:
                self._minute_began, self._this_minute = now, 0
            if self._this_minute >= MAX_A_MINUTE:
                self._held += 1
                return 0
            self._this_minute += 1
            suppressed, self._held = self._suppressed.pop(kind, 0) + self._held, 0
            if len(self._logged) >= self._prune_at:
                self._logged = {one: logged for one, logged in self._logged.items() if now < logged.until}
                self._prune_at = 2 * len(self._logged) + 1
            if len(self._suppressed) > _MAX_KINDS:
                self._suppressed.clear()
            self._logged[kind] = _Logged(now, now + every)
        return 1 + suppressed

    def over(self, but: AbstractSet[str] = frozenset()) -> bool:
        """The causes of all kinds ``but`` some are over: a next message is news, once a minute at most.

        Gives whether one was logged since they were over the last time.
        """
        with self._lock:
            ended = [one for one, logged in self._logged.items() if not logged.over and one not in but]
            for one in ended:
                at, until, _ = self._logged[one]
                self._logged[one] = _Logged(at, min(until, at + MINUTE), over=True)
        return bool(ended)

    def forget(self) -> None:
        """Log the next message of every kind."""
        with self._lock:
            self._logged.clear()
            self._suppressed.clear()
            self._held = self._this_minute = 0


def bug(error: Exception) -> str:
    """Type and place of an error, for a bug report; not its message, which may contain a log line."""
    frames = extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
