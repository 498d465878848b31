"""Indented JSON: an object over several lines, by itself or in an array.  Pure.

A line that is exactly ``{`` begins one, a closing bracket with the same indentation ends it, and all lines between
them are indented deeper.  Anything else is text.
"""

from __future__ import annotations

from typing import NamedTuple

from shipper.parse import audit, structlog, voxelops
from shipper.parse.records import Record
from shipper.tail.framing import MAX_RECORD_LINES

# One string may hold the whole output of a container.
MAX_BYTES = 2**23


class Found(NamedTuple):
    """An object's record (None: incomplete), its first line, the line after its last, and where to read on."""

    record: Record | None
    first: int
    end: int
    rest: int


def opens(line: bytes) -> bool:
    """Quick check whether a line may begin one."""
    return line.endswith((b"{", b"[", b"\r")) and line.strip() in {b"{", b"["}


def find(lines: list[bytes], index: int, stop: int, *, final: bool) -> Found | None:
    """The object that begins with this line, or None if none does."""
    waiting = None if final else Found(None, index, index, index)
    first = index
    if lines[index].strip() == b"[":
        if lines[index].rstrip() != b"[":
            return None
        first += 1  # opening bracket of an export
        if first == stop:
            return waiting
        if lines[first].strip() != b"{" or lines[first][:1] not in {b" ", b"\t"}:
            return None
    opening = lines[first].rstrip()
    before = opening[:-1]
    end = _end(lines, first, stop, before)
    if end is None:
        return waiting
    if not end:
        return None
    rest = end
    if before and lines[end - 1].rstrip().endswith(b"}"):  # the last of an array
        if end == stop and not final:
            return waiting
        if end < stop and lines[end].rstrip() == b"]":
            rest += 1
    record = _record(lines[first:end], element=bool(before))
    return Found(record, first, end, rest) if record is not None else None


def _end(lines: list[bytes], first: int, stop: int, before: bytes) -> int | None:
    """The line after the object; 0 if it is no object, None if it is incomplete."""
    size = 0
    deeper = (before + b" ", before + b"\t")
    for at in range(first + 1, min(stop, first + MAX_RECORD_LINES)):
        line = lines[at]
        size += len(line)
        if size > MAX_BYTES:
            return 0
        if not line.startswith(deeper):
            return at + 1 if line.rstrip() in {before + b"}", before + b"},"} else 0
    return 0 if stop >= first + MAX_RECORD_LINES else None


def _record(lines: list[bytes], *, element: bool) -> Record | None:
    """The object's record; an element of an array counts only as an audit entry or an execution log."""
    record = structlog.parse(b"\n".join(lines).rstrip().removesuffix(b","))
    if record is None:
        return None
    if audit.is_entry(record):
        return audit.exported(record)
    if voxelops.is_execution(record):
        return voxelops.execution(record)
    return None if element else voxelops.adapted(record)
