"""Files whose reading fails: each is said once, and known until it succeeds."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail.reader import Reader


class Troubles:
    """What the readers can't read.

    Args:
        warn: told once, in a sentence, until the file can be read again.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._said: set[str] = set()
        self._unread: dict[bytes, str] = {}

    @property
    def paths(self) -> set[str]:
        """Of the files that could not be read, or not to their ends, when that was last tried."""
        return set(self._unread.values())

    def met(self, generation: bytes, path: str, why: str = "") -> None:
        """Reading failed; without a reason nobody need be told."""
        self._unread[generation] = path
        if why and path not in self._said:
            self._said.add(path)
            self._warn(f"{path}: {why}")

    def judge(self, generation: bytes, reader: Reader, rested: bool) -> None:
        """Reading did not fail: there is no trouble, unless a compressed file is damaged or lacks its end.

        Args:
            generation: that was read.
            reader: of its file.
            rested: the file has not changed for so long that nobody seems to be writing it.
        """
        view = reader.view
        if view is None or view.damage:
            return  # of damage the reader tells
        if not view.unfinished:
            self.over(generation)
        elif rested and not reader.grew:
            self.met(generation, reader.path, f"{view.trouble}; what is there is shipped, the rest when it comes")

    def over(self, generation: bytes) -> None:
        """It succeeded."""
        path = self._unread.pop(generation, None)
        if path is not None:
            self._said.discard(path)
