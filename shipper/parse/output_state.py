"""What lines of container output inherit from the lines above: time, level, node.  Pure.

A line without a time gets the last time plus one nanosecond per byte between them.  Indented lines and tracebacks
below a head inherit its level, logger and node, so that a search for errors finds them.
"""

from __future__ import annotations

from typing import NamedTuple

from shipper.parse import output_lines, traceback
from shipper.parse.records import Record
from shipper.parse.traceback import State

_HEAD, _FRAMES, _NAMED = "h", "f", "n"


class Above(NamedTuple):
    """State between two lines; serialised as text.

    Attributes:
        stamp: the last time in a line.
        offset: of that line.
        reach: how far the last head applies: indented lines, frames of a traceback, or lines after its exception.
        level: of that head.
        logger: of it.
        node: of it.
    """

    stamp: str = ""
    offset: int = 0
    reach: str = ""
    level: str = ""
    logger: str = ""
    node: str = ""

    @classmethod
    def of(cls, text: str) -> Above:
        """The state that was serialised as this text."""
        if not text:
            return _NOTHING
        stamp, offset, reach, level, logger, node = text.split("|", 5)
        return cls(stamp, int(offset), reach, level, logger, node)

    def __str__(self) -> str:
        return "" if self == _NOTHING else "|".join(map(str, self))


_NOTHING = Above()
_BLANKS = (" ", "\t")
_MAX_LENGTH = 200


def add(record: Record, text: str, start: int, above: Above, after: str | None) -> Above:
    """Add own and inherited fields to a line's record; returns the state below the line.

    ``start`` is the line's offset, ``after`` the next line, or None where that is not known.
    """
    found = output_lines.fields_of(text)
    if found is None:
        reach = _reach(above, text) if above.reach else ""
        if not reach:
            return above if not above.reach else Above(above.stamp, above.offset)
        inherited = reach != _NAMED or not _is_blank(text)
        if inherited:
            _put(record, above.level, above.logger, output_lines.node_in(text) or above.node)
        return above if reach == above.reach else above._replace(reach=reach)
    logger, node = found.logger, found.node
    if above.reach and not found.stamp and text[:1] in _BLANKS:
        logger, node = logger or above.logger, node or above.node
    if found.headed and after is not None and after[:1] in _BLANKS:
        node = node or output_lines.node_in(after)
    _put(record, found.level, logger, node)
    stamp, offset = (found.stamp, start) if found.stamp else (above.stamp, above.offset)
    if found.stamp:
        record["timestamp"] = found.stamp
    return Above(stamp, offset, _HEAD if found.level else "", found.level, logger, node)


def waits(text: str) -> bool:
    """Whether a line is a head, whose message is the next line."""
    found = output_lines.fields_of(text) if text.rstrip().endswith(":") else None
    return found is not None and found.headed


def _put(record: Record, level: str, logger: str, node: str) -> None:
    if level:
        record["level"] = level
    if logger:
        record["logger"] = logger
    if node:
        record["output_node"] = node


def _reach(above: Above, text: str) -> str:
    """How far the head above applies after this line; empty if it does not apply to it."""
    if traceback.state_of(text[:_MAX_LENGTH].encode()) is not State.NONE:
        return _FRAMES
    if above.reach == _HEAD:
        return _HEAD if text[:1] in _BLANKS and not _is_blank(text) else ""
    if text[:1] in _BLANKS or _is_blank(text):
        return above.reach
    return _NAMED if above.reach == _FRAMES else ""


def _is_blank(text: str) -> bool:
    return not text.strip()
