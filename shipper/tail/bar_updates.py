"""Where a line that a progress bar overwrites is split: behind a finished update.  Pure.

A carriage return ends an update; one before a line feed belongs to the line's end.
"""

from __future__ import annotations

import re

_FINISHED = re.compile(rb"\r(?=[^\r\n])")


def finished(line: bytes, most: int | None = None) -> int:
    """How many bytes of an unfinished line are finished updates; 0 where none is.

    Args:
        line: as much of it as is there.
        most: longest result, bytes.
    """
    # The last carriage return ends an update only if another byte follows: it may be the line's end.
    shown = line if most is None else line[: most + 1]
    return shown.rstrip(b"\r").rfind(b"\r") + 1


def parts_of(line: bytes, usual: int, longest: int, nuls: bytes) -> tuple[list[tuple[int, int]], int]:
    """The finished parts of a long line, and where its rest begins; independent of how much of it is there.

    Args:
        line: as much of it as is there, without its line feed.
        usual: longest part, bytes, unless an update alone is longer.
        longest: an update that is longer than this is not split from the next.
        nuls: a part does not begin with these, but behind all that follow.
    """
    parts: list[tuple[int, int]] = []
    at = 0
    while True:
        if line.startswith(nuls, at):
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
