"""Whether the members of a compressed file are sound, decided before their lines are read.

A member's checksum stands at its end, so that each member is unpacked twice: first to its end, a part in each turn.
"""

from __future__ import annotations

from shipper.tail.file_content import FileView
from shipper.tail.waiting_since import ENDLESS


class Proof:
    """How far a file's members have been checked.  One that is still being written, or has no end, counts as sound.

    Attributes:
        upto: the offset up to which it is decided what is damaged.
        spoiled: the damaged parts, as pairs of offsets.

    Args:
        view: of the file, from its beginning; closed here.
    """

    def __init__(self, view: FileView) -> None:
        self._view = view
        self.upto = 0
        self.spoiled: tuple[tuple[int, int], ...] = ()

    def reaches(self, offset: int, most: int) -> bool:
        """Whether the content at an offset is decided; if not, so much more of it was checked.

        Raises:
            OSError: the disk failed.
        """
        if offset < self.upto:
            return True
        view = self._view
        over = view.approach(ENDLESS, most)
        self.spoiled = tuple(view.spoiled)
        if over and not view.unfinished:
            self.upto = ENDLESS
            view.close()
        elif over:
            self.upto = view.size(ENDLESS)
        else:
            self.upto = view.whole
        return offset < self.upto

    def close(self) -> None:
        """Close the file."""
        self._view.close()
