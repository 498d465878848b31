"""One round of reading over the files that are followed: whose turn is next, and who gave nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Round:
    """The turns of one round, which may be broken off and continued.

    Attributes:
        turns: generations whose turn is still to come.
        silent: generations that had their turn and gave nothing.
        grew: whether the round gave anything new.
        at_ends: whether it saw the ends of all files that gave something.
    """

    def __init__(self) -> None:
        self.turns: deque[bytes] = deque()
        self.silent: set[bytes] = set()
        self.grew, self.at_ends = False, True
        self._retried: set[bytes] = set()

    def begin(self, generations: Iterable[bytes]) -> None:
        """Start another round, with one turn for each generation."""
        self.grew, self.at_ends = False, True
        self.silent.clear()
        self._retried.clear()
        self.turns.extend(generations)

    def retry(self, generation: bytes) -> None:
        """Give a generation a second turn after all others; a third one is not given."""
        if generation not in self._retried:
            self._retried.add(generation)
            self.turns.append(generation)
