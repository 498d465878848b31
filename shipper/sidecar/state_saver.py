"""Writes cursors and what belongs to them to the state directory; failures are logged and retried."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shipper import telemetry
from shipper.document.run_context import RunContext
from shipper.tail.clock import Clock
from shipper.tail.report import counters_of
from shipper.tail.state.store import CursorStore, StateError
from shipper.tail.tail import Tail
from shipper.telemetry import ONCE, Counters, Throttle, log


@dataclass
class StateSaver:
    """Saves the state of one run."""

    store: CursorStore
    tail: Tail
    runs: RunContext
    counters: Counters
    clock: Clock
    _save_failures: Throttle = field(init=False)
    _restore_failures: Throttle = field(init=False)

    def __post_init__(self) -> None:
        self._save_failures, self._restore_failures = Throttle(telemetry.error), Throttle(telemetry.error)
        self._acknowledged = _acknowledged(counters_of({"counters": self.store.fact("counters") or "{}"}))
        self._acknowledged_at = self.store.fact("acknowledged_at") or ""

    def save(self) -> None:
        """Write changed cursors; after a failure shipping continues, and a restart sends more lines again."""
        if not self.tail.dirty:
            return
        moment, counters = self.counters.moment(), self.counters.settled_only()
        if (acknowledged := _acknowledged(counters)) != self._acknowledged:
            at = datetime.fromtimestamp(self.clock.wall_ns() / 1e9, UTC)
            self._acknowledged, self._acknowledged_at = acknowledged, at.isoformat(timespec="seconds")
        try:
            self.store.save(
                self.tail.cursors(self.tail.dirty),
                self.runs.changes(),
                counters=json.dumps(counters),
                totals=moment.text(),
                seams=self.tail.joins(),
                acknowledged_at=self._acknowledged_at,
                first_start=self.tail.first_start(),
            )
        except StateError as error:
            self._save_failures.say(
                str(error),
                f"{error}; shipping continues; after a restart, lines are sent again and recognised as duplicates",
                ONCE,
            )
        else:
            self.tail.dirty.clear()
            if self._save_failures.over():
                log.info("cursors can be written again")
        self.counters.publish(moment)

    def save_counters(self) -> None:
        """Write the counters where they changed and no cursor did, as in an outage; ``save`` reports a full disk."""
        moment = self.counters.moment()
        if moment.totals != self.counters.published.totals:
            with suppress(StateError):
                self.store.set_fact("totals", moment.text())
        self.counters.publish(moment)

    def save_first_start(self) -> None:
        """Write what is left of the first start, where there are no cursors to write with it."""
        if (text := self.tail.first_start()) and not self.tail.dirty:
            with suppress(StateError):  # a full disk: then the next start is the first
                self.store.set_fact("first_start", text)

    def keep_directory(self) -> None:
        """Create the state directory again if it was deleted."""
        if self.store.present():
            self._restore_failures.over()
            return
        try:
            self.store.restore(self.tail.all_cursors(), self.runs.rows())
        except StateError as error:
            self._restore_failures.say(str(error), f"{error}; shipping continues, trying again at every scan", ONCE)

    def finish(self, *, scanned: bool) -> None:
        """Save for the last time.

        Args:
            scanned: this run has scanned; if not, a start after an unclean end leaves positions uncertain.
        """
        self.keep_directory()
        self.save()
        self.save_counters()
        self.store.certain = self.tail.certain and (scanned or self.store.clean)


def _acknowledged(counters: dict[str, int]) -> int:
    return counters.get("acknowledged", 0) + counters.get("duplicate", 0)
