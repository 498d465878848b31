"""Bytes → lines with their offsets.  Pure."""

from __future__ import annotations

from itertools import accumulate, count
from operator import add

from shipper.tail.bar_updates import finished, parts_of
from shipper.tail.blank_lines import surplus
from shipper.tail.framing import MAX_RECORD_LINES

# A line over the limit is kept whole up to this many times the limit, for its exact bytes in the document, then cut.
KEEP_FACTOR = 8
# Sparse regions consist of whole blocks of the file system; fewer NULs are content.
SPARSE_BYTES = 4096
_NULS = bytes(SPARSE_BYTES)


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
            offsets = list(map(add, accumulate(map(len, lines), initial=start), count()))
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
