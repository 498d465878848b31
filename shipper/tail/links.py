"""Which symbolic links are followed: those that stay below the directory of their input, or lead where they may."""

from __future__ import annotations

import os
from collections.abc import Iterable

from shipper.tail.found_files import Source, shown, split


class Links:
    """Decides which links a scan follows, so that nobody who can write into a log directory chooses what is read.

    The configuration names directories: these may be links themselves, which is followed.

    Args:
        targets: directories, or files, to which links of any input may lead.
    """

    def __init__(self, targets: Iterable[str]) -> None:
        self._targets = tuple(targets)
        self._real: dict[str, str] = {}

    def begin(self) -> None:
        """A scan begins: the targets may be other directories by now."""
        self._real = {}

    def real(self, path: str) -> str:
        """A path with all its links followed, as of this scan."""
        found = self._real.get(path)
        if found is None:
            found = self._real[path] = os.path.realpath(path)
        return found

    def refusal(self, source: Source, real: str) -> str | None:
        """Why a link of an input to this resolved path is not followed; None where it is."""
        root = source.root or split(source.pattern)[0]
        if any(_within(real, self.real(one)) for one in (root, *self._targets)):
            return None
        return (
            f"is a link to {shown(real)}, outside of {shown(root)}: it is not followed; if logs are kept there, "
            f"add {shown(real)} to shipper.follow_links_to, else exclude the link"
        )


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")
