"""Recognises lines of known *shapes*: the same keys in the same order, with values of the same types.

An application writes millions of lines in a few dozen shapes.  One compiled expression recognises a line of a shape
and gives its values, at a fraction of the cost of parsing it.  It accepts only values that stand in the document as
they stand in the line.  All other lines are parsed, and parsing is the specification: ``record_of`` gives what the
parser gives.

There are shapes of JSON, of structlog's console lines, of both behind Celery's prefix, of Celery's own messages, and
of the audit trail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

MAX_LINE_BYTES = 4096
"""Longer lines have no shape."""
MAX_SHAPES = 128
"""Shapes that are held at a time, forgotten ones included."""
MAX_KEYS = 24
_MAX_EVENT_CHARS = 256
_MAX_SIGHTINGS = 256
_MAX_COUNTED = 2000
_DATE = (
    r"(?:19[7-9][0-9]|2[01][0-9]{2}|22[0-5][0-9])-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
STAMP = rf'"({_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}})(Z|\+00:00)"'
"""A UTC timestamp as structlog writes it: two values, the time to the microsecond and the zone."""
# The same on the console; and one without a zone, whose second value is empty.
_SHOWN_STAMP = STAMP.replace('"', "")
_LOCAL_STAMP = r"([0-9]{4}-[0-9]{2}-[0-9]{2}[ T](?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:[.,][0-9]{1,6})?)()"
STAMP_KEYS = ("@timestamp", "timestamp")
_VALUES = {
    # Texts that JSON writes without escapes.
    str: r'"([ !#-\[\]-~]*+)"',
    # Fewer digits than 64 bits hold.
    int: r"(0|-?[1-9][0-9]{0,14}+)",
    # Numbers whose shortest form is the written one: no exponent, no zero at the end, not more digits than a double.
    float: r"(-?(?:[1-9][0-9]{0,5}\.(?:0|[0-9]{0,8}[1-9])|0\.(?:0|0{0,3}[1-9](?:[0-9]{0,7}[1-9])?)))",
    bool: r"(true|false)",
    type(None): r"(null)",
    # Texts of which each has its own template, and null.
    object: r'(null|"[ !#-\[\]-~]*+")',
}
# The same on the console: texts without blanks, quotes and brackets, and Python's constants.
_SHOWN_VALUES = {
    **_VALUES,
    str: r"((?!(?:None|True|False)(?: |\Z))(?:[A-Za-z/_~.]|[0-9]++[-:/A-DF-Za-df-z])[!#-&*-;=-Z\]^-z|}~]*+)",
    bool: r"(True|False)",
    type(None): r"(None)",
}
_CONSTANTS = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None, '"null"': None,
}  # fmt: skip
_PROCESS = "process_name"
_CELERY = r"\[[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3}: [A-Z]++/([ !#-\[^-~]*+)\] ?"
_CELERY_PREFIX = re.compile(_CELERY)
_CELERY_STAMP = r"([0-9]{4}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2},[0-9]{3})()"
_TASK_ID = r"([!#-Z^-~]++)"
_SECONDS = r"(?:0|[1-9][0-9]{0,5})\.[0-9]{1,20}"
_AUDIT = b"audit"
_NULL = r'(null|"null")'
_TEXT_OR_NULL = frozenset({"old_value", "new_value", "triggered_by"})
# Messages from which facts about runs are read (``runs.facts``).
_OTHER_MESSAGES = r'(?!"(?:Pipeline \S++ (?:\(attempt |queued)|Workflow run started \(|[^"]* discovered at ))'
_TEXT = "\n"
"""The key of a value that stands only in the event."""
INSIDE = "\0"
_BEGINNINGS = frozenset({b"{", b"[", b"2", b"1"})
# Keys by which parsers take a line for another format: a container's, VoxelOps', the audit trail's.
_OTHER_FORMATS = frozenset({"log", "procedure", "entity_type", "torn", "line_bytes"})
_KEY = re.compile(r"[\w@.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The keys of a line and the types of their values, in order.

    Attributes:
        keys: one for each value; the second value of the timestamp has the key ``""``, one in an object the keys of
            both with ``INSIDE`` between them.
        types: of the values.
        match: takes a line as text and matches its values, texts without their quotes.
        common: keys and values that all these lines have beside these.
        local: the time has no zone.
        event: a format of the values; empty where the event is one of these.
        audit: they are records of the audit trail.
    """

    keys: tuple[str, ...]
    types: tuple[type, ...]
    match: Callable[[str], re.Match[str] | None]
    common: dict[str, Any] = field(default_factory=dict)
    local: bool = False
    event: str = ""
    audit: bool = False


