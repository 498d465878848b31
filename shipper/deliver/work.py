"""What is left to do for a batch: its documents without an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.deliver.batch import Batch, Pair, Whole


class Part(NamedTuple):
    """Documents that go out together; if ``since`` is set, a request that began before then may carry them, too."""

    pairs: Sequence[Pair]
    since: float | None = None


@dataclass(slots=True)
class Work:
    """What is left to do for a batch.

    Attributes:
        batch: what it carries.
        parts: its documents without an outcome; None before any was sent.
        waiting: those that an older request may still index; looked up again at ``due`` (monotonic).
        attempt: how often it has failed.
        waits_since: when it was first postponed.
    """

    batch: Batch
    parts: list[Part] | None = None
    waiting: list[Part] = field(default_factory=list)
    due: float = 0.0
    attempt: int = 0
    waits_since: float = 0.0


def parts_of(batch: Batch, began: float, now: float) -> list[Part]:
    """Split a batch into documents that were never sent, and documents that may have been sent, with the time.

    Args:
        batch: blank lines make no documents, so it may hold none.
        began: when this run began, monotonic seconds.
        now: this run sent its own before this time.

    Returns:
        The parts; the last one is sent first.
    """
    if not (batch.maybe_sent or batch.reread):
        return [Part(Whole(batch))] if batch.items else []
    if len(batch.items) == sum(last - first for first, last in batch.maybe_sent):
        return [Part(Whole(batch), began)]
    pairs = list(Whole(batch))
    reread = [pair for first, last in batch.reread for pair in pairs[first:last]]
    maybe_sent = [pair for first, last in batch.maybe_sent for pair in pairs[first:last]]
    edges = [0, *(edge for span in sorted([*batch.maybe_sent, *batch.reread]) for edge in span), len(pairs)]
    certain = [pair for first, last in zip(edges[::2], edges[1::2], strict=True) for pair in pairs[first:last]]
    return [part for part in (Part(certain), Part(reread, now), Part(maybe_sent, began)) if part.pairs]
