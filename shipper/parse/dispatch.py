"""Block → records, by the format of the file that it is from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from shipper.config import Format
from shipper.parse import format_prefixes, line_by_line, multiline, pipeline, session, structlog, wrappers
from shipper.parse.records import Records
from shipper.tail.splitter import Block, Origin


def parse(block: Block) -> Records:
    """The records of a block; lines from ``rest`` on are held back, because their record may go on.

    When the block is ``final`` nothing is held back.
    """
    if block.origin.format == "pipeline":
        return pipeline.parse(block)
    out = Records(block, parser_state=block.parser_state)
    if block.origin.format == "console":
        session.read(out)
    else:
        out.rest = line_by_line.read(out, 0, len(block.lines), final=block.final)
    out.end = block.offsets[out.rest]
    if block.unterminated and out.rest == len(block.lines) and out.raws and block.lines[-1].strip():
        out.flag(len(out.records) - 1, "unterminated")
    return out


def orphan(line: bytes, line_format: Format) -> bool:
    """Whether a file's first line begins no record: it may go on with the one that the file before ended with."""
    if line_format in {"pipeline", "audit"}:
        return False
    body = wrappers.bare(line, 0)
    if wrapped := wrappers.unwrap(body):
        body = wrapped.text
    begins = multiline.begins_record(body) or format_prefixes.begins_apart(body)
    return not begins and (body[:1] != b"{" or structlog.parse(body) is None)


def continuation(held: Sequence[bytes], lines: Sequence[bytes], line_format: Format, parser_state: str = "") -> int:
    """How many of these lines go on with the record that begins last in the lines held back.  Pure.

    Args:
        held: lines held back at the end of a file that was rotated away in the middle of a record.
        lines: first lines of the file that follows.
        line_format: of both files.
        parser_state: parser state at the first held line.

    Returns:
        The number of lines, without blank ones behind the record.  All of them if the record may go on behind
        them: ask again with more.
    """
    if not held or line_format == "pipeline":
        return 0
    both = [*held, *lines]
    # No file's beginning: a byte order mark there is content.
    offsets = [1]
    for line in both:
        offsets.append(offsets[-1] + len(line) + 1)
    # Reading parts lines in which records are glued together: then they are not counted as before.
    places, border = offsets.copy(), offsets[len(held)]
    found = parse(Block(Origin(b"", "", "", line_format, "app"), both, offsets, parser_state=parser_state))
    if found.end < border or not found.records:
        return len(lines)  # it is still open
    # Where all that was held back is an export's bracket, its first element.
    at = max((at for at, start in enumerate(found.starts) if start < border), default=0)
    end = offsets[offsets.index(found.starts[at]) + found.raws[at].count(b"\n") + 1]
    return max(0, bisect_left(places, end) - len(held))
