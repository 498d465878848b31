"""One life of one log while the sidecar runs: its cursor, its file now, and its reader."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail import samples
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import HEAD_BYTES, Known, Verdict, anchor_of, decide, mark
from shipper.tail.progress import Span
from shipper.tail.reader import MovedError, Reader
from shipper.tail.rotation_names import is_packed
from shipper.tail.scanner import Found, shown
from shipper.tail.splitter import Origin
from shipper.tail.state.marks import Mark
from shipper.tail.state.store import Cursor
from shipper.tail.waiting_since import ENDLESS, Growth

# How far before the last rung that holds whole lines are looked for, bytes, and how many there must be.
_LINES_WITHIN = 2**20
_FEWEST_LINES = 4


class Generation:
    """One life of one log.

    ``found`` is its file, None while it has none, and ``age`` that of the last it had; ``left`` the device and inode
    in which it was cut off; ``emptied`` says that nothing was left there.  ``doubtful`` is the offset up to which its
    lines may have been sent before; ``restarts`` counts how often it was set back; ``join_at`` is where an earlier
    run joined its last record with the next generation's first lines.  ``begun_at`` is the number of the scan that
    met it, ``begun_age`` the age of the file in which it was met first; ``begun_aside`` says that this was a rotated
    file, which may be a copy of what lives on.

    Args:
        cursor: what is remembered of it.
        keep: longest line kept whole, bytes.
        open_view: opens a file's content.
    """

    __slots__ = (
        "_growth",
        "_keep",
        "_open_view",
        "_reader",
        "age",
        "begun_age",
        "begun_aside",
        "begun_at",
        "cursor",
        "doubtful",
        "emptied",
        "found",
        "join_at",
        "left",
        "restarts",
    )

    def __init__(self, cursor: Cursor, *, keep: int, open_view: Callable[..., FileView]) -> None:
        self.cursor = cursor
        self.found: Found | None = None
        self.left: tuple[int, int] | None = None
        self.emptied = self.begun_aside = False
        self.begun_at = self.age = 0
        self.begun_age: int | None = None
        self.doubtful = 0
        self.restarts = 0
        self.join_at = 0
        self._keep = keep
        self._open_view = open_view
        self._growth = Growth(ENDLESS if is_packed(cursor.path) else cursor.size, cursor.waiting_at)
        self._reader: Reader | None = None

    @property
    def reader(self) -> Reader:
        """Reads its file; made when it is needed, since most logs sleep."""
        if self._reader is None:
            self._reader = self._awaken()
        return self._reader

    @property
    def awake(self) -> Reader | None:
        """The reader, if there is one."""
        return self._reader

    @property
    def waiting(self) -> bool:
        """Whether an unfinished line or record is held back."""
        return self._reader is not None and self._reader.waiting

    @property
    def position(self) -> int:
        """How far it was read."""
        return self._reader.position if self._reader else self.cursor.offset

    @property
    def known(self) -> Known:
        """What the file must still say, at the position that was read."""
        anchor = self._reader.anchor if self._reader else self.cursor.anchor
        return Known(self.cursor.head, self.position, anchor)

    def doze(self) -> None:
        """Let the reader go when all that it read is acknowledged and nothing is held back."""
        reader = self._reader
        if reader is not None and reader.restful and reader.position == self.cursor.offset:
            self.cursor.rungs = reader.rungs
            self._reader = None

    def resize(self, keep: int) -> None:
        """Another longest line, from the next one on."""
        self._keep = keep
        if self._reader is not None:
            self._reader.resize(keep)

    def continues_in(self, view: FileView) -> bool:
        """Whether this file says what was read, as far as it was read."""
        known = self.known
        return decide(known, view.size(max(known.offset, known.head.length)), view.read) is Verdict.SAME

    def was_cut_in(self, view: FileView) -> bool:
        """Whether this file lost its end and goes on as the same life; if so, it is read from there.

        What comes after the last line that is surely as it was is read again: its ids tell what was sent.
        """
        known = self.known
        size = view.size(known.offset)
        kept = samples.still_there(self._ladder, size, view.read)
        pure = kept == samples.top(samples.below(self._ladder, size)) and size < known.offset
        if not samples.tells_a_cut(kept, known.offset, pure=pure):
            return False
        if known.head.length <= kept and mark(view.read(0, known.head.length)) != known.head:
            return False
        first = max(0, kept - _LINES_WITHIN)
        sure = view.read(first, kept - first)
        sure = sure[: sure.rfind(b"\n") + 1]
        while sure and view.read(first + len(sure), 1) in {b" ", b"\t"}:
            # In the midst of a record: read from its beginning it gets the id that it had.
            sure = sure[: sure.rfind(b"\n", 0, -1) + 1]
        if sure.count(b"\n") < _FEWEST_LINES:
            return False  # a few lines may be how every life begins
        cursor = self.cursor
        cursor.head = mark(view.read(0, min(kept, HEAD_BYTES)))
        if first + len(sure) < cursor.offset:
            self.restart(first + len(sure), anchor_of(sure), cursor.carry)
        else:
            self.restart(cursor.offset, cursor.anchor, cursor.carry)
        if pure and size > cursor.offset and view.read(size - 1, 1) == b"\n":
            # What is the last record now was shipped as it stands: joined with what follows it would come twice.
            cursor.cuts = (*(cut for cut in cursor.cuts if cut < size), size)
        cursor.rungs = samples.measure(cursor.offset, view.read)
        return True

    def was_rewritten_in(self, view: FileView) -> bool:
        """Whether a file of the same length, with the same beginning and end, says something else in between."""
        ladder = self._ladder
        position = self.position
        return samples.still_there(ladder, position, view.read) != samples.top(samples.below(ladder, position))

    @property
    def _ladder(self) -> bytes:
        return self._reader.rungs if self._reader else self.cursor.rungs

    def moves_into(self, file: Found, looked_at: float = 0.0) -> None:
        """This is its file from now on.

        Args:
            file: as the scan saw it.
            looked_at: when the scan before looked, seconds since the epoch; 0 where nobody knows.
        """
        cursor, reader = self.cursor, self._reader
        if reader is not None:
            if self.found is None or self.found.key != file.key:
                reader.close()
            reader.path, reader.key, reader.gone = file.real, file.key, False
            reader.compressed = file.compressed
            reader.origin = self._origin(file)
        self.found, self.left, self.emptied, self.age = file, None, False, file.age
        if self.begun_age is None:
            self.begun_age = file.age
        cursor.path, cursor.logical = file.path, file.logical
        cursor.device, cursor.inode, cursor.size = file.device, file.inode, file.size
        if not file.compressed or not cursor.offset:
            modified = file.mtime_ns / 1e9
            self._growth.reached(
                ENDLESS if file.compressed else file.size, min(modified, looked_at) if looked_at else modified
            )
        cursor.waiting_at = self._growth.since(cursor.offset)

    def acknowledge(self, span: Span, now: float) -> None:
        """Everything before the end of a span is safe."""
        cursor = self.cursor
        cursor.offset, cursor.anchor, cursor.carry, cursor.seen_at = span.end, span.anchor, span.carry, now
        cursor.waiting_at = self._growth.since(span.end)
        if cursor.cuts:
            cursor.cuts = tuple(cut for cut in cursor.cuts if cut > span.end)
        if self._reader is not None:
            cursor.rungs = samples.below(self._reader.rungs, span.end)

    def is_being_written(self) -> bool:
        """Whether its file grew since the scan: an unterminated last line is no line yet."""
        found = self.found
        if found is None or found.compressed:
            return False
        try:
            return self.reader.open().size(0) != found.size
        except (OSError, MovedError):
            return False

    def loses_file(self) -> None:
        """Its file is not where it was; what an open handle still gives, or the end of a link, can be read."""
        if self.found is not None:
            reachable = self.found.real != self.found.path
            if reachable or self._reader is not None:
                self.reader.gone = not reachable
            self.found = None

    def restart(self, offset: int, anchor: Mark, carry: str) -> None:
        """Read from there on; nothing may be held back."""
        self.doubtful = max(self.doubtful, self.position)
        self.restarts += 1
        self.join_at = 0
        cursor = self.cursor
        cursor.offset, cursor.anchor, cursor.carry = offset, anchor, carry
        cursor.rungs = samples.below(self._ladder, offset)
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def grow_head(self, view: FileView) -> None:
        """A head of few bytes proves little: take in what has been written since."""
        known = self.cursor.head
        if known.length < HEAD_BYTES:
            head = view.read(0, HEAD_BYTES)
            # Cut off and written anew since it was judged, it would be the head of another life.
            if mark(head[: known.length]) == known:
                self.cursor.head = mark(head)

    def _origin(self, file: Found) -> Origin:
        source = file.source
        return Origin(
            self.cursor.id,
            file.shown,
            shown(file.logical),
            source.format,
            source.dataset,
            self.restarts,
            source.layouts,
        )

    def _awaken(self) -> Reader:
        cursor, found = self.cursor, self.found
        origin = (
            self._origin(found)
            if found
            else Origin(cursor.id, shown(cursor.path), shown(cursor.logical), "auto", "app", self.restarts)
        )
        reader = Reader(
            origin,
            offset=cursor.offset,
            anchor=cursor.anchor,
            carry=cursor.carry,
            keep=self._keep,
            compressed=found.compressed if found else is_packed(cursor.path),
            cuts=tuple(cut for cut in cursor.cuts if cut > cursor.offset),
            join_at=self.join_at,
            rungs=cursor.rungs,
            head=cursor.head,
            open_view=self._open_view,
        )
        if found is not None:
            reader.path, reader.key = found.real, found.key
        else:
            reader.gone = True
        return reader
