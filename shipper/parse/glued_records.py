"""Records that stand in one line because a line feed between them is missing: where such a line is parted.  Pure.

A killed process leaves its last line without an end, and two processes that share a file may lose one; the next
record is then written behind the first.  Each of them is a record at its own offset.
"""

from __future__ import annotations

import json
import re
from itertools import islice

from shipper.parse import audit, json_dialects, wrappers
from shipper.parse.records import Record
from shipper.tail.splitter import Block

_OBJECT = re.compile(r'\{\s*"')
_BLANKS = re.compile(r"[ \t\r]*")
# So many places of a line are tried that turn out not to begin an object.
_MAX_TRIED = 20
_decode = json.JSONDecoder(strict=False).raw_decode


def split(block: Block, index: int) -> int:
    """Part a line of a block in which records are glued together, in place.

    Only where the line's bytes are those of the file: in what a container's runtime wrapped, and in UTF-16, the
    offset of a part is not known.

    Returns:
        How many lines there are more than before.

    Args:
        block: of the line.
        index: of a line that is no JSON as a whole.
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
    """The places in a line behind which another record begins."""
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
    # What nothing but blanks follow is no place between two records.
    return [end for end in found if text[end:].strip()]


def _end_of_event(text: str, at: int, *, alone: bool) -> int:
    """Where the logger's object that begins here ends; 0 if there is none.

    Args:
        text: the line.
        at: the object's place.
        alone: it may be part of an object that was torn: it counts only if another object, or nothing, follows.
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
    """Whether an object is what a logger, the audit trail or a container's runtime writes as a line."""
    if alone:
        return json_dialects.is_whole(value)
    return json_dialects.is_event(value) or audit.is_entry(value) or wrappers.of_docker(value) is not None
