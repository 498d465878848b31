"""Lines → records: choose the parser for each line and join the lines of one record.

Files mix JSON, text and tracebacks.  One flat loop, because at 100,000 lines per second calls dominate the cost.
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
from shipper.parse.shapes import Shaped, Shapes
from shipper.parse.wrappers import bare

_OBJECT = re.compile(r'\{\s*"')
# Limits when searching a torn line for an object: attempts, and characters of the line.
_MAX_OBJECTS, _MAX_TORN_LENGTH = 20, 2**18
_NOT_PARSED: Record = {}
Reader = Callable[[bytes], Record | None]


def read(
    out: Records, index: int, stop: int, *, final: bool, undisturbed: bool = False, shapes: Shapes | None = None
) -> int:
    """Add the records of lines ``index`` to ``stop`` (exclusive).

    Args:
        out: the records of the block.
        index: of the first line.
        stop: of the line behind the last.
        final: the last record is complete; otherwise it may continue and is held back.
        undisturbed: only the application writes here: lines without a prefix belong to the record before them.
        shapes: known shapes, whose lines are recognised instead of parsed.

    Returns:
        Index of the first line held back; ``stop`` if none is.
    """
    block = out.block
    lines, offsets, cut = block.lines, block.offsets, block.cut
    of_audit = block.origin.format == "audit"
    if cut:
        shapes = None
    if shapes is not None:
        index = _take_shaped(out, index, stop, shapes)
        if index == stop:
            return index
    read_quickly = structlog.parse_quickly
    exact = structlog.has_long_numbers(lines[index:stop])
    if exact:
        read_quickly = structlog.parse
    read_json: Reader = partial(audit.parse, read=read_quickly) if of_audit else read_quickly
    inner = partial(read, undisturbed=undisturbed)
    readers, head_of, may_go_on = text_formats.READERS, HEAD.match, MAY_GO_ON
    records, raws, starts = out.records, out.raws, out.starts
    layouts = of_formats(block.origin.layouts)
    usual = {*PREFIXED, b"\x1b"} if not layouts else set()
    # Text and head of line ``next_index``, cached while reading the line before it.
    next_index, next_text = -1, ""
    next_head: re.Match[str] | None = None
    while index < stop:
        line = lines[index]
        first = line[:1]
        if first == b"{":
            record = read_json(line)
            if record is not None:
                if shapes is not None:
                    shapes.learn(line, record, audit=of_audit)
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
                if shapes is not None:
                    index = _take_shaped(out, index, stop, shapes)
                continue
        elif first in usual and not of_audit and index + 1 < stop and line[-1:] != b"\r" and index not in cut:
            # The usual case: a line with a prefix, and a next line that begins another record.
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
                    # It takes any line that begins no record; a prefix is proof that the next one does.
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
                    if shapes is not None:
                        shapes.learn(line, record)
                        index = _take_shaped(out, index, stop, shapes)
                    continue
        body = bare(line, offsets[index])
        if not body.strip():
            index += 1  # skip blank lines between records
            continue
        if index not in cut and wrappers.unwrap(body) is not None:
            end = wrappers.read(out, index, stop, final=final, inner=inner)
            if end == index:
                break  # the line is incomplete
            index = end
            continue
        # Skip indentation before an object.
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
                break  # the object is incomplete
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
                break  # the record may continue
        _add_text(out, index, end, body, layouts)
        index = end
    return index


def _take_shaped(out: Records, index: int, stop: int, shapes: Shapes) -> int:
    """Add the lines from ``index`` on that have known shapes; gives the index of the next line."""
    lines, begins, of_audit = out.block.lines, b"", out.block.origin.format == "audit"
    # Lines with a prefix and lines without one are taken in turn.
    while index < stop and lines[index][:1] != begins:
        begins = lines[index][:1]
        if begins != b"{" and out.block.origin.layouts:
            break
        found: list[Shaped] = []
        shapes.take(lines, index, stop, found, audit=of_audit)
        if found and begins != b"{" and not _has_prefix(lines, index + len(found), stop):
            found.pop()  # what follows a line with a prefix may belong to it
        if not found:
            break
        first, end = len(out.records), index + len(found)
        out.shaped.update(enumerate(found, first))
        out.records += [_NOT_PARSED] * len(found)
        out.raws += lines[index:end]
        out.starts += out.block.offsets[index:end]
        index = end
    return index


def _has_prefix(lines: list[bytes], index: int, stop: int) -> bool:
    """Whether there is a line with a prefix, which is proof that the line before ends its record."""
    if index >= stop or lines[index][:1] not in PREFIXED:
        return False
    text, valid = text_of(lines[index])
    return valid and HEAD.match(text) is not None


def _json_of_invalid(body: bytes, read_json: Reader) -> Record | None:
    """The record of a JSON line with invalid UTF-8, or None."""
    text, valid = text_of(body)
    return None if valid else read_json(text.encode())


def _element(body: bytes, read_json: Reader) -> Record | None:
    """The record of a log object with a trailing comma (an array with one element per line), or None."""
    if not body.endswith(b"},"):
        return None
    record = read_json(body[:-1])
    return record if record is not None and json_dialects.is_event(record) else None


def _may_be_glued(body: bytes, layouts: Layouts) -> bool:
    """Quick check whether a line that is not JSON may hold several records."""
    return body[:1] == b"{" or (b"}{" in body and text_formats.parse(text_of(body)[0], layouts) is None)


def _behind_torn(text: str) -> Record | None:
    """The object after the unfinished output of a killed process, which is kept under ``torn``."""
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
