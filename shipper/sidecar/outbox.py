"""The batch that is being filled, and full ones for which the sender has no room yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from shipper.deliver.batch import Batch, Packer
from shipper.deliver.sender import Sender
from shipper.deliver.serialised import Serialised
from shipper.parse.records import Records
from shipper.tail.progress import Span

# Seconds between two batches that are not full.
FLUSH_PAUSE = 0.1


class Outbox:
    """Fills batches and hands them to the sender, in order."""

    def __init__(
        self,
        packer: Packer,
        flush_interval: float,
        *,
        sender: Sender,
        begin: Callable[[Span], None],
        clock: Callable[[], float],
    ) -> None:
        self._packer = packer
        self._flush_interval = flush_interval
        self._sender = sender
        self._begin = begin
        self._clock = clock
        self._waiting: deque[Batch] = deque()
        self._begun_at = self._flushed_at = 0.0

    def reconfigure(self, packer: Packer, flush_interval: float) -> None:
        """Send the current batch, and use another packer from now on."""
        self.flush()
        self._packer, self._flush_interval = packer, flush_interval

    @property
    def blocked(self) -> bool:
        """Whether batches wait for room, so that nothing more should be read."""
        return bool(self._waiting)

    @property
    def filling(self) -> bool:
        """Whether the current batch holds something."""
        return bool(self._packer.batch.spans)

    @property
    def queued_bytes(self) -> int:
        """Size of the documents that the sender has not taken yet; any thread may ask."""
        return self._packer.batch.size + sum(batch.size for batch in tuple(self._waiting))

    def add(self, records: Records, serialised: Serialised, *, maybe_sent: bool) -> None:
        """Add the documents of a block; sends batches that became full."""
        if not self.filling:
            self._begun_at = self._clock()
        for batch in self._packer.add(records, serialised, maybe_sent=maybe_sent):
            self._submit(batch)

    def flush_due(self, *, more: bool = False) -> float:
        """When to send the current batch although it is not full.

        Args:
            more: there is more to read at once, so the batch waits for its age.
        """
        old = self._begun_at + self._flush_interval
        return old if more or self._sender.sending else min(old, self._flushed_at + FLUSH_PAUSE)

    def flush(self) -> None:
        """Send the current batch as it is."""
        self._flushed_at = self._clock()
        if (batch := self._packer.take()).spans:
            self._submit(batch)

    def hand_over(self) -> bool:
        """Give the sender as many batches as it has room for; False: some are left."""
        while self._waiting and self._sender.offer(self._waiting[0]):
            self._waiting.popleft()
        return not self._waiting

    def _submit(self, batch: Batch) -> None:
        for span in batch.spans:
            self._begin(span)
        self._waiting.append(batch)
        self.hand_over()
