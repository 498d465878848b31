"""A *block*: a generation and its next lines, with their offsets.  Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise

from shipper.config import Dataset, Format
from shipper.tail.fingerprint import CHECKPOINT_BYTES, checkpoint_hash_of
from shipper.tail.progress import Span
from shipper.tail.state.checkpoint import Hash


@dataclass(slots=True, frozen=True)
class Origin:
    """Where lines come from: what every document of one generation has in common.

    ``restarts`` counts how often the generation was set back and read again; ``layouts`` are the formats of Celery's
    lines that its configuration names; ``spoiled`` are the parts of a compressed file's content, as far as it was
    checked, that come from members whose checksum fails.
    """

    generation: bytes
    path: str
    logical: str
    format: Format
    dataset: Dataset
    restarts: int = 0
    layouts: tuple[str, ...] = ()
    spoiled: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Block:
    """The next lines of one generation.

    Attributes:
        origin: the generation and its file.
        lines: without their line feeds.
        offsets: of the first byte of each line, and of the first byte after the last: one more than lines.
        unterminated: the last line has no line feed (yet).
        final: nothing more is expected soon, so that a record at the end is finished as it stands.
        cut: index of each line that was cut → its real length in bytes.
        parser_state: parser state at the block's start.
        read_at_ns: time of reading, nanoseconds since the epoch.
        modified_ns: the file's last change as last seen, nanoseconds since the epoch.
        joined: where a rotation split the last record, the stretch of the next generation that continues it; those
            lines stand at the end here, each with the offset of this block's end.
        following: of that generation the lines behind the record, to be shipped next.
        wide: its offsets are those of UTF-16.
    """

    origin: Origin
    lines: list[bytes]
    offsets: list[int]
    unterminated: bool = False
    final: bool = False
    cut: dict[int, int] = field(default_factory=dict)
    parser_state: str = ""
    read_at_ns: int = 0
    modified_ns: int = 0
    joined: Span | None = None
    following: Block | None = None
    wide: bool = False

    def is_update(self, index: int) -> bool:
        """Whether a line is updates of a progress bar that goes on in the next: no line feed ends it."""
        length = self.offsets[index + 1] - self.offsets[index]
        return length == len(self.lines[index]) and self.lines[index][-1:] == b"\r" and not self.wide

    def part(self, index: int, places: list[int]) -> None:
        """Part a line at these places, in place: each part is a line, and only the last one has a line feed.

        Args:
            index: of a line that is not cut and whose bytes are those of the file.
            places: in the line, in their order.
        """
        line, start = self.lines[index], self.offsets[index]
        bounds = [0, *places, len(line)]
        self.lines[index : index + 1] = [line[at:end] for at, end in pairwise(bounds)]
        self.offsets[index + 1 : index + 1] = [start + at for at in places]
        self.cut = {at + len(places) if at > index else at: length for at, length in self.cut.items()}

    def checkpoint_hash(self, end: int) -> Hash:
        """The checkpoint hash of ``end``, from the block's own bytes; none where the line before it was cut."""
        lines, offsets = self.lines, self.offsets
        index = bisect_left(offsets, end) - 1
        tail = b""
        while index >= 0 and len(tail) < CHECKPOINT_BYTES:
            length = offsets[index + 1] - offsets[index]
            ending = b"\n" if length == len(lines[index]) + 1 else b""
            if len(lines[index]) + len(ending) != length:
                break
            tail = lines[index] + ending + tail
            index -= 1
        return checkpoint_hash_of(tail)

    def span(self, start: int, end: int, parser_state: str, *, last: bool = True) -> Span:
        """What the cursors move over when a stretch of this block has its outcome.

        Args:
            start: offset of its first byte.
            end: offset behind its last byte.
            parser_state: parser state there.
            last: it ends the block, so that what was joined from the next generation belongs to it.
        """
        origin = self.origin
        joined = self.joined if last else None
        return Span(origin.generation, start, end, self.checkpoint_hash(end), parser_state, origin.restarts, joined)

    def after(self, index: int) -> Block:
        """Its lines from ``index`` on."""
        return Block(
            origin=self.origin,
            lines=self.lines[index:],
            offsets=self.offsets[index:],
            unterminated=self.unterminated,
            final=self.final,
            cut={line - index: length for line, length in self.cut.items() if line >= index},
            parser_state=self.parser_state,
            read_at_ns=self.read_at_ns,
            modified_ns=self.modified_ns,
            wide=self.wide,
        )
