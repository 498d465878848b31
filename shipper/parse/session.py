"""Per-session logs: console lines of the application, and framed sections with the output of each run.

A section (STDOUT, ERROR, METRICS, TRACEBACK) ends at the next frame or console line of the application.  An error or
a traceback is one record up to the first line that begins another; lines from there on are records like those of
STDOUT.  Lines without a time get the last time of the application or the container plus one nanosecond per byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from shipper.parse import (
    foreign_prefixes,
    json_dialects,
    line_by_line,
    multiline,
    output_state,
    progress_bars,
    structlog,
    text_formats,
    traceback,
)
from shipper.parse.format_prefixes import ANSI, colourless
from shipper.parse.multiline import MAX_AT_MARGIN_ALONE, MAX_NOTES
from shipper.parse.output_state import Above
from shipper.parse.records import Record, Records, text_of
from shipper.tail.framing import MAX_RECORD_BYTES, MAX_RECORD_LINES

_RULE = b"=" * 72
_NAMES = {b"  STDOUT": "STDOUT", b"  ERROR": "ERROR", b"  METRICS": "METRICS", b"  TRACEBACK": "TRACEBACK"}
_FRAME_LINES = 3
# Console line of the application: other lines inside a section are content.
_OWN = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z \[[a-z ]{9}\](?: |\Z)")
_UNDECIDED = "?"
_STDOUT, _REST = "STDOUT", "REST"
"""Sections of which every line is a record: output, and lines after the record of another section."""
# The application writes the tail of an error output and then, after this word, all of it.
_AGAIN = b"stderr: "


@dataclass(slots=True, frozen=True)
class State:
    """State between two lines; serialised as text.

    Attributes:
        section: the name of the open section; empty among console lines.
        stamp: of the last console line, empty before the first.
        offset: of that line.
        above: state of the container output in the open section.
    """

    section: str = ""
    stamp: str = ""
    offset: int = 0
    above: Above = field(default_factory=Above)

    @classmethod
    def of(cls, text: str) -> State:
        """The state that was serialised as this text."""
        section, _, remainder = text.partition("|")
        stamp, _, remainder = remainder.partition("|")
        offset, _, above = remainder.partition("|")
        return cls(section, stamp, int(offset or 0), Above.of(above))

    def __str__(self) -> str:
        if not (self.section or self.stamp):
            return ""
        above = str(self.above)
        return f"{self.section}|{self.stamp}|{self.offset}{'|' if above else ''}{above}"


class _Section(NamedTuple):
    """End of the lines of a section that are one record, and the section of the line after them."""

    end: int
    after: str


def read(out: Records) -> None:
    """Parse the block of ``out``."""
    lines = out.block.lines
    out.parser_states = []
    state = State.of(out.block.parser_state)
    index = 0
    while index < len(lines):  # reading may split lines
        name = _frame_at(lines, index, final=out.block.final)
        if name == _UNDECIDED:
            break
        if name:
            after = _read_framed(out, index, name, state)
        elif not state.section:
            after = _read_console(out, index, state)
        elif _OWN.match(lines[index]):
            state = State("", state.stamp, state.offset)
            continue
        elif state.section in {_STDOUT, _REST}:
            after = _read_output(out, index, state)
        else:
            after = _read_more(out, index, state)
        if after is None:
            break
        at, (index, state) = index, after
        if index == at:
            break
    out.rest, out.parser_state = index, str(state)


_After = tuple[int, State]


def _frame_at(lines: list[bytes], index: int, *, final: bool) -> str | None:
    """The section whose frame begins at this line; None if none does; ``_UNDECIDED`` if lines are missing."""
    if lines[index][:72] != _RULE or lines[index].rstrip(b"\r") != _RULE:
        return None
    if index + 1 == len(lines):
        return None if final else _UNDECIDED
    name = _NAMES.get(lines[index + 1].rstrip(b"\r"))
    if name is None:
        return None
    if index + 2 == len(lines):
        return None if final else _UNDECIDED
    return name if lines[index + 2].rstrip(b"\r") == _RULE else None


def _read_console(out: Records, index: int, state: State) -> _After:
    """Read lines up to the next frame like those of other files."""
    lines, final = out.block.lines, out.block.final
    stop, framed = len(lines), False
    for at in range(index, stop):
        if lines[at][:1] == b"=" and (name := _frame_at(lines, at, final=final)):
            stop, framed = at, name != _UNDECIDED
            break
    first = len(out.records)
    rest = line_by_line.read(out, index, stop, final=final or framed, undisturbed=True)
    assert out.parser_states is not None
    for record, raw, start in zip(out.records[first:], out.raws[first:], out.starts[first:], strict=True):
        if raw[:1] in {b"2", b"1", b"\x1b"} and "timestamp" in record:
            state = State("", record["timestamp"], start)
        out.parser_states.append(str(state))
    return rest, state


def _read_output(out: Records, index: int, state: State) -> _After:
    """Read each line of an output section as a record; hold back a head without its message."""
    lines, final = out.block.lines, out.block.final
    count, parser_state = len(lines), str(state)
    assert out.parser_states is not None
    while index < count:
        line = lines[index]
        if line[:1] == b"=" and _frame_at(lines, index, final=final):
            break
        if line[:2] == b"20" and _OWN.match(line):
            break
        if line.strip():
            line_text, valid = text_of(line.removesuffix(b"\r"))
            if index + 1 == count and not final and output_state.waits(line_text):
                break
            text = progress_bars.last_state(line_text)
            record: Record = {"event": text, "iostream": "stdout" if state.section == _STDOUT else None}
            after = text_of(lines[index + 1])[0] if index + 1 < count else None
            above = output_state.add(record, text, out.block.offsets[index], state.above, after)
            if state.section == _REST and "level" not in record and "timestamp" not in record:
                above = _add_prefix(record, text, out.block.offsets[index], above)
            if above is not state.above:
                state = replace(state, above=above)
                parser_state = str(state)
            at = _add(out, record, index, index + 1, state)
            if not valid:
                out.mark_invalid(at)
            elif text is not line_text:
                out.originals[at] = out.exact(at)
            out.parser_states.append(parser_state)
        index += 1
    return index, state


def _add_prefix(record: Record, text: str, start: int, above: Above) -> Above:
    """Add time and level of a line after an error; returns the state below it."""
    fields: Record = {}
    if text[:1] == "{" and (found := structlog.parse(text)) is not None and json_dialects.is_event(found):
        json_dialects.adapt(found)
        fields = found
    elif prefix := foreign_prefixes.prefix(ANSI.sub("", text)):
        fields = prefix.fields
    elif pairs := foreign_prefixes.record(text):
        json_dialects.adapt(pairs)
        fields = pairs
    for key in ("level", "logger"):
        if isinstance(fields.get(key), str):
            record[key] = fields[key]
    stamp = fields.get("timestamp") or fields.get("@timestamp")
    if not isinstance(stamp, str):
        stamp = json_dialects.stamp(stamp)
    if stamp is None or "|" in stamp:
        return above
    record["timestamp"] = stamp
    return Above(stamp, start)


def _read_framed(out: Records, index: int, name: str, state: State) -> _After | None:
    """Read a frame and the section's first record; None if it is incomplete."""
    lines = out.block.lines
    begins = index + _FRAME_LINES
    state = replace(state, above=Above())
    if name == _STDOUT:
        frame = b"\n".join(line.rstrip(b"\r") for line in lines[index:begins]).decode()
        state = replace(state, section=name)
        _add(out, {"event": frame}, index, begins, state)
        _note(out, state)
        return begins, state
    if name == "METRICS" and (end := _end_of_object(lines, begins)):
        record = structlog.parse(b"\n".join(lines[begins:end]))
        if record is not None:
            _add(out, _metrics(record), index, end, state)
            state = replace(state, section="")
            _note(out, state)
            return end, state
    state = replace(state, section=name)
    section = _extent(out, index, begins, name)
    return None if section is None else _add_section(out, index, begins, section, state)


