"""``--once``: ships what there is, then ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shipper.deliver.sender import Sender
from shipper.sidecar.outbox import Outbox
from shipper.sidecar.scans import Scans
from shipper.sidecar.shipping import Shipping
from shipper.tail.tail import Tail
from shipper.telemetry import Counters

# Scans that are made again because files were renamed meanwhile.
MAX_RESCANS = 10


class Stall:
    """Tells when nothing has been acknowledged for too long though something waits for it.

    Args:
        sender: has the documents.
        outbox: has those for which there is no room.
        counters: tell whether something was acknowledged.
        patience: seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self, sender: Sender, outbox: Outbox, counters: Counters, patience: float, clock: Callable[[], float]
    ) -> None:
        self._sender = sender
        self._outbox = outbox
        self._counters = counters
        self._patience = patience
        self._clock = clock
        self._settled = 0
        self._settled_at = clock()

    def __call__(self) -> bool:
        """Whether to give up."""
        now, settled = self._clock(), self._counters.settled
        if settled != self._settled or (self._sender.idle and not self._outbox.blocked) or self._sender.waits:
            self._settled, self._settled_at = settled, now
        return self._sender.broken or now - self._settled_at > self._patience


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
    """Ship everything that is there; what is left when it ends early is sent by the next run.

    Args:
        tail: reads the files.
        scans: finds them.
        shipping: sends them.
        outbox: has what the sender has no room for.
        sender: has what is under way.
        stopping: ends it.
        stalled: whether to give up.
        progress: called with bytes acknowledged and bytes in all.
    """
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
