"""One life of one log while the sidecar runs: its cursor, its file now, and its reader."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail.cursors import Cursor
from shipper.tail.discover import Found
from shipper.tail.file_view import FileView
from shipper.tail.identity import HEAD_BYTES, Known, Mark, Verdict, decide, mark
from shipper.tail.lines import Origin
from shipper.tail.reader import Reader


class Generation:
    """One life of one log.

    ``found`` is its file, None while it has none; ``left`` the device and inode in which it was cut off.

    Args:
        cursor: what is remembered of it.
        keep: longest line kept whole, bytes.
        open_view: opens a file's content.
    """

    __slots__ = ("_keep", "_open_view", "cursor", "found", "left", "reader")

    def __init__(self, cursor: Cursor, *, keep: int, open_view: Callable[..., FileView]) -> None:
        self.cursor = cursor
        self.found: Found | None = None
        self.left: tuple[int, int] | None = None
        self._keep = keep
        self._open_view = open_view
        self.reader = self._reader(Origin(cursor.id, cursor.path, cursor.logical, "auto", "app"))

    @property
    def known(self) -> Known:
        """What the file must still say, at the position that was read."""
        return Known(self.cursor.head, self.reader.position, self.reader.anchor)

    def continues_in(self, view: FileView) -> bool:
        """Whether this file says what was read, as far as it was read."""
        known = self.known
        return decide(known, view.size(max(known.offset, known.head.length)), view.read) is Verdict.SAME

    def moves_into(self, file: Found) -> None:
        """This is its file from now on."""
        cursor, reader = self.cursor, self.reader
        if self.found is None or self.found.key != file.key:
            reader.close()
        self.found, self.left = file, None
        reader.path, reader.key, reader.gone = file.path, file.key, False
        reader.compressed = file.compressed
        reader.origin = Origin(cursor.id, file.path, file.logical, file.source.format, file.source.dataset)
        cursor.path, cursor.logical = file.path, file.logical
        cursor.device, cursor.inode, cursor.size = file.device, file.inode, file.size

    def restart(self, offset: int, anchor: Mark, carry: str) -> None:
        """Read from there on; nothing may be held back."""
        self.cursor.offset, self.cursor.anchor, self.cursor.carry = offset, anchor, carry
        self.reader.close()
        self.reader = self._reader(self.reader.origin)

    def grow_head(self, view: FileView) -> None:
        """A head of few bytes proves little: take in what has been written since."""
        known = self.cursor.head
        if known.length < HEAD_BYTES:
            head = view.read(0, HEAD_BYTES)
            # Cut off and written anew since it was judged, it would be the head of another life.
            if mark(head[: known.length]) == known:
                self.cursor.head = mark(head)

    def _reader(self, origin: Origin) -> Reader:
        cursor = self.cursor
        return Reader(
            origin,
            offset=cursor.offset,
            anchor=cursor.anchor,
            carry=cursor.carry,
            keep=self._keep,
            compressed=cursor.path.endswith(".gz"),
            head=cursor.head,
            open_view=self._open_view,
        )
