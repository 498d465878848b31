"""Output of documents: a table for people, JSON or NDJSON for programs.

All three write page by page, in bounded memory.  Texts of logs are never interpreted as markup or as control
sequences of a terminal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from datetime import tzinfo
from typing import BinaryIO, Literal, NoReturn, Protocol, TextIO

import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from shipper.printable import printable, printable_json
from shipper.views.context_lines import ContextLine
from shipper.views.hits import Flat
from shipper.views.views import Column

COLUMN_GAP = 2
GAP_LINE = "--"  # as grep has it
# If fewer cells of the line are left for the last column, it gets lines of its own.
MIN_WRAP_WIDTH = 30


class Output(Protocol):
    """Writes documents as they come; `close` is called once at the end."""

    def write(self, docs: Iterable[Flat]) -> None:
        """Show some more documents."""

    def close(self) -> None:
        """Write the end of the output."""


class Marking(Protocol):
    """Handles the marks around highlighted words."""

    def plain(self, text: str) -> str:
        """The text without marks."""

    def text(self, text: str, style: str) -> Text:
        """The text as it is shown."""


class Ndjson:
    """One object a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, docs: Iterable[Flat]) -> None:
        """Write the lines and flush, for a reader of the pipe."""
        self._stream.write(b"".join(_json(doc) + b"\n" for doc in docs))
        self._stream.flush()

    def close(self) -> None:
        """Do nothing: all is written."""


class JsonArray:
    """One array of all objects."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before = b"[\n"

    def write(self, docs: Iterable[Flat]) -> None:
        """Write some elements."""
        for doc in docs:
            self._stream.write(self._before + _json(doc))
            self._before = b",\n"

    def close(self) -> None:
        """Write the end of the array, which is empty when nothing came."""
        self._stream.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")
        self._stream.flush()


class Lines:
    """A table whose rows are written as they come: headings once, the last column wrapped in its own width.

    Args:
        columns: what to show; the last one takes the rest of the line.
        zone: of the times; None for the local one.
        stream: text, a terminal or not.
        marks: around highlighted words, if the documents have them.

    On a terminal long texts are wrapped; elsewhere a record is one line (plus the line breaks of its message), for
    grep.  Nothing is cut off.
    """

    def __init__(
        self, columns: Sequence[Column], zone: tzinfo | None, stream: TextIO, marks: Marking | None = None
    ) -> None:
        self._columns = columns
        self._zone = zone
        self._marks = marks
        self._console = terminal(stream)
        self._wrapped = stream.isatty()
        self._widths: list[int] = []

    @property
    def coloured(self) -> bool:
        """Whether it writes colours."""
        return self._console.color_system is not None

    def write(self, docs: Iterable[Flat]) -> None:
        """Write rows; the first ones decide the widths of all columns but the last."""
        self._write([[self._cell(column, doc) for column in self._columns] for doc in docs], ())

    def write_context(self, lines: Iterable[ContextLine]) -> None:
        """Write matches, the lines around them dimmed, and a separator where lines are left out."""
        rows: list[list[Text]] = []
        gaps: set[int] = set()
        for line in lines:
            row = [self._cell(column, line.doc) for column in self._columns]
            rows.append(row if line.matched else [Text(text.plain, "dim") for text in row])
            if line.separate:
                gaps.add(len(rows) - 1)
        self._write(rows, gaps)

    def _write(self, rows: list[list[Text]], gaps: Collection[int]) -> None:
        if not rows:
            return
        lines: list[Text] = []
        if not self._widths:
            self._widths = [
                max(len(column.title), *(min(cell_len(row[at].plain), column.width or 0) for row in rows))
                for at, column in enumerate(self._columns[:-1])
            ]
            lines += self._lines([Text(column.title, "bold") for column in self._columns])
        for at, row in enumerate(rows):
            if at in gaps:
                lines.append(Text(GAP_LINE, "dim"))
            lines += self._lines(row)
        # The lines are laid out already: rich must neither wrap nor fill them.  One call a page, because the call
        # is expensive.
        self._console.print(Text("\n").join(lines), soft_wrap=True)

    def close(self) -> None:
        """Do nothing: all is written."""

    def _cell(self, column: Column, doc: Flat) -> Text:
        text = column.cell(doc, self._zone)
        last = column is self._columns[-1]
        if self._marks is None:
            return Text(printable(text, lines=last), column.style(text) if column.style else "")
        style = column.style(self._marks.plain(text)) if column.style else ""
        return self._marks.text(printable(text, lines=last), style)

    def _lines(self, row: list[Text]) -> list[Text]:
        *heads, last = row
        line = Text()
        for head, width in zip(heads, self._widths, strict=True):
            line.append_text(head)
            line.append(" " * (max(width - cell_len(head.plain), 0) + COLUMN_GAP))
        done: list[Text] = []
        indent = sum(self._widths) + COLUMN_GAP * len(self._widths)
        if not self._wrapped:
            pieces = list(last.split("\n", allow_blank=True))
        else:
            # A wide cell pushes the message to the right, on its own line only.
            room = self._console.width - max(indent, cell_len(line.plain))
            if room < MIN_WRAP_WIDTH:
                done.append(line)
                indent, room = COLUMN_GAP, max(self._console.width - COLUMN_GAP, 1)
                line = Text(" " * indent)
            pieces = list(last.wrap(self._console, room, overflow="fold", tab_size=4))
        margin = Text(" " * indent)
        done += [(margin if at else line) + piece for at, piece in enumerate(pieces or [Text()])]
        for text in done:
            text.rstrip()
        return done


class _Console(Console):
    """A console that raises on a closed pipe; rich's own ends the process with status 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def terminal(stream: TextIO) -> Console:
    """A console without markup; with colours only on a terminal and without NO_COLOR."""
    # NO_COLOR also turns off bold and dim: it is set for terminals that can't show escape sequences.
    system: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    console = _Console(file=stream, color_system=system, markup=False, highlight=False, emoji=False)
    if console.width < 1:  # COLUMNS=0, or a terminal that does not know
        console.width = 80
    return console


def _json(doc: Flat) -> bytes:
    try:
        return printable_json(orjson.dumps(doc))
    except TypeError:
        # A lone surrogate or an integer of more than 64 bits: orjson refuses them, the standard library doesn't.
        return json.dumps(doc).encode("ascii")
