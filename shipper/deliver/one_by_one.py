"""Parses and serialises a block; a bug that one line triggers affects that line only.

If parsing the whole block fails, its lines are parsed one by one, and those that fail become plain messages.  Lines
of one record (a traceback) become several records then.  If even that fails, for example in redaction, the block
is left out: nothing of it is acknowledged.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from shipper import telemetry
from shipper.deliver.serialised import Serialised, serialise
from shipper.document.ecs import Documents
from shipper.parse.dispatch import parse
from shipper.parse.records import Records, text_of
from shipper.tail.block import Block
from shipper.telemetry import Throttle, bug

MAX_LEFT_OUT = 1000
"""Blocks that a run may leave out; after more, it ends."""


class LineByLine:
    """Parses and serialises blocks, and logs the effect of bugs.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._throttle = Throttle(telemetry.error, clock)
        self._left_out = 0

    def of(self, block: Block, documents: Documents) -> tuple[Records, Serialised | None]:
        """The records of a block and a document for each; no documents where the block has to be left out.

        Args:
            block: the next lines of a file.
            documents: makes the documents.

        Raises:
            Exception: more than ``MAX_LEFT_OUT`` blocks were left out.
        """
        try:
            records = parse(block, documents.shapes)
            return records, serialise(documents.with_templates(records), documents.take_facts())
        except Exception as error:  # noqa: BLE001 - a bug in one line must not affect the others
            first, last = block.offsets[0], block.offsets[-1]
            try:
                records, serialised, plain = _one_by_one(block, documents)
            except Exception as worse:
                self._left_out += 1
                if self._left_out > MAX_LEFT_OUT:
                    raise
                self._throttle.say(
                    f"left out {block.origin.path}",
                    f"{block.origin.path}: a bug ({bug(worse)}) keeps the lines from byte {first} to {last} from "
                    "being shipped; they are read again at the next start, keep the file until then; other lines go "
                    "on",
                )
                return Records(
                    block, end=block.offsets[-1], rest=len(block.lines), parser_state=block.parser_state
                ), None
            self._throttle.say(
                "one by one",
                f"{block.origin.path}: a bug ({bug(error)}) in reading the lines from byte {first} to {last}: they "
                f"are read one by one, {plain} of them shipped as plain messages with the tag parse_failure",
            )
            return records, serialised


def _one_by_one(block: Block, documents: Documents) -> tuple[Records, Serialised, int]:
    """The records and documents of single lines, and how many of these are plain messages."""
    out = Records(
        block, end=block.offsets[-1], rest=len(block.lines), parser_states=[], parser_state=block.parser_state
    )
    serialised = Serialised([], [])
    plain = 0
    # Lines joined from the next generation have the offset of the block's end: they belong to the line before.
    lines = max(1, bisect_left(block.offsets, block.offsets[-1]))
    for index in range(lines):
        line = _line(block, index, last=index == lines - 1, parser_state=out.parser_state)
        try:
            records = parse(line)
            some = serialise(documents.of(records))
        except Exception:  # noqa: BLE001 - the line's text is kept after any error
            records = _plain(line)
            some = serialise(documents.of(records))
            plain += 1
        _take(out, records)
        serialised.bodies.extend(some.bodies)
        serialised.facts.extend(some.facts)
    return out, serialised, plain


def _line(block: Block, index: int, *, last: bool, parser_state: str) -> Block:
    line = block.after(index)
    if not last:
        line.lines, line.offsets = line.lines[:1], line.offsets[:2]
        line.cut = {at: length for at, length in line.cut.items() if at == 0}
    line.unterminated = last and block.unterminated
    line.final, line.parser_state = True, parser_state
    return line


def _plain(line: Block) -> Records:
    """The record of a line as a plain message."""
    records = Records(line, end=line.offsets[-1], rest=len(line.lines), parser_state=line.parser_state)
    text, valid = text_of(b"\n".join(line.lines))
    at = records.add({"event": text, "iostream": None}, 0, len(line.lines))
    records.tag(at, "parse_failure")
    if line.unterminated:
        records.flag(at, "unterminated")
    if not valid:
        records.mark_invalid(at)
    elif line.is_update(0):
        records.originals[at] = records.exact(at)
    return records


def _take(out: Records, records: Records) -> None:
    """Add the records of a line to those of its block."""
    first = len(out.records)
    out.records += records.records
    out.raws += records.raws
    out.starts += records.starts
    out.tags |= {first + at: tags for at, tags in records.tags.items()}
    out.flags |= {first + at: flags for at, flags in records.flags.items()}
    out.originals |= {first + at: original for at, original in records.originals.items()}
    out.contained |= {first + at: stamp for at, stamp in records.contained.items()}
    out.after |= {first + at: behind for at, behind in records.after.items()}
    out.parser_state = records.parser_state
    assert out.parser_states is not None
    out.parser_states += records.parser_states or [records.parser_state] * len(records.records)