def _read_more(out: Records, index: int, state: State) -> _After | None:
    """Read lines of a section after its first record."""
    if not out.block.lines[index].strip():
        return index + 1, state
    if multiline.begins_record(out.block.lines[index]):
        return _read_output(out, index, replace(state, section=_REST))
    section = _extent(out, index, index, state.section)
    return None if section is None else _add_section(out, index, index, section, state)


def _add_section(out: Records, index: int, begins: int, section: _Section, state: State) -> _After:
    lines = out.block.lines
    last = section.end
    while last > max(begins, index + 1) and not lines[last - 1].strip():
        last -= 1
    text, valid = text_of(b"\n".join(line.removesuffix(b"\r") for line in lines[begins:last]))
    if not text:  # empty section
        text = b"\n".join(line.rstrip(b"\r") for line in lines[index:begins]).decode()
    at = _add(out, _section_record(state.section, text), index, last, state)
    if not valid:
        out.mark_invalid(at)
    state = replace(state, section=section.after)
    _note(out, state)
    return section.end, state


def _section_record(name: str, text: str) -> Record:
    if name == "METRICS":
        return {"event": text}
    record = text_formats.of_traceback(text)
    if name == "TRACEBACK":
        return record or {"event": text, "level": "error"}
    error, _ = traceback.split(text)
    record = record or {"event": text, "level": "error"}
    if error:
        record["error"] = error
    return record


