"""Structlog's console lines: ``2026-11-23T12:40:14.007446Z [info     ] scan.started   path=/x``.

Coloured or not; with a zone (configured) or without (structlog that nobody configured); with the time among the
pairs, as the document's own configuration has it: ``[info     ] scan.started   @timestamp=… path=/x``.
"""

from __future__ import annotations

import re

from shipper.parse import console_values, traceback
from shipper.parse.console_values import Pairs, read_plain
from shipper.parse.records import Record

# structlog pads the event to this width.
_EVENT_WIDTH = 30
_NAME = re.compile(r"\[(?P<name>[A-Za-z_][\w.]*)\](?: |\Z)")
_DOTTED = re.compile(r"(?P<event>[A-Za-z_]\w*+(?:\.\w++)++)\s++")
_PAIRS_BEGIN = re.compile(r"(?:^|\s)(?=[^\s=]+=)")
# Keys whose values older renderers write unquoted, over several lines.
_TEXTS = frozenset({"error", "message", "reason", "detail", "cmd"})
_KEY_BELOW = re.compile(r"(?<!\S)(?P<key>[a-z_]\w*+)=[^\n]*+")
# A key after a text that ends in a line feed; lines of a traceback are indented deeper.
_KEY_AT_MARGIN = re.compile(r"^ (?P<key>[a-z_]\w*+)=[^\n]*+", re.MULTILINE)


def record(head: re.Match[str], first: str, below: str) -> Record:
    """The record of a line with this head, and of the lines joined to it."""
    stamp, level = head.group("stamp", "console")
    if below:
        return _read({"event": "", "level": level, "timestamp": stamp}, first, below)
    # The usual case: an event of one word or with padding, and pairs without quotes or brackets.
    if first[29:31] == "  ":
        event, tail = first[:30].rstrip(), first[31:]
    else:
        event, _, tail = first.partition(" ")
    found: Record = {"event": event, "level": level, "timestamp": stamp}
    if not tail or read_plain(tail, found):
        return found
    return _read({"event": "", "level": level, "timestamp": stamp}, first, "")


def of_pairs(head: re.Match[str], first: str, below: str) -> Record:
    """The same for a line with its time among the pairs."""
    return _read({"event": "", "level": head["design"]}, first, below)


def add_below(record: Record, below: str) -> None:
    """Add the lines below a record's first one: a traceback, or continuation."""
    if not below:
        return
    message, trace = traceback.split(below)
    if message:
        _put(record, "continuation", message)
    if trace:
        _put(record, "exception", trace)


def _put(record: Record, key: str, text: str) -> None:
    """Append a text to the value of a key."""
    there = record.get(key)
    record[key] = text if there is None else f"{there}\n{text}" if isinstance(there, str) else [there, text]


def _read(found: Record, first: str, below: str) -> Record:
    if below and (more := _end_of_pairs(first, below)):
        first, below = f"{first}\n{below[:more]}", below[more + 1 :]
    found["event"], logger, shown = _split(first)
    if logger:
        found["logger"] = logger
    again = []
    for key, text in shown:
        if key in found:
            again.append(f"{key}={text}")
        else:
            found[key] = console_values.value(text)
    if again:
        _put(found, "continuation", " ".join(again))
    add_below(found, below)
    return found


def _split(text: str) -> tuple[str, str | None, Pairs]:
    """Event, logger name and key=value pairs.

    If the end of the event is certain, all text after it is pairs; else the longest run of pairs up to the end.
    """
    openings = [console_values.MAX_OPEN]
    if begin := _begin_of_pairs(text):
        event, logger, at = begin
        shown, end = console_values.strictly(text, at, openings)
        return event, logger, shown if end >= len(text) else console_values.loosely(text, at, openings)
    at = 0
    for found in _PAIRS_BEGIN.finditer(text):
        if found.end() < at:
            continue  # inside a run that was tried
        shown, at = console_values.strictly(text, found.end(), openings)
        if at >= len(text) and shown:
            return text[: found.start()].rstrip(), None, shown
    return text.rstrip(), None, []


def _begin_of_pairs(text: str) -> tuple[str, str | None, int] | None:
    """Event, logger name and start of the pairs, if certain by padding, a logger name or a dotted event."""
    if text[29:31] == "  " and console_values.begins(text, 31):
        return text[:_EVENT_WIDTH].rstrip(), None, 31
    named = _NAME.match(text, _EVENT_WIDTH + 1) if text[_EVENT_WIDTH : _EVENT_WIDTH + 1] == " " else None
    if named is None and (blank := text.find(" ")) > _EVENT_WIDTH:
        named = _NAME.match(text, blank + 1)  # after a longer event of one word
    if named and (named.end() >= len(text) or console_values.begins(text, named.end())):
        return text[: named.start()].rstrip(), named["name"], named.end()
    dotted = _DOTTED.match(text)
    if dotted and console_values.begins(text, dotted.end()):
        return dotted["event"], None, dotted.end()
    return None


def _end_of_pairs(first: str, below: str) -> int:
    """How many characters of the lines below belong to the pairs, because an event or a value has several lines.

    They end with the last pair found below.
    """
    message, _ = traceback.split(below)
    if "=" not in first:
        over = f"{first}\n{message}"
        if over[29:31] != "  " or not console_values.begins(over, 31):
            return 0
        return max(found.end() for found in _KEY_BELOW.finditer(message))
    begin = _begin_of_pairs(first)
    shown = console_values.loosely(first, begin[2], [console_values.MAX_OPEN]) if begin else []
    if not shown or shown[-1][0] not in _TEXTS or shown[-1][1][:1] in {"'", '"'}:
        return 0
    ends = [found.end() for found in _KEY_BELOW.finditer(message) if found["key"] > shown[-1][0]]
    ends += [found.end() for found in _KEY_AT_MARGIN.finditer(below) if found["key"] > shown[-1][0]]
    return max(ends, default=0)
