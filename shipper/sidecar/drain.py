"""The end of a run: deliver what was read, wait for the outcomes, write the cursors."""

from __future__ import annotations

from collections.abc import Callable

from shipper.deliver.sender import Sender
from shipper.sidecar.outbox import Outbox
from shipper.sidecar.shipping import Shipping
from shipper.telemetry import log

# The drain's part of shutdown_timeout; the rest is for closing everything.
DRAIN_PART = 0.9


def drain(
    shipping: Shipping,
    outbox: Outbox,
    sender: Sender,
    *,
    timeout: float,
    clock: Callable[[], float],
    stopping: bool,
    aborted: Callable[[], bool],
    turned: Callable[[float], None] = lambda _: None,
) -> None:
    """Deliver what was read, within ``timeout``; calls ``turned`` with it meanwhile."""
    deadline = clock() + DRAIN_PART * timeout

    def has_time() -> bool:
        return clock() < deadline and not aborted()

    turned(timeout)
    outbox.flush()
    if stopping and not (outbox.hand_over() and sender.idle):
        log.info(
            "shutting down: flushing for up to %g s; send SIGTERM again to exit immediately", DRAIN_PART * timeout
        )
    while not outbox.hand_over() and not sender.failing and not sender.broken and has_time():
        shipping.wait_for_outcomes()
        turned(timeout)
    # What failed is tried once more now; if the cluster answers, the batches behind it follow.
    sender.hasten(deadline)
    while not outbox.hand_over() and not sender.gave_up and not sender.broken and has_time():
        shipping.wait_for_outcomes()
        turned(timeout)
    sender.stop(deadline)
    while not sender.idle and has_time():
        shipping.wait_for_outcomes()
        turned(timeout)
    shipping.settle()