def _metrics(metrics: Record) -> Record:
    """The metrics of a run, in the words of other records; what has no name there keeps its own."""
    record: Record = {"event": "session.metrics"}
    if isinstance(metrics.get("end_time"), str):
        record["timestamp"] = metrics.pop("end_time")
    if "tool" in metrics and "pipeline" not in metrics:
        record["pipeline"] = metrics.pop("tool")
    return record | {key if key not in record else f"metrics.{key}": value for key, value in metrics.items()}


def _extent(out: Records, index: int, at: int, name: str) -> _Section | None:
    """Where the section's record that begins at ``index`` ends, looking from ``at`` on; None if not here yet."""
    lines, final = out.block.lines, out.block.final
    size = sum(map(len, lines[index:at]))
    begins, state, previous = at, traceback.State.NONE, b""
    notes = at_margin = 0
    while at < len(lines):
        framed = _frame_at(lines, at, final=final)
        if framed == _UNDECIDED:
            return None
        if framed or _OWN.match(lines[at]):
            return _Section(at, "")
        size += len(lines[at]) + 1
        if at - index >= MAX_RECORD_LINES or (size > MAX_RECORD_BYTES and at > begins):
            return _Section(at, name)
        line = colourless(lines[at].removesuffix(b"\r"))
        if not previous:  # it says what the section is about, whatever it looks like
            state = traceback.state_of(line)
        elif multiline.ends(line, state):
            return _Section(at, _REST)
        else:
            after = traceback.step(state, line, previous)
            if line.startswith(_AGAIN) or (after is None and state is traceback.State.NONE):
                after = traceback.State.NONE
            elif after is None:
                after = traceback.state_of(line) or traceback.State.NAMED
            at_margin += line[:1] not in {b"", b" ", b"\t"}
            if after is not traceback.State.NAMED or state is traceback.State.FRAMES or line[:1] in {b" ", b"\t"}:
                notes = 0 if line.strip() else notes
            else:
                notes += 1
            if notes > MAX_NOTES or at_margin > MAX_AT_MARGIN_ALONE:
                return _Section(at, _REST)
            state = after
        previous = line if line.strip() or previous else b""
        at += 1
    return _Section(at, name) if final else None


def _end_of_object(lines: list[bytes], begins: int) -> int:
    """The line behind the JSON object that begins here, in one line or indented; 0 if there is none."""
    if begins == len(lines) or lines[begins][:1] != b"{":
        return 0
    if lines[begins].rstrip() != b"{":
        return begins + 1
    for at in range(begins + 1, min(len(lines), begins + MAX_RECORD_LINES)):
        if lines[at].rstrip() == b"}":
            return at + 1
        if lines[at][:1] not in {b" ", b"\t"}:
            return 0
    return 0


def _add(out: Records, record: Record, index: int, end: int, state: State) -> int:
    """Add a record; without a time it gets the last one."""
    at = out.add(record, index, end)
    if state.above.stamp:
        out.contained[at] = state.above.stamp
        if "timestamp" not in record:
            out.after[at] = out.starts[at] - state.above.offset
            out.tag(at, "no_timestamp")
        record["timestamp"] = state.above.stamp
    elif state.stamp and "timestamp" not in record:
        record["timestamp"] = state.stamp
        out.after[at] = out.starts[at] - state.offset
        out.tag(at, "no_timestamp")
    return at


def _note(out: Records, state: State) -> None:
    assert out.parser_states is not None
    out.parser_states.append(str(state))
