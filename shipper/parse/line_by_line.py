"""Lines → records: the parser is chosen line by line, and lines that are one record are joined.

A file holds what its writers put there: JSON beside text beside tracebacks.  One flat loop: at a hundred thousand
lines a second a call costs more than the work in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import islice

from shipper.parse import (
    audit,
    celery,
    glued_records,
    indented_json,
    json_dialects,
    program_prefixes,
    progress_bars,
    record_starts,
    structlog,
    text_formats,
    voxelops,
    wrappers,
)
from shipper.parse.celery_layouts import Layouts, match
from shipper.parse.celery_layouts import extent as laid_extent
from shipper.parse.celery_layouts import of as of_formats
from shipper.parse.format_prefixes import ANSI, HEAD, PREFIXED, colourless
from shipper.parse.multiline import MAY_GO_ON, extent, is_eager, is_unfinished
from shipper.parse.records import Record, Records, text_of
from shipper.parse.wrappers import bare

_OBJECT = re.compile(r'\{\s*"')
# So many places of a line may begin an object, and so long a line is looked through for one.
_MAX_OBJECTS, _MAX_TORN_LENGTH = 20, 2**18
Reader = Callable[[bytes], Record | None]


def read(out: Records, index: int, stop: int, *, final: bool, undisturbed: bool = False) -> int:
    """Add the records of the block's lines from ``index`` to before ``stop``.

    Args:
        out: of the block.
        index: of the first line.
        stop: of the line behind the last.
        final: the last record ends with the last line; else it may go on, and is held back.
        undisturbed: nobody prints between the application's lines: what stands behind one belongs to it.

    Returns:
        The first line that is held back; ``stop`` if none is.
    """
    block = out.block
    lines, offsets, cut = block.lines, block.offsets, block.cut
    of_audit = block.origin.format == "audit"
    read_quickly = structlog.parse_quickly
    exact = structlog.has_long_numbers(lines)
    if exact:
        read_quickly = structlog.parse
    read_json: Reader = partial(audit.parse, read=read_quickly) if of_audit else read_quickly
    inner = partial(read, undisturbed=undisturbed)
    readers, head_of, may_go_on = text_formats.READERS, HEAD.match, MAY_GO_ON
    records, raws, starts = out.records, out.raws, out.starts
    layouts = of_formats(block.origin.layouts)
    usual = {*PREFIXED, b"\x1b"} if not layouts else set()
    # What the line before had to know of the one at ``known_at``.
    next_index, next_text = -1, ""
    next_head: re.Match[str] | None = None
    while index < stop:
        line = lines[index]
        first = line[:1]
        if first == b"{":
            record = read_json(line)
            if record is not None:
                if "log" in record and wrappers.of_docker(record):
                    end = wrappers.read(out, index, stop, final=final, inner=inner)
                    if end == index:
                        break
                    index = end
                    continue
                if "procedure" in record:
                    record = voxelops.adapted(record)
                records.append(record)
                raws.append(line)
                starts.append(offsets[index])
                if index in cut:
                    out.flag(len(records) - 1, "truncated")
                    record.setdefault("line_bytes", cut[index])
                index += 1
                continue
        elif first in usual and not of_audit and index + 1 < stop and line[-1:] != b"\r" and index not in cut:
            # The usual line: a prefix, and behind it a line that cannot go on with it.
            if next_index == index:
                text, head = next_text, next_head
            else:
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    text = ""
                if first == b"\x1b" or (first == b"[" and line[1:2] == b"\x1b"):
                    text = ANSI.sub("", text)
                head = head_of(text)
            if head is not None:
                after = lines[index + 1]
                kind = head.lastgroup
                alone = not after or not may_go_on[after[0]] or (after[0] == 27 and after[4:6] == b"20")
                if undisturbed or kind == "celery":
                    # It may take whatever is no record; that the next line is one is certain by its prefix.
                    next_head = None
                    if after[:1] in PREFIXED:
                        try:
                            next_text = after.decode()
                        except UnicodeDecodeError:
                            next_text = ""
                        next_index, next_head = index + 1, head_of(next_text)
                    if next_head is not None:
                        alone = True
                    elif kind != "celery" or is_eager(head, line) or is_unfinished(line):
                        alone = False
                if alone:
                    if kind == "celery":
                        record = celery.record(head, text[head.end() :], "", read_quickly)
                    else:
                        record = readers[kind](head, text[head.end() :], "")
                    records.append(record)
                    raws.append(line)
                    starts.append(offsets[index])
                    index += 1
                    continue
        body = bare(line, offsets[index])
        if not body.strip():
            index += 1  # blank lines between records say nothing
            continue
        if index not in cut and wrappers.unwrap(body) is not None:
            end = wrappers.read(out, index, stop, final=final, inner=inner)
            if end == index:
                break  # the rest of the line is not there yet
            index = end
            continue
        # Blanks before an object are somebody's indentation.
        whole = body.lstrip()
        if whole[:1] == b"{":
            if whole is not line and (record := read_json(whole)) is not None:
                out.add(record, index, index + 1)
                index += 1
                continue
            if (record := _json_of_invalid(whole, read_json)) is not None:
                out.mark_invalid(out.add(record, index, index + 1))
                index += 1
                continue
            if (record := _element(whole, read_json)) is not None:
                out.add(record, index, index + 1)
                index += 1
                continue
        if _may_be_glued(whole, layouts) and (more := glued_records.split(block, index)):
            stop, next_index = stop + more, -1
            continue
        if indented_json.opens(body) and (found := indented_json.find(lines, index, stop, final=final)) is not None:
            if found.record is None:
                break  # its end is not there yet
            out.add(found.record, found.first, found.end)
            index = found.rest
            continue
        laid = match(layouts, colourless(body).decode("utf-8", "replace")) if layouts else None
        if of_audit:
            end = index + 1
        elif laid is not None:
            end, is_open = laid_extent(layouts, lines, index, stop, laid[0].get("level", ""))
            if is_open and not final:
                break
        else:
            end, is_open = extent(lines, index, stop, body, undisturbed=undisturbed)
            if is_open and not final:
                break  # the next lines may belong to it
        _add_text(out, index, end, body, layouts)
        index = end
    return index


def _json_of_invalid(body: bytes, read_json: Reader) -> Record | None:
    """The record of a JSON line with bytes in it that are no UTF-8, or None."""
    text, valid = text_of(body)
    return None if valid else read_json(text.encode())


def _element(body: bytes, read_json: Reader) -> Record | None:
    """The record of a logger's object that a comma follows, as in an array of an element a line; None for others."""
    if not body.endswith(b"},"):
        return None
    record = read_json(body[:-1])
    return record if record is not None and json_dialects.is_event(record) else None


