"""Which generation without a file goes on in a file that was found: renamed, moved, unpacked or come back."""

from __future__ import annotations

from collections.abc import Iterator

from shipper.tail.copies import Copies
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import FINGERPRINT_BYTES
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.generation_table import GenerationTable


class Matcher:
    """Finds the generations of files by their names, their inodes and their content.

    Attributes:
        looked_at: when the scan before began, seconds since the epoch; 0 where that is not known.

    Args:
        table: all generations.
        copies: files that repeat one of them.
    """

    def __init__(self, table: GenerationTable, copies: Copies) -> None:
        self._table = table
        self._copies = copies
        self.looked_at = 0.0

    def has_name_of(self, generation: Generation, file: Found) -> bool:
        """Whether a file's name is one that the log of this generation, or a rotated file of it, may have."""
        is_of = self._table.is_of
        return is_of(generation, file.logical) or any(
            is_of(generation, one) for one in self._table.possible_logs(file)
        )

    def is_same_file(self, generation: Generation, view: FileView, file: Found) -> bool:
        """Whether this is the file that a generation was last in, and not another that was given its inode."""
        seen, last = generation.cursor.file, generation.found
        if seen.born_ns and (born := view.born):
            return born == seen.born_ns
        if generation.expected.offset >= FINGERPRINT_BYTES:
            return True  # its content is compared in any case
        if last is not None:
            return last.mtime_ns == file.mtime_ns
        return file.size == seen.size and file.mtime_ns <= self.looked_at * 10**9

    def best(self, view: FileView, file: Found) -> Generation | None:
        """Of the generations without a file, the one of which this file proves most."""
        best: Generation | None = None
        for generation, least in self._candidates(view, file):
            offset = generation.expected.offset
            if generation.found is not None or offset < least or (best and offset <= best.expected.offset):
                continue
            cut = generation.truncated
            if cut is not None and cut.key == file.key and (offset < FINGERPRINT_BYTES or cut.empty):
                continue  # it was truncated here: what begins as it did is another generation
            # A file that was rewritten may have the beginning, and the bytes before the position, that it had.
            if generation.continues_in(view) and (view.compressed or not generation.was_rewritten_in(view)):
                best = generation
        return best

    def _candidates(self, view: FileView, file: Found) -> Iterator[tuple[Generation, int]]:
        """The generations that may go on in a file, and how much must have been read of each to tell."""
        for logical in (file.logical, *self._table.possible_logs(file)):
            yield from ((one, 0) for one in self._table.of(logical))
        if (lost := self._table.lost(file.key)) is not None and self.is_same_file(lost, view, file):
            yield lost, 0
        if (copy := self._copies.known.get(file.key)) is not None:
            yield copy.of, 0
        yield from ((one, FINGERPRINT_BYTES) for one in self._table.alike(file, view.read(0, FINGERPRINT_BYTES)))
