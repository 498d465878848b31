"""Celery lines in configured formats (``worker_log_format``).  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from shipper.parse import format_prefixes, multiline
from shipper.parse.records import Record
from shipper.tail.framing import MAX_RECORD_BYTES, MAX_RECORD_LINES

Layouts = tuple[re.Pattern[str], ...]
_FIELD = re.compile(r"%(?:\((?P<name>\w+)\)(?P<spec>[-#0 +]*[0-9]*(?:\.[0-9]+)?)[sdfrxXi]|%)")
_NUMBERS = frozenset({"levelno", "lineno", "process", "thread"})
_NAMES = {
    "asctime": "timestamp", "created": "timestamp", "levelname": "level", "name": "logger", "process": "pid",
    "processName": "process_name",
}  # fmt: skip
# Values outside of tasks.
_NO_TASK = "???"
# Unindented lines that a warning or error takes.
_MAX_AT_MARGIN = 20
_QUIET = frozenset({"INFO", "DEBUG"})


@lru_cache(maxsize=64)
def of(formats: tuple[str, ...]) -> Layouts:
    """Expressions for lines in these %-formats of the standard library."""
    return tuple(re.compile(_expression(text)) for text in formats)


def match(layouts: Layouts, line: str) -> tuple[Record, int] | None:
    """Fields of a line's prefix with structlog's keys, and the start of its message; None if no layout matches."""
    for layout in layouts:
        found = layout.match(line)
        if found is None:
            continue
        fields: Record = {}
        for key, text in found.groupdict().items():
            if key == "message" or text is None or text == _NO_TASK:
                continue
            fields[_NAMES.get(key, key)] = int(text) if key in _NUMBERS else text
        return fields, found.start("message")
    return None


def extent(layouts: Layouts, lines: Sequence[bytes], index: int, stop: int, level: str) -> tuple[int, bool]:
    """End of the record at ``index``, and whether it is open.

    Args:
        layouts: of the file.
        lines: of a block.
        index: of the record's first line.
        stop: index after the last line.
        level: of the record: what is louder than ``INFO`` takes all lines up to the next record.
    """
    if level in _QUIET:
        end, is_open = multiline.extent(lines, index, stop, lines[index])
        for at in range(index + 1, end):
            if _begins(layouts, lines[at]):
                return at, False
        return end, is_open
    at_margin = 0
    limit, size, end = min(stop, index + MAX_RECORD_LINES), len(lines[index]), index + 1
    while end < limit:
        line = lines[end]
        size += len(line) + 1
        at_margin += bool(line.strip()) and line[:1] not in {b" ", b"\t"}
        if size > MAX_RECORD_BYTES or at_margin > _MAX_AT_MARGIN or _begins(layouts, line):
            return end, False
        if multiline.begins_record(line) or format_prefixes.begins_apart(line):
            return end, False
        end += 1
    return end, end == stop and end - index < MAX_RECORD_LINES


def _begins(layouts: Layouts, line: bytes) -> bool:
    return match(layouts, line[:1000].decode("utf-8", "replace")) is not None


def _expression(text: str) -> str:
    parts: list[str] = []
    seen: set[str] = set()
    at = 0
    for field in _FIELD.finditer(text):
        parts.append(re.escape(text[at : field.start()]))
        at = field.end()
        name = field["name"]
        if name is None:
            parts.append("%")
        elif name == "message" and name not in seen:
            parts.append(r"(?P<message>)")
            seen.add(name)
            break  # a message may have several lines
        else:
            padding = " {0,40}" if field["spec"] else ""
            inner = _value(name)
            parts.append(
                f"{padding}(?P<{name}>{inner}){padding}" if name not in seen else f"{padding}{inner}{padding}"
            )
            seen.add(name)
    return "".join(parts)


def _value(name: str) -> str:
    if name == "levelname":
        return r"[A-Za-z]{1,20}|Level \d{1,3}"
    if name in _NUMBERS:
        return r"\d{1,19}"
    if name == "asctime":
        return r"\S[^\n]{3,60}?"
    return r"[^\n]{0,200}?"
