"""The file that a reader reads: by which path, whether it is open, and what of a compressed one is sound."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail.checksums import Proof
from shipper.tail.file_content import FileView

# So much of a compressed file is unpacked in one turn, bytes.
UNPACK_BYTES = 4 * 1024 * 1024


class DamagedError(Exception):
    """A compressed file ends in the middle; the message says what became of it."""


class MovedError(Exception):
    """The file was renamed since the scan."""


class LogFile:
    """One log file, opened when it is read.

    Attributes:
        path: by which it is opened.
        key: device and inode that it must have; None for any.
        compressed: its content is unpacked.
        gone: its name is lost: an open handle is read on, nothing is opened again.
        view: the open file, or None.
    """

    __slots__ = ("_damage_reported", "_open_view", "_proof", "compressed", "gone", "key", "path", "view")

    def __init__(self, path: str, *, compressed: bool, open_view: Callable[..., FileView] = FileView) -> None:
        self.path = path
        self.key: tuple[int, int] | None = None
        self.compressed = compressed
        self.gone = False
        self.view: FileView | None = None
        self._open_view = open_view
        self._proof: Proof | None = None
        self._damage_reported = False

    @property
    def unfinished(self) -> bool:
        """Whether it is a compressed file that is still being written: its last line is not there yet."""
        return self.view is not None and self.view.unfinished

    @property
    def complete(self) -> bool:
        """Whether it is a whole compressed file: nothing is added to it."""
        return self.view is not None and self.view.compressed and not self.view.unfinished

    def open(self) -> FileView:
        """The file, opened if it was not.

        Raises:
            OSError: it can't be.
            MovedError: another file has the name by now; the next scan finds the new one.
        """
        if self.view is None:
            view = self._open_view(self.path, compressed=self.compressed)
            if self.key is not None and view.key != self.key:
                view.close()
                raise MovedError(self.path)
            self.view = view
        return self.view

    def close(self) -> None:
        """Close it."""
        if self.view is not None:
            self.view.close()
            self.view = None
        if self._proof is not None:
            self._proof.close()
            self._proof = None

    def report_damage(self) -> None:
        """Report once that the content ends where it is damaged.

        Raises:
            DamagedError: it does.
        """
        view = self.view
        if view is not None and view.damage and not self._damage_reported:
            self._damage_reported = True
            raise DamagedError(
                f"the {view.kind} stream is damaged ({view.damage}); what can be unpacked is shipped, with the "
                "tag checksum_failed where it comes from a damaged part"
            )

    def proof(self, offset: int) -> Proof:
        """Which parts of a compressed file are sound, looked through a part further unless ``offset`` is decided.

        Raises:
            OSError: the disk failed.
        """
        if self._proof is None:
            self._proof = Proof(self.open().again())
        self._proof.reaches(offset, UNPACK_BYTES)
        return self._proof