_NONE = Shape((), (), re.compile(r"(?!)").fullmatch)
Shaped = tuple[Shape, tuple[str, ...]]
"""A line of a known shape: the shape and the values."""


def record_of(line: Shaped) -> dict[str, Any]:
    """What the parser gives for a line of a known shape."""
    shape, values = line
    record = shape.common.copy()
    key = ""
    for name, kind, value in zip(shape.keys, shape.types, values, strict=True):
        if not name:
            record[key] += value
            continue
        key = name
        if kind is object:
            record[key] = value[1:-1] if value[0] == '"' else None
        else:
            put(record, key, value if kind is str else _CONSTANTS[value] if value in _CONSTANTS else kind(value))
    if shape.keys[0] == _PROCESS:
        record[_PROCESS] = record.pop(_PROCESS)  # the parser adds it at the end
    return with_event(record, shape, values)


def put(record: dict[str, Any], key: str, value: Any) -> None:
    """Put a value under its key (see ``Shape``) into a record."""
    outer, _, inner = key.partition(INSIDE)
    if inner:
        record.setdefault(outer, {})[inner] = value
    else:
        record[outer] = value


def with_event(record: dict[str, Any], shape: Shape, values: Sequence[str]) -> dict[str, Any]:
    """The record with the event that these values give, where the shape has one of this kind."""
    if shape.event:
        record.pop(_TEXT, None)
        record["event"] = shape.event.format(*values)
    return record


class Shapes:
    """The shapes of lines that occur often.

    Attributes:
        sightings: lines after which a kind of line gets a shape, which takes a millisecond to compile.
        sampled: one of so many parsed lines counts as a sighting, since counting takes time, too.
    """

    def __init__(self) -> None:
        self.sightings = 4
        self.sampled = 8
        # By a line's first byte, and what ``_mark`` gives for it.
        self._known: dict[bytes, dict[int | str, list[Shape]]] = {}
        # Shape of a line → shape of the next line, as it was when that was last looked for.
        self._follows: dict[Shape, Shape] = {}
        self._count = 0
        self._sightings: dict[tuple[Any, ...], int] = {}
        self._parsed = 0

    def take(self, lines: list[bytes], first: int, stop: int, shaped: list[Shaped], *, audit: bool = False) -> None:
        """Recognise lines from ``first`` on, up to one without a known shape or ``stop``, and append them.

        Lines with a prefix and lines without one are not taken together.
        """
        known = self._known.get(_AUDIT if audit else lines[first][:1])
        if known is None:
            return
        append, follows = shaped.append, self._follows
        before = likely = _NONE
        match = likely.match
        for line in islice(lines, first, stop):
            # Other encodings contain characters that no shape accepts.
            text = line.decode("latin-1")
            found = match(text)
            if found is None:
                for likely in known.get(_mark(text), ()):
                    match = likely.match
                    if (found := match(text)) is not None:
                        follows[before] = likely
                        break
                else:
                    return
            append((likely, found.groups()))
            if likely is not before:
                before = likely
                likely = follows.get(before, before)
                match = likely.match

    def forget(self, shape: Shape) -> None:
        """Parse lines of this shape again."""
        self._follows.clear()
        for known in self._known.values():
            for shapes in known.values():
                if shape in shapes:
                    shapes.remove(shape)

    def learn(self, line: bytes, record: dict[str, Any], *, audit: bool = False) -> None:
        """Take note of a line that had to be parsed; lines like it get a shape if there are many.

        Args:
            line: that was parsed.
            record: of the line.
            audit: it stands in a file of the audit trail.
        """
        self._parsed += 1
        if self._parsed % self.sampled or len(line) > MAX_LINE_BYTES or len(record) > MAX_KEYS:
            return
        begins = _AUDIT if audit else line[:1]
        kind = _kind_of(line, record, begins)
        if kind is None:
            return
        count = self._sightings[kind] = self._sightings.get(kind, 0) + 1
        if count == self.sightings:
            text = line.decode("latin-1")
            shape = _audit_shape_of(record, text) if audit else shape_of(record, text)
            if shape is not None and shape.match(text) is not None:
                if self._count >= MAX_SHAPES:
                    # The application changed: learn again from what it writes now, but less if it changes often.
                    self.sightings = min(2 * self.sightings, _MAX_SIGHTINGS)
                    self._known.clear()
                    self._follows.clear()
                    self._sightings.clear()
                    self._count = 0
                self._known.setdefault(begins, {}).setdefault(_mark(text), []).append(shape)
                self._count += 1
            else:
                self._sightings[kind] = 0  # perhaps another line has only plain values
        if len(self._sightings) > _MAX_COUNTED:
            self._sightings.clear()


