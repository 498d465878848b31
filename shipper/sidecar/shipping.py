"""Moves blocks from the files to the sender: read, parse, make documents, pack, send, move the cursor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from shipper.deliver.one_by_one import LineByLine
from shipper.deliver.sender import Sender
from shipper.deliver.serialised import Serialised
from shipper.document.ecs import Documents
from shipper.parse.records import Records
from shipper.redact.redactor import Redactor
from shipper.sidecar.outbox import Outbox
from shipper.sidecar.state_saver import StateSaver
from shipper.tail.block import Block
from shipper.tail.state.store import CursorStore
from shipper.tail.tail import Tail
from shipper.telemetry import Counters


@dataclass(kw_only=True)
class Shipping:
    """Moves blocks from the files to the sender, and cursors over what was acknowledged."""

    tail: Tail
    documents: Documents
    line_by_line: LineByLine
    outbox: Outbox
    sender: Sender
    counters: Counters
    redactor: Redactor
    store: CursorStore
    saver: StateSaver
    wake: threading.Event
    stopping: threading.Event
    turned: Callable[[], None] = lambda: None

    def read(self) -> bool:
        """Read each file once, as far as the sender has room; gives whether another round would find more."""
        if not self.outbox.hand_over():
            return False
        for block in self.tail.blocks():
            self._ship(block)
            self.turned()
            if self.stopping.is_set() or not self.outbox.hand_over():
                break
        self.settle()
        return self.tail.grew and not self.outbox.blocked

    def ship_all(self, blocks: list[Block]) -> None:
        """Ship blocks that were held back; saves their ends first."""
        if blocks:
            self.saver.save()
        for block in blocks:
            self._ship(block)

    def settle(self) -> None:
        """Move the cursors over what was acknowledged."""
        if spans := self.sender.acknowledged():
            self.tail.acknowledge(spans)
            self.saver.save()

    def wait_for_outcomes(self) -> None:
        """Wait a moment for outcomes, and settle them."""
        self.wake.wait(0.05)
        self.wake.clear()
        self.settle()
        self.turned()

    def _ship(self, block: Block) -> None:
        if block.joined is not None:
            self.saver.save()  # the end of a torn record is stored before it is sent
        records, serialised = self.line_by_line.of(block, self.documents)
        self.tail.hold(block, records.rest, records.parser_state)
        if records.end == block.offsets[0]:
            return
        if serialised is None:
            self.outbox.flush()  # in the order in which they were read
            self._count(block, records, documents=len(block.lines))
            self.tail.begin(block.span(block.offsets[0], records.end, records.parser_state))
        else:
            self._pack(block, records, serialised)
        if block.following is not None:
            self._ship(block.following)

    def _pack(self, block: Block, records: Records, serialised: Serialised) -> None:
        if self.redactor.new:
            learned, self.redactor.new = self.redactor.new, set()
            self.store.learn(learned)
        self._count(block, records, documents=len(serialised.bodies))
        self.outbox.add(records, serialised, maybe_sent=self.tail.is_maybe_sent(block))

    def _count(self, block: Block, records: Records, *, documents: int) -> None:
        """Count what is shipped of a block; what is held back counts later."""
        size = records.end - block.offsets[0]
        if block.joined is not None:
            size += sum(part.end - part.start for part in block.joined.parts())
        self.counters.begin(documents, dataset=block.origin.dataset, lines=records.rest, size=size)
