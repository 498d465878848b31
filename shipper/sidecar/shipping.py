"""Moves blocks from the files to the sender: read, parse, make documents, pack, send, move the cursor."""

from __future__ import annotations

import threading

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


class Shipping:
    """Moves blocks from the files to the sender, and cursors over what was acknowledged.

    Args:
        tail: gives blocks.
        documents: makes documents of records.
        line_by_line: parses blocks.
        outbox: takes documents.
        sender: gives outcomes.
        counters: count the documents.
        redactor: remembers ids in lines, which the store keeps.
        store: see there.
        saver: writes cursors.
        wake: set when there are outcomes.
        stopping: set when nothing more is to be read.
    """

    def __init__(
        self,
        *,
        tail: Tail,
        documents: Documents,
        line_by_line: LineByLine,
        outbox: Outbox,
        sender: Sender,
        counters: Counters,
        redactor: Redactor,
        store: CursorStore,
        saver: StateSaver,
        wake: threading.Event,
        stopping: threading.Event,
    ) -> None:
        self.documents = documents
        self._tail = tail
        self._line_by_line = line_by_line
        self._outbox = outbox
        self._sender = sender
        self._counters = counters
        self._redactor = redactor
        self._store = store
        self._saver = saver
        self._wake = wake
        self._stopping = stopping

    def read(self) -> bool:
        """Read each file once, as far as the sender has room; gives whether another round would find more."""
        if not self._outbox.hand_over():
            return False
        for block in self._tail.blocks():
            self._ship(block)
            if self._stopping.is_set() or not self._outbox.hand_over():
                break
        self.settle()
        return self._tail.grew and not self._outbox.blocked

    def ship_all(self, blocks: list[Block]) -> None:
        """Ship what was held back; where it ends is saved first."""
        if blocks:
            self._saver.save()
        for block in blocks:
            self._ship(block)

    def settle(self) -> None:
        """Move the cursors over what was acknowledged."""
        if spans := self._sender.acknowledged():
            self._tail.acknowledge(spans)
            self._saver.save()

    def wait_for_outcomes(self) -> None:
        """Wait a moment for outcomes, and settle them."""
        self._wake.wait(0.05)
        self._wake.clear()
        self.settle()

    def _ship(self, block: Block) -> None:
        if block.joined is not None:
            self._saver.save()  # where a torn record ends is known before it is sent
        records, serialised = self._line_by_line.of(block, self.documents)
        self._tail.hold(block, records.rest, records.parser_state)
        if records.end == block.offsets[0]:
            return
        if serialised is None:
            self._outbox.flush()  # in the order in which they were read
            self._counters.begin(len(block.lines))
            self._tail.begin(block.span(block.offsets[0], records.end, records.parser_state))
        else:
            self._pack(block, records, serialised)
        if block.following is not None:
            self._ship(block.following)

    def _pack(self, block: Block, records: Records, serialised: Serialised) -> None:
        if self._redactor.new:
            learned, self._redactor.new = self._redactor.new, set()
            self._store.learn(learned)
        self._counters.begin(len(serialised.bodies))
        self._outbox.add(records, serialised, maybe_sent=self._tail.is_maybe_sent(block))
