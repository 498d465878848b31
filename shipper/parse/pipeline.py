"""Pipeline logs: output of one run, every line a record, its stream from the section it stands in.

The file is ``=== STDOUT ===``, the output, ``=== STDERR ===``, the error output.  A marker inside the output is
content: the first line opens standard output and only the first ``=== STDERR ===`` opens standard error; what
switches back while the pipeline still runs says ``(continued)``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipper.parse.records import Records, text_of
from shipper.tail.lines import Block

_NAME = re.compile(r"(?P<prefix>.+)_(?P<run>\d+)_(?P<date>\d{8})_(?P<time>\d{6})\.log")
OUT, ERR, LATE = "stdout", "stderr", "stdout+"
"""Parser states: in standard output before any error output, in standard error, in standard output after it."""


class Run(NamedTuple):
    """What a pipeline log's name says; ``begun``: when it was begun, as digits (UTC)."""

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
    """Every line as a record; nothing is skipped, so that the file can be given back byte for byte."""
    out = Records(block, end=block.offsets[-1], rest=len(block.lines))
    state = block.carry
    carries: list[str] = []
    last = len(block.lines) - 1
    for index, line in enumerate(block.lines):
        state = _next(state, line)
        text, valid = text_of(line)
        out.records.append({"event": text, "iostream": ERR if state == ERR else OUT if state else None})
        carries.append(state)
        if not valid:
            out.tag(index, "invalid_utf8")
            out.originals[index] = line + b"\n"
        if block.unterminated and index == last:
            out.originals[index] = line
    out.raws = block.lines
    out.starts = block.offsets[:-1]
    out.carries = carries
    out.carry = state
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
