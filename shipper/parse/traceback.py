"""Which lines belong to the record before them: Python tracebacks and indented continuation.  Pure."""

from __future__ import annotations

import re

START = "Traceback (most recent call last):"
_LINKS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_BYTE_LINKS = frozenset(link.encode() for link in _LINKS)
# Between the tracebacks of a chain; the last one is the exception that got out.
_CHAINED = re.compile(rf"\n\s*\n(?:{'|'.join(map(re.escape, _LINKS))})\n\s*\n")
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.<>]*)(?:: (?P<message>.*))?", re.DOTALL)
# Rich draws a box around the frames and names the exception below it.
_BOX = ("╭", "│", "╰")
_BYTE_BOX = tuple(side.encode() for side in _BOX)


def continues(line: bytes, previous: bytes, *, inside: bool) -> bool:
    """Whether a line goes on with the record that ``previous`` belongs to.

    Args:
        line: the line in question.
        previous: the line before it.
        inside: a traceback has begun and its exception has not been named yet.
    """
    if not line.strip():
        return True  # a blank inside a record; at its end it is dropped again
    if line[:1] in {b" ", b"\t"} or line.startswith(_BYTE_BOX):
        return True
    if begins(line) or line.rstrip() in _BYTE_LINKS:
        return True
    return inside and (previous[:1] in {b" ", b"\t"} or previous.startswith(_BYTE_BOX) or begins(previous))


def begins(line: bytes) -> bool:
    """Whether a traceback begins with a line."""
    return line.startswith((b"Traceback (most recent call last):", _BYTE_BOX[0]))


def still_inside(line: bytes, *, inside: bool) -> bool:
    """Whether after a line of a record a traceback's exception is still to be named."""
    if begins(line):
        return True
    return inside and (not line.strip() or line[:1] in {b" ", b"\t"} or line.startswith(_BYTE_BOX))


def split(text: str) -> tuple[str, str | None]:
    """What a record of several lines says, and the traceback below it, if there is one."""
    places = [
        at + 1 if at else 0
        for start in (START, _BOX[0])
        if (at := 0 if text.startswith(start) else text.find(f"\n{start}")) >= 0
    ]
    if not places:
        return text, None
    return text[: min(places)].rstrip(), text[min(places) :]


def exception_of(text: str) -> tuple[str | None, str | None]:
    """The type and message of the exception that a traceback ends with, or (None, None)."""
    lines = _CHAINED.split(text.rstrip())[-1].split("\n")
    first = next((at + 1 for at, line in enumerate(lines) if line.startswith(START)), 0)
    for at in range(first, len(lines)):
        line = lines[at]
        if line and line[0] not in " \t|" and not line.startswith(_BOX):
            # The message may go on over several lines: all that follows is its.
            found = _EXCEPTION.fullmatch("\n".join(lines[at:]))
            if found is None or found["type"] == "NoneType":  # exc_info where there was no exception
                return None, None
            return found["type"], found["message"] or ""
    return None, None
