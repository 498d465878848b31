"""Where a line that progress bars write over again and again is parted: behind a finished update.  Pure.

A carriage return ends an update; those in front of a line feed are the line's own end.
"""

from __future__ import annotations

import re

_FINISHED = re.compile(rb"\r(?=[^\r\n])")


def finished(line: bytes, most: int | None = None) -> int:
    """How many bytes of an unfinished line are finished updates; 0 where none is.

    Args:
        line: as much of it as is there.
        most: no more bytes than these.
    """
    # What the last carriage return ends is finished only when something else follows it: it may be a line's end.
    shown = line if most is None else line[: most + 1]
    return shown.rstrip(b"\r").rfind(b"\r") + 1


def parts_of(line: bytes, usual: int, longest: int, hole: bytes) -> tuple[list[tuple[int, int]], int]:
    """The finished parts of a long line, and where the rest of it begins: the same however much of it is there.

    Args:
        line: as much of it as is there, without its line feed.
        usual: longest part, bytes, unless an update alone is longer.
        longest: an update that is longer than this is not parted from the next.
        hole: what a part does not begin with; it begins after it.
    """
    parts: list[tuple[int, int]] = []
    at = 0
    while True:
        if line.startswith(hole, at):
            at = len(line) - len(line[at:].lstrip(b"\0"))
        if len(line) - at <= usual:
            return parts, at
        end = at + finished(line[at : at + usual + 1], usual)
        if end == at:
            found = _FINISHED.search(line, at + usual, at + longest + 1)
            if found is None:
                return parts, at
            end = found.end()
        parts.append((at, end))
        at = end
