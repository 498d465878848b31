"""What ``tail`` and ``parse`` agree on about records: their limits, how long one is held back, what a format decides.

``parse`` tells which lines are one record, ``tail`` what to do with one that may go on: it is held back until more
lines come, for a while, or until the log's next generation has shown whether a rotation split it
(``rotation_joins``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from shipper.config import Format

# Limits of one record, so that a runaway writer does not hold up the reader.
MAX_RECORD_LINES = 2000
MAX_RECORD_BYTES = 2**20
# How long an open record is held back after its file grew last, seconds: one of several lines, and one of one line.
RECORD_PATIENCE, LINE_PATIENCE = 1.0, 0.5


class Framing(NamedTuple):
    """Which lines at the beginning of a file belong to the record before, as their format decides.

    Attributes:
        orphan: whether a first line begins no record, so that it may continue one.
        continuation: how many of the second lines continue the record that the first ones are, given the parser state
            before these; all of them if more may.
    """

    orphan: Callable[[bytes, Format], bool]
    continuation: Callable[[list[bytes], list[bytes], Format, str], int]
