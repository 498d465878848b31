"""Bytes → lines with their offsets, and the *block* that carries them: a generation and its next lines.  Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from shipper.config import Dataset, Format
from shipper.tail.bar_updates import finished, parts_of
from shipper.tail.blank_lines import surplus
from shipper.tail.fingerprint import CHECKPOINT_BYTES, checkpoint_hash_of
from shipper.tail.framing import MAX_RECORD_LINES
from shipper.tail.progress import Span
from shipper.tail.state.checkpoint import Hash

# A line over the limit is kept whole up to this many times the limit, for its exact bytes in the document, then cut.
KEEP_FACTOR = 8
# Sparse regions consist of whole blocks of the file system; fewer NULs are content.
SPARSE_BYTES = 4096
_NULS = bytes(SPARSE_BYTES)


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


class Splitter:
    """Cuts a growing stream of bytes into lines; holds at most the kept part of one unfinished line.

    A line that begins with a sparse region (a writer kept its offset over a truncation: megabytes of NULs) begins
    behind it.  A line that a progress bar overwrites is split behind an update when it is long, or when its updates
    are due: a part keeps its carriage return and has no line feed.

    Args:
        offset: of the first byte that will be fed.
        keep: longest line kept whole, bytes; the rest of a longer one is skipped, counted and flagged.
        whole: keep every blank line; else long runs of them are skipped.
        updates: usual length of a part of a progress bar's line, bytes; 0 splits none for its length.
    """

    __slots__ = (
        "_blank",
        "_dropped",
        "_in_nuls",
        "_keep",
        "_next",
        "_nuls",
        "_returns",
        "_start",
        "_unfinished",
        "_updates",
        "_whole",
    )  # fmt: skip

    def __init__(self, offset: int, keep: int, *, whole: bool = False, updates: int = 0) -> None:
        self._start = offset
        self._keep = self._next = keep
        self._unfinished = b""
        self._dropped = 0
        self._nuls = _NULS[:keep]
        self._in_nuls = False
        self._whole = whole
        self._blank = 0
        self._updates = updates
        # Whether there is a carriage return in what is kept of the unfinished line.
        self._returns = False

    @property
    def updating(self) -> bool:
        """Whether the unfinished line holds a finished update of a progress bar."""
        return self._returns and not self._dropped and finished(self._unfinished) > 0

    @property
    def skipping(self) -> bool:
        """Whether it is skipping NULs, blank lines or the rest of a cut line, so that larger chunks cost little."""
        return self.in_nuls or self._blank >= MAX_RECORD_LINES

    @property
    def in_nuls(self) -> bool:
        """Whether further NULs would be skipped."""
        return self._in_nuls or self._dropped > 0

    def pass_over(self, length: int) -> None:
        """Skip so many NULs."""
        if self._dropped:
            self._dropped += length
        else:
            self._start += length

    @property
    def start(self) -> int:
        """Offset of the unfinished line's first byte."""
        return self._start

    @property
    def pending(self) -> int:
        """Bytes of the unfinished line read so far."""
        return len(self._unfinished) + self._dropped

    def resize(self, keep: int, updates: int | None = None) -> None:
        """Use other limits; a line that was cut already ends under the old one."""
        self._next = keep
        self._updates = self._updates if updates is None else updates
        if not self._dropped:
            self._keep, self._nuls = keep, _NULS[:keep]

    def feed(self, data: bytes) -> tuple[list[bytes], list[int], dict[int, int]]:
        """The lines that these bytes finish, their offsets (one more than lines), and which were cut."""
        if self._in_nuls:
            data = self._skip(data)
        begin = data.find(b"\n") + 1 if self.pending else 0
        parts, blank = surplus(data, begin, 0 if begin else self._blank) if not self._whole else ([], 0)
        self._blank = blank
        if not parts:
            return self._feed(data)
        lines: list[bytes] = []
        offsets = [self._start]
        cut: dict[int, int] = {}
        at = 0
        for first, last in [*parts, (len(data), len(data))]:
            more, places, shortened = self._feed(data[at:first])
            cut |= {len(lines) + index: length for index, length in shortened.items()}
            lines += more
            offsets[-1:] = places
            self._start += last - first
            at = last
        return lines, offsets, cut

    def _feed(self, data: bytes) -> tuple[list[bytes], list[int], dict[int, int]]:
        end = data.rfind(b"\n")
        if end < 0:
            before = self._start
            lines, offsets = self._hold_updates(data)
            return (lines, offsets, {}) if lines else ([], [before], {})
        cut: dict[int, int] = {}
        whole = self._unfinished + data[:end] if self._unfinished else data[:end]
        lines = whole.split(b"\n")
        start = self._start
        if self._dropped:
            first_end = data.index(b"\n")
            cut[0] = len(self._unfinished) + self._dropped + first_end
            # The dropped part lies between the kept one, which stands for the line, and this data.
            lines[0] = self._unfinished
            offsets = list(accumulate((len(line) + 1 for line in lines[1:]), initial=start + cut[0] + 1))
            offsets.insert(0, start)
        else:
            offsets = list(accumulate(map(len, lines), lambda at, length: at + length + 1, initial=start))
        if self._nuls in whole:
            for index, line in enumerate(lines):
                if line.startswith(self._nuls) and index not in cut:
                    lines[index] = line.lstrip(b"\0")
                    offsets[index] += len(line) - len(lines[index])
        if self._updates and len(whole) > self._updates and b"\r" in whole:
            lines, offsets, cut = self._parted(lines, offsets, cut)
        keep = self._next
        for index, line in enumerate(lines) if len(whole) > keep else ():
            if len(line) > keep:
                cut.setdefault(index, len(line))
                lines[index] = line[:keep]
        self._start = offsets[-1]
        self._unfinished = b""
        self._dropped = 0
        self._returns = False
        self.resize(self._next)
        if end + 1 < len(data):
            parts, ends = self._hold_updates(data[end + 1 :])
            if parts:
                lines += parts
                offsets[-1:] = ends
        return lines, offsets, cut

    def take_rest(self) -> tuple[list[bytes], list[int], dict[int, int]]:
        """The unfinished line as it stands; bytes that follow are another line."""
        line, start, length = self._unfinished, self._start, self.pending
        cut = {0: length} if self._dropped else {}
        self._start += length
        self._unfinished = b""
        self._dropped = 0
        self._returns = False
        self.resize(self._next)
        return ([line], [start, self._start], cut) if length else ([], [start], {})

    def take_updates(self) -> tuple[list[bytes], list[int], dict[int, int]]:
        """The finished updates of the unfinished line; bytes that follow are another line."""
        start = self._start
        end = finished(self._unfinished) if self.updating else 0
        if not end:
            return [], [start], {}
        part, self._unfinished = self._unfinished[:end], self._unfinished[end:]
        self._start += end
        self._returns = b"\r" in self._unfinished
        return [part], [start, self._start], {}

    def _hold_updates(self, data: bytes) -> tuple[list[bytes], list[int]]:
        """Keep the unfinished line; gives the earlier updates of a progress bar that has grown long."""
        self._returns = self._returns or b"\r" in data
        if not (self._returns and self._updates) or self._dropped or self.pending + len(data) <= self._updates:
            self._hold(data)
            return [], []
        whole = self._unfinished + data
        parts, rest = parts_of(whole, self._updates, self._keep, self._nuls)
        offsets = [self._start + start for start, _ in parts]
        self._start += rest
        self._unfinished = b""
        # Nothing but NULs are left.
        self._in_nuls = rest == len(whole)
        self._returns = b"\r" in whole[rest:]
        self._hold(whole[rest:])
        return [whole[start:end] for start, end in parts], [*offsets, self._start]

    def _parted(
        self, lines: list[bytes], offsets: list[int], cut: dict[int, int]
    ) -> tuple[list[bytes], list[int], dict[int, int]]:
        """The same lines, the long ones of progress bars split."""
        parts: list[bytes] = []
        places: list[int] = []
        shortened: dict[int, int] = {}
        for index, line in enumerate(lines):
            ends: list[tuple[int, int]] = []
            rest = 0
            if index in cut:
                shortened[len(parts)] = cut[index]
            else:
                ends, rest = parts_of(line, self._updates, self._keep, self._nuls)
            for start, end in [*ends, (rest, len(line))]:
                parts.append(line[start:end])
                places.append(offsets[index] + start)
        return parts, [*places, offsets[-1]], shortened

    def _hold(self, data: bytes) -> None:
        room = max(0, self._keep - len(self._unfinished))
        self._unfinished += data[:room] if len(data) > room else data
        dropped = max(0, len(data) - room)
        if not self._dropped and self._unfinished.startswith(self._nuls):
            self._in_nuls = True
            rest, self._unfinished = self._unfinished, b""
            self._unfinished = self._skip(rest)
            if dropped:
                self._hold(self._skip(data[room:]) if self._in_nuls else data[room:])
            return
        self._dropped += dropped

    def _skip(self, data: bytes) -> bytes:
        """Skip the NULs at the beginning: the sparse region goes on until another byte comes."""
        # Comparing costs a tenth of stripping.
        stripped = b"" if data == bytes(len(data)) else data.lstrip(b"\0")
        self._start += len(data) - len(stripped)
        self._in_nuls = not stripped
        return stripped
