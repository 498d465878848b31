"""Writes cursors and what belongs to them to the state directory; failures are logged and retried."""

from __future__ import annotations

import json

from shipper.document.run_context import RunContext
from shipper.tail.state.store import CursorStore, StateError
from shipper.tail.tail import Tail
from shipper.telemetry import ONCE, Counters, Throttle, log


class StateSaver:
    """Saves the state of one run.

    Args:
        store: the state directory, locked by this process.
        tail: holds the cursors.
        runs: the context of runs, which is saved with them.
        counters: saved with them.
    """

    def __init__(self, store: CursorStore, tail: Tail, runs: RunContext, counters: Counters) -> None:
        self._store = store
        self._tail = tail
        self._runs = runs
        self._counters = counters
        self._save_failures, self._restore_failures = Throttle(), Throttle()

    def save(self) -> None:
        """Write cursors that changed; after a failure shipping goes on, and a restart sends more lines again."""
        if not self._tail.dirty:
            return
        try:
            counters = json.dumps(self._counters.settled_only())
            learned = self._runs.changes()
            self._store.save(
                self._tail.cursors(self._tail.dirty), learned, counters=counters, seams=self._tail.joins()
            )
        except StateError as error:
            if self._save_failures.allows(str(error), ONCE):
                log.error("%s; shipping goes on, after a restart lines are sent again and recognised", error)
        else:
            self._tail.dirty.clear()
            if self._save_failures.reset():
                log.info("cursors can be written again")

    def keep_directory(self) -> None:
        """Create the state directory again if it was deleted."""
        if self._store.present():
            self._restore_failures.reset()
            return
        try:
            self._store.restore(self._tail.all_cursors())
        except StateError as error:
            if self._restore_failures.allows(str(error), ONCE):
                log.error("%s; shipping goes on, trying again at every scan", error)

    def finish(self, *, scanned: bool) -> None:
        """Save for the last time.

        Args:
            scanned: this run has scanned; without that, what an unclean end left uncertain still is.
        """
        self.keep_directory()
        self.save()
        self._store.certain = self._tail.certain and (scanned or self._store.clean)
