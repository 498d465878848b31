"""Which lines are one record.  Pure.

The extent depends only on the record's lines and the line after them, never on block boundaries: a record that
reaches the end of a block is *open* and held back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shipper.parse import format_prefixes, json_dialects, record_starts, structlog, traceback
from shipper.parse.format_prefixes import HEAD
from shipper.parse.traceback import State
from shipper.tail.framing import MAX_RECORD_BYTES, MAX_RECORD_LINES

# An object without these keys may be part of a Celery message.
_MARKS = frozenset({
    "event", "level", "timestamp", "@timestamp", "entity_type", "event_type",
    "message", "msg", "log", "levelname", "severity", "time", "ts", "asctime",
})  # fmt: skip
# Consecutive unindented lines after an exception's name: notes have two or three, more are other records.
MAX_NOTES = 5
# Unindented lines of one record: Celery's message about an unknown task has a dozen.
MAX_AT_MARGIN = 20
# The same where only the application writes.
MAX_AT_MARGIN_ALONE = 10 * MAX_AT_MARGIN
_COMMANDS = b"The following commands are available:"
_MAX_WARNING = 12
_OF_APPLICATION = frozenset({"console", "design"})
_QUIET = _OF_APPLICATION | {"huey"}
_CLOSING = {b"{": b"}", b"[": b"]", b"(": b")", b"'": b"'", b'"': b'"'}
_RESULT = b"s: "
_BLANKS = frozenset({b" ", b"\t"})
# States outside of frames and boxes, which hold any indented text.
_OPEN = frozenset({State.NONE, State.NAMED, State.PAST, State.LINKED})

MAY_GO_ON = [
    bytes([first]) in {b" ", b"\t", b"\r", b"\x0b", b"\x0c", b"T", b"S", b"\xe2", b"\x1b", b"+", b"\0"}
    for first in range(256)
]
"""First byte of a line → whether it can continue a record without a traceback that is not *eager*."""


def extent(
    lines: Sequence[bytes], index: int, stop: int, body: bytes, *, undisturbed: bool = False
) -> tuple[int, bool]:
    """End of the text record at ``index``, with trailing blank lines, and whether it is open.

    Args:
        lines: of a block.
        index: of the record's first line.
        stop: index after the last line.
        body: the first line's content.
        undisturbed: only the application writes here.
    """
    body = format_prefixes.colourless(body)
    found = HEAD.match(body[:400].decode("latin-1")) if body[:1] in format_prefixes.PREFIXED else None
    if found is None and format_prefixes.begins_apart(body):
        return _extent_apart(lines, index, stop, body)
    if found is None and (format_prefixes.is_output(body) or record_starts.is_progress(body)):
        return index + 1, False
    kind = found.lastgroup if found else None
    eager = found is not None and (is_eager(found, body) or (undisturbed and kind in _OF_APPLICATION))
    closing = is_unfinished(body) if kind == "celery" and not eager else b""
    listed = kind == "huey" and body.rstrip().endswith(_COMMANDS)
    state = State.NONE if found else traceback.state_of(body)
    if body.startswith(traceback.FRAME):
        state = State.FRAMES
    limit = min(stop, index + MAX_RECORD_LINES)
    size, previous, end, noted = len(lines[index]), body, index + 1, False
    notes = at_margin = 0
    max_at_margin = MAX_AT_MARGIN_ALONE if undisturbed else MAX_AT_MARGIN
    while end < limit:
        line = lines[end]
        if state is State.NONE and not (eager or closing) and line and not MAY_GO_ON[line[0]]:
            return end, False
        line = format_prefixes.colourless(line.removesuffix(b"\r")).lstrip(b"\0")
        size += len(lines[end]) + 1
        if size > MAX_RECORD_BYTES or ends(line, state, eager=eager or bool(closing)):
            return end, False
        indented = line[:1] in _BLANKS or not line.strip()
        if closing:
            if (at_margin := at_margin + (not indented)) > max_at_margin:
                return end, False
            end += 1
            if line.rstrip().endswith(closing):
                return end, False
            continue
        if listed and not eager and line.startswith(b"+ "):
            end += 1
            continue
        if not eager and state is State.NONE and kind in _QUIET and traceback.state_of(line) is State.NONE:
            return end, False  # indented output of a run
        if not eager and state is State.NAMED and format_prefixes.ends_notes(line):
            return end, False
        announced = kind in _OF_APPLICATION and _is_announced(line, body)
        after = traceback.step(state, line, previous)
        if after is None and eager:
            after = traceback.state_of(line) or (state and State.NAMED)
        elif after is None and state is State.PAST and announced:
            after = State.NAMED
        if after is None:
            # The line before the next traceback belongs to that one.
            introduced = noted and traceback.state_of(line) is not State.NONE
            return end - 1 if introduced else end, False
        if indented or announced:
            notes = notes if not line.strip() else 0
        elif after is State.NONE or (after is State.NAMED and state is not State.FRAMES):
            notes, at_margin = notes + (after is State.NAMED), at_margin + 1
            if notes > MAX_NOTES or at_margin > max_at_margin:
                return end, False
        else:
            notes = 0
        noted = found is None and state is after is State.NAMED and not indented
        state, previous = after, line
        end += 1
    return end, end == stop and end - index < MAX_RECORD_LINES


def ends(line: bytes, state: State, *, eager: bool = False) -> bool:
    """Whether a line ends a record in this state.

    Args:
        line: without colours.
        state: of the record before it.
        eager: the record may contain objects.
    """
    if format_prefixes.begins_apart(line) or record_starts.is_progress(line):
        return True
    if line[:1] in _BLANKS:
        return state in _OPEN and record_starts.begins_indented(line)
    if state is State.FRAMES:
        return record_starts.names_no_exception(line)
    if eager and line[:1] == b"{":
        record = structlog.parse(line)
        return record is not None and (not _MARKS.isdisjoint(record) or json_dialects.is_event(record))
    return begins_record(line)


def is_eager(head: re.Match[str], body: bytes) -> bool:
    """Whether a record takes all lines up to the next record: Celery's warnings and errors do.

    They contain blank lines, objects and unindented lines.  A JSON object after the prefix is complete.
    """
    if head.lastgroup != "celery" or head["celery_level"] in {"INFO", "DEBUG"}:
        return False
    return not (body.endswith(b"}") and body[head.end() : head.end() + 1] == b"{")


def is_unfinished(body: bytes) -> bytes:
    """The bracket or quote that ends a task result of several lines; empty if the result ends with its line."""
    before, separator, after = body.partition(b" succeeded in ")
    if not separator or b" Task " not in before:
        return b""
    result = after.partition(_RESULT)[2]
    closing = _CLOSING.get(result[:1], b"")
    return closing if len(result) < 2 or not result.rstrip().endswith(closing) else b""


def _is_announced(line: bytes, body: bytes) -> bool:
    """Whether the record's first line contains this one, escaped, in the message of its exception."""
    return b"\\n" + line.rstrip() in body


