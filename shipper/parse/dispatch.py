"""Block → records: the parser is chosen line by line, and lines that are one record are joined.

A file holds what its writers put there: JSON beside text beside tracebacks.  The input's format only says what
is tried first and how eagerly lines are joined.
"""

from __future__ import annotations

from collections.abc import Callable

from shipper.config import Format
from shipper.parse import audit, celery, console, huey, pipeline, stdlib, structlog, traceback
from shipper.parse.records import Record, Records, text_of
from shipper.tail.lines import HOLE_BYTES, Block

_BOM = b"\xef\xbb\xbf"
_INVALID = "invalid_utf8"
# A JSON line with none of these may be part of what another record says.
_MARKS = frozenset({"event", "level", "timestamp", "@timestamp", "entity_type"})
# A record joined from lines ends here at the latest: a runaway writer must not hold the reader.
MAX_JOINED_LINES = 2000


def parse(block: Block) -> Records:
    """The records of a block; lines from ``rest`` on are held back, because their record may go on.

    When the block is ``final`` nothing is held back.
    """
    if block.origin.format == "pipeline":
        return pipeline.parse(block)
    out = Records(block, end=block.offsets[0], carry=block.carry)
    is_audit = block.origin.format == "audit"
    json_record = audit.parse if is_audit else structlog.parse
    lines, offsets = block.lines, block.offsets
    records, raws, starts = out.records, out.raws, out.starts
    count, index = len(lines), 0
    while index < count:
        line = lines[index]
        if line[:1] == b"{":
            record = json_record(line)
            if record is not None:
                records.append(record)
                raws.append(line)
                starts.append(offsets[index])
                if index in block.cut:
                    _note_cut(out, block.cut[index])
                index += 1
                continue
        body = _bare(line, offsets[index])
        if not body.strip():
            index += 1  # blank lines between records say nothing
            continue
        if body is not line and body[:1] == b"{" and (record := json_record(body)) is not None:
            _add(out, record, index, index + 1, [line])
            index += 1
            continue
        if body[:1] == b"{" and (record := _json_of_invalid(body, json_record)) is not None:
            at = _add(out, record, index, index + 1, [line])
            out.tag(at, _INVALID)
            out.originals[at] = line + b"\n"
            index += 1
            continue
        if is_audit:
            end = index + 1
        else:
            end = _end_of_record(lines, index, body)
            if end == count and not block.final and count - index < MAX_JOINED_LINES:
                break  # the next lines may belong to it
        _add_text(out, index, end, body)
        index = end
    out.rest = index
    out.end = offsets[index]
    if block.unterminated and index == count and raws and lines[-1].strip():
        out.flag(len(records) - 1, "unterminated")
    return out


def orphan(line: bytes, kind: Format) -> bool:
    """Whether a file's first line begins no record: it may go on with the one that the file before ended with."""
    body = _bare(line, 0)
    return kind not in {"pipeline", "audit"} and not (
        _begins(body) or (body[:1] == b"{" and structlog.parse(body) is not None)
    )


def continuation(held: list[bytes], lines: list[bytes], kind: Format) -> int:
    """How many of a file's first lines go on with the record that the file before it ended with.

    Args:
        held: the lines of that record.
        lines: the first lines of the file.
        kind: the format of both.
    """
    if not lines or not orphan(lines[0], kind):
        return 0
    whole = [*held, _bare(lines[0], 0), *lines[1:MAX_JOINED_LINES]]
    return max(0, _end_of_record(whole, 0, _bare(held[0], 1)) - len(held))


def _bare(line: bytes, offset: int) -> bytes:
    """A line without what is not content: the byte order mark, NULs of a hole, the CR of CRLF.

    A few NULs that are all of a line are content: there is no saying what they were meant for.
    """
    if offset == 0 and line.startswith(_BOM):
        line = line[3:]
    line = line.removesuffix(b"\r")
    if line.startswith(b"\0"):
        return line.lstrip(b"\0") or line[:HOLE_BYTES]
    return line


def _end_of_record(lines: list[bytes], index: int, body: bytes) -> int:
    """Index of the first line that does not belong to the record beginning at ``index``; blank tails included."""
    eager = (
        celery.begins(body)
        and not body[:80].partition(b": ")[2].startswith((b"INFO/", b"DEBUG/"))
        and not celery.wraps(body)
    )
    inside = traceback.begins(body)
    end = index + 1
    limit = min(len(lines), index + MAX_JOINED_LINES)
    while end < limit:
        line = lines[end].removesuffix(b"\r")
        if _begins(line):
            break
        if not eager and not traceback.continues(line, lines[end - 1], inside=inside):
            break
        inside = traceback.still_inside(line, inside=inside)
        end += 1
    return end


def _begins(line: bytes) -> bool:
    """Whether a line begins a record of its own in a format that has a prefix."""
    line = line.lstrip(b"\0")
    if line[:1] == b"{":
        record = structlog.parse(line)
        return record is not None and not _MARKS.isdisjoint(record)
    if line[:1] == b"[":
        return celery.begins(line) or huey.begins(line)
    if line[:2] in {b"20", b"19", b"\x1b["}:
        text = line[:400].decode("utf-8", "replace")
        return stdlib.parse(text) is not None or console.parse(text) is not None
    return False


def _json_of_invalid(body: bytes, json_record: Callable[[bytes], Record | None]) -> Record | None:
    """The record of a JSON line with bytes in it that are no UTF-8, or None."""
    text, valid = text_of(body)
    return None if valid else json_record(text.encode())


def _add_text(out: Records, index: int, end: int, body: bytes) -> None:
    lines = out.block.lines[index:end]
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    joined = b"\n".join([body, *(line.removesuffix(b"\r") for line in lines[1:])])
    text, valid = text_of(joined)
    record = _text_record(text)
    at = _add(out, record or {"event": text}, index, end, lines)
    if record is None:
        out.tag(at, "parse_failure")
    if not valid:
        out.tag(at, _INVALID)
        out.originals[at] = b"\n".join(lines) + b"\n"


def _text_record(text: str) -> Record | None:
    first = text[:1]
    if first == "[":
        record = celery.parse(text) or huey.parse(text)
    elif first in {"2", "1"}:
        record = stdlib.parse(text) or console.parse(text)
    elif first == "\x1b":
        record = console.parse(text)
    else:
        record = None
    return record or _traceback_record(text)


def _traceback_record(text: str) -> Record | None:
    """A traceback that no prefix introduces; Python or somebody's print may have said a line before it."""
    said, trace = traceback.split(text)
    if trace is None:
        return None
    if not said:
        kind, message = traceback.exception_of(trace)
        said = (f"{kind}: {message}" if message else kind) or traceback.START
    return {"event": said, "exception": trace, "level": "error"}


def _add(out: Records, record: Record, index: int, end: int, lines: list[bytes]) -> int:
    out.records.append(record)
    out.raws.append(lines[0] if len(lines) == 1 else b"\n".join(lines))
    out.starts.append(out.block.offsets[index])
    for line in range(index, end):
        if line in out.block.cut:
            _note_cut(out, out.block.cut[line])
    return len(out.records) - 1


def _note_cut(out: Records, length: int) -> None:
    at = len(out.records) - 1
    out.flag(at, "truncated")
    out.records[at].setdefault("line_bytes", length)
