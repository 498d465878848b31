"""Which lines are one record.  Pure.

A record's extent is decided by its own lines and the one behind them, never by where a block happens to end: a
record that reaches the end of a block is *open*, and held back until more is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shipper.parse import format_prefixes, json_dialects, record_starts, structlog, traceback
from shipper.parse.format_prefixes import HEAD
from shipper.parse.traceback import State
from shipper.tail.blank_lines import LONGEST_RECORD

# A record joined from lines ends here at the latest: a runaway writer must not hold the reader.
MAX_JOINED_LINES = LONGEST_RECORD
MAX_JOINED_BYTES = 2**20
# An object with none of these may be part of what a record of Celery shows.
_MARKS = frozenset({
    "event", "level", "timestamp", "@timestamp", "entity_type", "event_type",
    "message", "msg", "log", "levelname", "severity", "time", "ts", "asctime",
})  # fmt: skip
# Unindented lines in a row behind an exception's name: notes and messages have two or three, and more are the next
# records of a program whose lines nothing marks.
MAX_NOTES = 5
# Of a whole record: what Celery says of an unknown task has a dozen, a message that pairs names with indented texts
# may have as many.
MAX_AT_MARGIN = 20
# Where nobody else prints, a text of many lines is the application's own: the last of an error output, say.
MAX_AT_MARGIN_ALONE = 10 * MAX_AT_MARGIN
_COMMANDS = b"The following commands are available:"
_MAX_WARNING = 12
_OF_APPLICATION = frozenset({"console", "design"})
_QUIET = _OF_APPLICATION | {"huey"}
_CLOSING = {b"{": b"}", b"[": b"]", b"(": b")", b"'": b"'", b'"': b'"'}
_RESULT = b"s: "
_BLANKS = frozenset({b" ", b"\t"})
# Outside of frames and boxes, which hold indented texts of all kinds.
_OPEN = frozenset({State.NONE, State.NAMED, State.PAST, State.LINKED})

MAY_GO_ON = [
    bytes([first]) in {b" ", b"\t", b"\r", b"\x0b", b"\x0c", b"T", b"S", b"\xe2", b"\x1b", b"+", b"\0"}
    for first in range(256)
]
"""First byte of a line → whether it can go on with a record that has no traceback yet and is not *eager*."""


def extent(
    lines: Sequence[bytes], index: int, stop: int, body: bytes, *, undisturbed: bool = False
) -> tuple[int, bool]:
    """Where the text record beginning at ``index`` ends, blank tails included, and whether it may go on there.

    Args:
        lines: of a block.
        index: of the record's first line.
        stop: how far to look.
        body: the first line without what is not content.
        undisturbed: nobody prints between the application's lines.
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
    limit = min(stop, index + MAX_JOINED_LINES)
    size, previous, end, noted = len(lines[index]), body, index + 1, False
    notes = at_margin = 0
    max_at_margin = MAX_AT_MARGIN_ALONE if undisturbed else MAX_AT_MARGIN
    while end < limit:
        line = lines[end]
        if state is State.NONE and not (eager or closing) and line and not MAY_GO_ON[line[0]]:
            return end, False
        line = format_prefixes.colourless(line.removesuffix(b"\r")).lstrip(b"\0")
        size += len(lines[end]) + 1
        if size > MAX_JOINED_BYTES or ends(line, state, eager=eager or bool(closing)):
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
            return end, False  # indented output of a run, not the record's
        if not eager and state is State.NAMED and format_prefixes.ends_notes(line):
            return end, False
        announced = kind in _OF_APPLICATION and _is_announced(line, body)
        after = traceback.step(state, line, previous)
        if after is None and eager:
            after = traceback.state_of(line) or (state and State.NAMED)
        elif after is None and state is State.PAST and announced:
            after = State.NAMED
        if after is None:
            # A line right before the next traceback introduces that one.
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
    return end, end == stop and end - index < MAX_JOINED_LINES


def ends(line: bytes, state: State, *, eager: bool = False) -> bool:
    """Whether a line goes on with no record that is in this state.

    Args:
        line: without colours.
        state: of the record before it.
        eager: it may show objects.
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

    Their texts have blank lines, objects and lines at the margin; a whole object of the application behind the
    prefix is complete.
    """
    if head.lastgroup != "celery" or head["celery_level"] in {"INFO", "DEBUG"}:
        return False
    return not (body.endswith(b"}") and body[head.end() : head.end() + 1] == b"{")


def is_unfinished(body: bytes) -> bytes:
    """What ends the result of a task that Celery shows over several lines; nothing if it ends with its line.

    Celery quotes the texts in it, but leaves their line feeds.
    """
    before, separator, after = body.partition(b" succeeded in ")
    if not separator or b" Task " not in before:
        return b""
    result = after.partition(_RESULT)[2]
    closing = _CLOSING.get(result[:1], b"")
    return closing if len(result) < 2 or not result.rstrip().endswith(closing) else b""


def _is_announced(line: bytes, body: bytes) -> bool:
    """Whether the record's own line shows this one, as part of the message of its exception."""
    return b"\\n" + line.rstrip() in body


def begins_record(line: bytes) -> bool:
    """Whether a line begins a record of its own: in a format that is known, or as lines of logs begin."""
    return format_prefixes.begins(line) or record_starts.begins(format_prefixes.colourless(line))


def _extent_apart(lines: Sequence[bytes], index: int, stop: int, body: bytes) -> tuple[int, bool]:
    """The same for a banner (boxes, lists, blank lines) and a warning (up to the line of source it shows)."""
    warning = b": SecurityWarning: " in body[:500]
    if not warning and not body.startswith((b" ---", b"celery beat v")):
        return index + 1, False  # said in one line
    limit = min(stop, index + (_MAX_WARNING if warning else MAX_JOINED_LINES))
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
    return end, end == stop and end - index < (_MAX_WARNING if warning else MAX_JOINED_LINES)


_OF_BANNER = (b" ", b"-", b"[tasks]", b"[queues]", b"[config]", b"__", b"LocalTime ->", b"Configuration ->")
