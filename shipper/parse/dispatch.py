"""Block → records, by the format of its file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from shipper.config import Format
from shipper.parse import format_prefixes, line_by_line, multiline, pipeline, session, structlog, wrappers
from shipper.parse.records import Records
from shipper.parse.shapes import Shapes
from shipper.tail.splitter import Block, Origin


def parse(block: Block, shapes: Shapes | None = None) -> Records:
    """Parse a block; lines from ``rest`` on are held back unless it is ``final``: their record may continue.

    Args:
        block: lines of a file.
        shapes: known shapes, whose lines are recognised instead of parsed.
    """
    if block.origin.format == "pipeline":
        return pipeline.parse(block)
    out = Records(block, parser_state=block.parser_state)
    if block.origin.format == "console":
        session.read(out)
    else:
        out.rest = line_by_line.read(out, 0, len(block.lines), final=block.final, shapes=shapes)
    out.end = block.offsets[out.rest]
    if block.unterminated and out.rest == len(block.lines) and out.raws and block.lines[-1].strip():
        out.flag(len(out.records) - 1, "unterminated")
    return out


def orphan(line: bytes, line_format: Format) -> bool:
    """Whether a file's first line begins no record, so that it may continue the last record of the previous file."""
    if line_format in {"pipeline", "audit"}:
        return False
    body = wrappers.bare(line, 0)
    if wrapped := wrappers.unwrap(body):
        body = wrapped.text
    begins = multiline.begins_record(body) or format_prefixes.begins_apart(body)
    return not begins and (body[:1] != b"{" or structlog.parse(body) is None)


def continuation(held: Sequence[bytes], lines: Sequence[bytes], line_format: Format, parser_state: str = "") -> int:
    """How many of these lines continue the last record of the lines held back.  Pure.

    Args:
        held: lines held back at the end of a rotated file.
        lines: first lines of the next file.
        line_format: of both files.
        parser_state: parser state at the first held line.

    Returns:
        The number of lines, without trailing blank ones.  All of them if the record may continue after them:
        call again with more.
    """
    if not held or line_format == "pipeline":
        return 0
    both = [*held, *lines]
    # Not offset 0: a byte order mark here is content.
    offsets = [1]
    for line in both:
        offsets.append(offsets[-1] + len(line) + 1)
    # Parsing splits lines that hold several records, which changes line indexes.
    places, border = offsets.copy(), offsets[len(held)]
    found = parse(Block(Origin(b"", "", "", line_format, "app"), both, offsets, parser_state=parser_state))
    if found.end < border or not found.records:
        return len(lines)  # it is still open
    # If only the opening bracket of an export is held back, this is the first element.
    at = max((at for at, start in enumerate(found.starts) if start < border), default=0)
    end = offsets[offsets.index(found.starts[at]) + found.raws[at].count(b"\n") + 1]
    return max(0, bisect_left(places, end) - len(held))
