"""Files whose reading fails: reported once, and listed until it succeeds."""

from __future__ import annotations

from collections.abc import Callable

from shipper.tail.reader import Reader
from shipper.telemetry import ONCE, Throttle


class ReadErrors:
    """The files that the readers can't read.

    Args:
        warn: called with a sentence once for each file, and again after it could be read meanwhile.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._throttle = Throttle(warn)
        self._unread: dict[bytes, tuple[str, str]] = {}

    @property
    def paths(self) -> set[str]:
        """The files whose last reading failed, or stopped before their ends; any thread may ask."""
        return {path for path, _ in list(self._unread.values())}

    @property
    def reasons(self) -> dict[str, str]:
        """Why, by path, where that was logged; any thread may ask."""
        return {path: why for path, why in list(self._unread.values()) if why}

    def add(self, generation: bytes, path: str, why: str = "") -> None:
        """Note that reading failed; without a reason nothing is logged."""
        self._unread[generation] = path, why
        if why:
            self._throttle.say(path, f"{path}: {why}", ONCE)

    def judge(self, generation: bytes, reader: Reader, rested: bool) -> None:
        """Note that reading did not fail: no error is left, unless a compressed file is damaged or lacks its end."""
        view = reader.file.view
        if view is None or view.damage:
            return  # the reader reports damage
        if not view.unfinished:
            self.clear(generation)
        elif rested and not reader.grew:
            self.add(
                generation, reader.file.path, f"{view.trouble}; what is there is shipped, the rest when it comes"
            )

    def clear(self, generation: bytes) -> None:
        """Note that reading succeeded."""
        failed = self._unread.pop(generation, None)
        if failed is not None:
            self._throttle.over(but=self.paths)
