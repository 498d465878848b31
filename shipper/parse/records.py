"""What the parsers give: the records of a block, where each began, and what is special about a few of them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

from shipper.tail.splitter import Block

Record = dict[str, Any]
"""One record in its source's own words.

Text formats use structlog's: ``timestamp``, ``level``, ``logger``, ``event``, ``exception``; beside these
``process_name``, ``task_id``, ``task_name``, ``action``, ``outcome``, ``iostream`` where the line says so.
``after`` is a number of nanoseconds behind ``timestamp``: of lines that have no stamp of their own.
"""


@dataclass(slots=True)
class Records:
    """The records of one block.

    Attributes:
        block: where they come from.
        records: one dict a record.
        raws: the bytes of each record, without the final line feed.
        starts: offset of each record's first byte.
        end: offset of the first byte that belongs to none of them.
        rest: index of the first line that is held back: its record may not be finished.
        tags: index of a record → what is wrong with it.
        flags: index of a record → what was done to its line.
        originals: index of a record → its exact bytes, where ``message`` and a line feed would not give them.
        written: index of a record → when a container's runtime took it: its time, if it says none itself.
        contained: index of a record whose stamp is a container's → that stamp, in logs of other stamps.
        after: index of a record without a stamp of its own → nanoseconds behind the one that it was given.
        parser_states: parser state after each record, for formats that have one.
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
    parser_states: list[str] | None = None
    parser_state: str = ""

    def add(self, record: Record, index: int, end: int) -> int:
        """Take in the record of the block's lines from ``index`` to before ``end``; gives its place."""
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

    def exact(self, at: int) -> bytes:
        """The bytes of a record just added, with what ended them in the file: an update has no line feed."""
        raw, block = self.raws[at], self.block
        index = bisect_left(block.offsets, self.starts[at])
        return raw if block.is_update(index) else raw + b"\n"

    def mark_invalid(self, at: int) -> None:
        """Note that a record's bytes were no valid UTF-8, and keep them."""
        self.tag(at, "invalid_utf8")
        self.originals[at] = self.exact(at)

    def tag(self, index: int, tag: str) -> None:
        """Note what is wrong with a record."""
        self.tags.setdefault(index, []).append(tag)

    def flag(self, index: int, flag: str) -> None:
        """Note what was done to a record's line."""
        self.flags.setdefault(index, []).append(flag)


def text_of(line: bytes) -> tuple[str, bool]:
    """A line's text, and whether its bytes were valid UTF-8; invalid ones become U+FFFD."""
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), False