def begins_record(line: bytes) -> bool:
    """Whether a line begins a record, in a known format or any other."""
    return format_prefixes.begins(line) or record_starts.begins(format_prefixes.colourless(line))


def _extent_apart(lines: Sequence[bytes], index: int, stop: int, body: bytes) -> tuple[int, bool]:
    """The same for a banner (boxes, lists, blank lines) and a warning (up to the line of source it shows)."""
    warning = b": SecurityWarning: " in body[:500]
    if not warning and not body.startswith((b" ---", b"celery beat v")):
        return index + 1, False  # one line
    limit = min(stop, index + (_MAX_WARNING if warning else MAX_RECORD_LINES))
    end, notes = index + 1, 0
    while end < limit:
        line = format_prefixes.colourless(lines[end].removesuffix(b"\r"))
        notes += warning and line[:1] not in {b"", b" ", b"\t"}
        if begins_record(line) or format_prefixes.begins_apart(line) or notes > MAX_NOTES:
            return end, False
        end += 1
        if warning:
            if line[:1] == b" " and line.strip():
                return end, False
        elif line.strip() and not line.startswith(_OF_BANNER):
            return end - 1, False
    return end, end == stop and end - index < (_MAX_WARNING if warning else MAX_RECORD_LINES)


_OF_BANNER = (b" ", b"-", b"[tasks]", b"[queues]", b"[config]", b"__", b"LocalTime ->", b"Configuration ->")
