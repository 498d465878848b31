"""``--once``: ships what is there now, then ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from shipper.deliver.sender import Sender
from shipper.sidecar.outbox import Outbox
from shipper.sidecar.scans import Scans
from shipper.sidecar.shipping import Shipping
from shipper.tail.tail import Tail
from shipper.telemetry import Counters

# Repeated scans because files were renamed meanwhile.
MAX_RESCANS = 10


@dataclass
class Stall:
    """Detects that documents wait, but none has been acknowledged for too long."""

    sender: Sender
    outbox: Outbox
    counters: Counters
    patience: float
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._settled, self._settled_at = 0, self.clock()

    def __call__(self) -> bool:
        """Whether to give up."""
        now, settled = self.clock(), self.counters.settled
        if settled != self._settled or (self.sender.idle and not self.outbox.blocked) or self.sender.waits:
            self._settled, self._settled_at = settled, now
        return self.sender.broken or now - self._settled_at > self.patience


def ship_once(
    tail: Tail,
    scans: Scans,
    shipping: Shipping,
    outbox: Outbox,
    sender: Sender,
    *,
    stopping: threading.Event,
    stalled: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> None:
    """Ship everything that is there now; after an early end the next run ships the rest."""
    for _ in range(MAX_RESCANS):
        tail.needs_scan = False
        scans.scan(patience=0.0, blocked=outbox.blocked)
        while not stopping.is_set() and not stalled():
            read = shipping.read()
            progress(*tail.progress())
            if outbox.blocked:
                shipping.wait_for_outcomes()
            elif not read:
                break
        if not tail.needs_scan:
            break  # else a rotation happened while the files were read
    if not (outbox.blocked or stopping.is_set()):
        shipping.ship_all(tail.take_all())
    outbox.flush()
    while not (outbox.hand_over() and sender.idle) and not stopping.is_set() and not stalled():
        if not (outbox.blocked or sender.sending):
            sender.hurry()
        shipping.wait_for_outcomes()
        progress(*tail.progress())