def _kind_of(line: bytes, record: dict[str, Any], begins: bytes) -> tuple[Any, ...] | None:
    """What lines have in common that may have one shape; None where they have none."""
    said: tuple[Any, ...] = ()
    if begins == _AUDIT:
        record = _flat(record)
        said = str(record.get("entity_type")), str(record.get("action"))
    elif begins not in _BEGINNINGS:
        return None
    elif begins != b"{" and b'"' not in line:
        # What a text says stands in its shape, but for the task of Celery's messages.
        said = record.get("task_name"), record.get("action"), record.get("level")
        if said[0] is None:
            said = record["event"], record.get("level")
            if len(record["event"]) > _MAX_EVENT_CHARS:
                return None
    return (begins, b'": ' in line, *said, *record, *map(type, record.values()))


def shape_of(record: dict[str, Any], text: str) -> Shape | None:
    """The shape of lines with this record's keys and types; None where a value is not a plain one.

    Args:
        record: a parsed line.
        text: the line.
    """
    stamps = [key for key in STAMP_KEYS if key in record]
    if len(stamps) != 1 or type(record.get("event")) is not str or type(record.get("level")) is not str:
        return None
    if not _OTHER_FORMATS.isdisjoint(record):
        return None
    if not set(map(type, record.values())) <= _VALUES.keys() or not all(map(_KEY.fullmatch, record)):
        return None
    items, keys, types, prefix = list(record.items()), [], [], ""
    if text[:1] == "[":
        found = _CELERY_PREFIX.match(text)
        if found is None or items.pop()[0] != _PROCESS or _PROCESS in text[found.end() :]:
            return None
        if text[found.end() :] == record["event"]:
            return _message_shape_of(record)
        keys, types, prefix, text = [_PROCESS], [str], _CELERY, text[found.end() :]
    local, common = False, {}
    if text[:1] == "{":
        blank = " " if '": ' in text else ""
        parts = [
            f'"{re.escape(key)}":{blank}' + (STAMP if key == stamps[0] else _VALUES[type(value)])
            for key, value in items
        ]
        expression = r"\{" + f",{blank}".join(parts) + r"\}"
    elif [key for key, _ in items[:3]] == ["event", "level", "timestamp"]:
        common, items = dict(items[:2]), items[2:]
        local = not items[0][1].endswith(("Z", "+00:00"))
        shown = _shown(items, text, local=local)
        if shown is None:
            return None
        expression = shown
    else:
        return None
    for key, value in items:
        is_stamp = key == stamps[0]
        keys += (key, "") if is_stamp else (key,)
        types += (str, str) if is_stamp else (type(value),)
    return Shape(tuple(keys), tuple(types), re.compile(prefix + expression).fullmatch, common, local)


