"""Which files only repeat what is read elsewhere: copies that a rotation or a person made of a log that lives on."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from shipper.tail.file_access import Views
from shipper.tail.file_content import FileView
from shipper.tail.fingerprint import FINGERPRINT_BYTES, hash_of, repeats
from shipper.tail.found_files import Found
from shipper.tail.generation import Generation
from shipper.tail.generation_table import Key, Lives
from shipper.tail.rotation_names import packed_ending
from shipper.tail.waiting_since import ENDLESS


class Copy(NamedTuple):
    """A file that repeats a generation living on elsewhere; ``proven``: as far as it goes."""

    of: Generation
    size: int
    mtime_ns: int
    proven: bool


class Copies:
    """The copies, by device and inode.

    Args:
        lives: that they may repeat.
        views: opens files.
    """

    def __init__(self, lives: Lives, views: Views) -> None:
        self._lives = lives
        self._views = views
        self.known: dict[Key, Copy] = {}

    def knows(self, file: Found) -> bool:
        """Whether a copy is as it was when it was judged, and what it repeats is still there to be read."""
        copy = self.known.get(file.key)
        return (
            copy is not None
            and copy.proven
            and copy.of.found is not None
            and (file.size, file.mtime_ns) == (copy.size, copy.mtime_ns)
        )

    def takes(self, view: FileView, file: Found, head: bytes, last: Copy | None, patience: float, met: int) -> bool:
        """Whether a file is a copy of a generation that lives on in another file; of a rotated one, maybe unfinished.

        Args:
            view: into the file.
            file: as the scan saw it.
            head: its first bytes.
            last: what it was taken for before.
            patience: none is left at 0.
            met: the number of the scan that met it.
        """
        aside = file.rotated or file.compressed
        by_name = self._lives.earlier(file)
        # A file that has a log's name has to be long, or have a name that tells, to be no log of its own.
        others = [one for one in self._lives.alike(file, head) if one not in by_name]
        for generation in by_name + others:
            original, known = generation.found, generation.expected.fingerprint
            if original is None or (len(head) >= known.length and hash_of(head[: known.length]) != known):
                continue
            other = self._views.open(original)
            if other is None:
                if aside or self._views.outrun:
                    return True  # what to compare it with can't be read just now; judged at the next scan
                continue
            with contextlib.closing(other):
                length = other.size(generation.expected.offset)
                if not generation.continues_in(other):
                    self._views.outrun = True  # cut off since it was listed: the next scan knows
                    return True
                if other.compressed:
                    length = other.size(view.size(ENDLESS))
                size = view.size(length + 1)
                proven = repeats(size, view.read, length, other.read)
                alike = head == other.read(0, len(head))
            # A copy is met after what it repeats; met in one scan both may be lives that say the same at first.
            sure = (
                generation.met.scan < met
                or (packed_ending(file.path) and file.path == f"{original.path}{packed_ending(file.path)}")
                or (not aside and generation in by_name and len(head) >= FINGERPRINT_BYTES)
            )
            resting = patience <= 0 or (last is not None and last[1:3] == (file.size, file.mtime_ns))
            # A log of its own that begins like another is read as soon as it says something else.
            if alike and sure and (proven or (aside and not resting)):
                self.known[file.key] = Copy(generation, file.size, file.mtime_ns, proven)
                return True
        return False
