"""What one reader holds back: an open record, or a whole first block; and where an earlier run flushed."""

from __future__ import annotations

from shipper.tail.block import Block


class HeldLines:
    """The open record of one file.

    Attributes:
        record: its lines so far, or None.
        block: a whole first block that waits for the generation before; given again before anything else is read.
        parser_state: at the first line that is not given yet.
        first_decided: whether the file's first lines are known to continue another generation's record, or not to.
    """

    __slots__ = ("block", "first_decided", "parser_state", "record")

    def __init__(self, parser_state: str) -> None:
        self.record: Block | None = None
        self.block: Block | None = None
        self.parser_state = parser_state
        self.first_decided = False

    @property
    def some(self) -> bool:
        """Whether any whole line is held back."""
        return self.record is not None or self.block is not None

    @property
    def holds_first_line(self) -> bool:
        """Whether the file's first lines have been read, and not been given yet."""
        block = self.block or self.record
        return block is not None and not block.offsets[0]

    def hold(self, block: Block, index: int, parser_state: str) -> None:
        """Keep a block's lines from ``index`` on for the next block: their record is not finished yet."""
        self.parser_state = parser_state
        self.record = block.after(index) if index < len(block.lines) else None
        if self.record is not None:
            self.record.parser_state = parser_state

    def take_record(self) -> Block | None:
        """The record that is held back, to be finished elsewhere."""
        record, self.record = self.record, None
        return record


class FlushPoints:
    """Offsets at which an earlier run flushed what it held back: nothing is joined over them.

    Attributes:
        join_at: the one of them at which a record continued in the log's next generation: it is held back there, and
            nothing more is read until it is joined or given up; 0 for none.
    """

    __slots__ = ("_offsets", "join_at")

    def __init__(self, offsets: tuple[int, ...], join_at: int) -> None:
        self._offsets = offsets
        self.join_at = join_at

    def __bool__(self) -> bool:
        """Whether one is still ahead."""
        return bool(self._offsets)

    def limit(self, offset: int, length: int) -> int:
        """How many of so many bytes from ``offset`` on precede the next flush point."""
        return min(length, self._offsets[0] - offset) if self._offsets else length

    def passed(self, offset: int) -> bool:
        """Whether reading has reached the next flush point, which is left behind then."""
        if not self._offsets or offset < self._offsets[0]:
            return False
        self._offsets = self._offsets[1:]
        return True