def _audit_shape_of(record: dict[str, Any], text: str) -> Shape | None:
    """The same for a record of the audit trail."""
    common = {key: record.get(key) for key in ("entity_type", "action")}
    flat, stamp = _flat(record), record.get("timestamp")
    if not all(type(one) is str for one in (*common.values(), stamp)) or type(record.get("entity_id")) is not int:
        return None
    if not _OTHER_FORMATS.isdisjoint(record.keys() - common.keys()) or "@timestamp" in record:
        return None
    if not set(map(type, flat.values())) <= _VALUES.keys():
        return None
    if type(record.get("details")) is str:
        return None  # other texts there may be JSON, as the word null is
    if not all(_KEY.fullmatch(part) for key in flat for part in key.split(INSIDE)):
        return None
    local = not str(stamp).endswith(("Z", "+00:00"))
    blank = " " if '": ' in text else ""
    keys: list[str] = []
    types: list[type] = []

    def pair(key: str, name: str, value: Any, blank: str = blank) -> str:
        kind = object if name in _TEXT_OR_NULL and type(value) in {str, type(None)} else type(value)
        expression = _VALUES[kind]
        if name in common:
            return re.escape(f'"{name}":{blank}"{value}"')
        if name == "timestamp":
            expression = f'"{_LOCAL_STAMP}"' if local else STAMP
            keys.extend((name, ""))
            types.extend((str, str))
        else:
            keys.append(name)
            types.append(kind)
        if name == "message" and value is not None:
            expression = _OTHER_MESSAGES + expression
        if name == "details" and value is None:
            expression = _NULL
        return f'"{re.escape(key)}":{blank}{expression}'

    def inside(key: str, values: dict[str, Any]) -> str:
        # The application writes an object as text: JSON in JSON.
        as_text = f'"{key}":{blank}"' in text
        inner_blank = (" " if '\\": ' in text else "") if as_text else blank
        items = [pair(one, f"{key}{INSIDE}{one}", item, inner_blank) for one, item in values.items()]
        expression = r"\{" + f",{inner_blank}".join(items) + r"\}"
        if as_text:
            expression = '"' + expression.replace('"', r'\\"') + '"'
        return f'"{re.escape(key)}":{blank}{expression}'

    parts = [
        inside(key, value) if type(value) is dict and value else pair(key, key, value)
        for key, value in record.items()
    ]
    expression = r"\{" + f",{blank}".join(parts) + r"\}"
    return Shape(tuple(keys), tuple(types), re.compile(expression).fullmatch, common, local=local, audit=True)


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """The record, with the values of objects beside the others."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if type(value) is dict and value:
            flat.update({f"{key}{INSIDE}{inner}": one for inner, one in value.items()})
        else:
            flat[key] = value
    return flat


def _message_shape_of(record: dict[str, Any]) -> Shape:
    """The shape of a message of Celery itself."""
    common = {key: value for key, value in record.items() if key not in {"timestamp", _PROCESS}}
    prefix = rf"\[{_CELERY_STAMP}: {re.escape(record['level'])}/([ !#-\[^-~]*+)\] ?"
    keys: list[str] = ["timestamp", "", _PROCESS]
    types: list[type] = [str, str, str]
    event, action = record["event"], record.get("action")
    before = f"Task {record.get('task_name')}["
    if action == "task.received" and event == f"{before}{record['task_id']}] received":
        message, event = _TASK_ID + r"\] received", "{3}] received"
        keys, types = [*keys, "task_id"], [*types, str]
    elif action == "task.succeeded" and "duration" in record and event.startswith(f"{before}{record['task_id']}] "):
        message = rf"{_TASK_ID}\] succeeded in (?=({_SECONDS}))({_SECONDS})s: ([ !#-\[\]-~]*+)"
        event = "{3}] succeeded in {4}s: {6}"
        keys, types = [*keys, "task_id", _TEXT, "duration", _TEXT], [*types, str, str, float, str]
    else:
        return Shape(tuple(keys), tuple(types), re.compile(prefix + re.escape(event)).fullmatch, common, local=True)
    for key in keys[3:]:
        common.pop(key, None)
    expression = prefix + re.escape(before) + message
    event = before.replace("{", "{{").replace("}", "}}") + event
    return Shape(tuple(keys), tuple(types), re.compile(expression).fullmatch, common, local=True, event=event)


def _shown(items: list[tuple[str, Any]], text: str, *, local: bool) -> str | None:
    """The expression for console lines that differ from this one only in their values.

    Args:
        items: the time, and the pairs.
        text: the line.
        local: the time has no zone.
    """
    stamp, pairs = items[0][1], items[1:]
    words = text.split(" ")[-len(pairs) :] if pairs else []
    if not text.startswith(stamp) or [word.partition("=")[0] for word in words] != [key for key, _ in pairs]:
        return None
    # Between the time and the pairs.
    said = text[len(stamp) : len(text) - len(" ".join(words))]
    shown = [f"{re.escape(key)}={_SHOWN_VALUES[type(value)]}" for key, value in pairs]
    return (_LOCAL_STAMP if local else _SHOWN_STAMP) + re.escape(said) + " ".join(shown)


def _mark(text: str) -> int | str:
    """What lines of one shape share: the number of quotes; the first word of the event, where there are none."""
    return text.count('"') or text.rpartition("] ")[2].partition(" ")[0]
