"""Long runs of blank lines, skipped at the cost of a search.  Pure.

A program in a loop can write a hundred million of them.  Blank lines inside a record belong to it, but no record is
longer than ``MAX_RECORD_LINES`` lines: blank lines behind so many others lie between records.
"""

from __future__ import annotations

import re

from shipper.tail.fingerprint import CHECKPOINT_BYTES
from shipper.tail.framing import MAX_RECORD_LINES

# Blank lines are searched for where lines are shorter than this on average, bytes.
_SHORT = 8
SPACES = b" \t\r\x0b\x0c\n"
"""What blank lines consist of."""
_SPACE = re.compile(b"[%s]+" % SPACES)


def surplus(data: bytes, begin: int, blank: int) -> tuple[list[tuple[int, int]], int]:
    """Which parts of the data are nothing but blank lines that no record can hold.

    Of each run the first lines stay, which may belong to a record, and the last, for a checkpoint hash.

    Args:
        data: the next bytes of a file.
        begin: where the first line begins in them.
        blank: number of blank lines that precede it.

    Returns:
        The parts (whole lines), and how many blank lines the data end with, or fewer.
    """
    if data.count(b"\n", begin) * _SHORT <= len(data) - begin:
        return [], 0
    parts: list[tuple[int, int]] = []
    for run in _SPACE.finditer(data, begin):
        start, end = run.span()
        if start > begin:
            start, before = data.find(b"\n", start, end) + 1, 0
            if not start:
                continue  # blanks between words
        else:
            before = blank
        end = data.rfind(b"\n", start, end) + 1
        first = _behind(data, start, end, MAX_RECORD_LINES - before)
        last = data.rfind(b"\n", first, max(first, end - CHECKPOINT_BYTES)) + 1
        if last > first:
            parts.append((first, last))
        if end == len(data):
            return parts, before + (MAX_RECORD_LINES if first < end else data.count(b"\n", start, end))
    return parts, 0


def _behind(data: bytes, start: int, end: int, lines: int) -> int:
    """The place behind so many lines, at most ``end``."""
    return start if lines <= 0 else end - len(data[start:end].split(b"\n", lines)[-1])
