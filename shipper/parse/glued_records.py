"""Split lines that hold several records because the line feed between them is missing.  Pure.

This happens when a process is killed or several processes share a file.  Each record keeps its own offset.
"""

from __future__ import annotations

import json
import re
from itertools import islice

from shipper.parse import audit, json_dialects, wrappers
from shipper.parse.records import Record
from shipper.tail.block import Block

_OBJECT = re.compile(r'\{\s*"')
_BLANKS = re.compile(r"[ \t\r]*")
# Failed attempts per line to parse an object.
_MAX_TRIED = 20
_decode = json.JSONDecoder(strict=False).raw_decode


def split(block: Block, index: int) -> int:
    """Split a line of a block that holds several records, in place.

    Lines of container runtimes and UTF-16 are left alone: the offsets inside them are unknown.

    Returns:
        The number of lines added.
    """
    line = block.lines[index]
    length = block.offsets[index + 1] - block.offsets[index]
    if index in block.cut or block.wide or not len(line) <= length <= len(line) + 1:
        return 0
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return 0
    places = [len(text[:at].encode()) for at in _ends(text)]
    if places:
        block.part(index, places)
    return len(places)


def _ends(text: str) -> list[int]:
    """Positions in a line at which another record begins."""
    found: list[int] = []
    at, tried = 0, 0
    while at < len(text):
        begins = _BLANKS.match(text, at).end()  # type: ignore[union-attr] # it always matches
        end = _end_of_event(text, begins, alone=False)
        if not end:
            places = islice(_OBJECT.finditer(text, begins + 1), _MAX_TRIED - tried)
            for place in places:
                end = _end_of_event(text, place.start(), alone=True)
                if end:
                    break
                tried += 1
        if not end:
            break
        at = end
        found.append(end)
    # Trailing blanks are no record.
    return [end for end in found if text[end:].strip()]


def _end_of_event(text: str, at: int, *, alone: bool) -> int:
    """End of the log object that begins at a position; 0 if there is none.

    Args:
        text: the line.
        at: the position.
        alone: it may be part of a torn object: it counts only if an object or the end of the line follows.
    """
    if not text.startswith("{", at):
        return 0
    try:
        value, end = _decode(text, at)
    except (ValueError, RecursionError):
        return 0
    follows = text[_BLANKS.match(text, end).end() :][:1]  # type: ignore[union-attr] # it always matches
    if follows not in {"", "{"} and (alone or not json_dialects.is_whole(value)):
        return 0
    return end if _is_line(value, alone=alone) else 0


def _is_line(value: Record, *, alone: bool) -> bool:
    """Whether a logger, the audit trail or a container runtime writes such an object as a line."""
    if alone:
        return json_dialects.is_whole(value)
    return json_dialects.is_event(value) or audit.is_entry(value) or wrappers.of_docker(value) is not None
