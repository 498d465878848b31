"""Pipeline logs: output of one run; every line is a record, its stream is that of its section.

The file is ``=== STDOUT ===``, the output, ``=== STDERR ===``, the error output.  A marker inside the output is
content: the first line opens standard output and only the first ``=== STDERR ===`` opens standard error; switches
while the pipeline runs are marked ``(continued)``.  ``output_lines`` parses the lines.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipper.parse import output_state, progress_bars
from shipper.parse.output_state import Above
from shipper.parse.records import Record, Records, text_of
from shipper.tail.block import Block

_NAME = re.compile(r"(?P<prefix>.+)_(?P<run>\d+)_(?P<date>\d{8})_(?P<time>\d{6})\.log")
OUT, ERR, LATE = "stdout", "stderr", "stdout+"
"""Parser states: in standard output before any error output, in standard error, in standard output after it."""


class Run(NamedTuple):
    """Fields of a pipeline log's file name; ``begun``: start time as digits (UTC)."""

    run_id: str
    pipeline: str
    begun: str


def run_of(path: str) -> Run | None:
    """Run id and pipeline from a path of either shape, or None.

    ``…/qsiprep/qsiprep_456_20240102_160000.log`` and ``…/qsiprep/run_456_20240102_160000.log``: the pipeline is
    the prefix, or the folder where the prefix is only ``run``.
    """
    folder, _, file_name = path.rpartition("/")
    found = _NAME.fullmatch(file_name)
    if not found:
        return None
    parent = folder.rpartition("/")[2]
    pipeline = parent if found["prefix"] == "run" and parent else found["prefix"]
    return Run(found["run"], pipeline, f"{found['date']}_{found['time']}")


def parse(block: Block) -> Records:
    """Parse every line as a record and skip none, so that the file can be restored byte for byte.

    A nipype head at the end is held back until its message, which names the node, is there.
    """
    lines, offsets = block.lines, block.offsets
    count = len(lines)
    out = Records(block)
    stream, _, state_above = block.parser_state.partition("|")
    above, parser_state = Above.of(state_above), block.parser_state
    parser_states: list[str] = []
    for index, line in enumerate(lines):
        text, valid = text_of(line)
        if index + 1 == count and not block.final and output_state.waits(text):
            count = index
            break
        before = stream
        stream = _next(stream, line)
        written_over = "\r" in text or "\x08" in text or "\x1b" in text
        event = progress_bars.last_state(text) if written_over else text
        record: Record = {"event": event, "iostream": ERR if stream == ERR else OUT if stream else None}
        after = text_of(lines[index + 1])[0] if index + 1 < count else None
        below = output_state.add(record, event, offsets[index], above, after)
        if "timestamp" not in record and below.stamp:
            record["timestamp"] = below.stamp
            out.after[index] = offsets[index] - below.offset
        if below is not above or stream != before:
            above, state_below = below, str(below)
            parser_state = f"{stream}|{state_below}" if state_below else stream
        parser_states.append(parser_state)
        out.records.append(record)
        ended = not (block.is_update(index) or (block.unterminated and index + 1 == len(lines)))
        if not valid:
            out.tag(index, "invalid_utf8")
        if not (valid and ended and event is text):
            out.originals[index] = line + b"\n" if ended else line
    out.raws = lines[:count]
    out.starts = offsets[:count]
    out.rest, out.end = count, offsets[count]
    out.parser_states = parser_states
    out.parser_state = parser_state
    return out


def _next(state: str, line: bytes) -> str:
    if not line.startswith(b"=== STD"):
        return state
    marker = line.rstrip(b"\r")
    if marker == b"=== STDOUT ===" and not state:
        return OUT
    if marker == b"=== STDERR ===" and state in {"", OUT}:
        return ERR
    if marker == b"=== STDOUT (continued) ===" and state == ERR:
        return LATE
    if marker == b"=== STDERR (continued) ===" and state == LATE:
        return ERR
    return state
