"""UTF-16 → lines in UTF-8 with their offsets in the file.  Pure.

Windows programs write such logs, which begin with a byte order mark.
"""

from __future__ import annotations

from itertools import accumulate

_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UNIT = 2


def encoding_of(head: bytes) -> str | None:
    """The encoding that a file's first two bytes announce, if it is a wide one."""
    return _MARKS.get(head[:_UNIT])


class WideSplitter:
    """Cuts a growing stream of UTF-16 into lines, as ``Splitter`` does with UTF-8.

    Args:
        offset: of the first byte that will be fed; even.
        keep: longest line kept whole, bytes of the file; the rest of a longer one is skipped, counted and flagged.
        encoding: ``utf-16-le`` or ``utf-16-be``.
    """

    __slots__ = ("_dropped", "_encoding", "_end", "_keep", "_next", "_start", "_unfinished")

    def __init__(self, offset: int, keep: int, encoding: str) -> None:
        self._start = offset
        self._keep = self._next = keep
        self._encoding = encoding
        self._end = "\n".encode(encoding)
        self._unfinished = b""
        self._dropped = 0

    @property
    def skipping(self) -> bool:
        """Never: blank lines and NULs are not skipped."""
        return False

    in_nuls = updating = skipping

    @property
    def start(self) -> int:
        """Offset of the unfinished line's first byte."""
        return self._start

    @property
    def pending(self) -> int:
        """Bytes of the unfinished line read so far, without half a unit."""
        length = len(self._unfinished) + self._dropped
        return length - length % _UNIT

    def resize(self, keep: int, _updates: int | None = None) -> None:
        """Use another limit; a line that was cut already ends under the old one."""
        self._next = keep
        if not self._dropped:
            self._keep = keep

    def feed(self, data: bytes) -> tuple[list[bytes], list[int], dict[int, int]]:
        """The lines that these bytes finish, their offsets (one more than lines), and which were cut."""
        dropped = self._dropped
        whole = self._unfinished + data
        raws = self._split(whole)
        self._unfinished = raws.pop()
        lengths = [len(raw) + _UNIT for raw in raws]
        if raws:
            lengths[0] += dropped
            self._dropped = 0
        offsets = list(accumulate(lengths, initial=self._start))
        keeps = [self._keep, *[self._next] * len(raws)]
        cut = {
            index: length - _UNIT
            for index, (length, keep) in enumerate(zip(lengths, keeps, strict=False))
            if length - _UNIT > keep
        }
        texts = [self._text(raw, keep) for raw, keep in zip(raws, keeps, strict=False)]
        if raws:
            self.resize(self._next)
        self._start = offsets[-1]
        whole_units, room = len(self._unfinished) // _UNIT * _UNIT, self._keep // _UNIT * _UNIT
        if whole_units > room:
            # An odd byte at the end may be half of a line feed: it stays.
            self._unfinished = self._unfinished[:room] + self._unfinished[whole_units:]
            self._dropped += whole_units - room
        return texts, offsets, cut

    def take_rest(self) -> tuple[list[bytes], list[int], dict[int, int]]:
        """The unfinished line as it stands; bytes that follow are another line."""
        length, start = self.pending, self._start
        if not length:
            return [], [start], {}
        whole = len(self._unfinished) // _UNIT * _UNIT
        line, self._unfinished = self._text(self._unfinished[:whole], self._keep), self._unfinished[whole:]
        cut = {0: length} if self._dropped else {}
        self._start += length
        self._dropped = 0
        self.resize(self._next)
        return [line], [start, self._start], cut

    def take_updates(self) -> tuple[list[bytes], list[int], dict[int, int]]:
        """None: progress bars in UTF-16 are not split."""
        return [], [self._start], {}

    def _split(self, whole: bytes) -> list[bytes]:
        """Split at line feeds, which begin at even offsets only."""
        parts: list[bytes] = []
        first = at = 0
        while (at := whole.find(self._end, at)) >= 0:
            if (at - first) % _UNIT:
                at += 1
                continue
            parts.append(whole[first:at])
            first = at = at + _UNIT
        parts.append(whole[first:])
        return parts

    def _text(self, raw: bytes, keep: int) -> bytes:
        return raw[:keep].decode(self._encoding, "replace").encode()
