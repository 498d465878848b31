"""Whether the members of a compressed file are sound, known before anything of them is given.

A member's checksum stands at its end, so a member is looked through to its end first, a part in each turn.
"""

from __future__ import annotations

from shipper.tail.file_content import FileView
from shipper.tail.waiting_since import ENDLESS


class Proof:
    """How far a file's members have been looked through.

    ``upto`` is the offset up to which it is known what is damaged, ``spoiled`` are the parts that are.  Of a member
    that is still being written, or whose end is missing, nothing can be known: what is there of it counts as sound.

    Args:
        view: of the file, from its beginning; closed here.
    """

    def __init__(self, view: FileView) -> None:
        self._view = view
        self._closed = False
        self.upto = 0
        self.spoiled: tuple[tuple[int, int], ...] = ()

    def reaches(self, offset: int, most: int) -> bool:
        """Whether it is known of the content at an offset; else so much more of it was looked through.

        Args:
            offset: of content that is there.
            most: bytes of content.

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
            self.close()
        elif over:
            self.upto = view.size(ENDLESS)
        else:
            self.upto = view.whole
        return offset < self.upto

    def close(self) -> None:
        """Let the file go."""
        if not self._closed:
            self._closed = True
            self._view.close()
