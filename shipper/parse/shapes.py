"""Recognises JSON lines of known *shapes*: the same keys in the same order, with values of the same types.

An application writes millions of lines in a few dozen shapes.  One compiled expression recognises a line of a shape
and gives its values, at a fraction of the cost of parsing it.  It accepts only values that stand in the document as
they stand in the line.  All other lines are parsed, and parsing is the specification: ``record_of`` gives what the
parser gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

MAX_LINE_BYTES = 4096
"""Longer lines have no shape."""
MAX_SHAPES = 128
"""Shapes that are held at a time, forgotten ones included."""
MAX_KEYS = 24
_MAX_COUNTED = 2000
_DATE = (
    r"(?:19[7-9][0-9]|2[01][0-9]{2}|22[0-5][0-9])-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
STAMP = rf'"({_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}})(Z|\+00:00)"'
"""A UTC timestamp as structlog writes it: two values, the time to the microsecond and the zone."""
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
}
_CONSTANTS = {"true": True, "false": False, "null": None}
# Keys by which parsers take a line for another format: a container's, VoxelOps', the audit trail's.
_OTHER_FORMATS = frozenset({"log", "procedure", "entity_type", "torn", "line_bytes"})
_KEY = re.compile(r"[\w@.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The keys of a line and the types of their values, in order.

    Attributes:
        keys: one for each value; the second value of the timestamp has the key ``""``.
        types: of the values.
        match: takes a line as text and matches its values, texts without their quotes.
    """

    keys: tuple[str, ...]
    types: tuple[type, ...]
    match: Callable[[str], re.Match[str] | None]


Shaped = tuple[Shape, tuple[str, ...]]
"""A line of a known shape: the shape and the values."""


def record_of(line: Shaped) -> dict[str, Any]:
    """What the parser gives for a line of a known shape."""
    shape, values = line
    record: dict[str, Any] = {}
    key = ""
    for name, kind, value in zip(shape.keys, shape.types, values, strict=True):
        if not name:
            record[key] += value
            continue
        key = name
        record[key] = value if kind is str else _CONSTANTS[value] if value in _CONSTANTS else kind(value)
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
        # The number of quotes in a line selects the shapes to try.
        self._by_quotes: dict[int, list[Shape]] = {}
        self._count = 0
        self._sightings: dict[tuple[Any, ...], int] = {}
        self._parsed = 0

    def take(self, lines: list[bytes], first: int, stop: int, shaped: list[Shaped]) -> None:
        """Recognise lines from ``first`` on, up to one without a known shape or ``stop``, and append them."""
        by_quotes, append = self._by_quotes, shaped.append
        shape: Shape | None = None
        for line in islice(lines, first, stop):
            # Other encodings contain characters that no shape accepts.
            text = line.decode("latin-1")
            if shape is not None and (found := shape.match(text)) is not None:
                append((shape, found.groups()))
                continue
            for shape in by_quotes.get(text.count('"'), ()):
                if (found := shape.match(text)) is not None:
                    append((shape, found.groups()))
                    break
            else:
                return

    def forget(self, shape: Shape) -> None:
        """Parse lines of this shape again."""
        for shapes in self._by_quotes.values():
            if shape in shapes:
                shapes.remove(shape)

    def learn(self, line: bytes, record: dict[str, Any]) -> None:
        """Take note of a line that had to be parsed; lines like it get a shape if there are many."""
        self._parsed += 1
        if self._parsed % self.sampled or len(line) > MAX_LINE_BYTES or len(record) > MAX_KEYS:
            return
        spaced = b'": ' in line
        kind = (spaced, *record, *map(type, record.values()))
        count = self._sightings[kind] = self._sightings.get(kind, 0) + 1
        if count == self.sightings:
            text = line.decode("latin-1")
            shape = shape_of(record, spaced=spaced)
            if shape is not None and shape.match(text) is not None:
                if self._count >= MAX_SHAPES:
                    # The application changed: learn again from what it writes now.
                    self._by_quotes.clear()
                    self._sightings.clear()
                    self._count = 0
                self._by_quotes.setdefault(text.count('"'), []).append(shape)
                self._count += 1
            else:
                self._sightings[kind] = 0  # perhaps another line has only plain values
        if len(self._sightings) > _MAX_COUNTED:
            self._sightings.clear()


def shape_of(record: dict[str, Any], *, spaced: bool) -> Shape | None:
    """The shape of lines with this record's keys and types; None where a value is not a plain one.

    Args:
        record: a parsed line.
        spaced: a blank follows each colon and comma, as Python's ``json`` writes it.
    """
    stamps = [key for key in STAMP_KEYS if key in record]
    if len(stamps) != 1 or type(record.get("event")) is not str or type(record.get("level")) is not str:
        return None
    if not _OTHER_FORMATS.isdisjoint(record):
        return None
    if not set(map(type, record.values())) <= _VALUES.keys() or not all(map(_KEY.fullmatch, record)):
        return None
    keys: list[str] = []
    types: list[type] = []
    parts: list[str] = []
    blank = " " if spaced else ""
    for key, value in record.items():
        is_stamp = key == stamps[0]
        keys += (key, "") if is_stamp else (key,)
        types += (str, str) if is_stamp else (type(value),)
        parts.append(f'"{re.escape(key)}":{blank}' + (STAMP if is_stamp else _VALUES[type(value)]))
    return Shape(tuple(keys), tuple(types), re.compile(r"\{" + f",{blank}".join(parts) + r"\}").fullmatch)
