"""What parsers return: the records of a block, their offsets and their annotations."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shipper.parse.shapes import Shaped, record_of
from shipper.tail.block import Block
from shipper.taxonomy import TASK_OUTCOMES

Record = dict[str, Any]
"""One record with the keys of its source.

Text formats use structlog's keys: ``timestamp``, ``level``, ``logger``, ``event``, ``exception``; beside these
``process_name``, ``task_id``, ``task_name``, ``action``, ``outcome``, ``iostream`` where the line has them.
"""


@dataclass(slots=True)
class Records:
    """The records of one block.

    Attributes:
        block: the source.
        records: one dict a record.
        raws: the bytes of each record, without the final line feed.
        starts: offset of each record's first byte.
        end: offset behind the last record.
        rest: index of the first line held back: its record may be incomplete.
        tags: record index → defects.
        flags: record index → changes made to its line.
        originals: record index → exact bytes, where they differ from ``message`` plus a line feed.
        written: record index → time at which a container runtime received it; used if the record has none.
        contained: record index → timestamp that a container wrote, in logs with timestamps of the application.
        after: index of a record without a timestamp → nanoseconds after the timestamp that it inherits.
        shaped: index of a record whose line has a known shape and was not parsed; the record itself is empty.
        parser_states: parser state after each record; None for formats without one.
        parser_state: parser state at ``end``.
    """

    block: Block
    records: list[Record] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    end: int = 0
    rest: int = 0
    tags: dict[int, list[str]] = field(default_factory=dict)
    flags: dict[int, list[str]] = field(default_factory=dict)
    originals: dict[int, bytes] = field(default_factory=dict)
    written: dict[int, str] = field(default_factory=dict)
    contained: dict[int, str] = field(default_factory=dict)
    after: dict[int, int] = field(default_factory=dict)
    shaped: dict[int, Shaped] = field(default_factory=dict)
    parser_states: list[str] | None = None
    parser_state: str = ""

    def add(self, record: Record, index: int, end: int) -> int:
        """Append the record of lines ``index`` to ``end`` (exclusive) and return its index."""
        lines, cut = self.block.lines, self.block.cut
        self.records.append(record)
        self.raws.append(lines[index] if end == index + 1 else b"\n".join(lines[index:end]))
        self.starts.append(self.block.offsets[index])
        at = len(self.records) - 1
        for line in range(index, end) if cut else ():
            if line in cut:
                self.flag(at, "truncated")
                record.setdefault("line_bytes", cut[line])
        return at

    def parse_shaped(self, indices: Iterable[int]) -> None:
        """Replace empty records of lines with a known shape by what the parser gives."""
        for index in indices:
            if index in self.shaped:
                self.records[index] = record_of(self.shaped.pop(index))

    def exact(self, at: int) -> bytes:
        """The bytes of a record just added, with its line feed; a progress update has none."""
        raw, block = self.raws[at], self.block
        index = bisect_left(block.offsets, self.starts[at])
        return raw if block.is_update(index) else raw + b"\n"

    def mark_invalid(self, at: int) -> None:
        """Tag a record as invalid UTF-8 and keep its bytes."""
        self.tag(at, "invalid_utf8")
        self.originals[at] = self.exact(at)

    def tag(self, index: int, tag: str) -> None:
        """Add a defect to a record."""
        self.tags.setdefault(index, []).append(tag)

    def flag(self, index: int, flag: str) -> None:
        """Add a change made to a record's line."""
        self.flags.setdefault(index, []).append(flag)


def text_of(line: bytes) -> tuple[str, bool]:
    """Decode a line; returns the text and whether it was valid UTF-8. Invalid bytes become U+FFFD."""
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), False


def with_outcome(action: str) -> Record:
    """Fields of a task record: the action and its outcome, if it has one."""
    return {"action": action, "outcome": TASK_OUTCOMES[action]} if action in TASK_OUTCOMES else {"action": action}
