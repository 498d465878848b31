"""Which files only repeat what is read elsewhere: copies that a rotation or a person made of a log."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from shipper.tail.file_access import FileAccess
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import FINGERPRINT_BYTES, hash_of, repeats
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.generation_table import GenerationTable, Key
from shipper.tail.rotation_names import packed_ending
from shipper.tail.waiting_since import ENDLESS


class Copy(NamedTuple):
    """A file that repeats a generation of another file; ``proven``: the whole file was compared."""

    of: Generation
    size: int
    mtime_ns: int
    proven: bool


class Copies:
    """The copies, by device and inode."""

    def __init__(self, table: GenerationTable, access: FileAccess) -> None:
        self._table = table
        self._access = access
        self.known: dict[Key, Copy] = {}

    def knows(self, file: Found) -> bool:
        """Whether a copy is unchanged since it was judged, and its original is still there to be read."""
        copy = self.known.get(file.key)
        return (
            copy is not None
            and copy.proven
            and copy.of.found is not None
            and (file.size, file.mtime_ns) == (copy.size, copy.mtime_ns)
        )

    def takes(self, view: FileView, file: Found, head: bytes, last: Copy | None, patience: float, met: int) -> bool:
        """Whether a file is a copy of a generation in another file; of a rotated one, perhaps an unfinished copy.

        Args:
            view: into the file.
            file: as the scan saw it.
            head: its first bytes.
            last: what it was judged to be before.
            patience: seconds to wait for the rest of an unfinished copy; 0 for none.
            met: the number of the scan that met it.
        """
        aside = file.rotated or file.compressed
        by_name = self._table.earlier(file)
        # A file with a log's name is a log of its own, unless it is long or its name tells otherwise.
        others = [one for one in self._table.alike(file, head) if one not in by_name]
        for generation in by_name + others:
            original, known = generation.found, generation.expected.fingerprint
            if original is None or (len(head) >= known.length and hash_of(head[: known.length]) != known):
                continue
            other = self._access.open(original)
            if other is None:
                if aside or self._access.renamed_meanwhile:
                    return True  # the original can't be read just now; judged after the next scan
                continue
            with contextlib.closing(other):
                length = other.size(generation.expected.offset)
                if not generation.continues_in(other):
                    self._access.renamed_meanwhile = True  # truncated since the scan
                    return True
                if other.compressed:
                    length = other.size(view.size(ENDLESS))
                size = view.size(length + 1)
                proven = repeats(size, view.read, length, other.read)
                alike = head == other.read(0, len(head))
            # A copy is met after its original; met in one scan, both may be generations that begin alike.
            sure = (
                generation.met.scan < met
                or (packed_ending(file.path) and file.path == f"{original.path}{packed_ending(file.path)}")
                or (not aside and generation in by_name and len(head) >= FINGERPRINT_BYTES)
            )
            resting = patience <= 0 or (last is not None and last[1:3] == (file.size, file.mtime_ns))
            # A log that begins like another is read as soon as it differs.
            if alike and sure and (proven or (aside and not resting)):
                self.known[file.key] = Copy(generation, file.size, file.mtime_ns, proven)
                if proven:
                    generation.has_copy(view, size)
                return True
        return False
