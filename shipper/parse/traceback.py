"""Which lines belong to the record before them: Python tracebacks and indented continuation.  Pure."""

from __future__ import annotations

import re
from enum import IntEnum

START = "Traceback (most recent call last):"
GROUP_START = "  + Exception Group Traceback (most recent call last):"
STACK_START = "Stack (most recent call last):"
FRAME = b'  File "'
"""First line of a syntax error, which has no introduction."""
_LINKS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_BYTE_LINKS = frozenset(link.encode() for link in _LINKS)
# Between the tracebacks of a chain; the last one is the raised exception.
_CHAINED = re.compile(rf"\n\s*\n(?:{'|'.join(map(re.escape, _LINKS))})\n\s*\n")
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.<>]*)(?:: (?P<message>.*))?", re.DOTALL)
# Java, .NET and JavaScript name the exception first.
_FRAMES_BELOW = re.compile(r"\n[ \t]+at [^\n]")
# In the box of an exception group.
_OF_GROUP = re.compile(r"^  \| (?P<type>[A-Za-z_][\w.<>]*)(?:: (?P<message>.*))?$", re.MULTILINE)
# Rich draws a box around the frames and names the exception below it.
_BOX = ("╭", "│", "╰")
_BYTE_BOX = tuple(side.encode() for side in _BOX)
_RULE = b"=" * 79  # structlog's, between a stack and the traceback below it
_BEGINNINGS = re.compile(
    rf"^(?:{re.escape(START)}|{re.escape(GROUP_START)}|{re.escape(STACK_START)}|╭[^\n]*Traceback \(most recent)",
    re.MULTILINE,
)


class State(IntEnum):
    """State of a record's traceback after a line."""

    NONE = 0
    """No traceback so far."""
    FRAMES = 1
    """In the frames, before the exception."""
    NAMED = 2
    """After the exception's name; lines up to a blank one are its message or notes."""
    PAST = 3
    """After a blank line behind it."""
    LINKED = 4
    """After the sentence that links two tracebacks."""
    GROUP = 5
    """In the boxes of an exception group."""
    STACK = 6
    """In the frames of a stack, which has no exception."""


def state_of(line: bytes) -> State:
    """The state after a record's first line."""
    if line.startswith((b"Traceback (most recent call last):", _BYTE_BOX[0])):
        return State.FRAMES if line[:1] == b"T" or b"Traceback (most recent" in line else State.NONE
    if line.startswith(b"  + Exception Group Traceback (most recent call last):"):
        return State.GROUP
    if line.startswith(b"Stack (most recent call last):"):
        return State.STACK
    return State.LINKED if line.rstrip() in _BYTE_LINKS else State.NONE


def step(state: State, line: bytes, previous: bytes) -> State | None:
    """The state after one more line, or None if the line does not belong to the record."""
    if not line.strip():
        if state is State.NONE:
            return None
        return State.PAST if state in _ENDED else state
    begun = state_of(line)
    if begun is State.LINKED:
        return None if state is State.NONE else begun
    if begun is not State.NONE:
        # A traceback without a link is another record, unless the message quotes it.
        quoted = state is State.NAMED and previous.rstrip().endswith((b'"""', b":"))
        return begun if quoted or state not in _COMPLETE else None
    if line[:1] in {b" ", b"\t"}:
        return State.FRAMES if state is State.NONE and line.startswith(FRAME) else state
    if line.startswith(_BYTE_BOX):
        if state is State.NONE:
            return None
        return State.FRAMES if state is State.FRAMES else _boxed(state, line)
    if state is State.FRAMES:
        above = previous[:1] in {b" ", b"\t"} or previous.startswith(_BYTE_BOX) or state_of(previous) is State.FRAMES
        return State.NAMED if above else None
    if state is State.STACK:
        return state if line.rstrip() == _RULE else None
    return state if state is State.NAMED else None


_ENDED = frozenset({State.NAMED, State.PAST, State.GROUP})
_COMPLETE = frozenset({State.NAMED, State.PAST, State.GROUP})


def _boxed(state: State, line: bytes) -> State | None:
    """Rich shows the exceptions of a group in boxes below the group's own."""
    if line.startswith(_BYTE_BOX[0]):
        return State.PAST if b"Sub-exception #" in line and state in _ENDED else None
    return state


def split(text: str) -> tuple[str, str | None]:
    """Split a record's text into message and traceback; the latter is None if there is none."""
    found = _BEGINNINGS.search(text)
    if found is None:
        return text, None
    return text[: found.start()].rstrip(), text[found.start() :]


def exception_of(text: str) -> tuple[str | None, str | None]:
    """Type and message of the exception at the end of a traceback, or (None, None).

    For a group: the group itself, without notes and inner exceptions.
    """
    last = _CHAINED.split(text.rstrip())[-1]
    lines = last.split("\n")
    if lines[0].startswith(GROUP_START) or f"\n{GROUP_START}" in last:
        group = _OF_GROUP.search(last, last.index(GROUP_START))
        return (group["type"], group["message"] or "") if group else (None, None)
    first = next((at + 1 for at, line in enumerate(lines) if line.startswith(START)), 0)
    for at in range(first, len(lines)):
        line = lines[at]
        if line and line[0] not in " \t|" and not line.startswith((*_BOX, STACK_START, "=" * 79)):
            # All lines that follow are the message.
            found = _EXCEPTION.fullmatch("\n".join(lines[at:]))
            if found is None or found["type"] == "NoneType":  # exc_info where there was no exception
                return None, None
            message = _FRAMES_BELOW.split(found["message"] or "", maxsplit=1)[0]
            if found["type"].endswith("ExceptionGroup"):
                message = message.partition("\n")[0]
            return found["type"], message
    return None, None