def _may_be_glued(body: bytes, layouts: Layouts) -> bool:
    """Whether a line that is no JSON may hold several records: quick, for every line that is tried."""
    return body[:1] == b"{" or (b"}{" in body and text_formats.parse(text_of(body)[0], layouts) is None)


def _behind_torn(text: str) -> Record | None:
    """The object behind what a killed process did not finish; what it had written is kept under ``torn``."""
    if not text.endswith("}") or len(text) > _MAX_TORN_LENGTH:
        return None
    for found in islice(_OBJECT.finditer(text, 1), _MAX_OBJECTS):
        record = structlog.parse(text[found.start() :])
        if record is not None and json_dialects.is_whole(record):
            record["torn"] = [record["torn"], text[: found.start()]] if "torn" in record else text[: found.start()]
            return record
    return None


def _add_text(out: Records, index: int, end: int, body: bytes, layouts: Layouts) -> None:
    lines = out.block.lines
    while end > index + 1 and not lines[end - 1].strip():
        end -= 1
    joined = b"\n".join([body, *(line.removesuffix(b"\r") for line in lines[index + 1 : end])])
    text, valid = text_of(joined)
    record = text_formats.parse(text, layouts)
    over = record is None and end == index + 1 and record_starts.is_progress(body)
    loose = record is None or (text[-1:] == "}" and program_prefixes.prefix(text) is not None)
    torn = _behind_torn(text) if loose and end == index + 1 else None
    at = out.add(torn or record or {"event": progress_bars.last_state(text) if over else text}, index, end)
    if torn:
        out.tag(at, "torn")
    elif record is None:
        out.tag(at, "parse_failure")
    if over:
        out.originals[at] = out.exact(at)
    if not valid:
        out.mark_invalid(at)
