"""Block → records, by the format of its file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from shipper.config import Format
from shipper.parse import format_prefixes, line_by_line, multiline, pipeline, session, structlog, wrappers
from shipper.parse.records import Records
from shipper.parse.shapes import Shapes
from shipper.tail.block import Block, Origin

# So many lines of the next file are parsed at first to find where a record ends that a rotation split.
FEW_LINES = 16


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

    Only the parser of a format can tell where its record ends, so the record is parsed here, and once more by
    ``parse``: that needs to know first which lines are the earlier generation's, as those get its ids and positions,
    while all others are parsed with the state that a new file begins with.  Of the lines behind the record few are
    parsed here: its extent depends on no more than the next one.

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
    upto = FEW_LINES
    while (count := _continued(held, lines[:upto], line_format, parser_state)) is None and upto < len(lines):
        upto *= 4
    return len(lines) if count is None else count


def _continued(held: Sequence[bytes], lines: Sequence[bytes], line_format: Format, parser_state: str) -> int | None:
    """The same; None if the record may continue after these lines."""
    both = [*held, *lines]
    # Not offset 0: a byte order mark here is content.
    offsets = [*accumulate((len(line) + 1 for line in both), initial=1)]
    # Parsing splits lines that hold several records, which changes line indexes.
    places, border = offsets.copy(), offsets[len(held)]
    found = parse(Block(Origin(b"", "", "", line_format, "app"), both, offsets, parser_state=parser_state))
    if found.end < border or not found.records:
        return None
    # If only the opening bracket of an export is held back, this is the first element.
    at = max((at for at, start in enumerate(found.starts) if start < border), default=0)
    end = offsets[offsets.index(found.starts[at]) + found.raws[at].count(b"\n") + 1]
    return max(0, bisect_left(places, end) - len(held))
