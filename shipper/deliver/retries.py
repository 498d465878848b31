"""How long to wait between attempts, when to give up, and what is logged about failures."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from shipper.deliver.retry_policy import ACTIONS
from shipper.elastic.outcomes import Failure, delay
from shipper.telemetry import Throttle, log


class AbandonedError(Exception):
    """Retries ended because the sidecar stops."""


def _jittered(attempt: int) -> float:
    return delay(attempt, random.random())  # noqa: S311 - jitter, no secret


class Retries:
    """Back-off, shared by all threads that send; a stop wakes every wait.

    Attributes:
        reason: of the last failure.
        gave_up: a stop has ended the retries of a thread.

    Args:
        wait_for: seconds to wait after so many failed attempts.
    """

    def __init__(self, wait_for: Callable[[int], float] = _jittered) -> None:
        self._wait_for = wait_for
        self._stop = threading.Event()
        self._nudge = threading.Event()
        self._deadline = float("inf")
        self._lock = threading.Lock()
        self._failing: set[int] = set()
        self._reported = False
        self.reason = ""
        self.gave_up = False
        self._throttle = Throttle()

    @property
    def failing(self) -> bool:
        """Whether some thread's last attempt failed."""
        return bool(self._failing)

    def stop(self, deadline: float) -> None:
        """Retry until ``deadline`` (monotonic seconds); not at all where nothing answers."""
        self._deadline = deadline
        self._stop.set()
        self._nudge.set()

    def restart(self) -> None:
        """The cluster or its settings are new: try again at once, and log the next failure."""
        self._throttle.forget()
        self._nudge.set()

    def pause(self, attempt: int, *, answered: bool) -> None:
        """Wait before the next attempt.

        Args:
            attempt: number of failed attempts.
            answered: the last one got an answer.

        Raises:
            AbandonedError: stopping, and either nothing answers or the deadline has passed.
        """
        wait = self._wait_for(attempt)
        if self._stop.is_set():
            if not answered or time.monotonic() + wait >= self._deadline:
                self.gave_up = True
                raise AbandonedError
            time.sleep(min(wait, max(0.0, self._deadline - time.monotonic())))
        else:
            self._nudge.wait(wait)
            if not self._stop.is_set():
                self._nudge.clear()

    def pause_after_bug(self, failures: int) -> None:
        """Wait before the next batch when ``failures`` of them in a row were set aside; a stop ends the wait."""
        self._stop.wait(self._wait_for(failures))
        with self._lock:
            self._failing.discard(threading.get_ident())

    def report(self, failure: Failure) -> None:
        """This thread's attempt failed: warn, once a minute for each kind."""
        with self._lock:
            self._failing.add(threading.get_ident())
        if failure.reason:
            self.reason = failure.reason
            action = ACTIONS.get(failure.outcome, "trying again")
            if self.warn(failure.kind, f"{failure.reason}; {action}, nothing is lost"):
                self._reported = True

    def recovered(self) -> None:
        """This thread's attempt succeeded; logged when no thread fails any more, if the failure was."""
        with self._lock:
            self._failing.discard(threading.get_ident())
            all_well = self._reported and not self._failing
            self._reported = self._reported and not all_well
        if all_well:
            log.info("the cluster takes documents again")

    def warn(self, kind: str, message: str, write: Callable[[str], None] | None = None) -> bool:
        """Log a message, once a minute for each kind; numbers in it may differ.  Gives whether it was logged."""
        return self._throttle.say(kind, message, write=write)
